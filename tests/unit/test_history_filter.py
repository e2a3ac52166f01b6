"""Which days and words the filter of /history means."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from bot.chat.parsing.history_filter import HistoryFilter, parse_history_filter

SUNDAY = date(2026, 11, 29)


def days(first: str, last: str = "", words: str = "") -> HistoryFilter:
    """A filter, its days as months and days of 2026 unless a year is given."""
    begin, end = (date.fromisoformat(day if len(day) > 5 else f"2026-{day}") for day in (first, last or first))
    return HistoryFilter(first=begin, last=end, words=words)


MEANINGS = {
    **dict.fromkeys(("今天", "today", "周日", "星期天的图", "sunday", "29号"), days("11-29")),
    **dict.fromkeys(("昨天", "我昨天画的图", "yesterday", "yesterday's images", "周六"), days("11-28")),
    **dict.fromkeys(("周二", "星期二", "礼拜二的图", "Tuesday", "last tuesday", "11-24"), days("11-24")),
    **dict.fromkeys(("11-20", "11/20", "11月20日", "１１－２０", "2026-11-20", "20号的图"), days("11-20")),
    "上周二": days("11-17"),
    "last sunday": days("11-22"),
    "12-25": days("2025-12-25"),
    "2-29": days("2024-02-29"),
    "30号": days("10-30"),
    "这周的图": days("11-23", "11-29"),
    "上周": days("11-16", "11-22"),
    "last month": days("10-01", "10-31"),
    "12月": days("2025-12-01", "2025-12-31"),
    "昨天 灯塔": days("11-28", words="灯塔"),
    "上周的猫": days("11-16", "11-22", "猫"),
    "cat yesterday": days("11-28", words="cat"),
    **dict.fromkeys(("", "我画过的图", "历史记录", "show me my history"), HistoryFilter()),
    **{words: HistoryFilter(words=words) for words in ("橘猫", "2-30", "13月", "a red tower", "16:9")},
}


def test_filter_means_days_and_words() -> None:
    assert {typed: parse_history_filter(typed, today=SUNDAY) for typed in MEANINGS} == MEANINGS


@given(st.text() | st.from_regex(r"\d{1,4}[-/.年]\d{1,3}[-/月]?\d{0,3}[日号]?", fullmatch=True), st.dates())
def test_any_text_is_a_filter(text: str, today: date) -> None:
    found = parse_history_filter(text, today=max(today, date(1001, 1, 1)))
    assert (found.first is None) == (found.last is None)
    assert found.first is None or found.last is None or found.first <= found.last
