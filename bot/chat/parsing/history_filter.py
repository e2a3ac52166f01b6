"""The filter of ``/history``: days in words or numbers, and words of a prompt."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from bot.text import fold

_DAYS_AGO = {
    **dict.fromkeys(("今天", "今日", "today"), 0),
    **dict.fromkeys(("昨天", "昨日", "昨晚", "yesterday"), 1),
    **dict.fromkeys(("前天",), 2),
}
_WEEKDAYS = {
    **{name: number for number, name in enumerate("一二三四五六日")},
    **{name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))},
    "天": 6,
}
_DATE = re.compile(
    rf"(?P<ago>{'|'.join(_DAYS_AGO)})"
    r"|(?P<last>上个?)?(?:周|星期|礼拜)(?P<day>[一二三四五六日天])"
    r"|(?P<english_last>last )?\b(?P<english>mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b"
    r"|(?P<week>[这本上]个?(?:周|星期|礼拜)|(?:this|last) week)"
    r"|(?P<month>[这本上]个?月|(?:this|last) month)"
    r"|(?<![\d.-])(?:(?P<y>20\d\d)[-/.年])?(?P<m>\d{1,2})(?:[-/]|月)(?P<d>\d{1,2})(?:[日号]|(?![\d:.-]))"
    r"|(?<![\d.-])(?P<only_month>\d{1,2})月(?:份)?"
    r"|(?<![\d.-])(?P<only_day>\d{1,2})[日号](?![\u4e00-\u9fff]*[线楼店])"
)
# What surrounds a date or a word in "我昨天画的图" and "show me my images from yesterday", and asks for no prompt.
_FILLER = re.compile(
    r"(?:请|给我|帮我|查看?|看看?|找|一下|我们?|画过?|生成过?|做过?|所有|那些|那张|哪些|什么|之前|以前|最近|历史|记录)+"
    r"|的?(?:图片?|照片|作品|画|东西)?$|^的"
    r"|\b(?:show|me|my|the|images?|pictures?|history|from|of|on|with)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFilter:
    """The days from ``first`` to ``last``, both included, and words that a prompt holds; absent parts do not limit."""

    first: date | None = None
    last: date | None = None
    words: str = ""


def parse_history_filter(text: str, *, today: date) -> HistoryFilter:
    """What was typed after ``/history``, such as "周二", "11-20", "昨天 灯塔" or "上周的猫"; what is no date is words.

    A day without a week or a year is the last one that is not after ``today``.
    """
    plain, days = fold(text), None
    for match in _DATE.finditer(plain):
        if days := _days(match, today):
            plain = plain[: match.start()] + " " + plain[match.end() :].removeprefix("'s")
            break
    words = _FILLER.sub(" ", plain.strip()).strip(" 的,，.。!！?？")
    first, last = days or (None, None)
    return HistoryFilter(first=first, last=last, words=" ".join(words.split()))


def _days(match: re.Match[str], today: date) -> tuple[date, date] | None:
    monday = today - timedelta(days=today.weekday())
    day: date | None
    if match["week"]:
        first = monday - timedelta(days=7 if match["week"].startswith(("上", "last")) else 0)
        return first, first + timedelta(days=6)
    if match["month"] or match["only_month"]:
        if match["only_month"]:
            day = _latest(today, lambda one: one.month == int(match["only_month"]))
        else:
            day = today.replace(day=1) - timedelta(days=1) if match["month"].startswith(("上", "last")) else today
        return (day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])) if day else None
    if match["ago"]:
        day = today - timedelta(days=_DAYS_AGO[match["ago"]])
    elif weekday := match["day"] or match["english"]:
        number = _WEEKDAYS[weekday[:3]]
        # "last" before an English day is the one before today, "上" one of the last week.
        end = today - timedelta(days=1) if match["english_last"] else today
        day = (
            monday + timedelta(days=number - 7) if match["last"] else _latest(end, lambda one: one.weekday() == number)
        )
    elif match["y"]:
        try:
            day = date(int(match["y"]), int(match["m"]), int(match["d"]))
        except ValueError:
            return None
    else:
        number, month = int(match["d"] or match["only_day"]), match["m"] and int(match["m"])
        day = _latest(today, lambda one: one.day == number and month in (None, one.month))
    return (day, day) if day else None


def _latest(end: date, is_meant: Callable[[date], bool]) -> date | None:
    # Eight years have every day of the calendar.
    return next(filter(is_meant, (end - timedelta(days=back) for back in range(8 * 366))), None)
