"""Turns authentic events into stored requests; knows the bot's own id, by which mentions are recognized."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.chat.parsing.events import NOT_MENTIONED, mentioned_namesake, parse_event, unmask, unmask_parsed
from bot.chat.parsing.intents import Intent, Situation, recognize
from bot.chat.parsing.wording import Rules
from bot.db.database import Database
from bot.db.key_value import get_value, put_value
from bot.db.requests import References, cancel_recalled, find_references, generations_of, was_answered
from bot.db.tables import Kind, NewRequest, fingerprint
from bot.errors import DatabaseUnavailable, FeishuError, UserError
from bot.feishu.client import FeishuClient
from bot.logs import get_logger
from bot.models import (
    CardAction,
    ChatType,
    Command,
    Event,
    Ignored,
    ImagePrompt,
    Language,
    Message,
    MessageRecall,
    Onboarding,
    ParsedMessage,
)
from bot.options import HAN, OPTIONS, quote
from bot.service.card_actions import CardActionHandler
from bot.service.requests import RequestService
from bot.settings import Settings
from bot.text import fold

log = get_logger(__name__)

# Seconds for which an answer to the same person in a chat is not repeated.
_REPEAT_AFTER: Mapping[Kind, float] = {"not_allowed": 600.0, "unreadable": 60.0}
NAMESAKE = "bot_namesake:{}"  # the name under which is stored who was mentioned in place of an app's bot
_SIGNS = ("/", "-", "—", "–")


@dataclass(kw_only=True)
class BotIdentity:
    """The bot's own ``open_id``, by which mentions are recognized: fetched once from Feishu, then stored.

    ``name`` is ``None`` while it is not known, and ``error`` is why it could not be fetched yet.
    """

    feishu: FeishuClient
    database: Database
    name: str | None = field(default=None, init=False)
    error: FeishuError | None = field(default=None, init=False)
    _open_id: str | None = field(default=None, init=False)

    @property
    def open_id(self) -> str | None:
        """``None`` while no process has fetched it from Feishu."""
        if self._open_id is None and (open_id := get_value(self.database, f"bot_open_id:{self.feishu.app_id}")):
            # The name first: it is used as soon as the id is set.
            self.name = get_value(self.database, f"bot_name:{self.feishu.app_id}")
            self._open_id = open_id
        return self._open_id

    def fetch(self) -> None:
        """Reads the id from the database or asks Feishu for it; raises ``FeishuError`` and ``DatabaseUnavailable``."""
        if self.open_id is not None:
            return
        try:
            info = self.feishu.bot_info()
        except FeishuError as error:
            self.error = error
            raise
        if info.name:
            put_value(self.database, f"bot_name:{self.feishu.app_id}", info.name)
        put_value(self.database, f"bot_open_id:{self.feishu.app_id}", info.open_id)
        log.info("bot identity fetched", open_id=self.open_id)

    def note_namesake(self, open_id: str) -> None:
        """Notes once that another bot of the same name is mentioned, as after an app was created again."""
        key = NAMESAKE.format(self.feishu.app_id)
        if get_value(self.database, key) is None:
            put_value(self.database, key, open_id)
            log.warning("another bot of the same name mentioned", own=self.open_id, mentioned=open_id, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHandler:
    """Handles events; ``wake`` is set when there is work for the worker of this process."""

    requests: RequestService
    card_actions: CardActionHandler
    identity: BotIdentity
    rules: Rules
    settings: Settings
    wake: threading.Event

    def handle(self, event: Event) -> Mapping[str, object]:
        """Stores what an event asks for; returns the JSON of the answer: ``{}``, or a toast for a card action.

        With ``DatabaseUnavailable`` nothing was stored, and Feishu has to send the event again.
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
                cancel_recalled(self.requests.database, recall.message_id)
            case Onboarding() as onboarding:
                self._handle_onboarding(onboarding)
            case CardAction() as action:
                answer = self.card_actions.handle(action, allowed=self._allows(action.presser, action.chat_id))
            case Ignored() as ignored:
                name = self.identity.name
                if ignored.reason == NOT_MENTIONED and name and (other := mentioned_namesake(event, name)):
                    self.identity.note_namesake(other)
                log.info("event ignored", type=event.event_type, reason=ignored.reason)
        self.wake.set()
        return answer

    def _allows(self, person: str, chat: str | None) -> bool:
        """Whether a person may use the bot in a chat; admins may everywhere, and empty lists allow everyone."""
        team = self.settings.team
        in_chat = not team.allowed_chats or chat in team.allowed_chats
        return person in team.admins or (in_chat and (not team.allowed_people or person in team.allowed_people))

    def _handle_message(self, message: Message) -> None:
        if not self._allows(message.sender, message.chat_id):
            log.info("message not allowed", message_id=message.message_id, chat=message.chat_id)
            # The answer has the ids that the lists need, which nobody could learn otherwise.
            self._answer_once(message, "not_allowed")
        elif message.attachment and not message.text.strip():
            self._answer_once(message, "unreadable")
        else:
            self._handle_text(message)

    def _answer_once(self, message: Message, kind: Kind) -> None:
        chat_id, sender, seconds = message.chat_id, message.sender, _REPEAT_AFTER[kind]
        if was_answered(self.requests.database, chat_id=chat_id, kind=kind, seconds=seconds, sender=sender):
            log.info("message ignored", message_id=message.message_id, reason=f"answered lately: {kind}")
        else:
            self.requests.submit(_new(message), Command(name=kind))

    def _handle_text(self, message: Message) -> None:
        references = find_references(
            self.requests.database, chat_id=message.chat_id, sender=message.sender, messages=message.references
        )
        intent = recognize(
            message.text,
            rules=self.rules,
            situation=Situation(result=references.result is not None, waiting=references.waiting),
            styles=self.requests.styles,
            model=self.settings.images.model,
        )
        log.info("intent", message_id=message.message_id, intent=intent.kind)
        new = replace(_new(message), content=_recognized(message, intent))
        # Within a topic every message replies to the first one.
        is_about_image = references.unreadable or (references.unknown and message.thread_id is None)
        sees_image = message.attachment or is_about_image
        parsed = unmask_parsed(self._parsed(message, intent, references, sees_image=sees_image), message.names)
        confirm = self.settings.chat.confirm
        ask = sees_image or confirm == "always" or (intent.kind == "ambiguous" and confirm != "never")
        if not ask and (isinstance(parsed, ImagePrompt) or (isinstance(parsed, Command) and parsed.name == "again")):
            said = " ".join(message.text.split()), message.names
            new = replace(new, fingerprint=fingerprint(message.sender, message.chat_id, *said, message.references[:1]))
        # What only gets a reaction is not worth a sentence about how often one may write.
        self.requests.submit(new, parsed, ask=ask, store_rejected=intent.kind != "thanks")

    def _parsed(self, message: Message, intent: Intent, references: References, *, sees_image: bool) -> ParsedMessage:
        prompt, result = intent.prompt or message.text.strip(), references.result or ""
        match intent.kind:
            case "edit" if not sees_image:
                return Command(name="form", argument=f"{result}\n{prompt}")
            case "prompt" | "ambiguous" | "edit":
                return ImagePrompt(prompt=prompt, options=intent.options)
            case "again" | "thanks":
                return Command(name=intent.kind, argument=result, options=intent.options)
        match intent.outcome:
            case Command(name="original") | None:
                with self.requests.database.read() as connection:
                    images = [row.generation_id for row in generations_of(connection, result) if row.image_key]
                return Command(name="original", argument=images[0]) if images else Command(name="history")
            case UserError(sentence="misread.only_options", values={}):
                return UserError(sentence="misread.only_options", values={"options": quote(message.text.strip())})
            case outcome:
                return outcome

    def _handle_onboarding(self, onboarding: Onboarding) -> None:
        kind, chat_id, person = onboarding.kind, onboarding.chat_id, onboarding.person
        if not getattr(self.settings.welcome, kind) or not self._allows(person, chat_id):
            return
        if kind == "entered" and not onboarding.first:
            return
        # People open the direct chat many times; the welcome comes once.
        key = f"{kind}:{chat_id if kind == 'entered' else onboarding.event_id}"
        chat_type: ChatType = "group" if kind == "added" else "p2p"
        new = NewRequest(dedup_key=key, chat_id=chat_id, chat_type=chat_type, sender=person)
        self.requests.submit(new, Command(name="welcome"))


