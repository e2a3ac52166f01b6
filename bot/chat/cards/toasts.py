"""The line that flashes up after a press on a card."""

from __future__ import annotations

from typing import Any, Literal

from bot.chat.cards.sanitize import clipped
from bot.chat.messages import Messages

Kind = Literal["info", "success", "error", "warning"]

_UNKNOWN = "toast.refused"
_LONGEST_VALUE = 40


def toast(words: Messages, key: str, *, kind: Kind = "info", **values: object) -> dict[str, Any]:
    """The answer to a press, in both languages; Feishu shows the presser's.

    https://open.feishu.cn/document/feishu-cards/card-callback-communication

    Args:
        words: the catalogue.
        key: any sentence of it: one of ``toast.*``, or why a prompt was refused. One that cannot be said with these
            values is replaced by a general one, because a press must be answered.
        kind: the sign before the words.
        values: the placeholders of the sentence; others are left aside.
    """
    known = {name: clipped(str(value), _LONGEST_VALUE) for name, value in values.items()}
    said = words.both(words.fitting(key, known) or _UNKNOWN, **known)
    return {"toast": {"type": kind, "content": said["zh_cn"], "i18n": said}}
