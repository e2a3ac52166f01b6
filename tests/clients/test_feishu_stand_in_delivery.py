"""The stand-in pushes events as Feishu does: signed, at least once, in no order, and again after a bad answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from bot.sandbox.feishu.delivery import RetrySchedule, sign
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import LoopbackServer, Response, wait_until
from tests.clients.feishu_wire import Json, RecordingBot

MILLISECONDS = 1e-3
QUICK = RetrySchedule(scale=MILLISECONDS, ladder=(15, 30, 45, 60), answer_seconds=30.0)


def say(stand_in: FeishuStandIn, text: str = "一只猫") -> str:
    """Somebody writes to the bot; the message's id."""
    return stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text=text).message_id


def ids(events: list[Json]) -> list[str]:
    """The messages that the events tell of."""
    return [event["event"]["message"]["message_id"] for event in events]


def outcomes(stand_in: FeishuStandIn) -> list[tuple[int, str, bool]]:
    """Number, outcome, and whether it was the last, of each attempt."""
    return [(attempt.number, attempt.outcome, attempt.last) for attempt in stand_in.attempts]


def failing(times: int, bad: Response) -> Callable[[int, Json], Response]:
    """A bot that gives the bad answer so many times."""
    return lambda number, _event: bad if number < times else Response.of_json({})


def test_events_are_signed_over_the_raw_body() -> None:
    """The bot can verify timestamp, nonce and body with its key."""
    with FeishuStandIn(encrypt_key="test key") as stand_in, RecordingBot(stand_in) as bot:
        say(stand_in)
        bot.wait_for(1)
        headers, body = bot.calls[0].headers, bot.calls[0].body
        timestamp, nonce = headers["x-lark-request-timestamp"], headers["x-lark-request-nonce"]
        assert headers["x-lark-signature"] == sign("test key", timestamp=timestamp, nonce=nonce, body=body)
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert bot.calls[0].json().keys() == {"encrypt"}


def test_without_an_encrypt_key_events_are_plain() -> None:
    """An app may have only a verification token."""
    with FeishuStandIn(encrypt_key="", verification_token="fake") as stand_in, RecordingBot(stand_in) as bot:
        say(stand_in)
        assert bot.wait_for(1)[0]["header"]["token"] == "fake"
        assert "x-lark-signature" not in bot.calls[0].headers


@pytest.mark.parametrize(
    "bad", [Response(status=500), Response(status=302, headers={"Location": "/"}), Response(status=204)]
)
def test_a_bad_answer_brings_the_event_again(bad: Response) -> None:
    """Anything but 200 is followed by the next rung of the ladder, until a good answer ends it."""
    with FeishuStandIn(delivery=QUICK) as stand_in, RecordingBot(stand_in, answer=failing(2, bad)) as bot:
        message_id = say(stand_in)
        events = bot.wait_for(3)
        assert ids(events) == [message_id] * 3
        assert len({event["header"]["event_id"] for event in events}) == 1
        assert stand_in.wait_for(lambda feishu: len(feishu.attempts) == 3)
    assert outcomes(stand_in) == [(1, "refused", False), (2, "refused", False), (3, "acknowledged", False)]


def test_a_late_answer_is_a_bad_one() -> None:
    """The event comes again although the bot has taken it."""
    late = Response(body=Response.of_json({}).body, delay=60)
    hasty = replace(QUICK, answer_seconds=1.0)
    with FeishuStandIn(delivery=hasty) as stand_in, RecordingBot(stand_in, answer=failing(1, late)) as bot:
        say(stand_in)
        assert len(bot.wait_for(2)) == 2
        assert stand_in.wait_for(lambda feishu: len(feishu.attempts) == 2)
    assert outcomes(stand_in) == [(1, "late", False), (2, "acknowledged", False)]
    assert stand_in.attempts[0].seconds >= hasty.answer_seconds


