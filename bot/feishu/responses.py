"""One HTTP answer of the Feishu Open Platform, turned into its body or into the error that it tells of.

Most refusals come as 400, some as 200 (a wrong App Secret, often an expired token): only the body's ``code`` decides.
https://open.feishu.cn/document/server-docs/api-call-guide/server-error-codes
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from bot.errors import FeishuError, FeishuUnreachable
from bot.feishu.error_codes import action_of
from bot.text import storable


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer as it came; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def log_id(self) -> str | None:
        """The platform's id of the call, for its support."""
        return self.headers.get("x-tt-logid")


def body_of(answer: Answer, call: str) -> Mapping[str, Any]:
    """The JSON object of a good answer.

    Args:
        answer: what came.
        call: the name of the call, such as ``reply``.

    Raises:
        FeishuError: the platform refused.
        FeishuUnreachable: the answer is not the platform's: HTML of a gateway, nothing, a part of it, another format.
    """
    body = _json_object(answer.content)
    code = body.get("code")
    if isinstance(code, bool) or not isinstance(code, int):
        raise FeishuUnreachable(f"status {answer.status} without a code", call=call, status=answer.status)
    if code != 0:
        raise _error(answer, body, code, call)
    if answer.status != HTTPStatus.OK:
        raise FeishuUnreachable(f"status {answer.status} with code 0", call=call, status=answer.status)
    return body


def content_of(answer: Answer, call: str) -> bytes:
    """The bytes of a good answer that is a file; a refusal comes as JSON in its place.

    Raises:
        FeishuError: the platform refused.
        FeishuUnreachable: the answer is not the platform's.
    """
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    if answer.status != HTTPStatus.OK or is_json:
        body_of(answer, call)
        raise FeishuUnreachable(f"status {answer.status} without a file", call=call, status=answer.status)
    if not answer.content:
        raise FeishuUnreachable("an empty file", call=call, status=answer.status)
    return answer.content


def text_in(body: Mapping[str, Any], *path: str, call: str) -> str:
    """The text at ``path`` of a good answer's body.

    Raises:
        FeishuUnreachable: it is not there, so the answer is not the one that the platform documents.
    """
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not value:
        raise FeishuUnreachable(f"the answer has no {'.'.join(path)}", call=call)
    return value


def _json_object(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _error(answer: Answer, body: Mapping[str, Any], code: int, call: str) -> FeishuError:
    details = body.get("error")
    details = details if isinstance(details, Mapping) else {}
    log_id = answer.log_id or details.get("log_id")
    return FeishuError(
        storable(str(body.get("msg") or "")),
        call=call,
        code=code,
        action=action_of(code, status=answer.status, call=call),
        status=answer.status,
        log_id=log_id if isinstance(log_id, str) else None,
        retry_after=_seconds(answer.headers.get("x-ogw-ratelimit-reset")),
        help_url=_help_url(details),
    )


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _help_url(details: Mapping[str, Any]) -> str | None:
    helps = details.get("helps")
    first = helps[0] if isinstance(helps, list) and helps else None
    url = first.get("url") if isinstance(first, Mapping) else None
    return url if isinstance(url, str) else None
