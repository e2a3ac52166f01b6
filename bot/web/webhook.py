"""Events in, over HTTP or the long connection; the handler's answer out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from bot.errors import DatabaseUnavailable, EventRejected
from bot.logs import LogRateLimit, bind_ids, get_logger
from bot.models import Event
from bot.web.verification import ExpiredEvent, UrlVerification, Verifier, parse_json, validate_event

log = get_logger(__name__)

ROUTES = ("/webhook/event", "/webhook/card")
"""Both accept events and card actions."""

Handler = Callable[[Event], Mapping[str, object]]
"""Stores an event durably and returns the JSON of the answer: ``{}``, or a toast for a card action. It has less than
three seconds, after which the platform sends the event again, as it does when ``DatabaseUnavailable`` is raised."""

OnAnswer = Callable[[str, str, float], None]
"""Called with the kind of an event (``unknown`` if it was rejected), the outcome (``accepted``, ``challenge``,
``expired``, ``unavailable``, or ``rejected_`` and the status) and the seconds that the answer took."""

_Answer = tuple[str, str, Mapping[str, object], int]
"""Kind, outcome, the JSON to answer with, and the HTTP status."""

_ERRORS = {400: "bad_request", 401: "unauthorized", 413: "too_large"}


def webhook(
    *,
    verifier: Verifier,
    handle: Handler,
    clock: Callable[[], float] = time.monotonic,
    on_answer: OnAnswer = lambda *_: None,
) -> Blueprint:
    """The webhook routes; ``clock`` in seconds is for the rate limit of the log."""
    blueprint = Blueprint("webhook", __name__)
    limit = LogRateLimit(clock=clock)

    def view() -> Response:
        started = time.monotonic()
        try:
            verified = verifier.verify(request.get_data(cache=False), request.headers)
            kind, outcome, body, status = handle_event(verified, handle)
        except EventRejected as error:
            kind, outcome, body, status = _rejected(error, limit)
        on_answer(kind, outcome, time.monotonic() - started)
        response = jsonify(dict(body))
        response.status_code = status
        return response

    for route in ROUTES:
        blueprint.add_url_rule(route, view_func=view, methods=["POST"], provide_automatic_options=False)
    return blueprint


def pushed_event_handler(
    *,
    app_id: str,
    handle: Handler,
    clock: Callable[[], float] = time.time,
    on_answer: OnAnswer = lambda *_: None,
) -> Callable[[bytes], Mapping[str, object] | None]:
    """Handles the payloads of a long connection, from any thread; ``None`` where the platform has to send again.

    The app's own id and secret opened the connection, so there is no signature and no token to check.
    """
    limit = LogRateLimit()

    def push(payload: bytes) -> Mapping[str, object] | None:
        started = time.monotonic()
        try:
            event = validate_event(parse_json(payload), app_id=app_id, now=clock())
            kind, outcome, body, status = handle_event(event, handle)
        except EventRejected as error:
            kind, outcome, body, status = _rejected(error, limit)
        on_answer(kind, outcome, time.monotonic() - started)
        return body if status == HTTPStatus.OK else None

    return push


def handle_event(verified: Event | ExpiredEvent | UrlVerification, handle: Handler) -> _Answer:
    """Passes a valid event on, unless it is too old."""
    if isinstance(verified, UrlVerification):
        return "url_verification", "challenge", {"challenge": verified.challenge}, HTTPStatus.OK
    event = verified.event if isinstance(verified, ExpiredEvent) else verified
    kind = event.event_type
    with bind_ids(**event.ids):
        if isinstance(verified, ExpiredEvent):
            log.warning("event dropped", type=kind, age=round(verified.age))
            return kind, "expired", {}, HTTPStatus.OK
        try:
            return kind, "accepted", handle(event), HTTPStatus.OK
        except DatabaseUnavailable:
            log.warning("event not stored", type=kind)
            return kind, "unavailable", {"error": "unavailable"}, HTTPStatus.SERVICE_UNAVAILABLE


def _rejected(error: EventRejected, limit: LogRateLimit) -> _Answer:
    if (suppressed := limit.take()) is not None:
        log.warning("event rejected", status=error.status, reason=error.reason, suppressed=suppressed)
    return "unknown", f"rejected_{error.status}", {"error": _ERRORS[error.status]}, error.status
