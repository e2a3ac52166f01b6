"""The limiter of messages: one for all processes, within what the platform allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import literal, select

from bot.db.database import Database
from bot.db.timers import CHAT, MINUTE, SECOND, SendRateLimiter, TokenBucket, is_model_held, pause_model


@pytest.mark.parametrize(("allowance", "seconds", "allowed"), [(CHAT, 1, 5), (SECOND, 1, 50), (MINUTE, 60, 1000)])
def test_burst_and_rate_together_stay_within_the_platforms_limit(
    allowance: TokenBucket, seconds: int, allowed: int
) -> None:
    """Even a burst followed by a steady stream is within what the platform documents."""
    assert allowance.burst + allowance.rate * seconds <= allowed


def test_a_chat_gets_a_burst_and_then_waits(database: Database) -> None:
    """After the burst the next message waits, and a message to another chat does not."""
    limiter = SendRateLimiter(database)
    assert [limiter.reserve("oc_1") for _ in range(CHAT.burst)] == [0.0] * CHAT.burst
    assert 0 < limiter.reserve("oc_1") <= 1 / CHAT.rate
    assert limiter.reserve("oc_2") == 0.0


def test_a_chat_that_is_new_gets_no_more(database: Database) -> None:
    """Of six messages at the same moment to a chat without a row yet, as many go out as of six in turn."""
    start = threading.Barrier(6)

    def send_at_once(_: int) -> float:
        start.wait()
        return SendRateLimiter(database).reserve("oc_new")

    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        waits = list(pool.map(send_at_once, range(6)))
    # On a slow machine further ones have become due meanwhile.
    due_since = int((time.monotonic() - began) * CHAT.rate)
    assert CHAT.burst <= waits.count(0.0) <= CHAT.burst + due_since


@pytest.mark.parametrize(
    ("named", "least", "most"),
    [
        ((30.0,), 25.0, 30.0),
        # A shorter word does not end a longer one.
        ((52.0, 1.0), 45.0, 52.0),
        ((1.0, 52.0), 45.0, 52.0),
        # The month's calls are used up.
        ((3_600.0, 52.0), 3_590.0, 3_600.0),
    ],
)
def test_a_wait_that_the_platform_names_holds_every_message(
    database: Database, named: Sequence[float], least: float, most: float
) -> None:
    """After the platform has named a wait nothing goes out before its end."""
    for seconds in named:
        SendRateLimiter(database).hold(seconds)
    assert least < SendRateLimiter(database).reserve("oc_1") <= most


def test_a_busy_model_is_not_called_sooner_than_was_said(database: Database) -> None:
    """A shorter wait after a longer one, as of a second call under way, does not shorten it."""
    for seconds in (60.0, -1.0):
        with database.write() as connection:
            pause_model(database, connection, "glm-image", seconds=seconds)
    with database.read() as connection:
        assert connection.scalar(select(is_model_held(database, literal("glm-image"))))
