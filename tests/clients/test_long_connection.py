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
Taken = Callable[[bytes], Mapping[str, object] | None]


@pytest.fixture
def feishu() -> Iterator[ConnectedStandIn]:
    with ConnectedStandIn(delivery=RetrySchedule(ladder=(0.05,) * 8, answer_seconds=SECONDS)) as feishu:
        feishu.line.client_config = dict(SOON)
        yield feishu


class Taking:
    """Takes payloads as ``answers`` say, one after another and the last one for all that follow."""

    def __init__(self, *answers: Mapping[str, object] | None) -> None:
        self.payloads: list[bytes] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self._answers = list(answers)

    def __call__(self, payload: bytes) -> Mapping[str, object] | None:
        self.payloads.append(payload)
        assert self.go_on.wait(SECONDS)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


CLIENTS = ExitStack()


def create(
    feishu: ConnectedStandIn,
    take: Taken,
    *,
    domain: str | None = None,
    timeout: httpx.Timeout | None = None,
    **more: Any,
) -> LongConnection:
    client = FeishuClient(
        domain=domain or feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret, timeout=timeout
    )
    CLIENTS.callback(client.close)
    return LongConnection(client=client, handle=take, **more)


@pytest.fixture(autouse=True)
def closed_clients() -> Iterator[None]:
    with CLIENTS:
        yield


@pytest.fixture
def connect(feishu: ConnectedStandIn) -> Iterator[Callable[[Taken], LongConnection]]:
    """Opens a connection; closes it at the end."""
    opened: list[LongConnection] = []

    def begin(take: Taken) -> LongConnection:
        connection = create(feishu, take)
        opened.append(connection)
        connection.start()
        assert wait_until(lambda: feishu.line.open == len(opened), seconds=SECONDS)
        return connection

    yield begin
    for connection in opened:
        connection.close()


def say(feishu: ConnectedStandIn) -> None:
    feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫" * 100)


def outcomes(feishu: ConnectedStandIn, count: int) -> list[tuple[str, int | None, bytes]]:
    """How the first ``count`` pushes ended."""
    assert wait_until(lambda: len(feishu.attempts) >= count, seconds=SECONDS)
    return [(attempt.outcome, attempt.status, attempt.body) for attempt in feishu.attempts[:count]]


@pytest.mark.parametrize("frame_type", ["event", "card"])
def test_a_payload_is_taken_and_answered(
    feishu: ConnectedStandIn, connect: Callable[[Taken], LongConnection], frame_type: str
) -> None:
    taking = Taking({"toast": {"content": "好"}})
    connect(taking)
    feishu.line.frame_type = frame_type
    say(feishu)
    assert outcomes(feishu, 1)[0][:2] == ("acknowledged", 200)
    feishu.line.part_bytes = 100
    say(feishu)
    assert "好" in outcomes(feishu, 2)[1][2].decode()
    assert ["一只橘猫" * 100 in payload.decode() for payload in taking.payloads] == [True, True]


def test_what_was_not_stored_comes_again(feishu: ConnectedStandIn, connect: Callable[[Taken], LongConnection]) -> None:
    connect(Taking(None, None, {}))
    say(feishu)
    assert [one[:2] for one in outcomes(feishu, 3)] == [("refused", 500), ("refused", 500), ("acknowledged", 200)]


def test_a_slow_taker_stops_no_ping(feishu: ConnectedStandIn, connect: Callable[[Taken], LongConnection]) -> None:
    taking = Taking({})
    taking.go_on.clear()
    connect(taking)
    say(feishu)
    assert wait_until(lambda: bool(taking.payloads), seconds=SECONDS)
    before = feishu.line.pings
    assert wait_until(lambda: feishu.line.pings >= before + 3, seconds=SECONDS)
    taking.go_on.set()
    assert outcomes(feishu, 1)[0][0] == "acknowledged"


def test_what_was_taken_is_answered_before_it_leaves(
    feishu: ConnectedStandIn, connect: Callable[[Taken], LongConnection]
) -> None:
    taking = Taking({})
    taking.go_on.clear()
    connection = connect(taking)
    say(feishu)
    assert wait_until(lambda: bool(taking.payloads), seconds=SECONDS)
    leaving = threading.Thread(target=connection.close)
    leaving.start()
    # It is seen within 25 ms that the connection is to close, but it stays open for the answer.
    assert not wait_until(lambda: feishu.line.open == 0, seconds=0.3)
    taking.go_on.set()
    leaving.join(SECONDS)
    assert outcomes(feishu, 1)[0][0] == "acknowledged"
    assert wait_until(lambda: feishu.line.open == 0, seconds=SECONDS)


@pytest.mark.parametrize("code", [1, 1000040350])
def test_what_passes_is_waited_for(
    feishu: ConnectedStandIn, connect: Callable[[Taken], LongConnection], code: int
) -> None:
    """Too many connections, as right after a crash, or a busy platform: the client says so and tries again."""
    connection = connect(Taking({}))
    feishu.line.rejections.extend([(code, "not now")] * 10_000)
    feishu.line.cut()
    assert wait_until(lambda: f"not now (code {code})" in (connection.down or ""), seconds=SECONDS)
    feishu.line.rejections.clear()
    assert wait_until(lambda: connection.down is None, seconds=SECONDS)
    assert wait_until(lambda: feishu.line.opened == 2, seconds=SECONDS)


