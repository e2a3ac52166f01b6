"""What the Base log says of a generation: the fields of its table, and their values."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import RowMapping

from bot.db.rows import options_of, read_failure
from bot.feishu.bitable import NUMBER, PERSON, PROMPT, TIME

LONGEST_PROMPT = 10_000
"""Characters of a prompt in a record; a cell takes 100,000."""


def record(row: RowMapping, *, prices: Mapping[str, float], people: bool, prompts: bool) -> dict[str, object]:
    """The values of one generation, those that there are.

    Args:
        row: the generation, with the chat, prompt and options of its request.
        prices: yuan an image, by model.
        people: whether the person is named.
        prompts: whether the prompt is told.
    """
    failure = read_failure(row["failure"])
    values: dict[str, object | None] = {
        NUMBER: row["generation_id"],
        # Milliseconds since 1970.
        TIME: int(row["accepted_at"] * 1000),
        PERSON: [{"id": row["sender"]}] if people else None,
        "会话 Chat": row["chat_id"],
        "模型 Model": row["model"],
        "尺寸 Size": options_of(json.loads(row["content"])).size,
        "结果 Result": row["state"],
        "错误 Error": failure.code if failure else None,
        "费用 Yuan": round(row["calls_billed"] * prices.get(row["model"], 0.0), 4),
        "耗时（秒） Seconds": None if row["call_seconds"] is None else round(row["call_seconds"], 1),
        PROMPT: row["prompt"][:LONGEST_PROMPT] if prompts else None,
    }
    return {name: value for name, value in values.items() if value is not None}
