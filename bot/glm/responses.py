"""What the platform's answer to a call means: the picture's link, or the error that fits.

The codes: https://docs.bigmodel.cn/cn/faq/api-code. The code decides before the HTTP status does: 429 alone stands
for a rate limit, an empty account, a quota and a plan.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from bot.errors import (
    AuthenticationFailed,
    ContentRejected,
    DownloadFailed,
    GlmError,
    InsufficientBalance,
    RateLimited,
    RequestBlocked,
    RequestRejected,
    ServerFailed,
)
from bot.glm.image_url import https_address
from bot.glm.redact import mask_key
from bot.models import ROLES, ContentFinding, GeneratedImage
from bot.text import storable, visible

Leaf = tuple[type[GlmError], str]

_KEY: Leaf = (AuthenticationFailed, "failure.key_refused")
_KEY_TYPE: Leaf = (AuthenticationFailed, "failure.key_type")
_LOGIN: Leaf = (AuthenticationFailed, "failure.login")
_ACCOUNT: Leaf = (AuthenticationFailed, "failure.account")
_QUOTA: Leaf = (RateLimited, "failure.quota")
_SPENDING: Leaf = (RateLimited, "failure.spending")
_PLAN: Leaf = (RateLimited, "failure.plan")
_FAIR_USE: Leaf = (RateLimited, "failure.fair_use")
_RATE: Leaf = (RateLimited, "failure.rate_limit")
_OVERLOADED: Leaf = (RateLimited, "failure.overloaded")
_REQUEST: Leaf = (RequestRejected, "failure.request")
_DUPLICATE: Leaf = (RequestRejected, "failure.duplicate")
_MODEL: Leaf = (RequestRejected, "failure.model")
_CONTENT: Leaf = (ContentRejected, "failure.content")
_SERVER: Leaf = (ServerFailed, "failure.server")
_BUSY: Leaf = (ServerFailed, "failure.overloaded")
_BLOCKED: Leaf = (RequestBlocked, "failure.blocked")
_BROKEN: Leaf = (ServerFailed, "failure.broken")

LEAVES: Mapping[str, Leaf] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), _KEY),
    "1005": _LOGIN,
    "1315": _KEY_TYPE,
    **dict.fromkeys(("1110", "1111", "1112", "1120", "1121"), _ACCOUNT),
    "1113": (InsufficientBalance, "failure.balance"),
    **dict.fromkeys(("1200", "1230", "1234", "500"), _SERVER),
    **dict.fromkeys(("1210", "1212", "1213", "1214", "1215"), _REQUEST),
    "1231": _DUPLICATE,
    **dict.fromkeys(("1211", "1221", "1222"), _MODEL),
    "1220": (AuthenticationFailed, "failure.model"),
    "1261": (RequestRejected, "failure.prompt_too_long"),
    **dict.fromkeys(("1300", "1301"), _CONTENT),
    **dict.fromkeys(("1302", "1303"), _RATE),
    **dict.fromkeys(("1305", "1312"), _OVERLOADED),
    **dict.fromkeys(("1304", "1308", "1310", "1316", "1317"), _QUOTA),
    **dict.fromkeys(("1318", "1319", "1320", "1321"), _SPENDING),
    **dict.fromkeys(("1309", "1311", "1314"), _PLAN),
    "1313": _FAIR_USE,
}
"""The error and the sentence of each code of the platform."""

WAITING_HELPS = frozenset({"1302", "1305"})
"""The codes that refuse a call before any work, so that asking again later costs nothing."""

WORST_LEVELS = (0, 1)
"""Levels of the content filter at which there is no image; 2 and 3 are warnings."""

_STATUSES: Mapping[int, Leaf] = {401: _KEY, 403: _KEY, 434: _KEY, 408: _SERVER}
_TOO_MANY_REQUESTS, _UNAVAILABLE = 429, 503
_REDIRECTS, _BAD_REQUEST, _SERVER_ERROR = 300, 400, 500
_GAVE_UP_WAITING = (408, 499)
"""Statuses of a gateway that had sent the request on."""

_LONGEST_MESSAGE = 500
_LONGEST_REQUEST_ID = 100
_REQUEST_IDS = ("request_id", "requestId", "id")
_REQUEST_ID_HEADERS = ("x-request-id", "x-log-id")
_BEIJING = timezone(timedelta(hours=8))
_LATEST = 2**31 - 1
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2})?")
_BUSINESS_CODE = re.compile(r"\d{4}")
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
_TAG = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^>]*(?:>|\Z)", re.IGNORECASE | re.DOTALL)
_LONGEST_PAGE = 20_000
_LONGEST_WORDS = 120
_CODE_IN_MESSAGE = re.compile(r"\[(\d{3,4})\]")


def read_answer(status: int, *, headers: Mapping[str, str], body: bytes, key: str = "") -> GeneratedImage:
    """The picture that an answer of the platform tells of.

    What is taken of it can be stored and shown, whatever it holds.

    Args:
        status: the HTTP status.
        headers: the answer's headers, their names matched without regard to case.
        body: the answer's body, which need not be JSON.
        key: the API key, which is masked in what is taken of the answer.

    Raises:
        GlmError: the answer tells of no picture that may be shown; a leaf of it says why.
    """
    content = _json_object(body)
    if status != 200 or content is None or content.get("error"):  # noqa: PLR2004 - the one status of success
        raise _error_of(status, headers, body, key)
    request_id = _request_id(headers, content, key)
    findings = _findings(content)
    if worst := [finding for finding in findings if finding.level in WORST_LEVELS]:
        filters = tuple((finding.role, finding.level) for finding in worst)
        raise ContentRejected("Content safety check failed", status=status, filters=filters, request_id=request_id)
    url = _url(content)
    if url is None:
        if any(_code_and_message(content)):
            raise _error_of(status, headers, body, key)
        message = "The platform answered 200 without a picture's URL"
        raise ServerFailed(message, status=status, request_id=request_id)
    try:
        https_address(url)
    except DownloadFailed as error:
        message = "The platform answered with a link that is not an https address"
        raise ServerFailed(message, status=status, request_id=request_id) from error
    return GeneratedImage(url=url, created=_created(content), request_id=request_id, findings=findings)


def _error_of(status: int, headers: Mapping[str, str], body: bytes, key: str) -> GlmError:
    content = _json_object(body) or {}
    code, message = _code_and_message(content)
    is_platforms = _is_platforms(content, code)
    waits, (leaf, sentence) = _leaf_of(status, code, headers, is_platforms=is_platforms)
    values = {}
    if is_platforms:
        message = mask_key(message, key)
        if until := _until(message):
            values["until"] = until
    else:
        words = mask_key(_first_words(headers, body), key)
        values = {"status": str(status), "words": words}
        message = f"The request was blocked or broken on the way to the platform (HTTP {status})"
        message += f": {words}" if words else ""
    return leaf(
        message or f"The platform answered HTTP {status} without a message",
        sentence=sentence,
        provider_code=mask_key(code, key) if code and is_platforms else None,
        status=status,
        from_platform=is_platforms and bool(message),
        waits=waits,
        retry_after=_seconds(headers.get("retry-after")),
        filters=tuple((finding.role, finding.level) for finding in _findings(content)),
        values=values,
        request_id=_request_id(headers, content, key),
    )


def _is_platforms(content: Mapping[str, Any], code: str | None) -> bool:
    """Whether an answer is the platform's; proxies and firewalls send HTML, or JSON of another shape."""
    return isinstance(content.get("error"), dict) or _is_business(code) or {"success", "msg"} <= set(content)