@pytest.mark.parametrize("code", [10014, 1000040351])
def test_a_refusal_for_good_ends_it(feishu: ConnectedStandIn, code: int) -> None:
    ended = threading.Event()
    feishu.line.rejections.append((code, "refused"))
    connection = create(feishu, Taking({}), on_end=ended.set)
    connection.start()
    assert ended.wait(SECONDS)
    with pytest.raises(FeishuError, match="endpoint: refused") as refused:
        connection.close()
    assert refused.value.code == code
    assert feishu.line.asked == 1


def test_a_failed_handshake_is_made_again_unless_forbidden(feishu: ConnectedStandIn) -> None:
    ended = threading.Event()
    feishu.line.turned_away.extend([(514, "auth failed"), (403, "forbidden")])
    feishu.line.client_config |= {"ReconnectCount": 5}
    connection = create(feishu, Taking({}), on_end=ended.set)
    connection.start()
    assert ended.wait(SECONDS)
    with pytest.raises(FeishuError, match="handshake: forbidden"):
        connection.close()
    assert (feishu.line.asked, feishu.line.opened) == (2, 0)


def test_it_gives_up_when_the_platform_wants_that(feishu: ConnectedStandIn) -> None:
    ended = threading.Event()
    feishu.line.client_config |= {"ReconnectCount": 2}
    connection = create(feishu, Taking({}), on_end=ended.set)
    connection.start()
    assert wait_until(lambda: feishu.line.open == 1, seconds=SECONDS)
    feishu.line.away = True
    feishu.line.cut()
    assert ended.wait(SECONDS)
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


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ws://192.0.2.1/ws?ticket=t", "not encrypted"),
        ("http://[", "URL is none"),
        ("", "has no URL"),
        ("ftp://127.0.0.1/", "URL is none"),
    ],
)
def test_an_address_that_is_none_is_not_gone_to(feishu: ConnectedStandIn, url: str, reason: str) -> None:
    """The ticket goes to encrypted addresses alone, this machine excepted, and nonsense ends nothing."""
    data = {"URL": url, "ClientConfig": {"ReconnectInterval": 0.02, "PingInterval": None, "ReconnectNonce": "soon"}}
    with endpoint(lambda _: Response.of_json({"code": 0, "data": data})) as (origin, asked):
        connection = create(feishu, Taking({}), domain=origin)
        connection.start()
        assert wait_until(lambda: len(asked) >= 2, seconds=SECONDS)
        assert reason in (connection.down or "")
        connection.close()
    assert asked[0] == {"AppID": feishu.app_id, "AppSecret": feishu.app_secret}


def test_an_endpoint_that_hangs_is_asked_again(feishu: ConnectedStandIn) -> None:
    # The first answer leads nowhere, but says that the next attempt is to be made soon.
    first = Response.of_json({"code": 0, "data": {"URL": "", "ClientConfig": SOON}})
    with endpoint(lambda number: first if number == 1 else Response(wire_fault="hang")) as (origin, asked):
        connection = create(feishu, Taking({}), domain=origin, timeout=httpx.Timeout(0.05))
        connection.start()
        assert wait_until(lambda: "ReadTimeout" in (connection.down or ""), seconds=SECONDS)
        assert wait_until(lambda: len(asked) >= 3, seconds=SECONDS)
        connection.close()


def test_a_connection_whose_packets_vanish_is_noticed(feishu: ConnectedStandIn) -> None:
    feishu.line.client_config |= {"PingInterval": SECONDS}
    with Wire(feishu.line.listen()) as wire:
        feishu.line.origin = f"ws://127.0.0.1:{wire.port}"
        connection = create(feishu, Taking({}), ping=0.3)
        connection.start()
        assert wait_until(lambda: connection.down is None, seconds=SECONDS)
        wire.deafen()
        assert wait_until(lambda: "ping timeout" in (connection.down or ""), seconds=SECONDS)
        wire.cut()
        wire.mend()
        assert wait_until(lambda: connection.down is None, seconds=SECONDS)
        connection.close()


def test_a_far_end_that_answers_no_pings_is_left(
    feishu: ConnectedStandIn, connect: Callable[[Taken], LongConnection]
) -> None:
    connection = connect(Taking({}))
    assert wait_until(lambda: feishu.line.pings > 2 * UNANSWERED_PINGS, seconds=SECONDS)
    assert feishu.line.opened == 1
    feishu.line.deaf = True
    before = feishu.line.pings
    assert wait_until(lambda: "answer" in (connection.down or ""), seconds=SECONDS)
    assert wait_until(lambda: feishu.line.opened == 2, seconds=SECONDS)
    assert feishu.line.pings - before >= UNANSWERED_PINGS - 1
    feishu.line.deaf = False
    assert wait_until(lambda: connection.down is None, seconds=SECONDS)
    say(feishu)
    assert outcomes(feishu, 1)[0][0] == "acknowledged"


def test_several_connections_share_the_events(
    feishu: ConnectedStandIn, connect: Callable[[Taken], LongConnection]
) -> None:
    takers = [Taking({}), Taking({})]
    for one in takers:
        connect(one)
    feishu.delivery = replace(feishu.delivery, duplicates=0)
    for _ in range(6):
        say(feishu)
    outcomes(feishu, 6)
    assert sum(len(one.payloads) for one in takers) == 6
