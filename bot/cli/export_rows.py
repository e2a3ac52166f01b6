"""A generation as it is exported: its columns, and the two forms of a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import RowMapping

from bot.db.rows import read_failure, read_findings
from bot.options import OPTIONS

_COLUMNS = (
    "generation_id",
    "message_id",
    "chat_id",
    "chat_type",
    "sender",
    "model",
    "size",
    "quality",
    "style",
    "watermark",
    "state",
    "error",
    "accepted_at",
    "posted_at",
    "ended_at",
    "seconds",
    "yuan",
    "paid_calls",
    "findings",
    "platform_request_id",
)
COLUMNS = (*_COLUMNS, *(name for name, option in OPTIONS.items() if option.of_image and name not in _COLUMNS))
"""The columns in their order; later versions only add to the end, before ``image_url`` and ``prompt``."""

IMAGE_URL, PROMPT = "image_url", "prompt"

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula, the full-width forms included.

https://owasp.org/www-community/attacks/CSV_Injection
"""


def values_of(row: RowMapping, *, prices: Mapping[str, float], zone: tzinfo) -> dict[str, Any]:
    """Every column's value, ``None`` where there is none.

    Args:
        row: the generation, with the origin, chat, prompt and options of its request.
        prices: yuan an image, by model: those of now.
        zone: the time zone of the times, which are ISO 8601.
    """
    options = json.loads(row["content"])
    failure = read_failure(row["failure"])
    return {
        **{name: options.get(name) for name, option in OPTIONS.items() if option.of_image},
        **{name: row[name] for name in ("generation_id", "chat_id", "chat_type", "sender", "model", "state")},
        # What was asked for with a button has no message of its own.
        "message_id": None if ":" in row["dedup_key"] else row["dedup_key"],
        "error": failure.code if failure else None,
        "accepted_at": _time(row["accepted_at"], zone),
        "posted_at": _time(row["called_at"], zone),
        "ended_at": _time(row["ended_at"], zone),
        "seconds": None if row["call_seconds"] is None else round(row["call_seconds"], 3),
        "yuan": round(row["calls_billed"] * prices.get(row["model"], 0.0), 4),
        "paid_calls": row["calls_billed"],
        "findings": [{"role": found.role, "level": found.level} for found in read_findings(row["findings"])],
        "platform_request_id": row["platform_request_id"],
        IMAGE_URL: row["url"],
        PROMPT: row["prompt"],
    }


def cells(values: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """A line of CSV: text that a spreadsheet would take for a formula begins with an apostrophe."""
    return [_cell(values[name]) for name in columns]


def json_line(values: Mapping[str, Any], columns: Sequence[str]) -> str:
    """A line of JSON, with the columns as keys."""
    return json.dumps({name: values[name] for name in columns}, ensure_ascii=False) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(f"{found['role']}:{found['level']}" for found in value)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _time(seconds: float | None, zone: tzinfo) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, zone).isoformat(timespec="seconds")
