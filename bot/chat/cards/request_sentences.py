"""The sentences about a request: where it stands and what it is made with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from bot import sizes
from bot.chat.cards import prompt_tips as advice
from bot.chat.cards.card_stage import Stage, finished, stage
from bot.chat.cards.elements import linkable
from bot.chat.cards.failures import Failed, Told, places, told
from bot.chat.cards.sanitize import PROMPT_LENGTH, clipped, safe
from bot.chat.cards.time_format import moment
from bot.chat.messages import Bilingual, Messages, alike, joined
from bot.chat.styles import Styles
from bot.models import ContentFinding, GenerationView, RequestView, State
from bot.options import Options

_LONGEST_STYLE = 40
_MINUTE = 60
_BOUNDS = (1, 3, 10)
_SECONDS = {sizes.DEFAULT_MODEL: "20–50"}
_COGVIEW_SECONDS = "5–20"


def typical_seconds(model: str) -> str:
    """How long the model usually takes, as a range, from its guide and from published measurements."""
    return _SECONDS.get(model, _COGVIEW_SECONDS)


def minutes_under(seconds: float) -> int | None:
    """The bucket of an estimated wait: the least of 1, 3 and 10 minutes that it is under; ``None`` where it is more.

    A card is patched when the bucket changes and not before, so it says no more than the bucket.
    """
    return next((bound for bound in _BOUNDS if seconds < bound * _MINUTE), None)


class RequestSentences:
    """The sentences about a request, in both languages.

    Args:
        words: the catalogue.
        styles: the styles, for their names.
        zone: the team's time zone, in which times are shown.
    """

    def __init__(self, *, words: Messages, styles: Styles, zone: tzinfo) -> None:
        self._say = words.both
        self._words = words
        self._styles = styles
        self._zone = zone

    def title(self, card: RequestView) -> Bilingual:
        """What the card's header says."""
        at, count, done = stage(card), len(card.pictures), len(finished(card))
        if at is Stage.GENERATING and done:
            return self._say("state.progress", done=done, count=count)
        if at is Stage.READY and done < count:
            return self._say("state.ready_some", done=done, count=count)
        if at is Stage.READY and count > 1:
            return self._say("state.ready_all", count=count)
        return self._say(f"state.{at}")

    def status(self, card: RequestView, picture: GenerationView) -> Bilingual | None:
        """What is said of a picture that is still to come, or was cancelled beside others; otherwise nothing."""
        match picture.state:
            case State.WAITING:
                first = next(one for one in card.pictures if one.state is State.WAITING)
                return self._place(card) if picture is first else self._say("wait.line")
            case State.GENERATING:
                return self._say("wait.generating", seconds=typical_seconds(card.options.model))
            case State.MADE:
                return self._say("wait.fetching")
            case State.CANCELLED if stage(card) is not Stage.CANCELLED:
                return self._say("wait.cancelled")
            case _:
                return None

    def parameters(self, card: RequestView) -> Bilingual:
        """Model, size with its ratio, quality, style and watermark; of a result also seconds and price."""
        options = card.options
        parts = [
            self._say("label.model", model=options.model),
            self.size(options.size),
            self._say("label.quality", quality=options.quality),
        ]
        if options.style is not None:
            parts.append(self._say("label.style", style=self.style(options.style)))
        parts.append(self._say("label.watermark" if options.watermark else "label.no_watermark"))
        if len(card.pictures) == 1:
            parts += self.seconds(card.pictures[0])
        if stage(card).result and card.price is not None:
            parts.append(self._say("label.price", price=f"{card.price:.2f}") if card.price else self._say("label.free"))
        return joined(parts)

    def seconds(self, picture: GenerationView) -> list[Bilingual]:
        """How long a picture that is there took, where that is known."""
        if picture.state is not State.DONE or picture.seconds is None:
            return []
        return [self._say("label.seconds", seconds=max(1, round(picture.seconds)))]

    def about(self, card: RequestView, numbers: Sequence[int], said: Bilingual) -> Bilingual:
        """What is said of certain images, counted from 1, with their numbers before it where there are several."""
        if len(card.pictures) == 1:
            return said
        return joined([self._numbered(numbers), said], separator=self._say("label.colon"))

    def caption(self, number: int, picture: GenerationView) -> Bilingual:
        """What stands under one of several pictures: its number, and how long it took."""
        return joined([self._numbered([number]), *self.seconds(picture)])

    def told(self, failed: Failed) -> Told:
        """What is said of images that failed alike."""
        return told(failed, self._words, zone=self._zone)

    def warnings(self, picture: GenerationView) -> list[Bilingual]:
        """What the content filter found in a picture that is shown all the same."""
        if picture.state is not State.DONE:
            return []
        return [self._warning(finding) for finding in picture.findings]

    def prompt_length(self, prompt: str) -> Bilingual:
        """How long a prompt is of which a card shows only the beginning."""
        return self._say("label.prompt_excerpt", length=len(safe(prompt)), shown=PROMPT_LENGTH)

    def small_print(self, card: RequestView) -> list[Bilingual]:
        """What stands small under the parameters: notes, until when the links work, a tip for the prompt."""
        return [*self._notes(card), *self._reminder(card), *self._tip(card)]

    def estimate(self, wait_seconds: float) -> Bilingual:
        """How long somebody still waits, as far as the bucket tells."""
        bound = minutes_under(wait_seconds)
        return self._say("wait.under", minutes=bound) if bound else self._say("wait.over", minutes=_BOUNDS[-1])

    def size(self, size: str) -> Bilingual:
        """A size with its ratio."""
        return self._say("label.size", size=size, ratio=sizes.ratio_name(size))

    def style(self, name: str) -> Bilingual:
        """The name of a style in both languages; one that is no longer there stands as it was typed."""
        style = self._styles.find(name)
        if style is None:
            return alike(clipped(name, _LONGEST_STYLE))
        return {"zh_cn": style.name["zh"], "en_us": style.name["en"]}

    def defaults(self, options: Options) -> dict[str, Bilingual]:
        """What a prompt is made with that says nothing else, by the names of the options."""
        style = self._say("label.style", style=self.style(options.style)) if options.style else None
        return {
            "model": self._say("label.model", model=options.model),
            "size": self.size(options.size),
            "quality": self._say("label.quality", quality=options.quality),
            "style": style or self._say("settings.no_style"),
            "watermark": self._say("label.watermark" if options.watermark else "label.no_watermark"),
            "count": self._say("settings.count", count=options.count),
        }

    def link(self, picture: GenerationView) -> str | None:
        """The link of a picture that has come to its end, where a card may lead there."""
        return picture.url if picture.state.ended and linkable(picture.url) else None

    def _warning(self, finding: ContentFinding) -> Bilingual:
        where = places([finding.role], self._words)
        if where is None:
            return self._say("warning.content_plain", level=finding.level)
        return self._say("warning.content", where=where, level=finding.level)

    def _notes(self, card: RequestView) -> list[Bilingual]:
        options, pictures = card.options, card.pictures
        notes = []
        if len(pictures) > 1:
            notes.append(self._say("note.count", count=len(pictures)))
        if options.model == sizes.DEFAULT_MODEL and options.quality == "standard":
            notes.append(self._say("note.standard"))
        if any(picture.repeated for picture in pictures):
            notes.append(self._say("note.repeated"))
        if any(picture.shrunk for picture in finished(card)):
            notes.append(self._say("note.shrunk"))
        return notes

    def _reminder(self, card: RequestView) -> list[Bilingual]:
        linked = [picture for picture in card.pictures if self.link(picture)]
        if not linked:
            return []
        ends = [picture.link_ends_at for picture in linked if picture.link_ends_at is not None]
        if not ends:
            return [self._say("reminder.days")]
        # Several links are told of once, so it is the first end that counts.
        return [self._say("reminder.until", time=moment(min(ends), self._zone))]

    def _tip(self, card: RequestView) -> list[Bilingual]:
        key = advice.hint(card.prompt, asked=card.asked) if stage(card).result else None
        return [] if key is None else [self._say(key)]

    def _numbered(self, numbers: Sequence[int]) -> Bilingual:
        if len(numbers) == 1:
            return self._say("label.number", number=numbers[0])
        every = joined((alike(str(number)) for number in numbers), separator=self._say("label.numbers_separator"))
        return self._say("label.numbers", numbers=every)

    def _place(self, card: RequestView) -> Bilingual:
        if card.backing_off:
            return self._say("wait.backing_off")
        if card.ahead is None:
            place = self._say("wait.line")
        else:
            place = self._say("wait.ahead", ahead=card.ahead) if card.ahead else self._say("wait.next")
        return place if card.wait_seconds is None else joined([place, self.estimate(card.wait_seconds)])
