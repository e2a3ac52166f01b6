"""The whole bot between its two stand-ins, in this process and at a quick pace."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
from sqlalchemy import func, select

from bot.app import Bot, Overrides
from bot.chat.messages import Messages
from bot.db.tables import generations, requests
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.glm.stand_in import GlmCall, GlmStandIn, loopback
from bot.sandbox.tls import shared_tls
from bot.settings import config_folder, load
from bot.timings import Timings
from bot.web.server import Server
from tests.support.databases import sqlite_database

QUICK = Timings(
    lease=5.0,
    beat=0.5,
    poll=0.05,
    backoff=0.02,
    backoff_longest=0.05,
    backoff_in_all=1.5,
    resend=0.02,
    resend_longest=0.1,
    probe_longest=0.1,
    upload_in_all=1.5,
    downloads=2,
    download_wait=0.01,
    download_longest=0.1,
    fresh_downloads=1.0,
)
"""What takes seconds and minutes in production takes hundredths here."""

DEADLINE = 30.0
"""Seconds for which a test waits for what must come."""

PATIENCE = 3.0
"""Seconds after which a call is given up, answer begun or not, where a test has one that is never answered."""

REDELIVERY = RetrySchedule(ladder=(0.1, 0.2, 0.4, 0.8, 1.6, 3.2), scale=1.0)

FAKE_KEY = "test.not-a-real-key"
_MENTION = re.compile(r"@_user_\d+")
ENDED = frozenset({"green", "orange", "red", "grey"})
"""The colours of cards that will not change any more."""


class Impatient(httpx.BaseTransport):
    """Gives every call ``seconds`` in all, where the clients allow it minutes."""

    def __init__(self, inner: httpx.BaseTransport | None = None, *, seconds: float = DEADLINE) -> None:
        self._inner = inner or httpx.HTTPTransport(trust_env=False, verify=shared_tls())
        self._seconds = seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request with the shorter time.

        Raises:
            httpx.ReadTimeout: the time is over.
        """
        ends_at = time.monotonic() + self._seconds
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        response = self._inner.handle_request(request)
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Until(response.stream, ends_at=ends_at)
        return response

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()


