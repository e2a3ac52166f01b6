"""What comes over the connection is looked at as at the door, but for what proves who sent it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bot.errors import DatabaseUnavailable
from bot.models import Event
from bot.web.long_connection_handler import LongConnectionHandler

NOW = 1_700_000_000.0
TOAST = {"toast": {"type": "info", "content": "好"}}


class EventHandler:
    """Keeps what it takes; without room it takes nothing."""

    def __init__(self) -> None:
        self.taken: list[Event] = []
        self.told: list[tuple[str, str]] = []
        self.room = True

    def take(self, event: Event) -> Mapping[str, object]:
        """Takes an event."""
        if not self.room:
            raise DatabaseUnavailable("no room")
        self.taken.append(event)
        return TOAST

    def tell(self, kind: str, outcome: str, _seconds: float) -> None:
        """Is told what became of an event."""
        self.told.append((kind, outcome))


@pytest.fixture
def inbox() -> EventHandler:
    """An empty one."""
    return EventHandler()


@pytest.fixture
def pushes(inbox: EventHandler) -> LongConnectionHandler:
    """The way in of one app."""
    return LongConnectionHandler(app_id="cli_own", take=inbox.take, clock=lambda: NOW, on_answer=inbox.tell)


def event(**header: Any) -> dict[str, Any]:
    """A card action as the platform pushes it, without a token."""
    own = {
        "event_id": "e1",
        "event_type": "card.action.trigger",
        "create_time": str(int(NOW * 1e6)),
        "app_id": "cli_own",
    }
    return {"schema": "2.0", "header": {**own, **header}, "event": {"operator": {"open_id": "ou_lin"}}}


def test_an_event_is_taken_without_any_token(pushes: LongConnectionHandler, inbox: EventHandler) -> None:
    """The answer of whoever takes it is the answer, whatever token came along."""
    assert pushes(json.dumps(event()).encode()) == TOAST
    assert pushes(json.dumps(event(token="whatever")).encode()) == TOAST
    assert [(one.event_id, one.created_at) for one in inbox.taken] == [("e1", NOW)] * 2
    assert inbox.told == [("card.action.trigger", "taken")] * 2


def test_what_was_not_stored_is_not_acknowledged(pushes: LongConnectionHandler, inbox: EventHandler) -> None:
    """Without a database there is no answer, so that the platform sends the event again."""
    inbox.room = False
    assert pushes(json.dumps(event()).encode()) is None
    assert inbox.told == [("card.action.trigger", "unavailable")]


def test_an_old_event_is_dropped(pushes: LongConnectionHandler, inbox: EventHandler) -> None:
    """What is older than eight hours is acknowledged and not acted on."""
    assert pushes(json.dumps(event(create_time=str(int((NOW - 8 * 3600 - 1) * 1e6)))).encode()) == {}
    assert inbox.taken == []


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"[]", b"{}", b"[" * 5000, json.dumps(event(app_id="cli_other")), json.dumps(event(event_id=None))],
)
def test_what_is_no_event_of_this_app_is_refused(
    pushes: LongConnectionHandler, inbox: EventHandler, payload: bytes | str
) -> None:
    """Nothing is taken, and nothing raises."""
    assert pushes(payload.encode() if isinstance(payload, str) else payload) is None
    assert inbox.taken == []
    assert inbox.told[0][0] == "unknown"
