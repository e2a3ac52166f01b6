"""Rows as months of use leave them, written at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import insert, select

from bot.db.database import NOW, Database
from bot.db.retention import DAY
from bot.db.tables import generations, requests
from bot.models import State

CHUNK = 5_000

CONTENT = {
    "model": "glm-image",
    "size": "1280x1280",
    "quality": "hd",
    "watermark": True,
    "style": None,
    "count": 1,
}


def add_finished(
    database: Database, number: int, *, people: int = 20, days: float = 40.0, ended_ago: float = 0, mark: str = "old"
) -> None:
    """Adds so many finished generations, each of a request of its own, whose ids have ``mark`` in common.

    So many ``people`` asked for them, in a chat each, over so many ``days``; the last one ended ``ended_ago`` seconds
    ago.
    """
    with database.read() as connection:
        now = float(connection.scalar(select(NOW)) or 0.0)
    rows = _rows(number, people=people, first=now - ended_ago - days * DAY, step=days * DAY / number, mark=mark)
    with database.write() as connection:
        while chunk := [row for row, _ in zip(rows, range(CHUNK), strict=False)]:
            connection.execute(insert(requests), [request for request, _ in chunk])
            connection.execute(insert(generations), [generation for _, generation in chunk])


def _rows(
    number: int, *, people: int, first: float, step: float, mark: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for place in range(1, number + 1):
        at = first + place * step
        who = place % people
        times = {"accepted_at": at - 60, "ended_at": at}
        yield (
            {
                "request_id": f"r_{mark}_{place}",
                "dedup_key": f"om_{mark}_{place}",
                "kind": "images",
                "chat_id": f"oc_{who}",
                "chat_type": "p2p",
                "reply_to": f"om_{mark}_{place}",
                "in_topic": False,
                "sender": f"ou_{who}",
                "language": "zh",
                "prompt": f"一只橘猫趴在窗台上看雨，窗外是傍晚的街灯，水彩，编号 {place}",
                "raw_prompt": "一只橘猫趴在窗台上看雨",
                "content": CONTENT,
                "answer_id": f"om_answer_{place}",
                "card_state": "result",
                "patch_count": 2,
                "desired_version": 3,
                "published_version": 3,
                "outcome": "result",
                **times,
            },
            {
                "generation_id": f"g_{mark}_{place}",
                "request_id": f"r_{mark}_{place}",
                "index_in_request": 0,
                "sender": f"ou_{who}",
                "model": "glm-image",
                "state": State.DONE,
                "calls_made": 1,
                "calls_billed": 1,
                "billing_month": "2026-11",
                "called_at": at - 40,
                "call_seconds": 35.0,
                "url": f"https://maas-watermark-prod.cn-wlcb.ufileos.com/{place}_watermark.png?Expires=1",
                "cache_name": f"g_{mark}_{place}.jpg",
                "image_key": f"img_{place}",
                **times,
            },
        )
