"""Accepting an event: what it asks is understood and stored in one transaction, and nothing else is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping

from bot.chat.parsing.events import NOT_MENTIONED, mentioned_namesake, parse_event, unmask_parsed
from bot.chat.parsing.parser import parse
from bot.db.cancellation import cancel_recalled
from bot.db.database import Database
from bot.db.requests import RequestStore
from bot.db.row_models import language_of
from bot.errors import DatabaseUnavailable
from bot.logs import get_logger
from bot.models import CardAction, Command, Event, Ignored, Message, MessageRecall, Onboarding, ParsedMessage
from bot.service.bot_identity import BotIdentity
from bot.service.card_actions import CardActionHandler
from bot.service.request_builder import RequestContext
from bot.service.requests import RequestService

log = get_logger(__name__)

AGAIN_AFTER = 600.0
"""Seconds for which what was told unasked is not told again: the help in a chat, and to somebody who may not use the
bot that it is not open to them."""


class EventHandler:
    """Turns authentic events into stored requests.

    Args:
        database: where requests are kept.
        reception: what accepts them.
        presses: what answers presses on cards.
        identity: who the bot is, once it has been learnt.
        allows: whether a person may use the bot in a chat.
        greetings: the kinds of greeting that are answered with a welcome.
        wake: set when there is work for the worker of this process.
    """

    def __init__(
        self,
        database: Database,
        *,
        reception: RequestService,
        presses: CardActionHandler,
        identity: BotIdentity,
        allows: Callable[[str, str | None], bool],
        greetings: Collection[str],
        wake: threading.Event,
    ) -> None:
        self._database = database
        self._store = RequestStore(database)
        self._reception = reception
        self._presses = presses
        self._identity = identity
        self._allows = allows
        self._greetings = greetings
        self._wake = wake

    def take(self, event: Event) -> Mapping[str, object]:
        """Accepts an event.

        Returns:
            The JSON of the answer: ``{}``, or a toast for a press on a card.

        Raises:
            StoreUnavailable: nothing was stored, and Feishu has to send the event again.
        """
        bot_open_id = self._identity.open_id
        if bot_open_id is None and event.event_type == "im.message.receive_v1":
            # Without it nobody can tell whether the bot was mentioned; the event comes again.
            raise DatabaseUnavailable("the bot's own id has not been learnt yet")
        answer = self._take(event, bot_open_id)
        self._wake.set()
        return answer

    def _take(self, event: Event, bot_open_id: str | None) -> Mapping[str, object]:
        match parse_event(event, bot_open_id=bot_open_id):
            case Message() as message:
                self._take_message(message)
            case MessageRecall() as recall:
                log.info("message recalled", message_id=recall.message_id)
                cancel_recalled(self._database, recall.message_id)
            case Onboarding() as greeting:
                self._take_greeting(greeting)
            case CardAction() as press:
                return self._take_press(press)
            case Ignored() as ignored:
                name = self._identity.name
                if ignored.reason == NOT_MENTIONED and name and (other := mentioned_namesake(event, name)):
                    self._identity.note_namesake(other)
                log.info("event ignored", type=event.event_type, reason=ignored.reason)
        return {}

    def _take_message(self, message: Message) -> None:
        if not self._allows(message.sender, message.chat_id):
            log.info("message not allowed", message_id=message.message_id, chat=message.chat_id)
            self._tell_not_allowed(message)
        elif not message.attachment and message.text.strip():
            understood = parse(message.text, styles=self._reception.styles)
            self._accept(message, unmask_parsed(understood, message.names))
        elif not self._store.told_since(message.chat_id, kind="help", seconds=AGAIN_AFTER):
            self._accept(message, Command(name="help"))
        else:
            log.info("message ignored", message_id=message.message_id, reason="nothing to draw, and help was shown")

    def _tell_not_allowed(self, message: Message) -> None:
        """Answers with the ids that the lists need, which nobody could learn otherwise."""
        told = self._store.told_since(message.chat_id, kind="not_allowed", seconds=AGAIN_AFTER, person=message.sender)
        if not told:
            self._accept(message, Command(name="not_allowed"))

    def _accept(self, message: Message, understood: ParsedMessage) -> None:
        arrival = RequestContext(
            dedup_key=message.message_id,
            chat_id=message.chat_id,
            chat_type=message.chat_type,
            reply_to=message.message_id,
            in_topic=message.thread_id is not None,
            sender=message.sender,
            language=language_of(message.text),
        )
        self._reception.accept(arrival, understood)

    def _take_greeting(self, greeting: Onboarding) -> None:
        if greeting.kind not in self._greetings or not self._allows(greeting.person, greeting.chat_id):
            return
        if greeting.kind == "entered" and not greeting.first:
            return
        # Whoever opens the direct chat for the first time opens it again; the welcome comes once.
        origin = greeting.chat_id if greeting.kind == "entered" else greeting.event_id
        arrival = RequestContext(
            dedup_key=f"{greeting.kind}:{origin}",
            chat_id=greeting.chat_id,
            chat_type="group" if greeting.kind == "added" else "p2p",
            reply_to=None,
            in_topic=False,
            sender=greeting.person,
            language="zh",
        )
        self._reception.accept(arrival, Command(name="welcome"))

    def _take_press(self, press: CardAction) -> Mapping[str, object]:
        if not self._allows(press.presser, press.chat_id):
            log.info("card action not allowed", chat=press.chat_id)
            return self._presses.refuse()
        return self._presses.take(press)
