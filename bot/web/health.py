"""Two questions of whoever runs the process: does it serve, and is it ready to do its work."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response


def health(*, unready: Callable[[], str | None]) -> Blueprint:
    """The routes ``/healthz`` and ``/readyz``.

    Args:
        unready: gives the reason in words why the process is not ready, or ``None`` when it is.
    """
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @routes.get("/readyz")
    def readyz() -> Response:
        reason = unready()
        return Response(f"{reason or 'ready'}\n", status=503 if reason else 200, mimetype="text/plain")

    return routes