class _Until(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, *, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            if time.monotonic() > self._ends_at:
                raise httpx.ReadTimeout("the time for the whole answer ran out")
            yield part

    def close(self) -> None:
        self._stream.close()


def until(feishu: FeishuStandIn, condition: Callable[[], bool]) -> None:
    """Waits for what must come."""
    assert feishu.wait_for(lambda _: condition(), seconds=DEADLINE)


class World:
    """The stand-ins and the bot, from ``__enter__`` to ``__exit__``.

    Args:
        folder: the bot's data folder.
        pace: the durations of its work.
        variables: further settings as environment variables.
        feishu_origin: where the bot finds Feishu, when not at the stand-in itself.
        patience: seconds after which any call of the bot is given up; few only where one is never answered.
        calling: what is put around the transport of the paid calls.
        fetching: what is put around the transport of the downloads.
        sending: what is put around the transport of the calls to Feishu.
        clock: the bot's clock.
    """

    def __init__(
        self,
        *,
        folder: Path,
        pace: Timings = QUICK,
        variables: Mapping[str, str] | None = None,
        feishu: FeishuStandIn | None = None,
        glm: GlmStandIn | None = None,
        feishu_origin: str | None = None,
        patience: float = DEADLINE,
        calling: Callable[[httpx.BaseTransport], httpx.BaseTransport] | None = None,
        fetching: Callable[[httpx.BaseTransport], httpx.BaseTransport] | None = None,
        sending: Callable[[httpx.BaseTransport | None], httpx.BaseTransport] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.feishu = feishu or FeishuStandIn(delivery=REDELIVERY)
        self.glm = glm or GlmStandIn(seconds=0.02)
        self._folder = folder
        self._pace = pace
        self._variables = dict(variables or {})
        self._feishu_origin = feishu_origin
        self._patient = partial(Impatient, seconds=patience)
        self._calling = calling or self._patient
        self._fetching = fetching or self._patient
        self._sending = sending or self._patient
        self._clock = clock
        self._stand_ins = ExitStack()
        self._running: tuple[Bot, Server] | None = None

    def __enter__(self) -> Self:
        if "DATABASE_URL" not in self._variables:
            sqlite_database(self._folder)
        self._stand_ins.enter_context(self.feishu)
        self._stand_ins.enter_context(self.glm)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._stand_ins.close()

    @property
    def bot(self) -> Bot:
        """The running bot."""
        assert self._running is not None
        return self._running[0]

    @property
    def idle(self) -> bool:
        """Whether every request and every generation has come to its end."""
        with self.bot.database.read() as connection:
            open_rows = [
                connection.scalar(select(func.count()).select_from(table).where(table.c.ended_at.is_(None)))
                for table in (requests, generations)
            ]
        return open_rows == [0, 0]

    def start(self) -> None:
        """Starts the bot and tells Feishu where it listens."""
        settings = load(
            {
                **variables_for(self.feishu, folder=self._folder),
                "FEISHU_DOMAIN": self._feishu_origin or self.feishu.origin,
                **self._variables,
            }
        )
        glm = loopback(self.glm.origin)
        outside = Overrides(
            glm=self._calling(glm),
            pictures=self._fetching(glm),
            feishu=self._sending(None),
            pace=self._pace,
            clock=self._clock,
        )
        bot = Bot(settings, outside=outside)
        server = Server(bot.web, port=settings.port, bounds=settings.server)
        self._running = bot, server
        server.start()
        bot.learn_identity()
        bot.start()
        self.feishu.webhook_url = f"http://127.0.0.1:{server.port}/webhook/event"

    def stop(self) -> None:
        """Stops the bot as SIGTERM does."""
        if self._running is not None:
            bot, server = self._running
            server.close()
            bot.close()
            self._running = None

    def somebody(self, *, kind: str = "p2p") -> Talk:
        """A person whom nobody has served before, in a chat of their own with the bot."""
        person = self.feishu.world.add_person("某人")
        chat = self.feishu.world.add_chat(kind, name="某处", members=[person.open_id])  # type: ignore[arg-type]
        return Talk(world=self, person=person.open_id, chat_id=chat.chat_id, first_call=len(self.feishu.calls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A conversation: one person and the bot in one chat, while nobody else speaks."""

    world: World
    person: str
    chat_id: str
    first_call: int

    def say(self, text: str = "") -> ChatMessage:
        """A message to the bot; a prompt that no other message has when no text is given."""
        text = text or f"一只橘猫，编号 {secrets.token_hex(4)}"
        return self.world.feishu.say(chat_id=self.chat_id, sender=self.person, text=text)

    @property
    def answers(self) -> list[ChatMessage]:
        """What the bot has sent into the chat."""
        feishu = self.world.feishu
        return [one for one in feishu.messages if one.chat_id == self.chat_id and one.sender == feishu.app_id]

    @property
    def card(self) -> dict[str, Any]:
        """The first card that the bot sent, as it stands."""
        return next(json.loads(one.content) for one in self.answers if one.msg_type == "interactive")

    @property
    def calls(self) -> list[ApiCall]:
        """The calls to Feishu since this conversation began."""
        return self.world.feishu.calls[self.first_call :]

    def posts(self, message: ChatMessage) -> list[GlmCall]:
        """The paid calls that a message led to."""
        return posts_of(self.world.glm, message)

    def wait(self, condition: Any) -> None:
        """Waits until ``condition()`` is true."""
        assert self.world.feishu.wait_for(lambda _: condition(), seconds=DEADLINE), [c.name for c in self.calls]

    def wait_for_end(self, message: ChatMessage) -> None:
        """Waits until the one card under a message has come to its end."""
        self.wait(lambda: ended(self.world.feishu, message))


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
        # The people of the tests write faster than people do.
        "BOT_LIMITS_PER_MINUTE": "0",
        "PORT": "0",
    }


def catalogue() -> Messages:
    """The sentences that the bot was started with."""
    return Messages.load(config_folder())


def text_in(message: ChatMessage) -> str:
    """The plain text of a message's JSON content, without the mention of the bot."""
    words = str(json.loads(message.content).get("text", ""))
    return _MENTION.sub("", words).strip()


def colour(message: ChatMessage) -> str | None:
    """The colour of a card's header, as it stands."""
    header: dict[str, str] = json.loads(message.content).get("header", {})
    return header.get("template")


def ended(feishu: FeishuStandIn, message: ChatMessage) -> bool:
    """Whether a card under a message has come to its end."""
    return any(colour(reply) in ENDED for reply in feishu.replies(message.message_id))


def posts_of(glm: GlmStandIn, message: ChatMessage) -> list[GlmCall]:
    """The paid calls that were made with the words of a message."""
    return [call for call in list(glm.calls) if call.body and call.body["prompt"] == text_in(message)]


def strings_in(card: Any) -> Iterator[str]:
    """Every text in a card, in all languages."""
    if isinstance(card, str):
        yield card
    elif isinstance(card, Mapping | list):
        for part in card.values() if isinstance(card, Mapping) else card:
            yield from strings_in(part)


def uuid_of(call: ApiCall) -> str:
    """The ``uuid`` with which a message was sent."""
    found = re.search(r'"uuid"\s*:\s*"([^"]*)"', call.body)
    return found[1] if found else ""
