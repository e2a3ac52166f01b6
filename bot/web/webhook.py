"""The two addresses to which the platform pushes: bytes in, the answer of whoever takes the event out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from flask import Blueprint, Response, jsonify, request

from bot.errors import DatabaseUnavailable, EventRejected
from bot.logs import LogRateLimit, bind_ids, get_logger
from bot.models import Event
from bot.web.verification import ExpiredEvent, UrlVerification, Verifier

log = get_logger(__name__)

ROUTES = ("/webhook/event", "/webhook/card")
"""Both take events and card actions alike."""

_ERRORS = {400: "bad_request", 401: "unauthorized", 413: "too_large"}


def webhook(
    *,
    verifier: Verifier,
    take: Callable[[Event], Mapping[str, object]],
    clock: Callable[[], float] = time.monotonic,
    on_answer: Callable[[str, str, float], None] = lambda _kind, _outcome, _seconds: None,
) -> Blueprint:
    """The door as a blueprint.

    Args:
        verifier: opens requests.
        take: stores an event durably and returns the answer's JSON: ``{}``, or a toast for a card action. It has less
            than three seconds, after which the platform sends the event again. Its ``StoreUnavailable`` becomes 503,
            at which the platform does the same.
        clock: seconds, for the log's limit.
        on_answer: told the kind of each event (``unknown`` of one that was refused), its outcome, and the seconds that
            the answer took. Its outcome is ``taken``, ``challenge``, ``stale``, ``unavailable`` or, with the status,
            such as ``refused_401``.
    """
    door = Blueprint("webhook", __name__)
    refusals = RefusalLog(LogRateLimit(clock=clock))

    def view() -> Response:
        started = clock()
        kind, outcome, response = answer()
        on_answer(kind, outcome, clock() - started)
        return response

    def answer() -> tuple[str, str, Response]:
        try:
            opened = verifier.open(request.get_data(cache=False), request.headers)
        except EventRejected as refused:
            refusals.record(refused)
            return "unknown", f"refused_{refused.status}", _answer({"error": _ERRORS[refused.status]}, refused.status)
        if isinstance(opened, UrlVerification):
            return "url_verification", "challenge", _answer({"challenge": opened.value})
        kind, outcome, body, status = taken(opened, take)
        return kind, outcome, _answer(body, status)

    for route in ROUTES:
        door.add_url_rule(route, view_func=view, methods=["POST"], provide_automatic_options=False)
    return door


def taken(
    opened: Event | ExpiredEvent, take: Callable[[Event], Mapping[str, object]]
) -> tuple[str, str, Mapping[str, object], int]:
    """Stores an event that was let in, whichever way it came, unless it is too old.

    Returns:
        The kind, the outcome (``taken``, ``stale`` or ``unavailable``), the JSON to answer with, and the status.
    """
    event = opened.event if isinstance(opened, ExpiredEvent) else opened
    kind = event.event_type
    with bind_ids(**event.ids):
        if isinstance(opened, ExpiredEvent):
            log.warning("event dropped", type=kind, age=round(opened.age))
            return kind, "stale", {}, 200
        try:
            return kind, "taken", take(event), 200
        except DatabaseUnavailable:
            log.warning("event not stored", type=kind)
            return kind, "unavailable", {"error": "unavailable"}, 503


class RefusalLog:
    """Writes a line a refusal, as far as there is a ration; a line tells how many were left out before it."""

    def __init__(self, ration: LogRateLimit) -> None:
        self._ration = ration

    def record(self, refused: EventRejected) -> None:
        """Logs the status and the reason, which hold nothing that the sender sent."""
        left_out = self._ration.take()
        if left_out is not None:
            log.warning("event rejected", status=refused.status, reason=refused.reason, suppressed=left_out)


def _answer(body: Mapping[str, object], status: int = 200) -> Response:
    response = jsonify(dict(body))
    response.status_code = status
    return response
