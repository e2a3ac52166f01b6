"""Presses on cards: who may do what is checked here, the work is stored like a message's, the answer is a toast."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import RowMapping, Text, bindparam, or_, select

from bot.chat.cards.cards import EXAMPLES
from bot.chat.cards.form_card import FormCard, filled_in
from bot.chat.cards.toasts import toast
from bot.chat.messages import Messages
from bot.chat.parsing.parser import parse_prompt
from bot.db.cancellation import cancel
from bot.db.database import Database
from bot.db.generations import resume_images
from bot.db.requests import show_again
from bot.db.row_models import log_ids, options_of, read_options, source_of
from bot.db.tables import generations, requests
from bot.errors import UserError
from bot.logs import bind_ids, get_logger
from bot.models import CardAction, Command, ImagePrompt, ParsedMessage, State
from bot.options import PartialOptions, form_options, repeat_options
from bot.service.request_builder import RequestContext
from bot.service.requests import RequestService

log = get_logger(__name__)

Toast = Mapping[str, object]

_NOT_AFTER_RECALL = ("again", "ratio", "edit", "submit", "resume")


class CardActionHandler:
    """Answers presses on buttons, selects and forms.

    A press that is delivered twice, known by its event, is one; two honest presses are two.

    Args:
        database: where requests are.
        reception: what accepts the prompt that a press asks for.
        words: the catalogue, for the toasts.
        admins: the people who may cancel what others asked for.
    """

    def __init__(
        self, database: Database, *, reception: RequestService, words: Messages, admins: Collection[str]
    ) -> None:
        self._database = database
        self._reception = reception
        self._words = words
        self._admins = admins
        self._form = FormCard(words=words, styles=reception.styles)
        self._actions: Mapping[Any, Callable[[CardAction, RowMapping], Toast]] = {
            "again": self._again,
            "resume": self._resume,
            "ratio": self._repeat,
            "edit": self._edit,
            "submit": self._submit,
            "cancel": self._cancel,
            "original": self._original,
        }

    def take(self, press: CardAction) -> Toast:
        """Stores what a press asks for; gives the toast to answer with.

        Raises:
            StoreUnavailable: nothing was stored.
        """
        action = press.value.get("a")
        act = self._actions.get(action) if isinstance(action, str) else None
        request = self._request(press) if act is not None else None
        with bind_ids(**_led_by(request)):
            log.info("card action", action=action, card=press.message_id)
            if action == "example":
                return self._example(press)
            if act is None:
                return self._toast("toast.unknown", "warning")
            return act(press, request) if request is not None else self._toast("toast.gone", "warning")

    def refuse(self) -> Toast:
        """The toast for somebody who may not use the bot."""
        return self._toast("toast.not_allowed", "warning")

    def _request(self, press: CardAction) -> RowMapping | None:
        """The images that a card is about, or those that a picture is of, where the press came from their own chat."""
        request_id: Any = str(press.value.get("r"))
        if press.value.get("a") == "original":
            made = select(generations.c.request_id).where(
                generations.c.generation_id == str(press.value.get("g")), generations.c.image_key.is_not(None)
            )
            request_id = made.scalar_subquery()
        statement = select(requests).where(
            requests.c.request_id == request_id, requests.c.chat_id == press.chat_id, requests.c.kind == "images"
        )
        if press.value.get("a") in _NOT_AFTER_RECALL:
            # What is left of a recalled message has no prompt.
            statement = statement.where(requests.c.raw_prompt != "")
        with self._database.read() as connection:
            return connection.execute(statement).mappings().first()

    def _again(self, press: CardAction, request: RowMapping) -> Toast:
        with self._database.look() as connection:
            states = {State(state) for state in connection.scalars(_STATES, {"which": request["request_id"]})}
        if press.message_id == request["answer_id"] and not all(state.ended for state in states):
            # The button was pressed twice: its images go on already.
            return self._toast("toast.going_on", "info")
        if State.DONE not in states and self._resumed(request):
            return self._toast("toast.resumed", "success")
        return self._repeat(press, request)

    def _resume(self, _press: CardAction, request: RowMapping) -> Toast:
        if self._resumed(request):
            return self._toast("toast.resumed", "success")
        with self._database.write() as connection:
            going_on = not all(
                State(state).ended for state in connection.scalars(_STATES, {"which": request["request_id"]})
            )
            if not going_on:
                # Its card still offers what is no longer possible.
                show_again(connection, request["request_id"])
        return self._toast("toast.going_on" if going_on else "toast.not_resumed", "info")

    def _resumed(self, request: RowMapping) -> bool:
        with self._database.write() as connection:
            return resume_images(self._database, connection, request["request_id"]) > 0

    def _repeat(self, press: CardAction, request: RowMapping) -> Toast:
        typed = repeat_options(read_options(request), PartialOptions(size=press.choice))
        return self._ask(press, request, ImagePrompt(prompt=request["raw_prompt"], options=typed))

    def _submit(self, press: CardAction, request: RowMapping) -> Toast:
        """Accepts what a form asks for; one that is rejected stays as it was filled in and can be sent again."""
        answer = self._submitted(press, request)
        if answer["toast"]["type"] == "success":
            return answer
        again = hashlib.sha256(press.event_id.encode()).hexdigest()[:8]
        options = options_of(read_options(request))
        request_id, prompt = request["request_id"], request["raw_prompt"]
        card = self._form.card(request_id=request_id, prompt=prompt, options=options, typed=press.form, again=again)
        return {**answer, "card": {"type": "raw", "data": card}}

    def _submitted(self, press: CardAction, request: RowMapping) -> dict[str, Any]:
        prompt = press.form.get("prompt", "").strip()
        if not prompt:
            return self._toast("toast.empty_prompt", "error")
        # What has been read once is a prompt as it stands: another reading could take more of it away.
        unchanged = prompt == filled_in(request["raw_prompt"]).strip()
        ask = ImagePrompt(prompt=prompt) if unchanged else parse_prompt(prompt, styles=self._reception.styles)
        if isinstance(ask, UserError):
            return self._refused(ask)
        before = read_options(request)
        typed = form_options(press.form, before) | ask.options
        return self._ask(press, request, replace(ask, options=repeat_options(before, typed)))

    def _example(self, press: CardAction) -> Toast:
        name = press.value.get("e")
        if name not in EXAMPLES:
            return self._toast("toast.unknown", "warning")
        language = self._reception.language_of(press.presser) or "zh"
        arrival = self._arrival(press, {"language": language, **self._place(press)})
        prompt = self._words.text(f"welcome.example.{name}.prompt", language)
        return self._accept(arrival, ImagePrompt(prompt=prompt), "toast.queued")

    def _place(self, press: CardAction) -> Mapping[str, Any]:
        """What kind of chat a press comes from, which it does not tell: that of its card, or of a message there."""
        in_chat = select(requests.c.chat_type, requests.c.in_topic).order_by(requests.c.accepted_at.desc()).limit(1)
        with self._database.read() as connection:
            near = or_(requests.c.chat_id == press.chat_id, requests.c.sender == press.presser)
            card = connection.execute(in_chat.where(near, requests.c.answer_id == press.message_id)).mappings().first()
            said = in_chat.where(requests.c.chat_id == press.chat_id, ~requests.c.dedup_key.contains(":"))
            row = card or connection.execute(said).mappings().first()
        # Where nothing is known, others are taken to read along.
        return {"chat_type": row["chat_type"] if row else "group", "in_topic": bool(card and card["in_topic"])}

    def _ask(self, press: CardAction, request: RowMapping, ask: ImagePrompt) -> dict[str, Any]:
        arrival = replace(self._arrival(press, request), source=source_of(request))
        return self._accept(arrival, ask, "toast.queued")

    def _edit(self, press: CardAction, request: RowMapping) -> Toast:
        arrival = replace(self._arrival(press, request), source=source_of(request))
        return self._accept(arrival, Command(name="form", argument=request["request_id"]), "toast.form_sent")

    def _original(self, press: CardAction, request: RowMapping) -> Toast:
        wanted = Command(name="original", argument=str(press.value["g"]))
        return self._accept(self._arrival(press, request), wanted, "toast.original_coming")

    def _cancel(self, press: CardAction, request: RowMapping) -> Toast:
        if press.presser != request["sender"] and press.presser not in self._admins:
            return self._toast("toast.not_yours", "warning")
        with self._database.write() as connection:
            count = cancel(self._database, connection, [request["request_id"]])
        return self._toast("toast.cancelled", "success") if count else self._toast("toast.too_late", "info")

    def _arrival(self, press: CardAction, shown: Mapping[Any, Any]) -> RequestContext:
        """A press as an arrival; chat type, topic and language are those of the request that its card is about."""
        return RequestContext(
            dedup_key=f"press:{press.event_id}",
            chat_id=press.chat_id,
            chat_type=shown["chat_type"],
            reply_to=press.message_id,
            in_topic=bool(shown["in_topic"]),
            sender=press.presser,
            language=shown["language"],
        )

    def _accept(self, arrival: RequestContext, understood: ParsedMessage, key: str) -> dict[str, Any]:
        received = self._reception.accept(arrival, understood, only_if_allowed=True)
        return self._toast(key, "success") if received.refusal is None else self._refused(received.refusal)

    def _refused(self, why: UserError) -> dict[str, Any]:
        return toast(self._words, why.sentence, kind="warning", **why.values)

    def _toast(self, key: str, kind: Any) -> dict[str, Any]:
        return toast(self._words, key, kind=kind)


_STATES = select(generations.c.state).where(generations.c.request_id == bindparam("which", type_=Text))


def _led_by(request: RowMapping | None) -> Mapping[str, str | None]:
    """What leads from the log's lines of a press back to what its card shows: the request, and its message."""
    if request is None:
        return {}
    ids = log_ids(request["request_id"], request["dedup_key"])
    return {"pressed": ids["request"], "message_id": ids.get("message_id")}
