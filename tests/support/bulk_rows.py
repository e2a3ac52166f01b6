"""Rows as months of use leave them, written at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from bot.db.database import NOW, Database
from bot.db.retention import DAY
from bot.db.tables import generations, requests
from bot.models import State

CHUNK = 5_000

REQUEST = {
    "kind": "images",
    "chat_type": "p2p",
    "in_topic": False,
    "language": "zh",
    "prompt": "一只橘猫趴在窗台上看雨，窗外是傍晚的街灯，水彩",
    "raw_prompt": "一只橘猫趴在窗台上看雨",
    "content": {
        "model": "glm-image",
        "size": "1280x1280",
        "quality": "hd",
        "watermark": True,
        "style": None,
        "count": 1,
    },
    "card_state": "result",
    "patch_count": 2,
    "desired_version": 3,
    "published_version": 3,
    "outcome": "result",
}
GENERATION = {
    "index_in_request": 0,
    "model": "glm-image",
    "state": State.DONE,
    "calls_made": 1,
    "calls_billed": 1,
    "billing_month": "2026-11",
    "call_seconds": 35.0,
    "url": "https://maas-watermark-prod.cn-wlcb.ufileos.com/1_watermark.png?Expires=1",
}
"""What all rows of a table have in common."""


def add_finished(
    database: Database, number: int, *, people: int = 20, days: float = 40.0, ended_ago: float = 0, mark: str = "old"
) -> None:
    """Adds so many finished generations, each of a request of its own, whose ids have ``mark`` in common.

    So many ``people`` asked for them, in a chat each, over so many ``days``; the last one ended ``ended_ago`` seconds
    ago.
    """
    with database.write() as connection:
        now = float(connection.scalar(select(NOW)) or 0.0)
        for first in range(1, number + 1, CHUNK):
            asked: list[dict[str, Any]] = []
            made: list[dict[str, Any]] = []
            for place in range(first, min(first + CHUNK, number + 1)):
                at, who = now - ended_ago - (number - place) * days * DAY / number, place % people
                same = {
                    "request_id": f"r_{mark}_{place}",
                    "sender": f"ou_{who}",
                    "accepted_at": at - 60,
                    "ended_at": at,
                }
                message = dict.fromkeys(("dedup_key", "reply_to", "answer_id"), f"om_{mark}_{place}")
                asked.append({**REQUEST, **same, **message, "chat_id": f"oc_{who}"})
                own = dict.fromkeys(("generation_id", "cache_name", "image_key"), f"g_{mark}_{place}")
                made.append({**GENERATION, **same, **own, "called_at": at - 40})
            connection.execute(insert(requests), asked)
            connection.execute(insert(generations), made)
