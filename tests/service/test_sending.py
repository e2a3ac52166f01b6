"""The limiter of messages: one for all processes, within what the platform allows."""

from __future__ import annotations

import pytest

from bot.generation.store.database import Database
from bot.generation.store.sending import CHAT, MINUTE, SECOND, Allowance, hold, reserve


def send(database: Database, chat: str) -> float:
    """Asks to send a message; gives the seconds to wait."""
    with database.write() as connection:
        return reserve(database, connection, chat)


@pytest.mark.parametrize(("allowance", "seconds", "allowed"), [(CHAT, 1, 5), (SECOND, 1, 50), (MINUTE, 60, 1000)])
def test_burst_and_rate_together_stay_within_the_platforms_limit(
    allowance: Allowance, seconds: int, allowed: int
) -> None:
    """Even a burst followed by a steady stream is within what the platform documents."""
    assert allowance.burst + allowance.rate * seconds <= allowed


def test_a_chat_gets_a_burst_and_then_waits(database: Database) -> None:
    """After the burst the next message waits, and a message to another chat does not."""
    assert [send(database, "oc_1") for _ in range(CHAT.burst)] == [0.0] * CHAT.burst
    assert 0 < send(database, "oc_1") <= 1 / CHAT.rate
    assert send(database, "oc_2") == 0.0


def test_a_wait_that_the_platform_names_holds_every_message(database: Database) -> None:
    """After x-ogw-ratelimit-reset nothing goes out before its end."""
    with database.write() as connection:
        hold(database, connection, seconds=30)
    assert 25 < send(database, "oc_1") <= 30
