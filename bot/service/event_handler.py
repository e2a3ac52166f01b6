"""Turns authentic events into stored requests, and does nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bot.chat.parsing.events import NOT_MENTIONED, mentioned_namesake, parse_event, unmask_parsed
from bot.chat.parsing.parser import parse
from bot.db.cancellation import cancel_recalled
from bot.db.database import Database
from bot.db.lookups import was_answered
from bot.db.rows import Kind, NewRequest, language_of
from bot.errors import DatabaseUnavailable
from bot.logs import get_logger
from bot.models import CardAction, Command, Event, Ignored, Message, MessageRecall, Onboarding, ParsedMessage
from bot.service.bot_identity import BotIdentity
from bot.service.card_actions import CardActionHandler
from bot.service.requests import RequestService

log = get_logger(__name__)

REPEAT_AFTER = 600.0
"""Seconds for which an answer that nobody asked for is not repeated: the help in a chat, and to a person who may not
use the bot that it is not open to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHandler:
    """Handles events.

    ``allows`` returns whether a person may use the bot in a chat; ``welcome`` are the kinds of onboarding that are
    answered; ``wake`` is set when there is work for the worker of this process.
    """

    database: Database
    requests: RequestService
    card_actions: CardActionHandler
    identity: BotIdentity
    allows: Callable[[str, str | None], bool]
    welcome: Collection[str]
    wake: threading.Event

    def handle(self, event: Event) -> Mapping[str, object]:
        """Stores what an event asks for.

        Returns:
            The JSON of the answer: ``{}``, or a toast for a card action.

        Raises:
            DatabaseUnavailable: nothing was stored, and Feishu has to send the event again.
        """
        bot_open_id = self.identity.open_id
        if bot_open_id is None and event.event_type == "im.message.receive_v1":
            # Without it nobody can tell whether the bot was mentioned; the event comes again.
            raise DatabaseUnavailable("the bot's own id is not known yet")
        answer: Mapping[str, object] = {}
        match parse_event(event, bot_open_id=bot_open_id):
            case Message() as message:
                self._handle_message(message)
            case MessageRecall() as recall:
                log.info("message recalled", message_id=recall.message_id)
                cancel_recalled(self.database, recall.message_id)
            case Onboarding() as onboarding:
                self._handle_onboarding(onboarding)
            case CardAction() as action if self.allows(action.presser, action.chat_id):
                answer = self.card_actions.handle(action)
            case CardAction() as action:
                log.info("card action not allowed", chat=action.chat_id)
                answer = self.card_actions.reject()
            case Ignored() as ignored:
                name = self.identity.name
                if ignored.reason == NOT_MENTIONED and name and (other := mentioned_namesake(event, name)):
                    self.identity.note_namesake(other)
                log.info("event ignored", type=event.event_type, reason=ignored.reason)
        self.wake.set()
        return answer

    def _handle_message(self, message: Message) -> None:
        if not self.allows(message.sender, message.chat_id):
            log.info("message not allowed", message_id=message.message_id, chat=message.chat_id)
            # The answer has the ids that the lists need, which nobody could learn otherwise.
            if not self._answered_lately(message, "not_allowed", sender=message.sender):
                self._submit(message, Command(name="not_allowed"))
        elif not message.attachment and message.text.strip():
            parsed = parse(message.text, styles=self.requests.styles)
            self._submit(message, unmask_parsed(parsed, message.names))
        elif not self._answered_lately(message, "help"):
            self._submit(message, Command(name="help"))
        else:
            log.info("message ignored", message_id=message.message_id, reason="nothing to draw, and help was shown")

    def _answered_lately(self, message: Message, kind: Kind, *, sender: str | None = None) -> bool:
        chat_id = message.chat_id
        return was_answered(self.database, chat_id=chat_id, kind=kind, seconds=REPEAT_AFTER, sender=sender)

    def _submit(self, message: Message, parsed: ParsedMessage) -> None:
        new = NewRequest(
            dedup_key=message.message_id,
            chat_id=message.chat_id,
            chat_type=message.chat_type,
            reply_to=message.message_id,
            in_topic=message.thread_id is not None,
            sender=message.sender,
            language=language_of(message.text),
        )
        self.requests.submit(new, parsed)

    def _handle_onboarding(self, onboarding: Onboarding) -> None:
        if onboarding.kind not in self.welcome or not self.allows(onboarding.person, onboarding.chat_id):
            return
        if onboarding.kind == "entered" and not onboarding.first:
            return
        # People open the direct chat many times; the welcome comes once.
        key = onboarding.chat_id if onboarding.kind == "entered" else onboarding.event_id
        new = NewRequest(
            dedup_key=f"{onboarding.kind}:{key}",
            chat_id=onboarding.chat_id,
            chat_type="group" if onboarding.kind == "added" else "p2p",
            sender=onboarding.person,
        )
        self.requests.submit(new, Command(name="welcome"))
