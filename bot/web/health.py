"""The application with its status routes: about, health, readiness and metrics."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

ABOUT = "A Feishu/Lark bot that makes images with GLM-Image. Feishu sends its events to /webhook/event.\n"


def create_application() -> Flask:
    """An application without static files, with short plain errors and ``GET /``.

    ``/webhook//event`` and ``/webhook/event/`` count as ``/webhook/event``: Flask would redirect to an address made
    from the request's ``Host`` header.
    """
    web = Flask("bot", static_folder=None)
    inner: Callable[..., Iterable[bytes]] = web.wsgi_app

    def normalized(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["PATH_INFO"] = re.sub("/{2,}", "/", environ["PATH_INFO"]).rstrip("/") or "/"
        return inner(environ, start_response)

    def plain_error(error: HTTPException) -> Response:
        # The headers include Allow for a method that is not allowed.
        headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
        return _text(f"{error.name.lower()}\n", status=error.code, headers=headers)

    web.wsgi_app = normalized  # type: ignore[method-assign]
    web.add_url_rule("/", "about", lambda: _text(ABOUT))
    web.register_error_handler(HTTPException, plain_error)
    return web


def health(*, unready: Callable[[], str | None]) -> Blueprint:
    """``/healthz`` and ``/readyz``; ``unready`` returns why the process is not ready, ``None`` if it is."""
    routes = Blueprint("health", __name__)

    @routes.get("/readyz")
    def readyz() -> Response:
        reason = unready()
        return _text(f"{reason or 'ready'}\n", status=503 if reason else 200)

    routes.add_url_rule("/healthz", "healthz", lambda: _text("ok\n"))
    return routes


def metrics(*, token: str, text: Callable[[], bytes], content_type: str) -> Blueprint:
    """``/metrics``, readable with ``token`` as bearer; without a token there is no such route."""
    routes = Blueprint("metrics", __name__)

    def read() -> Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return _text("unauthorized\n", status=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(text(), content_type=content_type)

    if token:
        routes.add_url_rule("/metrics", "read", read)
    return routes


def _text(text: str, **more: Any) -> Response:
    return Response(text, mimetype="text/plain", **more)
