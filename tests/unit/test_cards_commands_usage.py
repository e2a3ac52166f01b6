"""The cards of the quota and of the statistics."""

from __future__ import annotations

import dataclasses

import pytest

from bot.chat.cards.command_cards import bars, render_quota, render_stats
from tests.unit.card_samples import cards, lines
from tests.unit.command_samples import QUOTA, STATS


def test_the_quota_tells_what_is_left_and_until_when() -> None:
    """A person reads what was used, what is left and when it starts again, in the team's time."""
    assert lines(render_quota(cards(), QUOTA)) == [
        "今天：已用 3 张，上限 20 张，还剩 17 张\n未完成：1 张，同时最多 5 张",
        "团队本月：120 张，上限 1000 张\n团队本月费用：¥11.50，上限 ¥100.00",
        "2026-03-09 04:00 重新计算；可能已计费的都算，包括失败和取消的",
    ]


def test_no_limit_is_said_in_words() -> None:
    """A limit of 0 is none, and is not shown as a number."""
    free = dataclasses.replace(QUOTA, per_day=0, pending_most=0, team_images_most=0, team_yuan_most=0.0)
    said = "\n".join(lines(render_quota(cards(), free), "en_us")[:2]).splitlines()
    assert len(said) == 4
    assert all(line.endswith(", no limit") for line in said)


def test_nothing_is_left_of_a_lowered_limit() -> None:
    """Where an admin has lowered the limit under what was used, nothing is left, and not less."""
    assert "还剩 0 张" in lines(render_quota(cards(), dataclasses.replace(QUOTA, per_day=2)))[0]


def test_the_statistics_tell_the_month() -> None:
    """Images, yuan and times a model, a chart of the days, outcomes, people and calls stand in the card."""
    card = render_stats(cards(), STATS)
    assert card["header"]["title"]["content"] == "2026-11 统计"
    assert lines(card, "en_us") == [
        "Images charged in all: 1,120 · ¥111.20",
        "cogview-4 · Images: 20 · ¥1.20 · 8 s to make",
        "glm-image · Images: 1,100 · ¥110.00 · 32 s to make · 75 s in line",
        "Images a day (11-01 to 11-04, at most 70 in a day):\n▂█▁▅",
        "Outcomes:\ndone · 1,100\ncancelled · 12\ncontent_filter_violation · 8",
        "Most images:\nou_0001 · 700\nou_0002 · 420",
        "Feishu calls this month: about 4,321. Times are medians.",
    ]


def test_a_month_without_images_says_so() -> None:
    """At the start of a month there is a sentence, and neither chart nor lists."""
    empty = dataclasses.replace(STATS, models=(), people=(), days=(), outcomes={}, feishu_calls=0, paused=True)
    assert lines(render_stats(cards(), empty)) == [
        "现在是暂停状态，发送 /resume 恢复。",
        "这个月还没有图片。",
        "本月飞书接口约调用 0 次；时间是中位数。",
    ]


@pytest.mark.parametrize(
    ("counts", "chart"),
    [
        ([], ""),
        ([0, 0], "▁▁"),
        ([1], "█"),
        ([0, 1, 1000], "▁▂█"),
        ([1, 2, 3, 4, 5, 6, 7], "▂▃▄▅▆▇█"),
    ],
)
def test_the_chart_is_a_block_a_day(counts: list[int], chart: str) -> None:
    """The most is the highest block, none the lowest, and a single image is more than none."""
    assert bars(counts) == chart


@pytest.mark.parametrize(
    ("days", "shown"),
    [
        ((("11-09", 2),), "11-09 至 11-09，最多一天 2 张）：\n█"),
        ((("10-31", 9), ("11-01", 1), ("11-03", 1)), "11-01 至 11-03，最多一天 1 张）：\n█▁█"),
    ],
)
def test_the_chart_holds_the_days_of_its_month(days: tuple[tuple[str, int], ...], shown: str) -> None:
    """Days without images stand between the others, and a day of the month before is left out."""
    said = lines(render_stats(cards(), dataclasses.replace(STATS, days=days)))
    assert [line for line in said if line.startswith("每天")] == [f"每天的图片（{shown}"]
