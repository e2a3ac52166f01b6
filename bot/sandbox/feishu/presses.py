"""What becomes of the answer to a card action, as the presser's client shows it.

https://open.feishu.cn/document/feishu-cards/card-callback-communication
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from bot.sandbox.feishu.cards import validate_card
from bot.sandbox.feishu.delivery import Attempt

NOT_CONFIGURED = 200340
LATE = 200341
UNREACHABLE = 200342
NOT_OK = 200671
BAD_BODY = 200672
BAD_CARD = 200673

_TOAST_TYPES = ("info", "success", "error", "warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class PressAnswer:
    """What the presser sees: an error code, or a toast, or nothing; and a card that replaces the pressed one."""

    message_id: str
    presser: str
    code: int | None = None
    toast: dict[str, Any] | None = None
    card: dict[str, Any] | None = None


def answer_of(attempt: Attempt, *, message_id: str, presser: str, image_keys: Collection[str]) -> PressAnswer:
    """Reads the bot's answer; card actions are never sent again, so this is all there is."""
    code: int | None = None
    toast = card = None
    match attempt.outcome:
        case "no address":
            code = NOT_CONFIGURED
        case "unreachable":
            code = UNREACHABLE
        case "late":
            code = LATE
        case "refused":
            code = NOT_OK
        case "acknowledged":
            code, toast, card = _read(attempt.body, image_keys)
    return PressAnswer(message_id=message_id, presser=presser, code=code, toast=toast, card=card)


def _read(body: bytes, image_keys: Collection[str]) -> tuple[int | None, dict[str, Any] | None, dict[str, Any] | None]:
    try:
        value = json.loads(body)
    except ValueError:
        return BAD_BODY, None, None
    if not isinstance(value, dict) or not value.keys() <= {"toast", "card"}:
        return BAD_BODY, None, None
    toast, card = value.get("toast"), value.get("card")
    if "toast" in value and not _is_toast(toast):
        return BAD_BODY, None, None
    if card is None:
        return None, toast, None
    match card:
        case {"type": "raw", "data": dict(new)} if not validate_card(new, image_keys=image_keys):
            return None, toast, new
    return BAD_CARD, None, None


def _is_toast(toast: Any) -> bool:
    match toast:
        case {"content": str(), **rest}:
            by_language = rest.get("i18n", {})
            return (
                rest.get("type", "info") in _TOAST_TYPES
                and isinstance(by_language, dict)
                and all(isinstance(text, str) for text in by_language.values())
            )
    return False
