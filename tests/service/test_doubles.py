"""What counts as the same request once more: in a real database, over processes, for a moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import update

from bot.db.database import Database, read_url
from bot.db.requests import cancel, cancel_recalled
from bot.db.tables import fingerprint, requests
from bot.errors import DatabaseUnavailable
from bot.models import Command, ImagePrompt, ParsedMessage
from bot.service.requests import SubmitResult
from tests.support.builders import arrival, reception_of

CAT = ImagePrompt(prompt="一只猫")
SAME = fingerprint("ou_ann", "oc_1", "一只猫")


@pytest.fixture
def processes(database_url: str) -> Iterator[list[Database]]:
    """Four processes of one bot."""
    found = [Database(read_url(database_url)) for _ in range(4)]
    yield found
    for one in found:
        one.close()


def send(database: Database, key: str, message: ParsedMessage = CAT, *, same: str = SAME) -> SubmitResult:
    """A message, or with another key a press, with this fingerprint."""
    new = replace(arrival(key), fingerprint=same)
    return reception_of(database).submit(new, message, store_rejected=not key.startswith("press:"))


def age(database: Database, seconds: float) -> None:
    """Lets everything have been accepted so much earlier."""
    with database.write() as connection:
        connection.execute(update(requests).values(accepted_at=requests.c.accepted_at - seconds))


@pytest.mark.parametrize("key", ["om_{}", "press:{}"])
def test_same_request_to_several_processes_at_once_is_one(processes: list[Database], key: str) -> None:
    """Of four at the same moment one is accepted; a message leaves an offer behind, a press nothing."""
    start = threading.Barrier(4)

    def submit(number: int) -> SubmitResult:
        start.wait()
        while True:
            # On a busy machine the others hold the lock for longer than it is waited for; Feishu then sends again.
            with suppress(DatabaseUnavailable):
                return send(processes[number], key.format(number))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(submit, range(4)))
    assert sorted(one.outcome for one in found) == ["accepted", "duplicate", "duplicate", "duplicate"]
    assert [one.request_id is None for one in found if one.outcome == "duplicate"] == [key.startswith("press")] * 3


@pytest.mark.parametrize(("key", "seconds"), [("om_{}", 10), ("press:{}", 3)])
def test_after_a_moment_it_is_another_request(database: Database, key: str, seconds: float) -> None:
    """Ten seconds for a text and three for a button; a little earlier it is still the same."""
    assert send(database, key.format(1)).outcome == "accepted"
    age(database, seconds / 2)
    assert send(database, key.format(2)).outcome == "duplicate"
    age(database, seconds / 2)
    assert send(database, key.format(3)).outcome == "accepted"


def test_delivered_again_is_no_double(database: Database) -> None:
    """The same event once more is a repetition, as before."""
    assert [send(database, "om_1").outcome for _ in range(2)] == ["accepted", "repeated"]
    assert [send(database, "om_2").outcome for _ in range(2)] == ["duplicate", "repeated"]


def test_other_fingerprint_or_person_is_another_request(database: Database) -> None:
    assert send(database, "om_1").outcome == "accepted"
    assert send(database, "om_2", same=fingerprint("ou_ann", "oc_2", "一只猫")).outcome == "accepted"


def test_what_has_ended_is_made_again(database: Database) -> None:
    """Cancelled or recalled, the same text is a new request."""
    first = send(database, "om_1")
    with database.write() as connection:
        cancel(database, connection, [str(first.request_id)])
    assert send(database, "om_2").outcome == "accepted"
    cancel_recalled(database, "om_2")
    assert send(database, "om_3").outcome == "accepted"


def test_double_press_of_a_free_button_is_one(database: Database) -> None:
    """A form or a file is sent once."""
    form = Command(name="form", argument="r1")
    assert [send(database, f"press:{number}", form).outcome for number in (1, 2)] == ["accepted", "duplicate"]
