"""The Flask application before its blueprints: what it is, short plain errors, and paths in one spelling."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

ABOUT = "A Feishu/Lark bot that makes images with GLM-Image. Feishu sends its events to /webhook/event.\n"


def create_application() -> Flask:
    """An application without static files that answers ``GET /`` with a line about itself.

    ``/webhook//event`` and ``/webhook/event/`` are ``/webhook/event``. Flask would redirect the former to an address
    made from the request's ``Host`` header. Capitals matter, as they do in every URL's path.
    """
    web = Flask("bot", static_folder=None)
    web.wsgi_app = _with_plain_paths(web.wsgi_app)  # type: ignore[method-assign]
    web.add_url_rule("/", "about", lambda: Response(ABOUT, mimetype="text/plain"))
    web.register_error_handler(HTTPException, _plain_error)
    return web


def _with_plain_paths(inner: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["PATH_INFO"] = re.sub("/{2,}", "/", environ["PATH_INFO"]).rstrip("/") or "/"
        return inner(environ, start_response)

    return app


def _plain_error(error: HTTPException) -> Response:
    # The headers say what is allowed where the method is not.
    headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
    return Response(f"{error.name.lower()}\n", status=error.code, headers=headers, mimetype="text/plain")
