"""Whether the content of a message that the bot sends is one that the platform takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.sandbox.feishu.cards import LOCALES, TOO_LARGE, CardError, validate_card
from bot.sandbox.feishu.codes import NAMES, Refusal
from bot.sandbox.feishu.limits import Limits
from bot.sandbox.feishu.world import Upload

_INVALID_PARAMETER = 230001
_PARSE_ERROR = 200621
_POST_TAGS = ("text", "a", "at", "img", "media", "emotion", "hr", "code_block", "md")


def check_content(msg_type: str, content: str, *, uploads: Mapping[str, Upload], limits: Limits) -> None:
    """Checks the JSON text of a message.

    https://open.feishu.cn/document/server-docs/im-v1/message-content-description/create_json

    Raises:
        Refusal: 230001, 230025 or 230099, as the platform answers.
    """
    size = len(content.encode())
    if size > (limits.text_bytes if msg_type == "text" else limits.card_bytes):
        raise Refusal(NAMES["too_long"])
    value = _parsed(content, msg_type=msg_type)
    match msg_type:
        case "text" if isinstance(value.get("text"), str):
            return
        case "image" if _known(value.get("image_key"), "image", uploads):
            return
        case "file" if _known(value.get("file_key"), "file", uploads):
            return
        case "post" if _is_post(value, uploads):
            return
        case "interactive":
            _check_card(value, uploads)
            return
    raise invalid("content is not valid")


def invalid(why: str) -> Refusal:
    """A refusal of a parameter (230001)."""
    return Refusal(_INVALID_PARAMETER, f"Your request contains an invalid request parameter, ext={why}.")


def _parsed(content: str, *, msg_type: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    if msg_type == "interactive":
        raise _refused_card(CardError("ROOT", _PARSE_ERROR, "parse card json err"))
    raise invalid("content is not a string in json format")


def _known(key: Any, kind: str, uploads: Mapping[str, Upload]) -> bool:
    return isinstance(key, str) and key in uploads and uploads[key].kind == kind


def _is_post(value: dict[str, Any], uploads: Mapping[str, Upload]) -> bool:
    # Sent rich text is wrapped in a language; received rich text is not.
    if not value or not set(value) <= LOCALES:
        return False
    for text in value.values():
        if not isinstance(text, dict) or not isinstance(text.get("content"), list):
            return False
        for paragraph in text["content"]:
            for element in paragraph:
                if element.get("tag") not in _POST_TAGS:
                    return False
                if element["tag"] == "img" and not _known(element.get("image_key"), "image", uploads):
                    return False
    return True


def _check_card(card: dict[str, Any], uploads: Mapping[str, Upload]) -> None:
    keys = {key for key, upload in uploads.items() if upload.kind == "image"}
    for fault in validate_card(card, image_keys=keys):
        raise Refusal(NAMES["too_long"]) if fault.sub_code == TOO_LARGE else _refused_card(fault)


def _refused_card(fault: CardError) -> Refusal:
    ext = f"ErrCode: {fault.sub_code}; ErrPath: {fault.path}; ErrMsg: {fault.message}; "
    return Refusal(NAMES["card_bad"], f"Failed to create card content, ext={ext}")