def test_the_ladder_has_four_rungs_whose_waits_grow() -> None:
    """After five attempts the event is given up, and the waits between them were those of the ladder."""
    with (
        FeishuStandIn(delivery=QUICK) as stand_in,
        RecordingBot(stand_in, answer=failing(9, Response(status=500))) as bot,
    ):
        say(stand_in)
        bot.wait_for(5)
        assert stand_in.wait_for(lambda feishu: len(feishu.attempts) == 5)
        starts = [attempt.at for attempt in stand_in.attempts]
    assert [attempt.last for attempt in stand_in.attempts] == [False, False, False, False, True]
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert all(wait >= rung * MILLISECONDS for wait, rung in zip(waits, QUICK.ladder, strict=True))


def test_the_platforms_own_ladder_is_the_default() -> None:
    """15 s, 5 min, 1 h and 6 h, with 2 s to connect, 3 s to answer and 1 s for the challenge."""
    assert RetrySchedule().ladder == (15, 300, 3600, 21600)
    assert (RetrySchedule().connect_seconds, RetrySchedule().answer_seconds, RetrySchedule().challenge_seconds) == (
        2,
        3,
        1,
    )


def test_a_bot_that_is_away_gets_its_events_later() -> None:
    """Nobody listens at first; the ladder finds the bot when it is back."""
    with FeishuStandIn(delivery=QUICK) as stand_in:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            stand_in.webhook_url = f"http://127.0.0.1:{taken.getsockname()[1]}/webhook/event"
            message_id = say(stand_in)
            assert stand_in.wait_for(lambda feishu: len(feishu.attempts) > 0)
        with RecordingBot(stand_in) as bot:
            assert ids(bot.wait_for(1)) == [message_id]
        assert stand_in.attempts[0].outcome == "unreachable"


def test_sending_does_not_wait_for_the_bot() -> None:
    """A bot that hangs holds up neither the person who writes nor the calls to the platform."""
    hanging = Response(wire_fault="hang")
    with FeishuStandIn(delivery=QUICK) as stand_in, RecordingBot(stand_in, answer=failing(99, hanging)) as bot:
        for _ in range(20):
            say(stand_in)
        assert bot.wait_for(20)
        assert not stand_in.attempts


def test_a_duplicate_follows_a_good_answer() -> None:
    """The same event comes again although it was acknowledged."""
    delivery = RetrySchedule(duplicates=2)
    with FeishuStandIn(delivery=delivery) as stand_in, RecordingBot(stand_in) as bot:
        say(stand_in)
        assert len({event["header"]["event_id"] for event in bot.wait_for(3)}) == 1


def test_a_duplicate_may_have_a_new_event_id() -> None:
    """Only the message's id tells that it is the same."""
    delivery = RetrySchedule(duplicates=1, new_event_id=True)
    with FeishuStandIn(delivery=delivery) as stand_in, RecordingBot(stand_in) as bot:
        message_id = say(stand_in)
        events = bot.wait_for(2)
        assert ids(events) == [message_id, message_id]
        assert events[0]["header"]["event_id"] != events[1]["header"]["event_id"]


def test_copies_may_come_at_the_same_moment() -> None:
    """Four copies are under way before the first is answered."""
    all_here = threading.Barrier(4, timeout=30)

    def answer(_number: int, _event: Json) -> Response:
        all_here.wait()
        return Response.of_json({})

    with FeishuStandIn(delivery=RetrySchedule(in_parallel=4)) as stand_in, RecordingBot(stand_in, answer=answer) as bot:
        message_id = say(stand_in)
        assert ids(bot.wait_for(4)) == [message_id] * 4
        assert stand_in.wait_for(lambda feishu: len(feishu.attempts) == 4)
    assert {attempt.outcome for attempt in stand_in.attempts} == {"acknowledged"}


