"""What one call asks of the platform, checked before anything is paid.

The fields: https://docs.bigmodel.cn/api-reference/模型-api/图像生成. The command line starts with this module, so it
imports nothing that takes time.
"""

from __future__ import annotations

from bot.errors import InvalidPrompt, InvalidQuality, InvalidUserId, MissingApiKey
from bot.sizes import QUALITIES, resolve
from bot.text import is_blank, visible

TYPE_CHECKING = False  # the module typing alone would take a fifth of the command line's start
if TYPE_CHECKING:
    from bot.models import Options

KEY_PAGE = "https://bigmodel.cn/usercenter/proj-mgmt/apikeys"
"""Where a key is made or copied."""

SHORTEST_USER_ID = 6
LONGEST_USER_ID = 128


def checked_key(key: str | None) -> str:
    """The API key without the blanks round it.

    Raises:
        MissingApiKey: there is none, or it holds what no HTTP header can carry; the message never holds the key.
    """
    key = (key or "").strip()
    if not key:
        raise MissingApiKey(f"ZHIPU_API_KEY not configured. Get your API key at: {KEY_PAGE}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise MissingApiKey(f"ZHIPU_API_KEY holds characters that no key has. Copy your API key from: {KEY_PAGE}")
    return key


def checked_prompt(prompt: str) -> str:
    """The prompt without invisible characters and surrounding blanks; the platform checks its length (1261).

    Raises:
        InvalidPrompt: there is nothing to see in it, or it is not Unicode text.
    """
    prompt = visible(prompt).strip()
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise InvalidPrompt("Invalid prompt: it is not UTF-8 text") from None
    if is_blank(prompt):
        raise InvalidPrompt("Invalid prompt: it is empty. Describe the image in words")
    return prompt


def checked_quality(quality: str) -> str:
    """The quality in lower case.

    Raises:
        InvalidQuality: it is neither of the two.
    """
    plain = quality.strip().lower()
    if plain not in QUALITIES:
        raise InvalidQuality(
            f"Invalid quality: {quality[:40]}. Must be hd or standard", values={"quality": quality[:40]}
        )
    return plain


def checked_user_id(user_id: str) -> str:
    """The end user's id.

    Raises:
        InvalidUserId: it is not 6 to 128 characters long, is blank, or is not Unicode text.
    """
    if not SHORTEST_USER_ID <= len(user_id) <= LONGEST_USER_ID:
        raise _invalid_user_id(f"{len(user_id)} characters")
    if not user_id.strip():
        raise _invalid_user_id("it is blank")
    try:
        user_id.encode()
    except UnicodeEncodeError:
        raise _invalid_user_id("it is not UTF-8 text") from None
    return user_id


def _invalid_user_id(reason: str) -> InvalidUserId:
    return InvalidUserId(f"Invalid user_id: {reason}. Must be {SHORTEST_USER_ID}-{LONGEST_USER_ID} characters")


def call_body(prompt: str, *, options: Options, user_id: str | None) -> dict[str, str | bool]:
    """The JSON body of a call.

    Raises:
        InvalidPrompt, InvalidSize, InvalidQuality, InvalidUserId, RequestRejected: as the ``checked_`` functions and
            :func:`bot.sizes.resolve` say.
    """
    body: dict[str, str | bool] = {
        "model": options.model,
        "prompt": checked_prompt(prompt),
        "quality": checked_quality(options.quality),
        "size": resolve(options.model, options.size),
        "watermark_enabled": options.watermark,
    }
    if user_id is not None:
        body["user_id"] = checked_user_id(user_id)
    return body
