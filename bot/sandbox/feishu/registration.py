"""The stand-in of the accounts service, where one scan creates an app: OAuth's device flow, RFC 8628.

https://datatracker.ietf.org/doc/html/rfc8628#section-3.5
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl

from bot.sandbox.http import LoopbackServer, Request, Response

Outcome = Literal["approved", "lark", "slow_down", "denied", "expired", "no_answer"]
"""How a registration goes on: the first three end with an app, ``lark`` on Lark's service, ``slow_down`` after a poll
that is said to come too early; ``no_answer`` keeps the connection open and says nothing."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

PATH = "/oauth/v1/app/registration"
LARK = "/lark"  # the prefix under which the same server is Lark's service

_DONE = (
    '<!doctype html><meta charset="utf-8"><title>OK</title><p>已确认，请回到终端。/ Confirmed; go back to the terminal.'
)


@dataclass(kw_only=True, eq=False)
class RegistrationStandIn(LoopbackServer):
    """Registers one app for one person, who scans by opening the link, or ``scan_seconds`` after the beginning.

    ``calls`` are the forms that were posted, each with its path; ``opened`` the queries of the links that were opened.
    """

    app_id: str
    app_secret: str
    open_id: str
    outcome: Outcome = "approved"
    scan_seconds: float = 3.0
    interval: float = 1.0
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    opened: list[Mapping[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._code, self._scanned_at = "", 0.0
        super().__init__()
        for prefix in ("", LARK):
            self.route("POST", prefix + PATH, self._answer)
        self.route("GET", "/page/launcher", self._open)

    @property
    def accounts(self) -> dict[Any, str]:
        """The origins that take the place of Feishu's and Lark's."""
        return {"feishu": self.origin, "lark": self.origin + LARK}

    def _open(self, request: Request) -> Response:
        self.opened.append(request.query)
        self._scanned_at = time.monotonic()
        return Response(headers={"Content-Type": "text/html; charset=utf-8"}, body=_DONE.encode())

    def _answer(self, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode()))
        self.calls.append((request.path, form))
        if self.outcome == "no_answer":
            return Response(wire_fault="hang")
        match form.get("action"):
            case "init":
                return Response.of_json({"supported_auth_methods": ["client_secret"], "nonce": secrets.token_hex(8)})
            case "begin" if form.get("archetype") == "PersonalAgent" and form.get("auth_method") == "client_secret":
                return self._begin()
            case "poll" if self._code and form.get("device_code") == self._code:
                return self._poll(on_lark=request.path.startswith(LARK))
        return _error("invalid_request")

    def _begin(self) -> Response:
        self._code, self._scanned_at = secrets.token_hex(16), time.monotonic() + self.scan_seconds
        user_code = secrets.token_hex(4).upper()
        page = f"{self.origin}/page/launcher?user_code={user_code[:4]}-{user_code[4:]}"
        codes = {"device_code": self._code, "user_code": user_code, "verification_uri_complete": page}
        return Response.of_json({**codes, "interval": self.interval, "expires_in": 600})

    def _poll(self, *, on_lark: bool) -> Response:
        if self.outcome == "expired":
            return _error("expired_token")
        if self.outcome == "slow_down" and sum(form.get("action") == "poll" for _, form in self.calls) == 1:
            return _error("slow_down")
        if time.monotonic() < self._scanned_at:
            return _error("authorization_pending")
        if self.outcome == "denied":
            return _error("access_denied", error_description="the person declined")
        brand = "lark" if self.outcome == "lark" else "feishu"
        user = {"open_id": self.open_id, "tenant_brand": brand}
        if brand == "lark" and not on_lark:
            return _error("authorization_pending", user_info=user)
        self._code = ""
        return Response.of_json({"client_id": self.app_id, "client_secret": self.app_secret, "user_info": user})


def _error(error: str, **more: object) -> Response:
    return Response.of_json({"error": error, **more}, status=HTTPStatus.BAD_REQUEST)
