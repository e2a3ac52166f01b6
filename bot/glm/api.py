"""The images API: the body of a paid call, and what the answer means.

The fields: https://docs.bigmodel.cn/api-reference/模型-api/图像生成. The codes:
https://docs.bigmodel.cn/cn/faq/api-code. A code takes precedence over the HTTP status: 429 alone is used for a rate
limit, an empty account, a quota and a plan.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx

from bot.errors import DownloadFailed, ErrorKind, GlmError
from bot.models import ROLES, ContentFinding, GeneratedImage
from bot.options import Options, api_fields
from bot.text import is_blank, storable, visible

KEY_PAGE = "https://bigmodel.cn/usercenter/proj-mgmt/apikeys"

Leaf = tuple[ErrorKind, str]

_KEY: Leaf = (ErrorKind.AUTHENTICATION_FAILED, "failure.key_refused")
_RATE: Leaf = (ErrorKind.RATE_LIMITED, "failure.rate_limit")
_REQUEST: Leaf = (ErrorKind.REQUEST_REJECTED, "failure.request")
_SERVER: Leaf = (ErrorKind.SERVER_FAILED, "failure.server")

CODES: Mapping[str, Leaf] = {
    code: leaf
    for codes, leaf in (
        ("1000 1001 1002 1003 1004", _KEY),
        ("1005", (ErrorKind.AUTHENTICATION_FAILED, "failure.login")),
        ("1315", (ErrorKind.AUTHENTICATION_FAILED, "failure.key_type")),
        ("1110 1111 1112 1120 1121", (ErrorKind.AUTHENTICATION_FAILED, "failure.account")),
        ("1113", (ErrorKind.INSUFFICIENT_BALANCE, "failure.balance")),
        ("500 1200 1230 1234", _SERVER),
        ("1210 1212 1213 1214 1215", _REQUEST),
        ("1231", (ErrorKind.REQUEST_REJECTED, "failure.duplicate")),
        ("1211 1221 1222", (ErrorKind.REQUEST_REJECTED, "failure.model")),
        ("1220", (ErrorKind.AUTHENTICATION_FAILED, "failure.model")),
        ("1261", (ErrorKind.REQUEST_REJECTED, "failure.prompt_too_long")),
        ("1300 1301", (ErrorKind.CONTENT_REJECTED, "failure.content")),
        ("1302 1303", _RATE),
        ("1305 1312", (ErrorKind.RATE_LIMITED, "failure.overloaded")),
        ("1304 1308 1310 1316 1317", (ErrorKind.RATE_LIMITED, "failure.quota")),
        ("1318 1319 1320 1321", (ErrorKind.RATE_LIMITED, "failure.spending")),
        ("1309 1311 1314", (ErrorKind.RATE_LIMITED, "failure.plan")),
        ("1313", (ErrorKind.RATE_LIMITED, "failure.fair_use")),
    )
    for code in codes.split()
}
"""The error and the message key of each code of the platform."""

_REJECTED_BEFORE_WORK = ("1302", "1305")
_BLOCKING_LEVELS = (0, 1)  # of the content filter: there is no image; 2 and 3 are warnings
_GATEWAY_GAVE_UP = (408, 499)  # statuses of a gateway that had passed the request on
_MAX_MESSAGE, _MAX_REQUEST_ID, _MAX_PAGE, _MAX_WORDS = 500, 100, 20_000, 120
_BEIJING = timezone(timedelta(hours=8))
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2})?")
_TAG = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^>]*(?:>|\Z)", re.IGNORECASE | re.DOTALL)
_MIN_KEY_PART = 8  # characters of a key that are masked; fewer may be an ordinary word
_MASKED_KEY = re.compile(r"[A-Za-z0-9._-]*[*•●]{2,}[A-Za-z0-9._*•●-]*|[A-Za-z0-9_-]{3,}(?:\.{3,}|…+)[A-Za-z0-9_-]{3,}")


def validate_key(key: str | None) -> str:
    """The API key without surrounding blanks; the message of the ``GlmError`` never contains it."""
    key = (key or "").strip()
    if not key:
        raise GlmError(f"ZHIPU_API_KEY not configured. Get your API key at: {KEY_PAGE}", ErrorKind.MISSING_API_KEY)
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise GlmError(
            f"ZHIPU_API_KEY holds characters that no key has. Copy your API key from: {KEY_PAGE}",
            ErrorKind.MISSING_API_KEY,
        )
    return key


def validate_prompt(prompt: str) -> str:
    """The prompt without invisible characters; ``GlmError`` if nothing is left. The platform checks its length."""
    prompt = visible(prompt).strip()
    if storable(prompt) != prompt:
        raise GlmError("Invalid prompt: it is not UTF-8 text", ErrorKind.INVALID_PROMPT)
    if is_blank(prompt):
        raise GlmError("Invalid prompt: it is empty. Describe the image in words", ErrorKind.INVALID_PROMPT)
    return prompt


def validate_user_id(user_id: str) -> str:
    """The end user's id of 6 to 128 characters, unchanged, or ``GlmError``."""
    has_length = 6 <= len(user_id) <= 128  # noqa: PLR2004 - the platform's limits
    if has_length and user_id.strip() and storable(user_id) == user_id:
        return user_id
    reason = "it is blank, or not UTF-8 text" if has_length else f"{len(user_id)} characters"
    raise GlmError(f"Invalid user_id: {reason}. Must be 6-128 characters", ErrorKind.INVALID_USER_ID)


