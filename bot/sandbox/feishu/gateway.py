"""What every call to the platform passes: armed faults, the token, the rate limits, and the record of calls."""

from __future__ import annotations

import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.sandbox.feishu.changes import Changes
from bot.sandbox.feishu.codes import NAMES, Refusal
from bot.sandbox.feishu.faults import ArmedFault, Faults
from bot.sandbox.feishu.limits import Rates
from bot.sandbox.feishu.multipart import parts_of
from bot.sandbox.feishu.tokens import Tokens
from bot.sandbox.feishu.world import World
from bot.sandbox.server import Answer, Call, LoopbackServer

Handler = Callable[[Call], Mapping[str, Any] | Answer]
"""Applies a call and tells its answer; raises ``Refusal`` instead of answering with a code."""

_NOT_APPLIED = ("hang", "reset_before", "html_502")
_WITHOUT_STATUS = ("hang", "reset_before", "reset_after")
_BAD_GATEWAY = 502
# A card of 30 KB, and what quoting it as a text in JSON adds.
_EXCERPT = 40_000
_MOST_CALLS = 5000
_SECRET = re.compile(r'("(?:app_secret|tenant_access_token)"\s*:\s*)"[^"]*"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call as it was made and answered; ``at`` is in seconds since 1970.

    ``status`` is ``None`` where no answer was sent, ``code`` is the platform's (0 for success, ``None`` for an answer
    without one). ``body`` and ``answer`` are cut at 40,000 characters, with the secrets masked; an upload shows the
    names, types and sizes of its parts.
    """

    at: float
    name: str
    method: str
    path: str
    status: int | None
    code: int | None
    seconds: float
    log_id: str
    body: str
    answer: str
    fault: str | None


class Gateway:
    """Leads calls to their handlers, one at a time, and keeps the last five thousand."""

    def __init__(
        self, *, world: World, tokens: Tokens, rates: Rates, faults: Faults, changes: Changes, app_id: str
    ) -> None:
        self._world = world
        self._tokens = tokens
        self._rates = rates
        self._faults = faults
        self._changes = changes
        self._app_id = app_id
        self.calls: deque[ApiCall] = deque(maxlen=_MOST_CALLS)

    def route(self, server: LoopbackServer, name: str, method: str, path: str, handler: Handler) -> None:
        """Serves one API under its name; only ``token`` is let in without a token."""
        server.route(method, f"/open-apis{path}", lambda call: self._serve(name, handler, call))

    def _serve(self, name: str, handler: Handler, call: Call) -> Answer:
        began, at = time.perf_counter(), self._world.clock()
        log_id = f"{time.strftime('%Y%m%d%H%M%S', time.gmtime(at))}{secrets.token_hex(9).upper()}"
        fault = self._faults.take(name)
        wire = fault.name if fault and fault.wire else None
        if wire in _NOT_APPLIED:
            answer, code = Answer(status=_BAD_GATEWAY, wire_fault=wire), None
        else:
            answer, code = self._apply(name, handler, call, fault=fault, log_id=log_id)
            answer = replace(answer, wire_fault=wire)
        record = ApiCall(
            at=at,
            name=name,
            method=call.method,
            path=call.path
            + ("?" + "&".join(f"{key}={value}" for key, value in call.query.items()) if call.query else ""),
            status=None if wire in _WITHOUT_STATUS else answer.status,
            code=code,
            seconds=time.perf_counter() - began,
            log_id=log_id,
            body=_excerpt(call.body, call.headers.get("content-type", "")),
            answer=_excerpt(answer.body, answer.headers.get("Content-Type", "")),
            fault=fault.name if fault else None,
        )
        self.calls.append(record)
        self._changes.publish("call", record)
        return answer

    def _apply(
        self, name: str, handler: Handler, call: Call, *, fault: ArmedFault | None, log_id: str
    ) -> tuple[Answer, int | None]:
        headers = {"X-Tt-Logid": log_id}
        try:
            if fault and not fault.wire:
                raise fault.refusal()
            with self._world.lock:
                if name != "token":
                    self._check_token(call)
                self._rates.count_call(name)
                result = handler(call)
        except Refusal as refusal:
            body = refusal.body(log_id=log_id, app_id=self._app_id)
            return Answer.of_json(body, status=refusal.status, headers={**headers, **refusal.headers}), refusal.code
        if isinstance(result, Answer):
            return replace(result, headers={**result.headers, **headers}), None
        return Answer.of_json(result, headers=headers), 0

    def _check_token(self, call: Call) -> None:
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            raise Refusal(NAMES["token_missing"])
        if not self._tokens.good(token):
            raise Refusal(NAMES["token_bad"])


def fields_of(call: Call) -> dict[str, Any]:
    """The JSON object that a call carries.

    Raises:
        Refusal: 99992402 when it carries none.
    """
    fields = call.json()
    if not isinstance(fields, dict):
        raise Refusal(NAMES["field_validation"])
    return fields


def _excerpt(body: bytes, content_type: str) -> str:
    if content_type.startswith("multipart/"):
        return "; ".join(
            f"{part.name}=<{part.filename}, {part.content_type}, {len(part.content)} bytes>"
            if part.filename is not None
            else f"{part.name}={part.text[:100]}"
            for part in parts_of(body, content_type).values()
        )
    if content_type.startswith(("image/", "application/octet-stream")):
        return f"<{len(body)} bytes>"
    return _SECRET.sub(r'\1"***"', body[: 4 * _EXCERPT].decode("utf-8", "replace"))[:_EXCERPT]
