"""The vocabulary of the tests that talk with the whole bot, which runs in this process between its two stand-ins.

``card = alice.ask("a lighthouse /n 2")`` expects exactly one answer; ``card.assert_shows("state.ready_all", count=2)``
expects the sentence in both languages; ``card.press("again", by=bob)`` expects exactly one new answer.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
from sqlalchemy import func, select, update

from bot.app import Bot
from bot.chat.messages import LOCALES, Messages
from bot.db.reports import is_idle
from bot.db.tables import FEISHU_CALLS, monthly_usage, requests
from bot.models import Language
from bot.sandbox.feishu.delivery import Attempt, RetrySchedule
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatKind, ChatMessage
from bot.sandbox.glm.stand_in import GlmCall, GlmStandIn, loopback
from bot.sandbox.http import shared_tls
from bot.settings import config_folder, load
from bot.timings import DownloadRetries, Timings
from bot.web.server import Server
from tests.support.builders import change
from tests.support.databases import sqlite_database
from tests.support.invariants import violations
from tests.support.pictures import draw_once
from tests.support.waiting import wait_until

QUICK = Timings(
    lease=30.0,
    beat=0.5,
    poll=0.1,
    backoff=0.02,
    backoff_longest=0.05,
    backoff_in_all=60.0,
    resend=0.02,
    resend_longest=0.1,
    probe_longest=0.1,
    upload_in_all=60.0,
    download=DownloadRetries(attempts=2, first_wait=0.01, longest_wait=0.1, seconds=2.0),
)
"""What takes seconds and minutes in production takes hundredths here."""

DEADLINE = 60.0  # seconds to wait for what must come

CALL_TIMEOUT = 1.0  # seconds for a whole call while a fault is armed that never answers it

QUICK_CALL = 0.02  # seconds that a call to GLM takes

REDELIVERY = RetrySchedule(ladder=(0.1, 0.2, 0.4, 0.8, 1.6, 3.2))
FAKE_KEY = "test.not-a-real-key"
ADMIN = "ou_admin_of_the_tests"
FINAL_COLORS = frozenset({"green", "orange", "red", "grey"})  # header colors of cards that do not change any more

CATALOGUE = Messages.load(config_folder())
LANGUAGES: tuple[Language, ...] = ("zh", "en")
_MENTION = re.compile(r"@_user_\d+")


def wait_for(
    condition: Callable[[], object], *, timeout: float = DEADLINE, describe: Callable[[], object] | str = ""
) -> None:
    """Waits until ``condition`` is true; after ``timeout`` seconds the error says what ``describe`` does."""
    if not wait_until(condition, seconds=timeout):
        raise AssertionError(f"not within {timeout} s: {describe() if callable(describe) else describe}")


@dataclass(slots=True)
class MovableClock:
    """A clock that is ``ahead`` by so many seconds."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class TimeoutTransport(httpx.BaseTransport):
    """Gives every call :data:`DEADLINE` seconds in all, or ``seconds`` where that gives any."""

    def __init__(
        self, inner: httpx.BaseTransport | None = None, *, seconds: Callable[[], float | None] = lambda: None
    ) -> None:
        self._inner = inner or httpx.HTTPTransport(trust_env=False, verify=shared_tls())
        self._seconds = seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The whole answer; ``httpx.ReadTimeout`` where the time is over."""
        seconds, content = self._seconds() or DEADLINE, b""
        ends_at = time.monotonic() + seconds
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        with closing(self._inner.handle_request(request)) as response:
            for part in response.iter_raw():
                content += part
                if time.monotonic() > ends_at:
                    raise httpx.ReadTimeout("the time for the whole answer ran out")
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(content))

    def close(self) -> None:
        self._inner.close()


Handle = Callable[[httpx.BaseTransport, httpx.Request], httpx.Response]
"""Sends a request over a transport, with whatever is to happen before and after."""

Wrap = Callable[[httpx.BaseTransport | None], httpx.BaseTransport]


@dataclass(frozen=True, slots=True)
class Around(httpx.BaseTransport):
    """Puts a function around a transport."""

    inner: httpx.BaseTransport
    handle: Handle

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle(self.inner, request)

    def close(self) -> None:
        self.inner.close()


def around(handle: Handle) -> Wrap:
    """What puts a function around a transport, by default the network."""
    return lambda inner: Around(TimeoutTransport(inner), handle)


@dataclass(slots=True)
class Gate:
    """Holds every call of one kind until it is released; ``calls_waiting`` is how many have come."""

    calls_waiting: int = 0
    passes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def release(self, calls: int = 1) -> None:
        """Lets so many calls through, now or when they come."""
        self.passes.release(calls)

    def around(self, inner: httpx.BaseTransport | None) -> httpx.BaseTransport:
        """The transport with the gate before it."""
        return Around(TimeoutTransport(inner), self._wait)

    def _wait(self, inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        self.calls_waiting += 1
        if not self.passes.acquire(timeout=DEADLINE):
            raise httpx.ReadTimeout("nobody released this call")
        return inner.handle_request(request)


@dataclass(kw_only=True, eq=False)
class BotUnderTest:
    """The stand-ins and the bot, from ``__enter__`` to ``__exit__``; ``pace`` has the durations of its work.

    ``wrap_glm`` is put around the transport of the paid calls, the next two around those of downloads and of Feishu.
    """

    folder: Path
    pace: Timings = QUICK
    variables: Mapping[str, str] = field(default_factory=dict)
    feishu: FeishuStandIn = field(default_factory=lambda: FeishuStandIn(delivery=REDELIVERY))
    glm: GlmStandIn = field(default_factory=lambda: GlmStandIn(seconds=QUICK_CALL, draw=draw_once))
    wrap_glm: Wrap | None = None
    wrap_downloads: Wrap | None = None
    wrap_feishu: Wrap | None = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._stand_ins = ExitStack()
        self._running: tuple[Bot, Server] | None = None

    def __enter__(self) -> Self:
        if "DATABASE_URL" not in self.variables:
            sqlite_database(self.folder)
        self._stand_ins.enter_context(self.feishu)
        self._stand_ins.enter_context(self.glm)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._stand_ins.close()

    @property
    def app(self) -> Bot:
        assert self._running is not None
        return self._running[0]

    @property
    def origin(self) -> str:
        """Where the bot listens."""
        return str(self.feishu.webhook_url).removesuffix("/webhook/event")

    @property
    def readiness(self) -> tuple[int, str]:
        """What ``/readyz`` answers."""
        answer = httpx.get(f"{self.origin}/readyz", trust_env=False, verify=shared_tls(), timeout=DEADLINE)
        return answer.status_code, answer.text

    @property
    def charged(self) -> int:
        """How many paid calls the team's budget holds."""
        images = select(func.sum(monthly_usage.c.count)).where(monthly_usage.c.name != FEISHU_CALLS)
        with self.app.database.read() as connection:
            return int(connection.scalar(images) or 0)

    @property
    def idle(self) -> bool:
        return is_idle(self.app.database)

    def violations(self) -> list[str]:
        """Which invariants do not hold; none may be violated while the bot is idle."""
        with self.app.database.read() as connection:
            return violations(self.feishu, self.glm, connection)

    def start(self) -> None:
        """Starts the bot and tells Feishu where it listens."""
        settings = load({**variables_for(self.feishu, folder=self.folder), **self.variables})
        glm, timed = loopback(self.glm.origin), partial(TimeoutTransport, seconds=self._timeout)
        bot = Bot(
            settings,
            glm=(self.wrap_glm or timed)(glm),
            images=(self.wrap_downloads or timed)(glm),
            feishu=(self.wrap_feishu or timed)(None),
            timings=self.pace,
            clock=self.clock,
        )
        server = Server(bot.web, port=settings.port, bounds=settings.server)
        self._running = bot, server
        server.start()
        bot.identity.fetch()
        bot.start()
        self.feishu.webhook_url = f"http://127.0.0.1:{server.port}/webhook/event"

    def _timeout(self) -> float | None:
        """:data:`CALL_TIMEOUT` while a fault is armed that never answers its call."""
        armed = (*self.feishu.faults.armed, *self.glm.faults.armed)
        endless = {"hang", "trickle"}
        return CALL_TIMEOUT if any({one.fault.wire, one.fault.answer.get("wire")} & endless for one in armed) else None

    def disarm(self) -> None:
        """Lets no fault be met any more."""
        self.feishu.faults.disarm()
        self.glm.disarm()

    def stop(self) -> None:
        """Stops the bot as SIGTERM does."""
        if self._running is not None:
            bot, server = self._running
            server.close()
            bot.close()
            self._running = None

    def new_user(self, *, kind: str = "p2p") -> Conversation:
        """A person whom nobody has served before, in a chat of their own with the bot."""
        person = self.feishu.state.add_person("某人").open_id
        chat = self.feishu.state.add_chat(kind, name="某处", members=[person])  # type: ignore[arg-type]
        return self.conversation(person, chat.chat_id)

    def admin(self, conversation: Conversation | None = None) -> Conversation:
        """The admin, in the chat of a conversation or in one of their own."""
        chat_id = conversation.chat_id if conversation else self.feishu.state.direct_chat(ADMIN).chat_id
        return self.conversation(ADMIN, chat_id)

    def conversation(self, person: str, chat_id: str) -> Conversation:
        return Conversation(bot=self, person=person, chat_id=chat_id, first_call=len(self.feishu.calls))

    def wait_until_idle(self, sent: ChatMessage | None = None) -> None:
        """Waits until nothing is left to do, after the bot has taken ``sent``."""

        def taken() -> bool:
            return sent is None or any(_is_about(attempt, sent) for attempt in list(self.feishu.attempts))

        wait_for(lambda: taken() and self.idle, describe=lambda: [call.name for call in self.feishu.calls[-20:]])

    @property
    def paid_prompts(self) -> list[str]:
        """The prompts of the calls to the GLM platform, in their order."""
        return [call.body["prompt"] for call in self.glm.calls]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One person and the bot in one chat, while nobody else speaks."""

    bot: BotUnderTest
    person: str
    chat_id: str
    first_call: int = 0

    def send(self, text: str = "", **how: Any) -> ChatMessage:
        """A message to the bot; a prompt that no other message has when neither text nor image is given."""
        text = text or ("" if "image" in how else f"一只橘猫，编号 {secrets.token_hex(4)}")
        return self.bot.feishu.say(chat_id=self.chat_id, sender=self.person, text=text, **how)

    def deliver(self, text: str = "") -> ChatMessage:
        """A message, once the bot has acknowledged it."""
        message = self.send(text)
        wait_for(lambda: any(_is_about(attempt, message) for attempt in list(self.bot.feishu.attempts)))
        return message

    def ask(self, sent: ChatMessage | str = "", **how: Any) -> Card:
        """The one answer to a message, once everything has come to its end; no answer fails, and so do two."""
        message = self.send(sent, **how) if isinstance(sent, str) else sent
        self.bot.wait_until_idle(message)
        (answer,) = self.bot.feishu.replies(message.message_id)
        return Card.of(answer, seen_by=self)

    def ask_without_waiting(self, sent: ChatMessage | str = "") -> Card:
        """The answer to a message as soon as it is in the chat."""
        message = self.send(sent) if isinstance(sent, str) else sent
        wait_for(lambda: self.bot.feishu.replies(message.message_id), describe=lambda: f"an answer to {message}")
        return Card.of(self.bot.feishu.replies(message.message_id)[0], seen_by=self)

    def assert_one_image(self, sent: ChatMessage) -> None:
        """A message has one answer, a card that shows its image, and was paid for once."""
        assert self.ask(sent).color == "green"
        assert len(self.posts(sent)) == 1

    def assert_no_answer(self, sent: ChatMessage) -> None:
        """The message was taken and led to no message and no paid call."""
        self.bot.wait_until_idle(sent)
        assert self.answers == []
        assert self.posts(sent) == []

    def recall(self, sent: ChatMessage) -> None:
        """Takes a message back, and waits until the bot has acknowledged that."""
        event_id = self.bot.feishu.recall(sent.message_id, by=self.person)
        taken = (event_id, "acknowledged")
        wait_for(lambda: any((one.event_id, one.outcome) == taken for one in list(self.bot.feishu.attempts)))

    def let_time_pass(self) -> None:
        """Dates back what this person sent and pressed, so that the same again is not taken for a double."""
        own = update(requests).where(requests.c.sender == self.person)
        change(self.bot.app.database, own.values(accepted_at=requests.c.accepted_at - 60))

    def other_user(self) -> Conversation:
        """A further person in the same chat."""
        return self.bot.conversation(self.bot.feishu.state.add_person("另一人").open_id, self.chat_id)

    def in_another_chat(self, kind: ChatKind) -> Conversation:
        """The same person in a new chat."""
        chat = self.bot.feishu.state.add_chat(kind, name="别处", members=[self.person])
        return self.bot.conversation(self.person, chat.chat_id)

    @property
    def answers(self) -> list[Card]:
        """What the bot has sent into the chat."""
        feishu = self.bot.feishu
        mine = (one for one in feishu.messages if one.chat_id == self.chat_id and one.sender == feishu.app_id)
        return [Card.of(one, seen_by=self) for one in mine]

    @property
    def first_card(self) -> dict[str, Any]:
        """The content of the first card that the bot sent."""
        return next(json.loads(one.content) for one in self.answers if one.msg_type == "interactive")

    def new_answers(self, before: int) -> list[Card]:
        """What the bot sent after its first ``before`` messages, once everything has come to its end."""
        self.bot.wait_until_idle()
        return self.answers[before:]

    @property
    def calls(self) -> list[ApiCall]:
        """The calls to Feishu since this conversation began."""
        return self.bot.feishu.calls[self.first_call :]

    def wait_for_calls(self, number: int) -> list[str]:
        """Waits until at least so many calls were made and nothing is left to do; gives the calls' names."""
        wait_for(lambda: len(self.calls) >= number and self.bot.idle, describe=lambda: [one.name for one in self.calls])
        return [call.name for call in self.calls]

    def posts(self, message: ChatMessage) -> list[GlmCall]:
        """The calls to the GLM platform with the text of a message."""
        return posts_of(self.bot.glm, message)

    def wait_for_end(self, message: ChatMessage) -> None:
        """Waits until the one card under a message has come to its end."""
        wait_for(lambda: is_final(self.bot.feishu, message), describe=lambda: [call.name for call in self.calls])


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(ChatMessage):
    """A message of the bot as it was when it was looked at, seen by the person of a conversation."""

    conversation: Conversation = field(compare=False, repr=False)

    @classmethod
    def of(cls, message: ChatMessage, *, seen_by: Conversation) -> Self:
        values = {one.name: getattr(message, one.name) for one in fields(ChatMessage)}
        return cls(conversation=seen_by, **values)

    @property
    def color(self) -> str | None:
        return header_color(self)

    @property
    def patches(self) -> int:
        """How often the card was changed since it was sent."""
        return len(self.versions) - 1

    @property
    def paid(self) -> list[dict[str, Any]]:
        """The bodies of the calls to the GLM platform since the message that it answers was sent."""
        bot = self.conversation.bot
        since = bot.feishu.state.messages[str(self.parent_id)].created
        return [call.body for call in list(bot.glm.calls) if call.at >= since]

    @property
    def actions(self) -> list[CardAction]:
        """What can be pressed on the card now."""
        return card_actions(self.conversation.bot.feishu, self.message_id)

    def reload(self) -> Card:
        return Card.of(self.conversation.bot.feishu.state.messages[self.message_id], seen_by=self.conversation)

    def text(self, language: Language = "zh") -> str:
        """Everything that a reader of a language sees, one text per line."""
        return "\n".join(_texts(json.loads(self.content), LOCALES[language]))

    def shows(self, key: str, **values: object) -> bool:
        """Whether it shows a sentence of the catalogue, to readers of either language in their own."""
        said = CATALOGUE.bilingual(key, **values)
        return all(said[LOCALES[language]] in self.text(language) for language in LANGUAGES)

    def assert_shows(self, *keys: str, **values: object) -> None:
        """It shows these sentences of the catalogue in both languages."""
        assert [key for key in keys if not self.shows(key, **values)] == [], self.text()

    def wait_to_show(self, key: str, **values: object) -> Card:
        """Waits until it shows a sentence; gives it as it then is."""
        wait_for(lambda: self.reload().shows(key, **values), describe=lambda: f"{key}, but {self.reload().text()}")
        return self.reload()

    def wait_until_idle(self) -> Card:
        """The card once nothing is left to do."""
        self.conversation.bot.wait_until_idle()
        return self.reload()

    def button(self, action: str, *, number: int = 0) -> CardAction:
        """The button, select or form that calls back with an action; ``number`` counts those with the same."""
        return [one for one in self.actions if one.value.get("a") == action][number]

    def press(self, action: str, *, by: Conversation | None = None, **which: Any) -> Card:
        """Presses a control; gives the one new answer, once everything has come to its end."""
        before = len(self.conversation.answers)
        self.press_for_toast(action, by=by, **which)
        (answer,) = self.conversation.new_answers(before)
        return Card.of(answer, seen_by=by or self.conversation)

    def press_for_toast(
        self, action: str, *, by: Conversation | None = None, number: int = 0, choice: str | None = None
    ) -> dict[str, str]:
        """Presses a control; gives the toast by language."""
        found = self.button(action, number=number)
        return self.press_raw(found.value, by=by, tag=found.tag, option=choice or found.option)

    def press_raw(self, value: Any, *, by: Conversation | None = None, **how: Any) -> dict[str, str]:
        """Sends a press with a value, whether or not a button carries it; gives the toast by language."""
        person = (by or self.conversation).person
        answer = self.conversation.bot.feishu.press(self.message_id, person, value=value, **how)
        assert answer.code is None
        assert answer.toast is not None
        by_language: dict[str, str] = answer.toast["i18n"]
        assert set(by_language) == set(LOCALES.values())
        return by_language

    def submit(self, *, by: Conversation | None = None, **fields: str) -> dict[str, str]:
        """Sends the form; gives the toast by language."""
        button = self.button("submit")
        return self.press_raw(button.value, by=by, form_value=fields, name=button.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardAction:
    """An active component, or a choice in a menu, and what it sends.

    ``value`` is empty for what does not call the bot; ``choices`` are the values of a select, ``option`` that of the
    choice in a menu; ``form`` is the name of the form around it.
    """

    tag: str
    name: str | None = None
    value: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    option: str | None = None
    form: str | None = None


def card_actions(feishu: FeishuStandIn, message_id: str) -> list[CardAction]:
    """The active components of a card as it is now, from top to bottom."""
    return list(_actions(json.loads(feishu.state.messages[message_id].content).get("body", {}), form=None))


def _actions(component: Mapping[str, Any], *, form: str | None) -> Iterator[CardAction]:
    tag, name = component.get("tag", ""), component.get("name")
    value: Mapping[str, Any] = next(
        (one["value"] for one in component.get("behaviors", ()) if one["type"] == "callback"), {}
    )
    choices = tuple(option["value"] for option in component.get("options", ()) if "value" in option)
    if tag == "overflow":
        for one in choices:
            yield CardAction(tag=tag, value={**value, "a": one}, option=one, form=form)
    elif tag in ("button", "select_static", "input"):
        yield CardAction(tag=tag, name=name, value=value, choices=choices, form=form)
    for inner in (*component.get("elements", ()), *component.get("columns", ())):
        yield from _actions(inner, form=name if tag == "form" else form)


@contextmanager
def bot_with(
    folder: Path, variables: Mapping[str, str] | None = None, *, gate: Gate | None = None, pace: Timings = QUICK
) -> Iterator[BotUnderTest]:
    """The bot with an admin and these settings; in the end nobody was pinged and no redirect was followed.

    Its paid calls wait at the ``gate``, where there is one, which is open in the end.
    """
    settings = {"BOT_TEAM_ADMINS": ADMIN, **(variables or {})}
    wrap = gate.around if gate else None
    with BotUnderTest(folder=folder, wrap_glm=wrap, pace=pace, variables=settings) as bot:
        bot.feishu.state.add_person("管理员", open_id=ADMIN)
        try:
            yield bot
        finally:
            if gate:
                gate.release(1000)
        assert bot.feishu.pings == []
        assert bot.glm.strays == []


def variables_for(feishu: FeishuStandIn, *, folder: Path) -> dict[str, str]:
    """The settings with which a bot works against a stand-in, as environment variables."""
    return {
        "FEISHU_APP_ID": feishu.app_id,
        "FEISHU_APP_SECRET": feishu.app_secret,
        "FEISHU_ENCRYPT_KEY": feishu.encrypt_key,
        "FEISHU_VERIFICATION_TOKEN": feishu.verification_token,
        "FEISHU_DOMAIN": feishu.origin,
        "ZHIPU_API_KEY": FAKE_KEY,
        "BOT_DATA_DIR": str(folder),
        "BOT_SERVER_HOST": "127.0.0.1",
        # Each is started anew with every bot.
        "BOT_SERVER_THREADS": "8",
        # Many prompts of the tests are no descriptions of anything.
        "BOT_CHAT_CONFIRM": "never",
        # The people of the tests write faster than people do.
        "BOT_LIMITS_PER_MINUTE": "0",
        # A slow machine, or a test that moves a request into the past, would add a message to the conversation.
        "BOT_CARDS_NOTIFY_AFTER_SECONDS": "0",
        "PORT": "0",
    }


def toast_text(key: str, **values: object) -> dict[str, str]:
    """A sentence of the catalogue as a toast says it."""
    return CATALOGUE.bilingual(key, **values)


def plain_text(message: ChatMessage) -> str:
    """The plain text of a message's JSON content, without the mention of the bot."""
    return _MENTION.sub("", str(json.loads(message.content).get("text", ""))).strip()


def header_color(message: ChatMessage) -> str | None:
    header: dict[str, str] = json.loads(message.content).get("header", {})
    return header.get("template")


def is_final(feishu: FeishuStandIn, message: ChatMessage) -> bool:
    """Whether a card under a message has come to its end."""
    return any(header_color(reply) in FINAL_COLORS for reply in feishu.replies(message.message_id))


def posts_of(glm: GlmStandIn, message: ChatMessage) -> list[GlmCall]:
    """The calls to the GLM platform with the text of a message."""
    return [call for call in list(glm.calls) if call.body and call.body["prompt"] == plain_text(message)]


def all_strings(card: Any) -> Iterator[str]:
    """Every text in a card, in all languages."""
    if isinstance(card, str):
        yield card
    elif isinstance(card, Mapping | list):
        for part in card.values() if isinstance(card, Mapping) else card:
            yield from all_strings(part)


def uuid_of(call: ApiCall) -> str:
    """The ``uuid`` with which a message was sent."""
    found = re.search(r'"uuid"\s*:\s*"([^"]*)"', call.body)
    return found[1] if found else ""


def _is_about(attempt: Attempt, sent: ChatMessage) -> bool:
    message = attempt.event.get("event", {}).get("message", {})
    return attempt.outcome == "acknowledged" and message.get("message_id") == sent.message_id


def _texts(part: Any, locale: str) -> Iterator[str]:
    match part:
        case {"i18n_content": dict(by_locale)}:
            yield str(by_locale[locale])
        case {"content": str(text)}:
            yield text
        case dict():
            for name, inner in part.items():
                if name != "alt":
                    yield from _texts(inner, locale)
        case list():
            for inner in part:
                yield from _texts(inner, locale)