def call_body(prompt: str, *, options: Options, user_id: str | None) -> dict[str, Any]:
    """The JSON body of a call; raises what the ``validate_`` functions and :func:`bot.sizes.resolve` raise."""
    body = {"prompt": validate_prompt(prompt), **api_fields(options)}
    return body if user_id is None else {**body, "user_id": validate_user_id(user_id)}


def read_answer(status: int, *, headers: Mapping[str, str], body: bytes, key: str = "") -> GeneratedImage:
    """The image that an answer names; whatever it contains, the result can be stored and shown.

    ``headers`` are looked up in lower case, ``body`` need not be JSON, and ``key`` is masked in what is taken from it.
    The kind of the ``GlmError`` says why there is no image that may be shown.
    """
    content = _json_object(body)
    if status != HTTPStatus.OK or content is None or content.get("error"):
        raise _error_of(status, headers, body, key)
    request_id = _request_id(headers, content, key)
    failed = partial(GlmError, status=status, request_id=request_id)
    findings = _findings(content)
    if filters := tuple((one.role, one.level) for one in findings if one.level in _BLOCKING_LEVELS):
        raise failed("Content safety check failed", ErrorKind.CONTENT_REJECTED, filters=filters)
    match content.get("data"):
        case [{"url": str(given)}, *_] if url := storable(given).strip():
            pass
        case _ if any(_code_and_message(content)):
            raise _error_of(status, headers, body, key)
        case _:
            raise failed("The platform answered 200 without an image URL", ErrorKind.SERVER_FAILED)
    try:
        https_url(url)
    except DownloadFailed as error:
        message = "The platform answered with a link that is not an https address"
        raise failed(message, ErrorKind.SERVER_FAILED) from error
    created = content.get("created")
    created = created if type(created) is int and 0 <= created < 2**31 else None
    return GeneratedImage(url=url, created=created, request_id=request_id, findings=findings)


def https_url(url: str) -> httpx.URL:
    """A link as the download reads it; ``DownloadFailed`` if it is no URL, is not https, or has user information."""
    try:
        address = httpx.URL(url)
        # The host is decoded when it is read, and may turn out not to be a name.
        is_https = address.scheme == "https" and address.host and not address.userinfo
    except (httpx.InvalidURL, UnicodeError) as error:
        raise DownloadFailed("the link is not a URL", permanent=True) from error
    if not is_https:
        raise DownloadFailed("the link is not an https address", permanent=True)
    return address


def mask_key(text: str, key: str) -> str:
    """The text without the API key: whole, in part (eight characters or more), or as ``abcd****wxyz``."""
    size = min(len(key), _MIN_KEY_PART)
    if parts := {re.escape(key[at : at + size]) for at in range(len(key) - size + 1) if key}:
        found = re.finditer(f"(?=(?:{'|'.join(parts)}))", text, re.IGNORECASE)
        hidden = {at for match in found for at in range(match.start(), match.start() + size)}
        text = re.sub("\0+", "***", "".join("\0" if at in hidden else sign for at, sign in enumerate(text)))
    return _MASKED_KEY.sub("***", text)


