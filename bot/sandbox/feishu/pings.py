"""Whom a message that the bot sent would have pinged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_AT = re.compile(r"<at\s[^>]*?\b(?:user_id|ids?|email)\s*=\s*[\"']?([^\"'>\s]+)", re.IGNORECASE)
_RICH_TEXTS = ("markdown", "lark_md", "md")


def pinged(msg_type: str, content: str) -> list[str]:
    """The ids that ``content`` mentions, ``all`` for everybody, in their order.

    Plain text of a card is shown as it is and pings nobody; text messages, rich text and card markdown do.
    https://open.feishu.cn/document/server-docs/im-v1/message-content-description/create_json
    """
    value = json.loads(content)
    match msg_type:
        case "text":
            texts = [str(value.get("text", ""))]
        case "post" | "interactive":
            texts = list(_rich_texts(value))
        case _:
            return []
    return [whom for text in texts for ids in _AT.findall(text) for whom in ids.split(",")]


def _rich_texts(value: Any) -> Iterator[str]:
    match value:
        case list():
            for entry in value:
                yield from _rich_texts(entry)
        case {"tag": "at", "user_id": whom}:
            yield f'<at user_id="{whom}">'
        case {"tag": "table", "rows": rows}:
            yield json.dumps(rows, ensure_ascii=False).replace('\\"', '"')
        case {"tag": tag, **fields} if tag in _RICH_TEXTS:
            yield str(fields.get("content", fields.get("text", "")))
            by_language = fields.get("i18n_content")
            yield from by_language.values() if isinstance(by_language, dict) else ()
        case dict():
            for entry in value.values():
                yield from _rich_texts(entry)