def test_two_messages_may_come_in_the_wrong_order() -> None:
    """The first waits until the second was answered; what is held back comes when the order is mended."""
    with FeishuStandIn(delivery=RetrySchedule(swapped=True)) as stand_in, RecordingBot(stand_in) as bot:
        first, second, third = (say(stand_in, text) for text in ("一", "二", "三"))
        assert ids(bot.wait_for(2)) == [second, first]
        stand_in.delivery = RetrySchedule()
        assert ids(bot.wait_for(3)) == [second, first, third]


def test_a_raw_event_can_be_pushed() -> None:
    """One after another or at the same moment, as it is; each answer is told."""
    event = {"schema": "2.0", "header": {"event_id": "e1", "event_type": "x", "token": "fake"}, "event": {}}
    with FeishuStandIn() as stand_in, RecordingBot(stand_in, answer=failing(1, Response(status=401))) as bot:
        assert [attempt.status for attempt in stand_in.push(event, times=2)] == [401, 200]
        assert [attempt.status for attempt in stand_in.push(event, times=3, together=True)] == [200, 200, 200]
        assert bot.events == [event] * 5
        assert stand_in.attempts[0].event["header"]["token"] == "***"


def test_no_record_of_a_push_holds_a_token() -> None:
    """Neither the app's verification token nor the one with which a pressed card can be changed."""
    event = {"schema": "2.0", "header": {"event_id": "e1", "token": "fake"}, "event": {"token": "c-1", "host": "im"}}
    with FeishuStandIn() as stand_in, RecordingBot(stand_in) as bot:
        stand_in.push(event)
        stand_in.push({"challenge": "word", "token": "fake", "type": "url_verification"})
        assert bot.events[0] == event
        pushed, challenge = (attempt.event for attempt in stand_in.attempts)
    assert (pushed["header"]["token"], pushed["event"]) == ("***", {"token": "***", "host": "im"})
    assert challenge["token"] == "***"


def test_the_challenge_has_to_be_echoed_within_a_second() -> None:
    """It is encrypted but not signed; a right answer is good, a wrong or late one is not."""
    with FeishuStandIn(encrypt_key="test key", delivery=replace(QUICK, challenge_seconds=30.0)) as stand_in:
        echo = RecordingBot(stand_in, answer=lambda _, event: Response.of_json({"challenge": event["challenge"]}))
        with echo:
            assert stand_in.challenge().good
        assert echo.events[0]["type"] == "url_verification"
        assert (echo.calls[0].json().keys(), "x-lark-signature" in echo.calls[0].headers) == ({"encrypt"}, False)
        with RecordingBot(stand_in, answer=lambda *_: Response.of_json({"challenge": "x"})):
            assert stand_in.challenge().reason == "the challenge was not echoed"
        stand_in.delivery = replace(QUICK, challenge_seconds=0.3)
        with RecordingBot(stand_in, answer=lambda *_: Response(body=b"{}", delay=60)):
            assert stand_in.challenge().reason == "late"


def test_an_app_without_a_request_url_gets_nothing() -> None:
    """The attempt is noted, and nobody is disturbed."""
    with FeishuStandIn(delivery=QUICK) as stand_in:
        say(stand_in)
        assert stand_in.wait_for(lambda feishu: len(feishu.attempts) == 5)
        assert {attempt.outcome for attempt in stand_in.attempts} == {"no address"}


def test_a_closed_stand_in_gives_up_what_waits() -> None:
    """No thread of a delivery outlives the stand-in."""
    with FeishuStandIn() as stand_in, LoopbackServer() as nobody:
        stand_in.webhook_url = f"{nobody.origin}/webhook/event"
        say(stand_in)
        assert stand_in.wait_for(lambda feishu: len(feishu.attempts) == 1)
        with stand_in.listen() as changes:
            stand_in.webhook_url = None
    assert wait_until(lambda: changes.wait(0) is None, seconds=30)
    assert outcomes(stand_in) == [(1, "refused", False)]