def _error_of(status: int, headers: Mapping[str, str], body: bytes, key: str) -> GlmError:
    content = _json_object(body) or {}
    code, message = _code_and_message(content)
    is_business = code is not None and (code in CODES or re.fullmatch(r"\d{4}", code) is not None)
    # Proxies and firewalls send HTML, or JSON of another shape.
    from_platform = isinstance(content.get("error"), dict) or is_business or {"success", "msg"} <= set(content)
    message, values = mask_key(message, key), {}
    if not from_platform:
        words = mask_key(_first_words(body), key)
        values = {"status": str(status), "words": words}
        message = f"The request was blocked or broken on the way to the platform (HTTP {status})"
        message += f": {words}" if words else ""
    elif until := _until(message):
        values = {"until": until}
    retry_after = headers.get("retry-after") or ""
    if code and is_business:
        waits, (kind, sentence) = code in _REJECTED_BEFORE_WORK, CODES.get(code) or _by_status(status)
    else:
        waits, (kind, sentence) = _without_code(status, retry_after=retry_after, from_platform=from_platform)
    # The header may also be a date, or a number that no float holds; the platform sends none of these today.
    is_seconds = retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10  # noqa: PLR2004
    return GlmError(
        message or f"The platform answered HTTP {status} without a message",
        kind,
        sentence=sentence,
        provider_code=mask_key(code, key) if code and from_platform else None,
        status=status,
        from_platform=from_platform and bool(message),
        waits=waits,
        retry_after=float(retry_after) if is_seconds else None,
        filters=tuple((finding.role, finding.level) for finding in _findings(content)),
        values=values,
        request_id=_request_id(headers, content, key),
    )


def _without_code(status: int, *, retry_after: str, from_platform: bool) -> tuple[bool, Leaf]:
    """Whether waiting helps, and the error, of an answer without a business code."""
    # Both statuses reject a request before any work; a 503 without the header may come after it.
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return True, _RATE
    if status == HTTPStatus.SERVICE_UNAVAILABLE and retry_after:
        return True, (ErrorKind.SERVER_FAILED, "failure.overloaded")
    if from_platform:
        return False, _by_status(status)
    is_rejection = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_rejection and status not in _GATEWAY_GAVE_UP:
        return False, (ErrorKind.REQUEST_BLOCKED, "failure.blocked")
    return False, (ErrorKind.SERVER_FAILED, "failure.broken")


def _by_status(status: int) -> Leaf:
    if status in (401, 403, 434):
        return _KEY
    is_rejection = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return _REQUEST if is_rejection and status != HTTPStatus.REQUEST_TIMEOUT else _SERVER


def _first_words(body: bytes) -> str:
    """The first words of a body that is not the platform's, without HTML tags; in UTF-8, or else GBK."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("gb18030", "replace")
    words = visible(storable(html.unescape(_TAG.sub(" ", text[:_MAX_PAGE]))))
    return " ".join(words.split())[:_MAX_WORDS]


def _request_id(headers: Mapping[str, str], content: Mapping[str, Any], key: str) -> str | None:
    """The platform's id of the call, from the body or else from a header."""
    bodies = (content, content.get("error"))
    names = ("request_id", "requestId", "id")
    found = [fields.get(name) for fields in bodies if isinstance(fields, dict) for name in names]
    found += [headers.get(name) for name in ("x-request-id", "x-log-id")]
    text = next((text for value in found if (text := _text(value))), None)
    return mask_key(text, key)[:_MAX_REQUEST_ID] if text else None


def _until(message: str) -> str | None:
    """The time in a message, which is Beijing's, in seconds since 1970."""
    with suppress(ValueError):
        if found := _TIME.search(message):
            return str(int(datetime.fromisoformat(found[0]).replace(tzinfo=_BEIJING).timestamp()))
    return None


def _code_and_message(content: Mapping[str, Any]) -> tuple[str | None, str]:
    """The code and the message; ``error`` may also be a string, or have its code in the message."""
    error = content.get("error")
    fields = error if isinstance(error, dict) else content
    message = _text(fields.get("message")) or _text(fields.get("msg")) or _text(error) or ""
    bracketed = re.match(r"\[(\d{3,4})\]", message)
    return _text(fields.get("code")) or (bracketed[1] if bracketed else None), message


def _findings(content: Mapping[str, Any]) -> tuple[ContentFinding, ...]:
    """The worst level of each role; a role that the platform does not document is ``unknown``."""
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


def _text(value: Any) -> str | None:
    """A string or an integer as one line of text; ``None`` for anything else and for blanks."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return " ".join(storable(str(value)).split())[:_MAX_MESSAGE] or None


def _json_object(body: bytes) -> Mapping[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
