"""Requests in a real database: accepted once, shown by one worker at a time, in order."""

from __future__ import annotations

import pytest

from bot.db.database import Database
from bot.db.generations import GenerationStore
from bot.db.requests import RequestStore, mark_dirty
from bot.errors import LeaseLost
from bot.models import State
from tests.support.builders import EXPIRED, LEASE, accept, answer, claim


def test_a_message_is_accepted_once(database: Database) -> None:
    """The same message again changes nothing."""
    store = RequestStore(database, "me")
    assert [accept(database, count=2).outcome for _ in range(2)] == ["accepted", "repeated"]
    (request_id,) = store.due_requests(limit=10)
    assert len(store.read(request_id)[1]) == 2


def test_one_worker_at_a_time_shows_a_request(database: Database) -> None:
    """A claimed request is nobody else's until its lease runs out."""
    store = RequestStore(database, "me")
    accept(database)
    (request_id,) = store.due_requests(limit=10)
    assert store.claim(request_id, lease=LEASE)
    assert RequestStore(database, "other").claim(request_id, lease=LEASE) is None
    assert store.due_requests(limit=10) == []


def test_who_lost_the_lease_writes_nothing(database: Database) -> None:
    """A worker that was away while another took over is told so at its next step."""
    store = RequestStore(database, "me")
    accept(database)
    (request_id,) = store.due_requests(limit=10)
    slow = store.claim(request_id, lease=EXPIRED)
    assert slow is not None
    assert RequestStore(database, "quick").claim(request_id, lease=LEASE)
    with pytest.raises(LeaseLost):
        store.mark_published(slow, card_state="result", last=True, answer_id="om_x")
    assert store.read(request_id)[0].answer_id is None


def test_first_answers_in_a_chat_keep_the_order_of_the_messages(database: Database) -> None:
    """While the first message of a chat waits for its answer, the second is not answered before it."""
    store = RequestStore(database, "me")
    accept(database, "om_1", chat="oc_1")
    accept(database, "om_2", chat="oc_1")
    (first,) = store.due_requests(limit=10)
    request = store.claim(first, lease=LEASE)
    assert request is not None
    store.postpone(request, seconds=60)
    assert store.due_requests(limit=10) == []


def test_a_change_during_a_showing_is_shown_after_it(database: Database) -> None:
    """What changed while a card was on its way makes the request due again."""
    store = RequestStore(database, "me")
    accept(database)
    answer(database)
    assert store.due_requests(limit=10) == []
    assert claim(database)
    assert len(store.due_requests(limit=10)) == 1


def test_a_change_during_the_last_showing_is_shown_after_it(database: Database) -> None:
    """A recall that comes while the final card is on its way is not lost: the request does not end before it."""
    store = RequestStore(database, "me")
    accept(database)
    (request_id,) = store.due_requests(limit=10)
    assert store.claim(request_id, lease=LEASE)
    rendered, _ = store.read(request_id)
    with database.write() as connection:
        mark_dirty(connection, [request_id])
    store.mark_published(rendered, card_state="result", last=True, answer_id="om_x")
    assert store.due_requests(limit=10) == [request_id]
    assert store.claim(request_id, lease=LEASE)
    rendered, _ = store.read(request_id)
    store.mark_published(rendered, card_state="result", last=True)
    assert store.due_requests(limit=10) == []


def test_an_answer_that_nobody_can_get_is_not_paid_for(database: Database) -> None:
    """Giving a request up cancels its waiting generations."""
    store = RequestStore(database, "me")
    accept(database)
    (request_id,) = store.due_requests(limit=10)
    request = store.claim(request_id, lease=LEASE)
    assert request is not None
    store.give_up(request, outcome="feishu_230002")
    assert [picture.state for picture in store.read(request_id)[1]] == [State.CANCELLED]
    assert GenerationStore(database, "me").next_waiting("glm-image") is None