def _is_business(code: str | None) -> bool:
    return code is not None and (code in LEAVES or _BUSINESS_CODE.fullmatch(code) is not None)


def _leaf_of(status: int, code: str | None, headers: Mapping[str, str], *, is_platforms: bool) -> tuple[bool, Leaf]:
    """Whether waiting helps, and the error and the sentence."""
    if code and _is_business(code):
        return code in WAITING_HELPS, LEAVES.get(code) or _leaf_of_status(status)
    # Both statuses reject a request before any work; a 503 without the header may come after it.
    if status == _TOO_MANY_REQUESTS:
        return True, _RATE
    if status == _UNAVAILABLE and headers.get("retry-after"):
        return True, _BUSY
    if is_platforms:
        return False, _leaf_of_status(status)
    was_worked_on = not _REDIRECTS <= status < _SERVER_ERROR or status in _GAVE_UP_WAITING
    return False, _BROKEN if was_worked_on else _BLOCKED


def _first_words(headers: Mapping[str, str], body: bytes) -> str:
    """The first words of a body that is not the platform's, without HTML tags."""
    charset = _CHARSET.search(headers.get("content-type", ""))
    for encoding in (charset[1] if charset else "utf-8", "utf-8", "gb18030"):
        with suppress(LookupError, UnicodeDecodeError):
            text = body.decode(encoding)
            break
    else:
        text = body.decode("ascii", "replace")
    words = visible(storable(html.unescape(_TAG.sub(" ", text[:_LONGEST_PAGE]))))
    return " ".join(words.split())[:_LONGEST_WORDS]


