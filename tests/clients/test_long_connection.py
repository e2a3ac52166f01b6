"""The client of the long connection against the platform's end of it, over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bot.errors import FeishuError, FeishuUnreachable
from bot.feishu.client import FeishuClient
from bot.feishu.long_connection import LongConnection
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.http import LoopbackServer, Request, Response
from tests.support.waiting import wait_until
from tests.support.wire import Wire

SOON = {"ReconnectCount": -1, "ReconnectInterval": 0.05, "ReconnectNonce": 0, "PingInterval": 0.1}
SECONDS = 30.0
UNANSWERED_PINGS = 3
Answer = Mapping[str, object] | None


class RecordingHandler:
    """Takes payloads as ``answers`` say, one after another and the last one for all that follow."""

    def __init__(self, *answers: Answer) -> None:
        self.payloads: list[bytes] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self._answers = list(answers)

    def __call__(self, payload: bytes) -> Answer:
        self.payloads.append(payload)
        assert self.go_on.wait(SECONDS)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Platform(ExitStack):
    """Feishu, which delivers again soon and waits long for an answer, and connections of its app, closed at the end."""

    def __init__(self, feishu: ConnectedStandIn) -> None:
        super().__init__()
        self.feishu, self.line = feishu, feishu.line
        self.line.client_config = dict(SOON)
        self.ended = threading.Event()

    def create(
        self, handle: RecordingHandler | None = None, *, domain: str = "", timeout: float | None = None, **more: Any
    ) -> LongConnection:
        """Starts a connection."""
        feishu = self.feishu
        given = {} if timeout is None else {"timeout": httpx.Timeout(timeout)}
        app = {"app_id": feishu.app_id, "app_secret": feishu.app_secret}
        client = FeishuClient(domain=domain or feishu.origin, **app, **given)  # type: ignore[arg-type]
        self.callback(client.close)
        handler = handle or RecordingHandler({})
        connection = LongConnection(client=client, handle=handler, on_end=self.ended.set, **more)
        connection.start()
        return connection

    def connect(self, handle: RecordingHandler | None = None) -> LongConnection:
        """Starts a connection and waits until it is open."""
        before = self.line.open
        connection = self.create(handle)
        self.callback(connection.close)
        self.until(lambda: self.line.open == before + 1)
        return connection

    def until(self, condition: Callable[[], object]) -> None:
        """Waits for something on either side."""
        assert wait_until(condition, seconds=SECONDS)

    def say(self) -> None:
        """Somebody writes to the bot."""
        self.feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫" * 100)

    def outcomes(self, count: int) -> list[tuple[str, int | None]]:
        """How the first ``count`` pushes ended."""
        self.until(lambda: len(self.feishu.attempts) >= count)
        return [(attempt.outcome, attempt.status) for attempt in self.feishu.attempts[:count]]


@pytest.fixture
def platform() -> Iterator[Platform]:
    delivery = RetrySchedule(ladder=(0.05,) * 8, answer_seconds=SECONDS)
    with ConnectedStandIn(delivery=delivery) as feishu, Platform(feishu) as platform:
        yield platform


STORED = ("acknowledged", 200)


@pytest.mark.parametrize("frame_type", ["event", "card"])
def test_a_payload_is_taken_and_answered(platform: Platform, frame_type: str) -> None:
    """Frames of both types, whole and in parts, reach the handler with every byte; its JSON is the answer."""
    handler = RecordingHandler({"toast": {"content": "好"}})
    platform.connect(handler)
    platform.line.frame_type = frame_type
    platform.say()
    assert platform.outcomes(1) == [STORED]
    platform.line.part_bytes = 100
    platform.say()
    assert platform.outcomes(2)[1] == STORED
    assert "好" in platform.feishu.attempts[1].body.decode()
    assert ["一只橘猫" * 100 in payload.decode() for payload in handler.payloads] == [True, True]


def test_what_was_not_stored_comes_again(platform: Platform) -> None:
    platform.connect(RecordingHandler(None, None, {}))
    platform.say()
    assert platform.outcomes(3) == [("refused", 500), ("refused", 500), STORED]


def test_while_a_payload_is_stored_pings_go_on_and_a_close_waits_for_its_answer(platform: Platform) -> None:
    handler = RecordingHandler({})
    handler.go_on.clear()
    connection = platform.connect(handler)
    platform.say()
    platform.until(lambda: handler.payloads)
    before = platform.line.pings
    platform.until(lambda: platform.line.pings >= before + 3)
    leaving = threading.Thread(target=connection.close)
    leaving.start()
    # It is seen within 25 ms that the connection is to close, but it stays open for the answer.
    assert not wait_until(lambda: platform.line.open == 0, seconds=0.3)
    handler.go_on.set()
    leaving.join(SECONDS)
    assert platform.outcomes(1) == [STORED]
    platform.until(lambda: platform.line.open == 0)


@pytest.mark.parametrize("code", [1, 1000040350])
def test_what_passes_is_waited_for(platform: Platform, code: int) -> None:
    """Too many connections, as right after a crash, or a busy platform: the client says so and tries again."""
    connection = platform.connect()
    platform.line.rejections.extend([(code, "not now")] * 10_000)
    platform.line.cut()
    platform.until(lambda: f"not now (code {code})" in (connection.down or ""))
    platform.line.rejections.clear()
    platform.until(lambda: connection.down is None and platform.line.opened == 2)


@pytest.mark.parametrize("code", [10014, 1000040351])
def test_a_refusal_for_good_ends_it(platform: Platform, code: int) -> None:
    platform.line.rejections.append((code, "refused"))
    connection = platform.create()
    assert platform.ended.wait(SECONDS)
    with pytest.raises(FeishuError, match="endpoint: refused") as refused:
        connection.close()
    assert (refused.value.code, platform.line.asked) == (code, 1)


def test_a_failed_handshake_is_made_again_unless_forbidden(platform: Platform) -> None:
    platform.line.turned_away.extend([(514, "auth failed"), (403, "forbidden")])
    platform.line.client_config |= {"ReconnectCount": 5}
    connection = platform.create()
    assert platform.ended.wait(SECONDS)
    with pytest.raises(FeishuError, match="handshake: forbidden"):
        connection.close()
    assert (platform.line.asked, platform.line.opened) == (2, 0)


def test_it_gives_up_when_the_platform_wants_that(platform: Platform) -> None:
    platform.line.client_config |= {"ReconnectCount": 2}
    connection = platform.create()
    platform.until(lambda: platform.line.open == 1)
    platform.line.away = True
    platform.line.cut()
    assert platform.ended.wait(SECONDS)
    with pytest.raises(FeishuUnreachable, match="no long connection after 2 attempts"):
        connection.close()


@contextmanager
def endpoint(answer: Callable[[int], Response]) -> Iterator[tuple[str, list[object]]]:
    """An endpoint that answers its nth call, from 1, so; its origin, and what it was asked."""
    asked: list[object] = []

    def tell(call: Request) -> Response:
        asked.append(call.json())
        return answer(len(asked))

    with LoopbackServer() as server:
        server.route("POST", "/callback/ws/endpoint", tell)
        yield server.origin, asked


ADDRESSES = {
    "ws://192.0.2.1/ws?ticket=t": "not encrypted",
    "http://[": "URL is none",
    "": "has no URL",
    "ftp://127.0.0.1/": "URL is none",
}


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_that_is_none_is_not_gone_to(platform: Platform, url: str) -> None:
    """The ticket goes to encrypted addresses alone, this machine excepted, and nonsense ends nothing."""
    data = {"URL": url, "ClientConfig": {"ReconnectInterval": 0.02, "PingInterval": None, "ReconnectNonce": "soon"}}
    with endpoint(lambda _: Response.of_json({"code": 0, "data": data})) as (origin, asked):
        connection = platform.create(domain=origin)
        platform.until(lambda: len(asked) >= 2)
        assert ADDRESSES[url] in (connection.down or "")
        connection.close()
    assert asked[0] == {"AppID": platform.feishu.app_id, "AppSecret": platform.feishu.app_secret}


def test_an_endpoint_that_hangs_is_asked_again(platform: Platform) -> None:
    # The first answer leads nowhere, but says that the next attempt is to be made soon.
    first = Response.of_json({"code": 0, "data": {"URL": "", "ClientConfig": SOON}})
    with endpoint(lambda number: first if number == 1 else Response(wire_fault="hang")) as (origin, asked):
        connection = platform.create(domain=origin, timeout=0.05)
        platform.until(lambda: "ReadTimeout" in (connection.down or ""))
        platform.until(lambda: len(asked) >= 3)
        connection.close()


def test_a_connection_whose_packets_vanish_is_noticed(platform: Platform) -> None:
    platform.line.client_config |= {"PingInterval": SECONDS}
    with Wire(platform.line.listen()) as wire:
        platform.line.origin = f"ws://127.0.0.1:{wire.port}"
        connection = platform.create(ping=0.3)
        platform.until(lambda: connection.down is None)
        wire.deafen()
        platform.until(lambda: "ping timeout" in (connection.down or ""))
        wire.cut()
        wire.mend()
        platform.until(lambda: connection.down is None)
        connection.close()


def test_a_far_end_that_answers_no_pings_is_left(platform: Platform) -> None:
    """WebSocket pings are answered and Feishu's are not: it says so, and opens another connection, which works."""
    connection = platform.connect()
    platform.until(lambda: platform.line.pings > 2 * UNANSWERED_PINGS)
    assert platform.line.opened == 1
    platform.line.deaf = True
    before = platform.line.pings
    platform.until(lambda: "answer" in (connection.down or ""))
    platform.until(lambda: platform.line.opened == 2)
    assert platform.line.pings - before >= UNANSWERED_PINGS - 1
    platform.line.deaf = False
    platform.until(lambda: connection.down is None)
    platform.say()
    assert platform.outcomes(1) == [STORED]


def test_several_connections_share_the_events(platform: Platform) -> None:
    handlers = [RecordingHandler({}), RecordingHandler({})]
    for handler in handlers:
        platform.connect(handler)
    platform.feishu.delivery = replace(platform.feishu.delivery, duplicates=0)
    for _ in range(6):
        platform.say()
    platform.outcomes(6)
    assert sum(len(handler.payloads) for handler in handlers) == 6
