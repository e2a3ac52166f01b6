"""Card actions: checked here, stored like a message's request, and answered with a toast."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.chat.cards.elements import CardContext, render_toast
from bot.chat.cards.form_card import prefill, render_form
from bot.chat.cards.help_cards import EXAMPLES
from bot.chat.parsing.parser import parse_prompt
from bot.db.cancellation import cancel
from bot.db.database import Database
from bot.db.generations import resume_images
from bot.db.lookups import (
    chat_of_card,
    command_request,
    find_offer,
    generation_states,
    image_request,
    last_prompt,
    offer_of,
    result_of,
    settle_offer,
)
from bot.db.requests import reopen
from bot.db.tables import NewRequest, Request, fingerprint, log_ids, read_content, source_of
from bot.errors import UserError
from bot.logs import bind_ids, get_logger
from bot.models import CardAction, Command, ImagePrompt, ParsedMessage, State
from bot.options import Options, PartialOptions, form_options, repeat_options
from bot.service.history import read_history
from bot.service.requests import RequestService

log = get_logger(__name__)

Toast = dict[str, Any]

_NEEDS_PROMPT = ("again", "ratio", "edit", "retype", "submit", "resume", "deliver")
"""The actions that a request without a prompt, whose message was recalled, does not take."""

COMMAND_BUTTONS = ("commands",)
"""The commands that a button can give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardActionHandler:
    """Handles buttons, selects and forms.

    An action that is delivered twice, known by its event, is handled once; two separate clicks are two. ``admins`` may
    cancel what others asked for.
    """

    database: Database
    requests: RequestService
    cards: CardContext
    admins: Collection[str]

    def handle(self, action: CardAction) -> Toast:
        """Stores what an action asks for; returns the toast to answer with.

        Raises:
            DatabaseUnavailable: nothing was stored.
        """
        of_request: Mapping[Any, Callable[[CardAction, Mapping[Any, Any]], Toast]] = {
            "again": self._again,
            "resume": self._resume,
            "deliver": self._deliver,
            "ratio": self._repeat,
            "edit": self._form,
            "retype": self._form,
            "submit": self._submit,
            "cancel": self._cancel,
            "original": self._original,
            "older": self._older,
            "confirm": self._confirm,
            "decline": self._decline,
        }
        others: Mapping[Any, Callable[[CardAction], Toast]] = {
            "export": self._export,
            "example": self._example,
            "command": self._command,
            "style": self._style,
        }
        given = action.value.get("a")
        name = given if isinstance(given, str) else ""
        request = self._request(action, name) if name in of_request else None
        ids = {}
        if request is not None:
            # What leads from the log lines of an action back to the request of its card, and its message.
            ids = log_ids(request["request_id"], request["dedup_key"])
            ids = {"pressed": ids["request"], "message_id": ids.get("message_id")}
        with bind_ids(**ids):
            log.info("card action", action=given, card=action.message_id)
            if name in others:
                return others[name](action)
            if name not in of_request:
                return self._toast("toast.unknown", "warning")
            return of_request[name](action, request) if request is not None else self._toast("toast.gone", "warning")

    def reject(self) -> Toast:
        """The toast for a person who may not use the bot."""
        return self._toast("toast.not_allowed", "warning")

    def _request(self, action: CardAction, name: str) -> Mapping[Any, Any] | None:
        """The request that a card shows, or of one of its images, where the action came from its own chat."""
        request_id, chat_id = str(action.value.get("r")), action.chat_id
        with self.database.read() as connection:
            if name in ("confirm", "decline"):
                return find_offer(connection, chat_id=chat_id, request_id=request_id)
            if name == "older":
                return command_request(connection, "history", chat_id=chat_id, request_id=request_id)
            which = {"generation_id": str(action.value.get("g"))} if name == "original" else {"request_id": request_id}
            row = image_request(connection, chat_id=chat_id, presser=action.presser, **which)
        return None if row and name in _NEEDS_PROMPT and not row["raw_prompt"] else row

    def _again(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        with self.database.read() as connection:
            states = generation_states(connection, request["request_id"])
        if action.message_id == request["answer_id"] and not all(state.ended for state in states):
            # The button was pressed twice: its images go on already.
            return self._toast("toast.going_on", "info")
        if State.DONE not in states and self._resume_images(request):
            return self._toast("toast.resumed", "success")
        return self._repeat(action, request)

    def _deliver(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        """Delivers the image that came although it was cancelled; it is billed already."""
        if not self._may_change(action, request):
            return self._toast("toast.not_yours", "warning")
        return self._resume(action, request)

    def _resume(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        if self._resume_images(request, kept=action.value["a"] == "deliver"):
            return self._toast("toast.resumed", "success")
        with self.database.write(step="card_actions.reopen") as connection:
            states = generation_states(connection, request["request_id"])
            if all(state.ended for state in states):
                # Its card still offers what is no longer possible.
                reopen(connection, request["request_id"])
                return self._toast("toast.not_resumed", "info")
        return self._toast("toast.going_on", "info")

    def _resume_images(self, request: Mapping[Any, Any], *, kept: bool = False) -> bool:
        with self.database.write(step="card_actions.resume") as connection:
            return resume_images(self.database, connection, request["request_id"], kept=kept) > 0

    def _repeat(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        options = repeat_options(read_content(request), PartialOptions(size=action.choice))
        return self._accept(action, request, ImagePrompt(prompt=request["raw_prompt"], options=options))

    def _submit(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        """Accepts what a form asks for; one that is rejected stays as it was filled in and can be sent again."""
        answer = self._submit_form(action, request)
        if answer["toast"]["type"] == "success":
            return answer
        card = render_form(
            self.cards,
            request_id=request["request_id"],
            prompt=request["raw_prompt"],
            options=Options.from_stored(read_content(request)),
            typed=action.form,
            again=hashlib.sha256(action.event_id.encode()).hexdigest()[:8],
        )
        return {**answer, "card": {"type": "raw", "data": card}}

    def _submit_form(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        text = action.form.get("prompt", "").strip()
        if not text:
            return self._toast("toast.empty_prompt", "error")
        # What was parsed once is a prompt as it is: parsing it again could take more of it away.
        unchanged = text == prefill(request["raw_prompt"]).strip()
        prompt = ImagePrompt(prompt=text) if unchanged else parse_prompt(text, styles=self.requests.styles)
        if isinstance(prompt, UserError):
            return self._error(prompt)
        before = read_content(request)
        options = repeat_options(before, form_options(action.form, before) | prompt.options)
        return self._accept(action, request, replace(prompt, options=options))

    def _form(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        name = "form" if action.value["a"] == "edit" else "retype"
        return self._accept(action, request, Command(name=name, argument=request["request_id"]), "toast.form_sent")

    def _original(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        command = Command(name="original", argument=str(action.value["g"]))
        return self._accept(action, request, command, "toast.original_coming")

    def _older(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        if action.presser != request["sender"]:
            return self._toast("toast.others_history", "warning")
        _, argument = read_history(self.database, Request.of_row(request), zone=self.cards.zone)
        if not argument:
            return self._toast("toast.no_older", "info")
        return self._accept(action, request, Command(name="history", argument=argument), "toast.sent")

    def _confirm(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        """Draws what a card asks about: once, no matter who presses it or how often."""
        if result_of(request) == "declined":
            return self._toast("toast.unknown", "warning")
        offer = offer_of(request)
        prompt = ImagePrompt(prompt=offer["prompt"], options=PartialOptions.from_stored(offer["options"]))
        key = f"confirm:{request['request_id']}"
        new = replace(_new(action, request), dedup_key=key, fingerprint=None)
        result = self.requests.submit(new, prompt, store_rejected=False)
        if result.error is not None:
            return self._error(result.error)
        settle_offer(self.database, request["request_id"], "drawn")
        key = "toast.queued" if result.outcome == "accepted" else "toast.going_on"
        return self._toast(key, "success", price=self.cards.price(result.price))

    def _decline(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        if result_of(request) == "drawn":
            return self._toast("toast.too_late", "info")
        if not self._may_change(action, request):
            return self._toast("toast.not_yours", "warning")
        settle_offer(self.database, request["request_id"], "declined")
        return self._toast("toast.declined", "info")

    def _cancel(self, action: CardAction, request: Mapping[Any, Any]) -> Toast:
        if not self._may_change(action, request):
            return self._toast("toast.not_yours", "warning")
        with self.database.write(step="card_actions.cancel") as connection:
            count = cancel(self.database, connection, [request["request_id"]])
        return self._toast("toast.cancelled", "success") if count else self._toast("toast.too_late", "info")

    def _may_change(self, action: CardAction, request: Mapping[Any, Any]) -> bool:
        return action.presser == request["sender"] or action.presser in self.admins

    def _example(self, action: CardAction) -> Toast:
        name = action.value.get("e")
        if name not in EXAMPLES:
            return self._toast("toast.unknown", "warning")
        shown = self._chat(action)
        text = self.cards.messages.text(f"welcome.example.{name}.prompt", shown["language"])
        return self._accept(action, shown, ImagePrompt(prompt=text))

    def _command(self, action: CardAction) -> Toast:
        name = action.value.get("c")
        if name not in COMMAND_BUTTONS:
            return self._toast("toast.unknown", "warning")
        return self._accept(action, self._chat(action), Command(name=name), "toast.sent")

    def _style(self, action: CardAction) -> Toast:
        """Asks whether the last prompt of who pressed, or else the style's example, is to be drawn in a style."""
        style = self.requests.styles.find(str(action.value.get("s")))
        if style is None:
            return self._toast("toast.unknown", "warning")
        shown = self._chat(action)
        with self.database.read() as connection:
            last = last_prompt(connection, sender=action.presser, chat_id=action.chat_id)
        new = replace(_new(action, shown), source=source_of(last) if last is not None else None)
        text = last["raw_prompt"] if last is not None else style.example[shown["language"]]
        prompt = ImagePrompt(prompt=text, options=PartialOptions(style=style.name["en"]))
        result = self.requests.submit(new, prompt, ask=True, store_rejected=False)
        return self._toast("toast.sent", "success") if result.error is None else self._error(result.error)

    def _export(self, action: CardAction) -> Toast:
        """Sends a month's usage as a file to the admin who pressed, and to nobody else in the chat."""
        if action.presser not in self.admins:
            return self._toast("toast.admins_only", "warning")
        month = str(action.value.get("m"))
        if self.requests.limits.periods.read_month(month) != month:
            return self._toast("toast.unknown", "warning")
        language = self.requests.language_of(action.presser) or "zh"
        pressed = _new(action, {"chat_type": "p2p", "in_topic": False, "language": language})
        new = replace(pressed, chat_id=None, reply_to=None)
        result = self.requests.submit(new, Command(name="export", argument=month), store_rejected=False)
        if result.error is not None:
            return self._error(result.error)
        return self._toast("toast.duplicate" if result.outcome == "duplicate" else "toast.export_coming", "success")

    def _chat(self, action: CardAction) -> Mapping[Any, Any]:
        """Chat type, topic and language of a card that answers no request of images."""
        with self.database.read() as connection:
            chat = chat_of_card(connection, card_id=action.message_id, chat_id=action.chat_id, sender=action.presser)
        return {**chat, "language": self.requests.language_of(action.presser) or "zh"}

    def _accept(
        self, action: CardAction, shown: Mapping[Any, Any], message: ParsedMessage, key: str = "toast.queued"
    ) -> Toast:
        result = self.requests.submit(_new(action, shown), message, store_rejected=False)
        if result.error is not None:
            return self._error(result.error)
        if result.outcome == "duplicate":
            return self._toast("toast.duplicate", "info")
        return self._toast(key, "success", price=self.cards.price(result.price))

    def _error(self, error: UserError) -> Toast:
        values: dict[str, object] = {**error.values, "zone": self.cards.zone_name}
        return self._toast(error.sentence, "warning", **values)

    def _toast(self, key: str, kind: Any, **values: object) -> Toast:
        return render_toast(self.cards.messages, key, kind=kind, **values)


def _new(action: CardAction, shown: Mapping[Any, Any]) -> NewRequest:
    """A new request; chat type, topic, language and source are those of the request that the card shows."""
    return NewRequest(
        dedup_key=f"press:{action.event_id}",
        chat_id=action.chat_id,
        chat_type=shown["chat_type"],
        reply_to=action.message_id,
        in_topic=bool(shown["in_topic"]),
        sender=action.presser,
        language=shown["language"],
        source=source_of(shown) if "source" in shown else None,
        fingerprint=fingerprint(
            "press", action.presser, action.message_id, action.value, action.choice, dict(action.form)
        ),
    )
