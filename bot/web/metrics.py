"""The route from which Prometheus reads, open only to who knows the token."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from flask import Blueprint, Response, request


def metrics(*, token: str, text: Callable[[], bytes], content_type: str) -> Blueprint:
    """The route ``/metrics``; without a token there is none, and it answers 404.

    Args:
        token: what ``Authorization: Bearer`` must name; empty for no route.
        text: gives what is read.
        content_type: of ``text``.
    """
    routes = Blueprint("metrics", __name__)
    if not token:
        return routes
    expected = f"Bearer {token}".encode()

    @routes.get("/metrics")
    def read() -> Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, expected):
            return Response("unauthorized\n", status=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(text(), content_type=content_type)

    return routes
