"""The client of the long connection against the platform's end of it, over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from bot.errors import FeishuError
from bot.feishu.client import FeishuClient
from bot.feishu.long_connection import LongConnection
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.http import Response
from tests.clients.servers import RecordingServer
from tests.support.dsl import wait_for
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

    def create(self, handle: RecordingHandler | None = None, *, domain: str = "", **more: Any) -> LongConnection:
        """Starts a connection."""
        feishu = self.feishu
        client = FeishuClient(domain=domain or feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret)
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
        wait_for(lambda: self.line.open == before + 1)
        return connection

    def say(self) -> None:
        """Somebody writes to the bot."""
        self.feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫" * 100)

    def outcomes(self, count: int) -> list[tuple[str, int | None]]:
        """How the first ``count`` pushes ended that were answered; what a lost connection took along comes again."""

        def answered() -> list[tuple[str, int | None]]:
            return [(one.outcome, one.status) for one in self.feishu.attempts if one.status is not None]

        wait_for(lambda: len(answered()) >= count)
        return answered()[:count]


@pytest.fixture
def platform() -> Iterator[Platform]:
    delivery = RetrySchedule(ladder=(0.05,) * 8, answer_seconds=SECONDS)
    with ConnectedStandIn(delivery=delivery) as feishu, Platform(feishu) as platform:
        yield platform


STORED = ("acknowledged", 200)


def test_a_payload_is_taken_and_answered(platform: Platform) -> None:
    """Frames of both types, whole and in parts, reach the handler with every byte; its JSON is the answer."""
    handler = RecordingHandler({"toast": {"content": "好"}})
    platform.connect(handler)
    platform.say()
    assert platform.outcomes(1) == [STORED]
    platform.line.frame_type, platform.line.part_bytes = "card", 100
    platform.say()
    assert platform.outcomes(2)[1] == STORED
    assert "好" in platform.feishu.attempts[-1].body.decode()
    assert all("一只橘猫" * 100 in payload.decode() for payload in handler.payloads)


def test_what_was_not_stored_comes_again(platform: Platform) -> None:
    platform.connect(RecordingHandler(None, None, {}))
    platform.say()
    assert platform.outcomes(3) == [("refused", 500), ("refused", 500), STORED]


def test_while_a_payload_is_stored_pings_go_on_and_a_close_waits_for_its_answer(platform: Platform) -> None:
    handler = RecordingHandler({})
    handler.go_on.clear()
    connection = platform.connect(handler)
    platform.say()
    wait_for(lambda: handler.payloads)
    before = platform.line.pings
    wait_for(lambda: platform.line.pings >= before + 3)
    leaving = threading.Thread(target=connection.close)
    leaving.start()
    # It is seen within 25 ms that the connection is to close, but it stays open for the answer.
    assert not wait_until(lambda: platform.line.open == 0, seconds=0.3)
    handler.go_on.set()
    leaving.join(SECONDS)
    assert platform.outcomes(1) == [STORED]
    wait_for(lambda: platform.line.open == 0)


def test_what_passes_is_waited_for(platform: Platform) -> None:
    """Too many connections, as right after a crash, or a busy platform: the client says so and tries again."""
    connection = platform.connect()
    platform.line.rejections.extend([(1000040350, "not now")] * 10_000)
    platform.line.cut()
    wait_for(lambda: "not now (code 1000040350)" in (connection.down or ""))
    platform.line.rejections.clear()
    wait_for(lambda: connection.down is None and platform.line.opened == 2)


@pytest.mark.parametrize(
    ("rejections", "turned_away", "message", "asked"),
    [
        ([(1000040351, "refused")], [], "endpoint: refused", 1),
        ([], [(514, "auth failed"), (403, "forbidden")], "handshake: forbidden", 2),
        ([], [(514, "auth failed")] * 9, "no long connection after 3 attempts", 3),
    ],
)
def test_a_refusal_for_good_ends_it(
    platform: Platform, rejections: list[Any], turned_away: list[Any], message: str, asked: int
) -> None:
    """A failed handshake is made again unless that is forbidden, as often as the platform wants."""
    platform.line.client_config |= {"ReconnectCount": 3}
    platform.line.rejections.extend(rejections)
    platform.line.turned_away.extend(turned_away)
    connection = platform.create()
    assert platform.ended.wait(SECONDS)
    with pytest.raises(FeishuError, match=message):
        connection.close()
    assert (platform.line.asked, platform.line.opened) == (asked, 0)


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
    with RecordingServer(Response.of_json({"code": 0, "data": data})) as endpoint:
        connection = platform.create(domain=endpoint.origin)
        wait_for(lambda: len(endpoint.requests) >= 2)
        assert ADDRESSES[url] in (connection.down or "")
        connection.close()
    asked = endpoint.requests[0]
    assert (asked.method, asked.path) == ("POST", "/callback/ws/endpoint")
    assert asked.json() == {"AppID": platform.feishu.app_id, "AppSecret": platform.feishu.app_secret}


def test_a_connection_whose_packets_vanish_is_noticed(platform: Platform) -> None:
    platform.line.client_config |= {"PingInterval": SECONDS}
    with Wire(platform.line.port) as wire:
        platform.line.origin = f"ws://127.0.0.1:{wire.port}"
        connection = platform.create(ping=0.3)
        wait_for(lambda: connection.down is None)
        wire.deafen()
        wait_for(lambda: "ping timeout" in (connection.down or ""))
        wire.cut()
        wire.mend()
        wait_for(lambda: connection.down is None)
        connection.close()


def test_a_far_end_that_answers_no_pings_is_left(platform: Platform) -> None:
    """WebSocket pings are answered and Feishu's are not: it says so, and opens another connection, which works."""
    connection = platform.connect()
    wait_for(lambda: platform.line.pings > 2 * UNANSWERED_PINGS)
    assert platform.line.opened == 1
    platform.line.deaf = True
    before = platform.line.pings
    wait_for(lambda: "answer" in (connection.down or ""))
    wait_for(lambda: platform.line.opened == 2)
    assert platform.line.pings - before >= UNANSWERED_PINGS - 1
    platform.line.deaf = False
    wait_for(lambda: connection.down is None)
    platform.say()
    assert platform.outcomes(1) == [STORED]
