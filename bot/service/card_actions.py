"""Card actions: checked here, stored like a message's request, and answered with a toast."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from bot.chat.cards.command_cards import EXAMPLES
from bot.chat.cards.elements import CardContext
from bot.chat.cards.form_card import prefill, render_form
from bot.chat.parsing.parser import parse_prompt
from bot.db import requests as stored
from bot.db.generations import resume_images
from bot.db.tables import NewRequest, Request, fingerprint
from bot.errors import UserError
from bot.logs import bind_ids, get_logger
from bot.models import CardAction, Command, ImagePrompt, ParsedMessage, State
from bot.options import form_options, known_options, repeat_options
from bot.service.history import read_history
from bot.service.requests import RequestService, SubmitResult

log = get_logger(__name__)

Toast = dict[str, Any]

_WITHOUT_REQUEST = ("example", "command", "style", "export")
# The actions that a request takes whose message was recalled, and which has no prompt any more.
_WITHOUT_PROMPT = ("cancel", "original")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardActionHandler:
    """Handles buttons, selects and forms: an action that is delivered twice, once; two separate clicks are two."""

    requests: RequestService
    cards: CardContext

    def handle(self, action: CardAction, *, allowed: bool) -> Toast:
        """Stores what an action asks for, if its presser may use the bot; returns the toast to answer with."""
        if not allowed:
            log.info("card action not allowed", chat=action.chat_id)
            return self.cards.toast("toast.not_allowed", "warning")
        name = action.value.get("a")
        perform = self._ACTIONS.get(name) if isinstance(name, str) else None
        shown = self._shown(action, name) if perform else None
        ids = {}
        if isinstance(shown, Request):
            # What leads from the log lines of an action back to the request of its card, and its message.
            ids = {"pressed": shown.request_id, "message_id": shown.ids.get("message_id")}
        with bind_ids(**ids):
            log.info("card action", action=name, card=action.message_id)
            if perform is None:
                return self.cards.toast("toast.unknown", "warning")
            return perform(self, action, shown) if shown is not None else self.cards.toast("toast.gone", "warning")

    def _shown(self, action: CardAction, name: Any) -> Request | stored.CardChat | None:
        """What a card shows: a request, that of one of its images, or just its chat; only in the card's own chat."""
        with self.requests.database.read() as connection:
            if name in _WITHOUT_REQUEST:
                return stored.chat_of_card(connection, action)
            if name in ("confirm", "decline", "older"):
                card = stored.find_request(connection, str(action.value.get("r")))
                if card is None or card.chat_id != action.chat_id:
                    return None
                is_its = card.content.get("name") == "history" if name == "older" else card.offer
                return card if is_its else None
            request = stored.image_request(connection, action, of_image=name == "original")
        return None if request and name not in _WITHOUT_PROMPT and not request.raw_prompt else request

    def _again(self, action: CardAction, request: Request) -> Toast:
        with self.requests.database.read() as connection:
            states = {image.state for image in stored.generations_of(connection, request.request_id)}
        if action.message_id == request.answer_id and not all(state.ended for state in states):
            # The button was pressed twice: its images go on already.
            return self.cards.toast("toast.going_on", "info")
        if State.DONE not in states:
            with self.requests.database.write(step="card_actions.resume") as connection:
                if resume_images(connection, request.request_id):
                    return self.cards.toast("toast.resumed", "success")
        return self._repeat(action, request)

    def _resume(self, action: CardAction, request: Request) -> Toast:
        """Fetches images that are billed already: also one that came although it was cancelled, to deliver it."""
        kept = action.value["a"] == "deliver"
        if kept and not self._may_change(action, request):
            return self.cards.toast("toast.not_yours", "warning")
        with self.requests.database.write(step="card_actions.resume") as connection:
            if resume_images(connection, request.request_id, kept=kept):
                return self.cards.toast("toast.resumed", "success")
            if all(image.state.ended for image in stored.generations_of(connection, request.request_id)):
                # Its card still offers what is no longer possible.
                stored.reopen(connection, request.request_id)
                return self.cards.toast("toast.not_resumed", "info")
        return self.cards.toast("toast.going_on", "info")

    def _repeat(self, action: CardAction, request: Request) -> Toast:
        options = repeat_options(request.content, {"size": action.choice} if action.choice else {})
        return self._accept(self._new(action, request), ImagePrompt(prompt=request.raw_prompt, options=options))

    def _submit(self, action: CardAction, request: Request) -> Toast:
        """Accepts what a form asks for; one that is rejected stays as it was filled in and can be sent again."""
        text, before = action.form.get("prompt", "").strip(), request.content
        # What was parsed once is a prompt as it is: parsing it again could take more of it away.
        unchanged = text == prefill(request.raw_prompt).strip()
        prompt = ImagePrompt(prompt=text) if unchanged else parse_prompt(text, styles=self.requests.styles)
        if not text:
            answer = self.cards.toast("toast.empty_prompt", "error")
        elif isinstance(prompt, UserError):
            answer = self._error(prompt)
        else:
            options = repeat_options(before, form_options(action.form, before) | prompt.options)
            answer = self._accept(self._new(action, request), replace(prompt, options=options))
        if answer["toast"]["type"] == "success":
            return answer
        card = render_form(
            self.cards,
            request_id=request.request_id,
            prompt=request.raw_prompt,
            options=request.options,
            typed=action.form,
            again=hashlib.sha256(action.event_id.encode()).hexdigest()[:8],
        )
        return {**answer, "card": {"type": "raw", "data": card}}

    def _form(self, action: CardAction, request: Request) -> Toast:
        name = "form" if action.value["a"] == "edit" else "retype"
        command = Command(name=name, argument=request.request_id)
        return self._accept(self._new(action, request), command, "toast.form_sent")

    def _original(self, action: CardAction, request: Request) -> Toast:
        command = Command(name="original", argument=str(action.value["g"]))
        return self._accept(self._new(action, request), command, "toast.original_coming")

    def _older(self, action: CardAction, request: Request) -> Toast:
        if action.presser != request.sender:
            return self.cards.toast("toast.others_history", "warning")
        _, argument = read_history(self.requests.database, request, zone=self.cards.zone)
        if not argument:
            return self.cards.toast("toast.no_older", "info")
        return self._accept(self._new(action, request), Command(name="history", argument=argument), "toast.sent")

    def _confirm(self, action: CardAction, request: Request) -> Toast:
        """Draws what a card asks about: once, no matter who presses it or how often."""
        if request.content.get("result") == "declined":
            return self.cards.toast("toast.unknown", "warning")
        offer = request.offer
        prompt = ImagePrompt(prompt=offer["prompt"], options=known_options(offer["options"]))
        once = replace(self._new(action, request), dedup_key=f"confirm:{request.request_id}", fingerprint=None)
        result = self.requests.submit(once, prompt, store_rejected=False)
        if result.error is None:
            stored.settle_offer(self.requests.database, request.request_id, "drawn")
        return self._answer(result, "toast.queued" if result.outcome == "accepted" else "toast.going_on")

    def _decline(self, action: CardAction, request: Request) -> Toast:
        if request.content.get("result") == "drawn":
            return self.cards.toast("toast.too_late", "info")
        if not self._may_change(action, request):
            return self.cards.toast("toast.not_yours", "warning")
        stored.settle_offer(self.requests.database, request.request_id, "declined")
        return self.cards.toast("toast.declined", "info")

    def _cancel(self, action: CardAction, request: Request) -> Toast:
        if not self._may_change(action, request):
            return self.cards.toast("toast.not_yours", "warning")
        with self.requests.database.write(step="card_actions.cancel") as connection:
            count = stored.cancel(connection, [request.request_id])
        return self.cards.toast("toast.cancelled", "success") if count else self.cards.toast("toast.too_late", "info")

    def _may_change(self, action: CardAction, request: Request) -> bool:
        return action.presser == request.sender or action.presser in self.requests.admins

    def _example(self, action: CardAction, chat: stored.CardChat) -> Toast:
        name = action.value.get("e")
        if name not in EXAMPLES:
            return self.cards.toast("toast.unknown", "warning")
        new = self._new(action, chat)
        prompt = ImagePrompt(prompt=self.cards.messages.text(f"welcome.example.{name}.prompt", new.language))
        return self._accept(new, prompt)

    def _command(self, action: CardAction, chat: stored.CardChat) -> Toast:
        return self._accept(self._new(action, chat), Command(name="commands"), "toast.sent")

    def _style(self, action: CardAction, chat: stored.CardChat) -> Toast:
        """Asks whether the last prompt of who pressed, or else the style's example, is to be drawn in a style."""
        style = self.requests.styles.find(str(action.value.get("s")))
        if style is None:
            return self.cards.toast("toast.unknown", "warning")
        with self.requests.database.read() as connection:
            last = stored.last_prompt(connection, sender=action.presser, chat_id=action.chat_id)
        new = self._new(action, chat)
        text = style.example[new.language]
        if last is not None:
            new, text = replace(new, source=last.prompt_source), last.raw_prompt
        prompt = ImagePrompt(prompt=text, options={"style": style.name["en"]})
        return self._accept(new, prompt, "toast.sent", ask=True)

    def _export(self, action: CardAction, chat: stored.CardChat) -> Toast:
        """Sends a month's usage as a file to the admin who pressed, and to nobody else in the chat."""
        if action.presser not in self.requests.admins:
            return self.cards.toast("toast.admins_only", "warning")
        month = str(action.value.get("m"))
        if self.requests.limits.periods.read_month(month) != month:
            return self.cards.toast("toast.unknown", "warning")
        private = replace(self._new(action, chat), chat_id=None, chat_type="p2p", in_topic=False, reply_to=None)
        return self._accept(private, Command(name="export", argument=month), "toast.export_coming")

    def _accept(
        self, new: NewRequest, message: ParsedMessage, key: str = "toast.queued", *, ask: bool = False
    ) -> Toast:
        return self._answer(self.requests.submit(new, message, ask=ask, store_rejected=False), key)

    def _answer(self, result: SubmitResult, key: str) -> Toast:
        """The toast for what became of a request; ``key`` is that of success."""
        if result.error is not None:
            return self._error(result.error)
        if result.outcome == "duplicate":
            return self.cards.toast("toast.duplicate", "info")
        return self.cards.toast(key, "success", price=self.cards.price(result.price))

    def _error(self, error: UserError) -> Toast:
        values: dict[str, object] = {**error.values, "zone": self.cards.zone_name}
        return self.cards.toast(error.sentence, "warning", **values)

    def _new(self, action: CardAction, shown: Request | stored.CardChat) -> NewRequest:
        """A new request; chat type, topic, language and source are those of the request that the card shows."""
        request = shown if isinstance(shown, Request) else None
        return NewRequest(
            dedup_key=f"press:{action.event_id}",
            chat_id=action.chat_id,
            chat_type=shown.chat_type,
            reply_to=action.message_id,
            in_topic=shown.in_topic,
            sender=action.presser,
            language=request.language if request else self.requests.language_of(action.presser) or "zh",
            source=request.prompt_source if request else None,
            fingerprint=fingerprint(
                "press", action.presser, action.message_id, action.value, action.choice, dict(action.form)
            ),
        )

    _ACTIONS: ClassVar[Mapping[str, Callable[[Any, CardAction, Any], Toast]]] = {
        "again": _again,
        "resume": _resume,
        "deliver": _resume,
        "ratio": _repeat,
        "edit": _form,
        "retype": _form,
        "submit": _submit,
        "cancel": _cancel,
        "original": _original,
        "older": _older,
        "confirm": _confirm,
        "decline": _decline,
        "example": _example,
        "command": _command,
        "style": _style,
        "export": _export,
    }
