"""The body of one call to the images API, validated before anything is paid.

The fields: https://docs.bigmodel.cn/api-reference/模型-api/图像生成.
"""

from __future__ import annotations

from typing import Any

from bot.errors import InvalidPrompt, InvalidUserId, MissingApiKey
from bot.options import Options, api_fields
from bot.text import is_blank, visible

KEY_PAGE = "https://bigmodel.cn/usercenter/proj-mgmt/apikeys"
_MIN_USER_ID, _MAX_USER_ID = 6, 128


def validate_key(key: str | None) -> str:
    """The API key without surrounding blanks; the message of ``MissingApiKey`` never contains it."""
    key = (key or "").strip()
    if not key:
        raise MissingApiKey(f"ZHIPU_API_KEY not configured. Get your API key at: {KEY_PAGE}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise MissingApiKey(f"ZHIPU_API_KEY holds characters that no key has. Copy your API key from: {KEY_PAGE}")
    return key


def validate_prompt(prompt: str) -> str:
    """The prompt without invisible characters; ``InvalidPrompt`` if nothing is left. The platform checks its length."""
    prompt = visible(prompt).strip()
    if not _is_unicode(prompt):
        raise InvalidPrompt("Invalid prompt: it is not UTF-8 text")
    if is_blank(prompt):
        raise InvalidPrompt("Invalid prompt: it is empty. Describe the image in words")
    return prompt


def validate_user_id(user_id: str) -> str:
    """The end user's id, unchanged, or ``InvalidUserId``."""
    if not _MIN_USER_ID <= len(user_id) <= _MAX_USER_ID:
        reason = f"{len(user_id)} characters"
    elif not user_id.strip():
        reason = "it is blank"
    elif not _is_unicode(user_id):
        reason = "it is not UTF-8 text"
    else:
        return user_id
    raise InvalidUserId(f"Invalid user_id: {reason}. Must be {_MIN_USER_ID}-{_MAX_USER_ID} characters")


def call_body(prompt: str, *, options: Options, user_id: str | None) -> dict[str, Any]:
    """The JSON body of a call; raises what the ``validate_`` functions and :func:`bot.sizes.resolve` raise."""
    body = {"prompt": validate_prompt(prompt), **api_fields(options)}
    return body if user_id is None else {**body, "user_id": validate_user_id(user_id)}


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
