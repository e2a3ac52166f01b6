"""The cards of what was used: ``/quota`` for a person, ``/stats`` for an admin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo

from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, Element
from bot.chat.cards.sanitize import clipped
from bot.chat.cards.time_format import moment
from bot.chat.messages import Bilingual, Messages, alike, joined
from bot.view_models import ModelStats, QuotaView, StatsView

_BARS = "▁▂▃▄▅▆▇█"
_MOST_LISTED = 12
_LONGEST_NAME = 64


class UsageCards:
    """The cards.

    Args:
        words: the catalogue.
        zone: the team's time zone, in which times are shown.
    """

    def __init__(self, *, words: Messages, zone: tzinfo) -> None:
        self._say = words.both
        self._zone = zone

    def quota(self, view: QuotaView) -> Card:
        """What a person and the team have used, and what is left."""
        left = max(0, view.per_day - view.today)
        own = [
            self._used("quota.today", view.today, view.per_day, left=left),
            self._used("quota.pending", view.pending, view.pending_most),
        ]
        most_yuan = f"{view.team_yuan_most:.2f}" if view.team_yuan_most else None
        team = [
            self._used("quota.images", view.team_images, view.team_images_most),
            self._used("quota.yuan", f"{view.team_yuan:.2f}", most_yuan),
        ]
        said = (el.line(el.label(joined(lines, separator="\n"))) for lines in (own, team))
        small = el.line(el.label(self._say("quota.resets", time=moment(view.resets_at, self._zone))), small=True)
        return el.card(self._say("quota.title"), colour="blue", elements=[*said, small])

    def stats(self, view: StatsView) -> Card:
        """The team's month: models, people, outcomes, images a day, calls to Feishu."""
        elements = [
            *([_line(self._say("stats.paused"))] if view.paused else []),
            _line(self._total(view.models)),
            *(_line(self._model(model)) for model in view.models),
            *self._chart(view),
            *self._list("stats.outcomes", ((self._outcome(name), count) for name, count in view.outcomes.items())),
            *self._list("stats.people", ((alike(clipped(who, _LONGEST_NAME)), count) for who, count in view.people)),
            el.line(el.label(self._say("stats.calls", count=f"{view.feishu_calls:,}")), small=True),
        ]
        title = self._say("stats.title", month=view.month)
        return el.card(title, colour="orange" if view.paused else "blue", elements=elements)

    def _used(self, key: str, used: object, most: object, **more: object) -> Bilingual:
        return self._say(key, used=used, most=most, **more) if most else self._say(f"{key}_free", used=used)

    def _total(self, models: Iterable[ModelStats]) -> Bilingual:
        every = list(models)
        images, yuan = sum(model.images for model in every), sum(model.yuan for model in every)
        return self._say("stats.total", images=f"{images:,}", yuan=f"{yuan:.2f}") if every else self._say("stats.none")

    def _model(self, model: ModelStats) -> Bilingual:
        times = {"stats.generation": model.generation_seconds, "stats.waiting": model.waiting_seconds}
        return joined(
            [
                alike(clipped(model.model, _LONGEST_NAME)),
                self._say("stats.images", count=f"{model.images:,}"),
                alike(f"¥{model.yuan:.2f}"),
                *(self._say(key, seconds=round(seconds)) for key, seconds in times.items() if seconds is not None),
            ]
        )

    def _chart(self, view: StatsView) -> list[Element]:
        days = _filled(dict(view.days), view.month)
        if not days:
            return []
        first, *_, last = [*days, *days]
        head = self._say("stats.days", first=first, last=last, most=max(days.values()))
        return [_line(joined([head, alike(bars(days.values()))], separator="\n"))]

    def _list(self, key: str, counts: Iterable[tuple[Bilingual, int]]) -> list[Element]:
        lines = [joined([name, alike(f"{count:,}")]) for name, count in counts][:_MOST_LISTED]
        return [_line(joined([self._say(key), *lines], separator="\n"))] if lines else []

    def _outcome(self, name: str) -> Bilingual:
        """An end in words; the code of a failure as it is, which the log and the command line show as well."""
        key = f"stats.{name}"
        return self._say(key) if name in ("done", "cancelled") else alike(clipped(name, _LONGEST_NAME))


def bars(counts: Iterable[int]) -> str:
    """A chart on one line: a block for each count, the highest for the largest, the lowest for none alone."""
    every = list(counts)
    most = max([1, *every])
    # Rounded up, so that a single image does not look like none.
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in every)


def _filled(days: Mapping[str, int], month: str) -> dict[str, int]:
    """The days of the month from the first to the last with an image, those between them included."""
    of_month = month.partition("-")[2]
    known = sorted(day for day in days if day.partition("-")[0] == of_month)
    if not known:
        return {}
    first, last = (int(day.partition("-")[2]) for day in (known[0], known[-1]))
    every = (f"{of_month}-{number:02}" for number in range(first, last + 1))
    return {day: days.get(day, 0) for day in every}


def _line(words: Bilingual) -> Element:
    return el.line(el.label(words))
