"""Events of the long connection are validated like those of the webhook, except for what proves their sender."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from bot.errors import DatabaseUnavailable
from bot.models import Event
from bot.web.routes import MAX_AGE, EventEndpoint

NOW = 1_700_000_000.0
TOAST = {"toast": {"type": "info", "content": "好"}}


class Recorder:
    """Records events and outcomes; while ``is_away``, stores nothing."""

    def __init__(self) -> None:
        self.handled: list[Event] = []
        self.outcomes: list[tuple[str, str]] = []
        self.is_away = False
        endpoint = EventEndpoint(
            handle=self._handle,
            clock=lambda: NOW,
            on_answer=lambda kind, outcome, _seconds: self.outcomes.append((kind, outcome)),
        )
        self.push = partial(endpoint.push, app_id="cli_own")

    def _handle(self, event: Event) -> Mapping[str, object]:
        if self.is_away:
            raise DatabaseUnavailable("away")
        self.handled.append(event)
        return TOAST


@pytest.fixture
def recorder() -> Recorder:
    """One that stores everything."""
    return Recorder()


def event(**header: Any) -> bytes:
    """A card action as the platform pushes it, without a token."""
    own = {
        "event_id": "e1",
        "event_type": "card.action.trigger",
        "create_time": str(int(NOW * 1e6)),
        "app_id": "cli_own",
    }
    body = {"schema": "2.0", "header": {**own, **header}, "event": {"operator": {"open_id": "ou_lin"}}}
    return json.dumps(body).encode()


def test_an_event_needs_no_token(recorder: Recorder) -> None:
    """The handler's answer is the answer, whatever token came along."""
    assert recorder.push(event()) == recorder.push(event(token="whatever")) == TOAST
    assert [(one.event_id, one.created_at) for one in recorder.handled] == [("e1", NOW)] * 2
    assert recorder.outcomes == [("card.action.trigger", "accepted")] * 2


def test_an_event_that_is_not_stored_is_not_acknowledged(recorder: Recorder) -> None:
    """Without a database there is no answer, so that the platform sends the event again."""
    recorder.is_away = True
    assert recorder.push(event()) is None
    assert recorder.outcomes == [("card.action.trigger", "unavailable")]


def test_an_expired_event_is_acknowledged_and_dropped(recorder: Recorder) -> None:
    """What is older than eight hours is not acted on; a clock that runs behind is no reason."""
    for age in (-3600, MAX_AGE):
        assert recorder.push(event(create_time=str(int((NOW - age) * 1e6)))) == TOAST
    recorder.handled.clear()
    recorder.outcomes.clear()
    assert recorder.push(event(create_time=str(int((NOW - MAX_AGE - 1) * 1e6)))) == {}
    assert (recorder.handled, recorder.outcomes) == ([], [("card.action.trigger", "expired")])


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"[]", b"{}", b"[" * 5000, event(app_id="cli_other"), event(event_id=None)]
)
def test_anything_else_is_rejected(recorder: Recorder, payload: bytes) -> None:
    """Nothing is handled, and nothing raises."""
    assert recorder.push(payload) is None
    assert recorder.handled == []
    assert recorder.outcomes[0][0] == "unknown"