def _request_id(headers: Mapping[str, str], content: Mapping[str, Any], key: str) -> str | None:
    """The platform's id of the call, from the body or, where that has none, from a header."""
    error = content.get("error")
    found = [fields.get(name) for fields in (content, error) if isinstance(fields, dict) for name in _REQUEST_IDS]
    found += [headers.get(name) for name in _REQUEST_ID_HEADERS]
    text = next((text for value in found if (text := _text(value))), None)
    return mask_key(text, key)[:_LONGEST_REQUEST_ID] if text else None


def _until(message: str) -> str | None:
    """The time in a message, which is Beijing's, in seconds since 1970."""
    found = _TIME.search(message)
    try:
        moment = datetime.fromisoformat(found[0]) if found else None
    except ValueError:
        return None
    return str(int(moment.replace(tzinfo=_BEIJING).timestamp())) if moment else None


def _leaf_of_status(status: int) -> Leaf:
    if leaf := _STATUSES.get(status):
        return leaf
    return _REQUEST if _BAD_REQUEST <= status < _SERVER_ERROR else _SERVER


def _code_and_message(content: Mapping[str, Any]) -> tuple[str | None, str]:
    """The code and the message; ``error`` may also be a string, or have its code in the message."""
    error = content.get("error")
    fields = error if isinstance(error, dict) else content
    message = _text(fields.get("message")) or _text(fields.get("msg")) or _text(error)
    code = _text(fields.get("code"))
    if code is None and message and (bracketed := _CODE_IN_MESSAGE.match(message)):
        code = bracketed[1]
    return code, message or ""


def _findings(content: Mapping[str, Any]) -> tuple[ContentFinding, ...]:
    """The worst level of each role; what is no role of the platform's is ``unknown``."""
    # The platform writes content_filter on success and contentFilter on refusal.
    entries = content.get("content_filter") or content.get("contentFilter")
    worst: dict[str, int] = {}
    for entry in entries if isinstance(entries, list) else []:
        level = _text(entry.get("level")) if isinstance(entry, dict) else None
        if level in ("0", "1", "2", "3"):
            role = _text(entry.get("role"))
            known = role if role in ROLES else "unknown"
            worst[known] = min(int(level), worst.get(known, int(level)))
    return tuple(ContentFinding(role=role, level=level) for role, level in worst.items())


def _url(content: Mapping[str, Any]) -> str | None:
    pictures = content.get("data")
    first = pictures[0] if isinstance(pictures, list) and pictures else None
    url = first.get("url") if isinstance(first, dict) else None
    return storable(url).strip() or None if isinstance(url, str) else None


def _created(content: Mapping[str, Any]) -> int | None:
    created = content.get("created")
    return created if type(created) is int and 0 <= created <= _LATEST else None


def _text(value: Any) -> str | None:
    """A string or a whole number as one line of text; ``None`` for anything else and for blanks."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return " ".join(storable(str(value)).split())[:_LONGEST_MESSAGE] or None


def _seconds(header: str | None) -> float | None:
    """The seconds of a ``Retry-After``; the platform sends none today, and a date is not worth a clock."""
    seconds = float(header) if header and header.isascii() and header.isdigit() else None
    return seconds if seconds is not None and math.isfinite(seconds) else None


def _json_object(body: bytes) -> Mapping[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
