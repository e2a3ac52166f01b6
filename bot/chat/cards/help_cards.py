"""The cards that explain the bot: help, sizes, models, styles and tips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bot import sizes
from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card
from bot.chat.cards.request_sentences import typical_seconds
from bot.chat.messages import LOCALES, Bilingual, Messages, alike, joined
from bot.chat.parsing.tokenizer import COMMANDS as _COMMAND_WORDS
from bot.chat.styles import Style, Styles
from bot.models import Language, fields_of
from bot.options import Options
from bot.sizes import resolve_default

COMMANDS = tuple(dict.fromkeys(_COMMAND_WORDS.values()))
"""Every command, by its English name, in the order of ``/help``."""

_OPTIONS = ("size", "quality", "model", "no_watermark", "style", "n")
_TIPS = ("details", "style", "light", "composition", "text", "avoid")
_COLOUR = "blue"
_ROOM = 24_000
_LONGEST_NAMES = 800


class HelpCards:
    """The cards that answer a question about the bot itself.

    Args:
        words: the catalogue.
        styles: the styles to list.
        prices: yuan an image, by model; a model without one is listed without a price.
        defaults: the team's, which hold where a prompt says nothing.
        commands: the commands to list, by their English names.
    """

    def __init__(
        self,
        *,
        words: Messages,
        styles: Styles,
        prices: Mapping[str, float],
        defaults: Options,
        commands: Sequence[str],
    ) -> None:
        self._say = words.both
        self._styles = styles
        self._prices = prices
        self._defaults = defaults
        self._commands = commands

    def help(self) -> Card:
        """What can be typed: a prompt, its options, and the commands."""
        default = fields_of(self._defaults)
        options = [self._say("help.options"), *(self._say(f"help.option.{name}", **default) for name in _OPTIONS)]
        commands = [self._say("help.commands"), *(self._say(f"help.command.{name}") for name in self._commands)]
        words = [self._say("help.words")]
        paragraphs = [[self._say("help.intro")], options, [self._say("help.quotes")], commands, words]
        return self._card("help.title", (el.markdown(joined(lines, separator="\n")) for lines in paragraphs))

    def sizes(self) -> Card:
        """The sizes of each model, and the rule for others."""
        models: dict[tuple[str, ...], list[str]] = {}
        for model, recommended in sizes.RECOMMENDED.items():
            models.setdefault(recommended, []).append(model)
        lines = [joined(self._sizes(names, recommended), separator="\n") for recommended, names in models.items()]
        return self._card("sizes.title", (el.line(el.label(words)) for words in lines), use="sizes.use")

    def models(self) -> Card:
        """The models, with their prices and usual times."""
        return self._card(
            "models.title", (el.line(el.label(self._model(model))) for model in sizes.MODELS), use="models.use"
        )

    def styles(self) -> Card:
        """The styles, each with its words and an example; those for which a card has no room, by name alone."""
        shown = [el.line(el.label(self._style(style))) for style in self._styles.all]
        while len(el.content({"elements": shown}).encode()) > _ROOM:
            shown.pop()
        names = " · ".join(f"{style.name['zh']} {style.name['en']}" for style in self._styles.all[len(shown) :])
        rest = [el.line(el.verbatim(names[:_LONGEST_NAMES]))] if names else []
        return self._card("styles.title", [*shown, *rest])

    def tips(self) -> Card:
        """How to write a prompt."""
        lines = joined((self._say(f"tips.{name}") for name in _TIPS), separator="\n")
        return self._card("tips.title", [el.markdown(lines)])

    def _card(self, title: str, elements: Iterable[el.Element], *, use: str | None = None) -> Card:
        last = [el.line(el.label(self._say(use)), small=True)] if use else []
        return el.card(self._say(title), colour=_COLOUR, elements=[*elements, *last])

    def _sizes(self, models: Sequence[str], recommended: Sequence[str]) -> list[Bilingual]:
        rule = sizes.rule(models[0])
        default = resolve_default(models[0], self._defaults.size)
        others = [size for size in recommended if size != default]
        return [
            joined((alike(model) for model in models), separator=" / "),
            self._say("sizes.default", size=default, ratio=sizes.ratio_name(default)),
            *(self._say("sizes.size", size=size, ratio=sizes.ratio_name(size)) for size in others),
            self._say(
                "sizes.rule",
                minimum=rule.minimum,
                maximum=rule.maximum,
                multiple=rule.multiple,
                pixels=f"{rule.max_pixels:,}",
            ),
        ]

    def _model(self, model: str) -> Bilingual:
        parts = [self._say("models.default", model=model) if model == self._defaults.model else alike(model)]
        price = self._prices.get(model)
        if price is not None:
            parts.append(self._say("models.price", price=f"{price:.2f}") if price else self._say("models.free"))
        return joined([*parts, self._say("models.seconds", seconds=typical_seconds(model))])

    def _style(self, style: Style) -> Bilingual:
        name, words, example = (_bilingual(texts) for texts in (style.name, style.words, style.example))
        head = joined([alike(style.name["zh"]), alike(style.name["en"])])
        lines = [head, self._say("styles.words", words=words), self._say("styles.example", example=example, name=name)]
        return joined(lines, separator="\n")


def _bilingual(texts: Mapping[Language, str]) -> Bilingual:
    return {locale: texts[language] for language, locale in LOCALES.items()}