def _new(message: Message) -> NewRequest:
    return NewRequest(
        dedup_key=message.message_id,
        chat_id=message.chat_id,
        chat_type=message.chat_type,
        reply_to=message.message_id,
        in_topic=message.thread_id is not None,
        sender=message.sender,
        language=_language_of(message.text),
    )


def _language_of(text: str) -> Language:
    """The language of a text by its script: English where it has Latin letters and no Chinese characters."""
    return "en" if re.search("[A-Za-z]", text) and not re.search(HAN, text) else "zh"


def _recognized(message: Message, intent: Intent) -> Mapping[str, Any]:
    """The words that were recognized as options or as a request for the last image again, and the whole text."""
    given = intent.options
    names = {span.name for span in intent.spans}
    # "来四张" holds the number within the words that ask for an image.
    wanted = {*given, "follow_up", *(("lead_in",) if "count" in given and "count" not in names else ())}
    texts = [(span.name, message.text[span.start : span.end].strip()) for span in intent.spans if span.name in wanted]
    if intent.kind == "again" and not texts:
        texts = [("again", message.text.strip())]
    texts = [(name, text) for name, text in texts if text and not fold(text).startswith(_SIGNS)]
    if not texts:
        return {}
    signed = {span.name for span in intent.spans} - {name for name, _ in texts}
    recognized = {
        "words": [unmask(text, message.names) for _, text in texts],
        "options": [name for name in given if name in OPTIONS and name not in signed],
    }
    return {"typed": unmask(message.text, message.names), "recognized": recognized}
