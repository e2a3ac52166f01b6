"""The styles of ``styles.toml``: named words that are added visibly to a prompt."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bot.chat.parsing.tokenizer import unquoted
from bot.dotenv import read_config
from bot.errors import SettingsError
from bot.models import Language
from bot.options import HAN

_SENTENCE_END = tuple("，,、。.；;！!？?：:")
_BILINGUAL = ("name", "words", "example")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    name: Mapping[Language, str]
    words: Mapping[Language, str]
    example: Mapping[Language, str]
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name["zh"], self.name["en"], *self.aliases)


class Styles(Collection[str]):
    """The styles in the order of their file; as a collection, the names that can be typed, in any case."""

    def __init__(self, styles: Collection[Style]) -> None:
        self.all = tuple(styles)
        self._by_name: dict[str, Style] = {}
        faults = [
            f"styles.toml: two styles are called {name}; rename one"
            for style in self.all
            for name in style.names
            if self._by_name.setdefault(name.casefold(), style) is not style
        ]
        if faults:
            raise SettingsError(faults)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The styles of ``styles.toml`` in a folder; ``SettingsError`` lists everything that is wrong with it."""
        content = read_config(folder, "styles.toml")
        tables = content.pop("style", [])
        if content or not isinstance(tables, list):
            raise SettingsError(["styles.toml: write each style as a [[style]] table, and nothing else"])
        if faults := [fault for number, table in enumerate(tables, 1) for fault in _faults(number, table)]:
            raise SettingsError(faults)
        return cls([Style(**{**table, "aliases": tuple(table.get("aliases", ()))}) for table in tables])

    def find(self, name: str) -> Style | None:
        return self._by_name.get(name.strip().casefold())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return (name for style in self.all for name in style.names)

    def __len__(self) -> int:
        return sum(len(style.names) for style in self.all)


def apply(prompt: str, style: Style) -> str:
    """The prompt with the style's words at its end, in the prompt's own language."""
    chinese = re.search(HAN, unquoted(prompt)) is not None
    words = style.words["zh" if chinese else "en"]
    if prompt.endswith(words):
        return prompt
    if not prompt.endswith(_SENTENCE_END):
        return prompt + ("，" if chinese else ", ") + words
    return prompt + ("" if chinese else " ") + words


def _faults(number: int, table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"styles.toml: style {number}: must be a [[style]] table"
        return
    for field in _BILINGUAL:
        texts = table.get(field)
        if not isinstance(texts, dict) or not all(_filled(texts.get(language)) for language in ("zh", "en")):
            yield f'styles.toml: style {number}: {field}: write {{ zh = "…", en = "…" }}'
    aliases = table.get("aliases", [])
    if not isinstance(aliases, list) or not all(_filled(alias) for alias in aliases):
        yield f"styles.toml: style {number}: aliases: write a list of names"
    for field in sorted(table.keys() - {*_BILINGUAL, "aliases"}):
        yield f"styles.toml: style {number}: {field}: is not known; use {', '.join(_BILINGUAL)} and aliases"


def _filled(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())
