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

from bot.sandbox.faults import ArmedFaults, Fault, find_fault
from bot.sandbox.feishu.state import FeishuState
from bot.sandbox.http import Request, Response

_OK = 200
_NOT_APPLIED = ("hang", "reset_before", "html_502")
# A card of 30 KB, and what quoting it as a text in JSON adds.
_EXCERPT = 40_000
_SECRET = re.compile(r'("(?:app_secret|tenant_access_token)"\s*:\s*)"[^"]*"')


@dataclass(eq=False)
class Rejection(Exception):
    """The platform rejects a call, by the fault of this name; nothing was applied.

    ``message`` replaces the documented text; ``retry_in`` is in seconds, for the header of the gateway's limit.
    """

    name: str
    message: str | None = None
    retry_in: int = 1
    limit: int = 100

    def __post_init__(self) -> None:
        self.fault = find_fault("feishu", self.name)

    def response(self, *, log_id: str, app_id: str) -> Response:
        code, status = self.fault.code, self.fault.status
        body: dict[str, Any] = {"code": code, "msg": self.message or self.fault.text}
        headers = {}
        if self.fault.name == "rate_gateway":
            headers = {"x-ogw-ratelimit-limit": str(self.limit), "x-ogw-ratelimit-reset": str(self.retry_in)}
        elif status != _OK:
            query = urlencode({"from": "openapi", "log_id": log_id, "code": code})
            advice = f"排查建议查看（Troubleshooting suggestions）： https://open.feishu.cn/search?{query}"
            body["error"] = {"log_id": log_id, "troubleshooter": advice}
        if self.fault.name == "scope":
            page = f"https://open.feishu.cn/app/{app_id}/auth?q=im:resource:upload&op_from=openapi&token_type=tenant"
            body["error"] |= {
                "permission_violations": [{"type": "action_scope_required", "subject": "im:resource:upload"}],
                "helps": [{"url": page, "description": "点击链接申请并开通任一权限即可"}],
            }
        return Response.of_json(body, status=status, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """A call and its answer; ``at`` in seconds since 1970.

    ``status`` is ``None`` where no answer was sent, ``code`` where the answer has none. ``body`` and ``answer`` are cut
    at 40,000 characters, with secrets masked; of an upload they hold the names, types and sizes of the parts.
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
    over: bool = True  # a call to GLM may still be under way


Handler = Callable[[Request], Mapping[str, Any] | Response]
"""Applies a call and returns its data, its whole body with a ``code``, or a response; raises ``Rejection``."""


@dataclass(kw_only=True)
class Gateway:
    """Passes calls to their handlers, one at a time under the state's lock; keeps the last five thousand."""

    state: FeishuState
    faults: ArmedFaults
    calls: deque[ApiCall] = field(default_factory=lambda: deque(maxlen=5000))
    token_ends: dict[str, float] = field(default_factory=dict)
    _times: defaultdict[Hashable, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def give_token(self, request: Request) -> Mapping[str, Any]:
        """The newest token while at least half an hour of it is left, else a new one.

        https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal
        """
        fields, limits = fields_of(request), self.state.limits
        if fields.get("app_id") != self.state.app_id:
            raise Rejection("feishu_10003")
        if fields.get("app_secret") != self.state.app_secret:
            raise Rejection("feishu_10014")
        now = self.state.clock()
        token = next(reversed(self.token_ends), "")
        if self.token_ends.get(token, 0.0) - now < limits.token_renewed_seconds:
            token = f"t-{secrets.token_hex(20)}"
            self.token_ends[token] = now + limits.token_seconds
        return {"code": 0, "msg": "ok", "tenant_access_token": token, "expire": int(self.token_ends[token] - now)}

    def count(self, *key: Hashable, limit: int, seconds: float = 1.0, code: str = "rate_chat") -> None:
        """Counts something in a sliding window; raises ``Rejection`` when that is full."""
        now, times = self.state.clock(), self._times[*key, seconds]
        while times and times[0] <= now - seconds:
            times.popleft()
        if len(times) >= limit:
            raise Rejection(code, retry_in=math.ceil(times[0] + seconds - now), limit=limit)
        times.append(now)

    def serve(self, name: str, handler: Handler, request: Request) -> Response:
        began, at = time.perf_counter(), self.state.clock()
        log_id = f"{time.strftime('%Y%m%d%H%M%S', time.gmtime(at))}{secrets.token_hex(9).upper()}"
        fault = self.faults.take(name)
        response, code = Response(), None
        if fault is None or fault.wire not in _NOT_APPLIED:
            try:
                response, code = self._apply(name, handler, request, fault=fault)
            except Rejection as rejection:
                response, code = rejection.response(log_id=log_id, app_id=self.state.app_id), rejection.fault.code
        headers = {**response.headers, "X-Tt-Logid": log_id}
        response = replace(response, headers=headers, wire_fault=fault.wire if fault else None)
        query = "&".join(f"{key}={value}" for key, value in request.query.items())
        record = ApiCall(
            at=at,
            name=name,
            method=request.method,
            path=f"{request.path}?{query}" if query else request.path,
            status=response.sent_status,
            code=code,
            seconds=time.perf_counter() - began,
            log_id=log_id,
            body=_excerpt(request.body, request.headers.get("content-type", "")),
            answer=_excerpt(response.body, response.headers.get("Content-Type", "")),
            fault=fault.name if fault else None,
        )
        self.calls.append(record)
        return response

    def _apply(
        self, name: str, handler: Handler, request: Request, *, fault: Fault | None
    ) -> tuple[Response, int | None]:
        if fault and not fault.wire:
            raise Rejection(fault.name)
        limits = self.state.limits
        with self.state.lock:
            if name != "token":
                self._check_token(request)
            self.count("api", name, limit=limits.api_per_second, code="rate_gateway")
            self.count("api", name, limit=limits.api_per_minute, seconds=60.0, code="rate_gateway")
            result = handler(request)
        if isinstance(result, Response):
            return result, None
        return Response.of_json(result if "code" in result else {"code": 0, "msg": "success", "data": result}), 0

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
    """The text fields and the files of a ``multipart/form-data`` body."""
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
