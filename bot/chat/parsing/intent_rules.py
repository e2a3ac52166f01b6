"""The word lists of ``intents.toml``, compiled and checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bot import sizes
from bot.dotenv import read_toml
from bot.errors import SettingsError
from bot.options import HAN

Pattern = re.Pattern[str]

COMMANDS = (
    *("welcome", "help", "models", "sizes", "styles", "tips"),
    *("quota", "history", "settings", "original", "queue", "cancel"),
)
"""The commands that have words of their own, in the order in which they are compared."""
TOPICS = ("models", "quota", "sizes", "styles", "history", "queue", "help")
"""The commands that answer a question about them, likewise."""

_TABLES: Mapping[str, tuple[str, ...]] = {
    "thanks": ("phrases", "polite"),
    "commands": COMMANDS,
    "follow_up": ("again", "change", "edit", "filler"),
    "lead_in": ("strong", "weak", "joint", "tail", "nothing"),
    "options": ("size_names", "watermark", "hd", "standard", "not_after", "not_before", "image_nouns"),
    "questions": ("asks", *TOPICS),
    "speech": ("personal", "time", "work", "action", "opinion", "requests"),
    "description": ("counted", "scene", "article", "endings", "chinese", "english", "joins"),
}
_REQUIRED = {f"{table}.{name}" for table, names in _TABLES.items() for name in names}
_SIZES = {f"options.sizes.{ratio}": ratio for ratio in sizes.RATIOS}


@dataclass(frozen=True, slots=True)
class Rules:
    """Compiled word lists by their keys, such as ``rules["lead_in.strong"]``; each matches any entry of its list."""

    patterns: Mapping[str, Pattern]
    entries: Mapping[str, tuple[Pattern, ...]]
    """The entries of each list, one by one."""
    sizes: Mapping[str, Pattern]
    """The words for sizes, by their ratio."""

    def __getitem__(self, key: str) -> Pattern:
        return self.patterns[key]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The rules of ``intents.toml`` in a folder.

        Raises:
            SettingsError: the file is missing or not TOML, or lists or entries are faulty; every fault is named.
        """
        lists = dict(_flat(read_toml(folder / "intents.toml")))
        errors = [f"{key}: is not known" for key in sorted(lists.keys() - _REQUIRED - _SIZES.keys())]
        errors += [f"{key}: is missing; write a list of expressions" for key in sorted(_REQUIRED - lists.keys())]
        compiled = {
            key: tuple(_compile(key, entries, errors))
            for key, entries in lists.items()
            if key in _REQUIRED or key in _SIZES
        }
        if errors:
            raise SettingsError([f"intents.toml: {error}" for error in errors])
        patterns = {key: _any_of(entries) for key, entries in compiled.items()}
        patterns["thanks.polite"] = re.compile(rf"(?:{patterns['thanks.polite'].pattern})(?![a-z0-9'])", re.IGNORECASE)
        patterns["description.noun"] = _noun(patterns)
        by_ratio = {ratio: patterns[key] for key, ratio in _SIZES.items() if key in patterns}
        return cls(patterns, compiled, by_ratio)


def _flat(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _compile(key: str, entries: Any, errors: list[str]) -> Iterator[Pattern]:
    """The entries of a list; what is wrong with them is added to ``errors``."""
    if not isinstance(entries, list) or not entries:
        errors.append(f'{key}: write a list of expressions, such as ["…", "…"]')
        return
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, str) or not entry.strip():
            errors.append(f"{key}: entry {number}: must be a text that is not empty")
            continue
        try:
            pattern = re.compile(f"(?:{entry})", re.IGNORECASE)
        except (re.error, OverflowError, RecursionError) as error:
            errors.append(f"{key}: entry {number} ({entry}): is not a regular expression: {error}")
            continue
        if pattern.groupindex:
            errors.append(f"{key}: entry {number} ({entry}): has a named group; write (?:…)")
        elif pattern.fullmatch(""):
            errors.append(f"{key}: entry {number} ({entry}): matches the empty text; make a part required")
        yield pattern


def _any_of(patterns: tuple[Pattern, ...]) -> Pattern:
    return re.compile("|".join(pattern.pattern for pattern in patterns), re.IGNORECASE)


def _noun(patterns: Mapping[str, Pattern]) -> Pattern:
    """What shows that a clause names a thing: the thing at its end, in English also before a preposition."""
    names = ("endings", "chinese", "english", "joins")
    endings, chinese, english, joins = (patterns[f"description.{name}"].pattern for name in names)
    ending = rf"(?:(?<={HAN})|^)(?:{endings})$"
    return re.compile(rf"{ending}|(?:{chinese})$|\b(?:{english})(?:$| (?:{joins})\b)", re.IGNORECASE)
