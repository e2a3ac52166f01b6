"""What every call to the platform passes: armed faults, the token, the rate limits, and the record of calls."""

from __future__ import annotations

import math
import re
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import FileStorage
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from bot.sandbox.faults import FEISHU_CODES, NAMES, ArmedFault, ArmedFaults
from bot.sandbox.feishu.state import FeishuState
from bot.sandbox.http import Request, Response

_OK = 200
_WRONG_APP, _WRONG_SECRET = 10003, 10014
_NOT_APPLIED = ("hang", "reset_before", "html_502")
_WITHOUT_STATUS = ("hang", "reset_before", "reset_after")
# A card of 30 KB, and what quoting it as a text in JSON adds.
_EXCERPT = 40_000
_SECRET = re.compile(r'("(?:app_secret|tenant_access_token)"\s*:\s*)"[^"]*"')


@dataclass(eq=False)
class Rejection(Exception):
    """The platform rejects a call, by a code or its name; nothing was applied.

    ``message`` replaces the documented text; ``retry_in`` is in seconds, for the header of the gateway's limit.
    """

    code: Any
    message: str | None = None
    retry_in: int = 1
    limit: int = 100

    def __post_init__(self) -> None:
        self.code = NAMES.get(self.code, self.code)

    def response(self, *, log_id: str, app_id: str) -> Response:
        fault = FEISHU_CODES[self.code]
        body: dict[str, Any] = {"code": self.code, "msg": self.message or fault.text}
        headers = {"X-Tt-Logid": log_id}
        if self.code == NAMES["rate_gateway"]:
            headers |= {"x-ogw-ratelimit-limit": str(self.limit), "x-ogw-ratelimit-reset": str(self.retry_in)}
        elif fault.status != _OK:
            query = urlencode({"from": "openapi", "log_id": log_id, "code": self.code})
            advice = f"排查建议查看（Troubleshooting suggestions）： https://open.feishu.cn/search?{query}"
            body["error"] = {"log_id": log_id, "troubleshooter": advice}
        if self.code == NAMES["scope"]:
            page = f"https://open.feishu.cn/app/{app_id}/auth?q=im:resource:upload&op_from=openapi&token_type=tenant"
            body["error"] |= {
                "permission_violations": [{"type": "action_scope_required", "subject": "im:resource:upload"}],
                "helps": [{"url": page, "description": "点击链接申请并开通任一权限即可"}],
            }
        return Response.of_json(body, status=fault.status, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """A call and its answer; ``at`` in seconds since 1970.

    ``status`` is ``None`` where no answer was sent; ``code`` is the platform's, 0 for success, ``None`` for an answer
    without one. ``body`` and ``answer`` are cut at 40,000 characters, with secrets masked; of an upload they hold the
    names, types and sizes of the parts.
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


Handler = Callable[[Request], Mapping[str, Any] | Response]
"""Applies a call and returns its data, its whole body with a ``code``, or a response; raises ``Rejection``."""


@dataclass(kw_only=True)
class Gateway:
    """Passes calls to their handlers, one at a time under the state's lock; keeps the last five thousand.

    Tokens:
    https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal
    """

    state: FeishuState
    faults: ArmedFaults
    calls: deque[ApiCall] = field(default_factory=lambda: deque(maxlen=5000))
    token_ends: dict[str, float] = field(default_factory=dict)
    _times: defaultdict[Hashable, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def give_token(self, request: Request) -> Mapping[str, Any]:
        """The newest token while at least half an hour of it is left, else a new one."""
        fields, limits = fields_of(request), self.state.limits
        if fields.get("app_id") != self.state.app_id:
            raise Rejection(_WRONG_APP)
        if fields.get("app_secret") != self.state.app_secret:
            raise Rejection(_WRONG_SECRET)
        now = self.state.clock()
        token = next(reversed(self.token_ends), "")
        if self.token_ends.get(token, 0.0) - now < limits.token_renewed_seconds:
            token = f"t-{secrets.token_hex(20)}"
            self.token_ends[token] = now + limits.token_seconds
        return {"code": 0, "msg": "ok", "tenant_access_token": token, "expire": int(self.token_ends[token] - now)}

    def count(self, *key: Hashable, windows: tuple[tuple[float, int], ...], code: str = "rate_chat") -> None:
        """Counts something in sliding windows of (seconds, limit); raises ``Rejection`` when one is full."""
        now = self.state.clock()
        for seconds, limit in windows:
            times = self._times[*key, seconds]
            while times and times[0] <= now - seconds:
                times.popleft()
            if len(times) >= limit:
                raise Rejection(code, retry_in=math.ceil(times[0] + seconds - now), limit=limit)
        for seconds, _ in windows:
            self._times[*key, seconds].append(now)

    def serve(self, name: str, handler: Handler, request: Request) -> Response:
        """Answers one call of the API of this name; only ``token`` needs no token."""
        began, at = time.perf_counter(), self.state.clock()
        log_id = f"{time.strftime('%Y%m%d%H%M%S', time.gmtime(at))}{secrets.token_hex(9).upper()}"
        armed = self.faults.take(name)
        wire = armed.wire if armed else None
        code: int | None = None
        if wire in _NOT_APPLIED:
            response = Response(status=502)
        else:
            try:
                response, code = self._apply(name, handler, request, armed=armed, log_id=log_id)
            except Rejection as rejection:
                response, code = rejection.response(log_id=log_id, app_id=self.state.app_id), rejection.code
        query = "&".join(f"{key}={value}" for key, value in request.query.items())
        record = ApiCall(
            at=at,
            name=name,
            method=request.method,
            path=f"{request.path}?{query}" if query else request.path,
            status=None if wire in _WITHOUT_STATUS else response.status,
            code=code,
            seconds=time.perf_counter() - began,
            log_id=log_id,
            body=_excerpt(request.body, request.headers.get("content-type", "")),
            answer=_excerpt(response.body, response.headers.get("Content-Type", "")),
            fault=armed.name if armed else None,
        )
        self.calls.append(record)
        self.state.publish("call", record)
        return replace(response, wire_fault=wire)

    def _apply(
        self, name: str, handler: Handler, request: Request, *, armed: ArmedFault | None, log_id: str
    ) -> tuple[Response, int | None]:
        if armed and not armed.wire:
            raise Rejection(armed.fault.code)
        limits = self.state.limits
        with self.state.lock:
            if name != "token":
                self._check_token(request)
            windows = ((1.0, limits.api_per_second), (60.0, limits.api_per_minute))
            self.count("api", name, windows=windows, code="rate_gateway")
            result = handler(request)
        if isinstance(result, Response):
            return replace(result, headers={**result.headers, "X-Tt-Logid": log_id}), None
        body = result if "code" in result else {"code": 0, "msg": "success", "data": result}
        return Response.of_json(body, headers={"X-Tt-Logid": log_id}), 0

    def _check_token(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            raise Rejection("token_missing")
        if self.token_ends.get(token, 0.0) <= self.state.clock():
            raise Rejection("token_bad")


def fields_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body; raises ``Rejection`` (99992402) when there is none."""
    fields = request.json()
    if not isinstance(fields, dict):
        raise Rejection("field_validation")
    return fields


def parse_form(body: bytes, content_type: str) -> tuple[dict[str, str], dict[str, FileStorage]]:
    """The text fields and the files of a ``multipart/form-data`` body; a part without a file name is a text field."""
    mimetype, options = parse_options_header(content_type)
    parser = FormDataParser(stream_factory=lambda *_args, **_sizes: BytesIO())
    _, fields, files = parser.parse(BytesIO(body), mimetype, len(body), options)
    return fields.to_dict(), files.to_dict()


def _excerpt(body: bytes, content_type: str) -> str:
    if content_type.startswith("multipart/"):
        fields, files = parse_form(body, content_type)
        parts = [f"{name}={text[:100]}" for name, text in fields.items()]
        for name, file in files.items():
            parts.append(f"{name}=<{file.filename}, {file.content_type}, {len(file.read())} bytes>")
        return "; ".join(parts)
    if content_type.startswith(("image/", "application/octet-stream")):
        return f"<{len(body)} bytes>"
    return _SECRET.sub(r'\1"***"', body[: 4 * _EXCERPT].decode("utf-8", "replace"))[:_EXCERPT]
