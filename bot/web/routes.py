"""The routes: events in and the handler's answers out, over HTTP or the long connection; health, metrics, and ``/``."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from bot.errors import DatabaseUnavailable, EventRejected
from bot.logs import LogRateLimit, bind_ids, get_logger
from bot.models import Event
from bot.web.verification import Verifier, parse_json, validate_event

log = get_logger(__name__)

ABOUT = "A Feishu/Lark bot that makes images with GLM-Image. Feishu sends its events to /webhook/event.\n"

WEBHOOKS = ("/webhook/event", "/webhook/card")  # both accept events and card actions
MAX_AGE = 8 * 3600.0  # seconds after which an event is dropped; the platform's last redelivery comes after 7.1 hours

Handler = Callable[[Event], Mapping[str, object]]
"""Stores an event durably and returns the JSON of the answer: ``{}``, or a toast for a card action. It has less than
three seconds, after which the platform sends the event again, as it does when ``DatabaseUnavailable`` is raised."""

_ERRORS = {400: "bad_request", 401: "unauthorized", 413: "too_large"}


@dataclass(kw_only=True)
class EventEndpoint:
    """Answers events, in any thread; ``clock`` is the platform's time in seconds since 1970.

    ``on_answer`` is called with the kind of an event (``unknown`` if it was rejected), the outcome (``accepted``,
    ``challenge``, ``expired``, ``unavailable``, or ``rejected_`` and the status) and the seconds that the answer took.
    """

    handle: Handler
    clock: Callable[[], float] = time.time
    on_answer: Callable[[str, str, float], None] = lambda *_: None
    limit: LogRateLimit = field(default_factory=LogRateLimit)

    def webhook(self, verifier: Verifier) -> Blueprint:
        blueprint = Blueprint("webhook", __name__)

        def view() -> tuple[Response, int]:
            body, status = self.answer(lambda: verifier.verify(request.get_data(cache=False), request.headers))
            return jsonify(dict(body)), status

        for route in WEBHOOKS:
            blueprint.add_url_rule(route, view_func=view, methods=["POST"], provide_automatic_options=False)
        return blueprint

    def push(self, payload: bytes, *, app_id: str) -> Mapping[str, object] | None:
        """Handles the payload of a long connection; ``None`` where the platform has to send it again.

        The app's own id and secret opened the connection, so there is no signature and no token to check.
        """
        body, status = self.answer(lambda: validate_event(parse_json(payload), app_id=app_id))
        return body if status < HTTPStatus.BAD_REQUEST else None

    def answer(self, verify: Callable[[], Event | str]) -> tuple[Mapping[str, object], int]:
        """The JSON and the HTTP status that answer what ``verify`` returns, or the ``EventRejected`` that it raises."""
        started = time.monotonic()
        kind, outcome, body, status = self._answer(verify)
        self.on_answer(kind, outcome, time.monotonic() - started)
        return body, status

    def _answer(self, verify: Callable[[], Event | str]) -> tuple[str, str, Mapping[str, object], int]:
        try:
            event = verify()
        except EventRejected as error:
            if (suppressed := self.limit.take()) is not None:
                log.warning("event rejected", status=error.status, reason=error.reason, suppressed=suppressed)
            return "unknown", f"rejected_{error.status}", {"error": _ERRORS[error.status]}, error.status
        if isinstance(event, str):
            return "url_verification", "challenge", {"challenge": event}, HTTPStatus.OK
        kind, age = event.event_type, self.clock() - event.created_at
        with bind_ids(**event.ids):
            if age > MAX_AGE:
                log.warning("event dropped", type=kind, age=round(age))
                return kind, "expired", {}, HTTPStatus.OK
            try:
                return kind, "accepted", self.handle(event), HTTPStatus.OK
            except DatabaseUnavailable:
                log.warning("event not stored", type=kind)
                return kind, "unavailable", {"error": "unavailable"}, HTTPStatus.SERVICE_UNAVAILABLE


def create_status_app(*, unready: Callable[[], str | None], metrics: Callable[[], Response], token: str) -> Flask:
    """An application with ``/``, ``/healthz``, ``/readyz`` and ``/metrics``, and with short plain errors.

    ``unready`` returns why the process is not ready, ``None`` if it is. ``/metrics`` answers who has the bearer
    ``token``; without one there is no such route.
    """
    web = Flask("bot", static_folder=None)
    inner: Callable[..., Iterable[bytes]] = web.wsgi_app

    def normalized(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # Flask would redirect /webhook//event to an address made from the request's Host header.
        environ["PATH_INFO"] = re.sub("/{2,}", "/", environ["PATH_INFO"]).rstrip("/") or "/"
        return inner(environ, start_response)

    def plain_error(error: HTTPException) -> Response:
        # The headers include Allow for a method that is not allowed.
        headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
        return _text(f"{error.name.lower()}\n", status=error.code, headers=headers)

    def readyz() -> Response:
        reason = unready()
        return _text(f"{reason or 'ready'}\n", status=503 if reason else 200)

    def read_metrics() -> Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return _text("unauthorized\n", status=401, headers={"WWW-Authenticate": "Bearer"})
        return metrics()

    web.wsgi_app = normalized  # type: ignore[method-assign]
    web.register_error_handler(HTTPException, plain_error)
    web.add_url_rule("/", "about", lambda: _text(ABOUT))
    web.add_url_rule("/healthz", "healthz", lambda: _text("ok\n"))
    web.add_url_rule("/readyz", "readyz", readyz)
    if token:
        web.add_url_rule("/metrics", "metrics", read_metrics)
    return web


def _text(text: str, **more: Any) -> Response:
    return Response(text, mimetype="text/plain", **more)
