"""The body of one call to the images API, validated before anything is paid.

The fields: https://docs.bigmodel.cn/api-reference/模型-api/图像生成. The command line starts with this module, so it
imports nothing that is slow to load.
"""

from __future__ import annotations

from bot.errors import InvalidPrompt, InvalidQuality, InvalidUserId, MissingApiKey
from bot.sizes import QUALITIES, resolve
from bot.text import is_blank, visible

TYPE_CHECKING = False  # importing typing would add a fifth to the command line's start
if TYPE_CHECKING:
    from bot.models import Options

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


def validate_quality(quality: str) -> str:
    """The quality in lower case, or ``InvalidQuality``."""
    plain = quality.strip().lower()
    if plain not in QUALITIES:
        message = f"Invalid quality: {quality[:40]}. Must be hd or standard"
        raise InvalidQuality(message, values={"quality": quality[:40]})
    return plain


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


def call_body(prompt: str, *, options: Options, user_id: str | None) -> dict[str, str | bool]:
    """The JSON body of a call; raises what the ``validate_`` functions and :func:`bot.sizes.resolve` raise."""
    body: dict[str, str | bool] = {
        "model": options.model,
        "prompt": validate_prompt(prompt),
        "quality": validate_quality(options.quality),
        "size": resolve(options.model, options.size),
        "watermark_enabled": options.watermark,
    }
    return body if user_id is None else {**body, "user_id": validate_user_id(user_id)}


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
