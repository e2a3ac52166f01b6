"""What the cards of commands show, as values for their tests."""

from __future__ import annotations

from typing import Any

from bot.models import State
from bot.options import Options
from bot.view_models import HistoryEntry, ModelStats, QueueEntry, QueueView, QuotaView, SettingsView, StatsView
from tests.unit.card_samples import MARCH_NINTH


def waiting(number: int | None = None, **more: Any) -> QueueEntry:
    """A waiting generation of this chat: one's own where it has a number, otherwise somebody else's."""
    known = {"prompt": "一只橘猫", "state": State.WAITING, "model": "glm-image", "here": True, **more}
    return QueueEntry(mine=number is not None, number=number, **known)


def line(*entries: QueueEntry, **more: Any) -> QueueView:
    """A line of these generations."""
    return QueueView(entries=entries, **{"elsewhere": 0, "paused": False, **more})


def history(number: int = 1, **more: Any) -> HistoryEntry:
    """A picture that somebody got."""
    known = {"request_id": f"req_{number}", "prompt": "一只橘猫", "image_key": "img_v3_1", "options": Options()}
    return HistoryEntry(**{**known, **more})


QUOTA = QuotaView(
    today=3,
    per_day=20,
    resets_at=MARCH_NINTH,
    pending=1,
    pending_most=5,
    team_images=120,
    team_images_most=1000,
    team_yuan=11.5,
    team_yuan_most=100.0,
)

SETTINGS = SettingsView(
    options=Options(size="1568x1056", style="ink", count=2), language="zh", own=("size", "language"), chat=("style",)
)

STATS = StatsView(
    month="2026-11",
    models=(
        ModelStats(model="cogview-4", images=20, yuan=1.2, generation_seconds=8.4, waiting_seconds=None),
        ModelStats(model="glm-image", images=1100, yuan=110.0, generation_seconds=31.6, waiting_seconds=75.2),
    ),
    people=(("ou_0001", 700), ("ou_0002", 420)),
    days=(("11-01", 1), ("11-02", 70), ("11-04", 35)),
    outcomes={"done": 1100, "cancelled": 12, "content_filter_violation": 8},
    feishu_calls=4321,
    paused=False,
)
