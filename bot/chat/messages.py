"""The message catalogues: every sentence that a person in the chat reads, by key, in Chinese and in English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from bot.dotenv import read_toml
from bot.errors import SettingsError
from bot.models import Language

Bilingual = dict[str, str]
"""One text in both languages, under the locale names that a card's ``i18n_content`` takes."""

LOCALES: Mapping[Language, str] = {"zh": "zh_cn", "en": "en_us"}
"""The locale of each language: https://open.feishu.cn/document/feishu-cards/configure-multi-language-content."""

PLAIN = "_plain"
"""The ending of the key whose sentence does without the values that are missing."""

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Messages:
    """The sentences of both languages, with the same keys and the same placeholders in each.

    Args:
        words: for each language, the sentences by key; a placeholder is written ``{name}``.

    Raises:
        SettingsError: the languages differ, or a sentence is empty or malformed; every fault is listed.
    """

    def __init__(self, words: Mapping[Language, Mapping[str, object]]) -> None:
        if faults := [*_malformed(words), *_differences(words)]:
            raise SettingsError(faults)
        self._words = {language: {key: str(text) for key, text in words[language].items()} for language in LOCALES}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The catalogues ``messages.zh.toml`` and ``messages.en.toml`` of a folder.

        Raises:
            SettingsError: a file is missing or not TOML, or the two do not match.
        """
        words: dict[Language, Mapping[str, object]] = {}
        faults: list[str] = []
        for language in LOCALES:
            try:
                words[language] = read_toml(folder / f"messages.{language}.toml")
            except SettingsError as error:
                faults += error.faults
        if faults:
            raise SettingsError(faults)
        return cls(words)

    def keys(self) -> frozenset[str]:
        """Every key."""
        return frozenset(self._words["zh"])

    def __contains__(self, key: object) -> bool:
        return key in self._words["zh"]

    def placeholders(self, key: str) -> frozenset[str]:
        """The names of the values that the sentence needs.

        Raises:
            KeyError: there is no such sentence.
        """
        return frozenset(_PLACEHOLDER.findall(self._words["zh"][key]))

    def text(self, key: str, language: Language, **values: object) -> str:
        """The sentence in one language; a value's own braces are left as they are.

        Raises:
            KeyError: there is no such sentence, or a value is missing.
        """
        return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), self._words[language][key])

    def both(self, key: str, **values: object) -> Bilingual:
        """The sentence in both languages; a value may itself be a text in both languages.

        Raises:
            KeyError: there is no such sentence, or a value is missing.
        """
        return {locale: self.text(key, language, **_in(locale, values)) for language, locale in LOCALES.items()}

    def fitting(self, key: str, names: Iterable[str]) -> str | None:
        """The key whose sentence can be said with these values: ``key``, its plain form, or ``None``.

        Sentences of failures are stored, so one written by another version may lack a value or be unknown.
        """
        known = set(names)
        return next((one for one in (key, key + PLAIN) if one in self and self.placeholders(one) <= known), None)


def alike(text: str) -> Bilingual:
    """The same text for both languages: a number, a name, a size."""
    return dict.fromkeys(LOCALES.values(), text)


def joined(parts: Iterable[Bilingual], *, separator: Bilingual | str = " · ") -> Bilingual:
    """The parts after one another, in each language, with the separator of that language between them."""
    every = list(parts)
    between = alike(separator) if isinstance(separator, str) else separator
    return {locale: between[locale].join(part[locale] for part in every) for locale in LOCALES.values()}


def _in(locale: str, values: Mapping[str, object]) -> dict[str, object]:
    return {name: value[locale] if isinstance(value, dict) else value for name, value in values.items()}


def _malformed(words: Mapping[Language, Mapping[str, object]]) -> Iterable[str]:
    for language in LOCALES:
        for key, text in words[language].items():
            if not isinstance(text, str) or not text.strip():
                yield f"messages.{language}.toml: {key}: write a sentence between quotes"
            elif "{" in (rest := _PLACEHOLDER.sub("", text)) or "}" in rest:
                yield f"messages.{language}.toml: {key}: a placeholder is written {{name}}, in small letters"


def _differences(words: Mapping[Language, Mapping[str, object]]) -> Iterable[str]:
    zh, en = words["zh"], words["en"]
    for key in sorted(zh.keys() ^ en.keys()):
        yield f"messages.{'zh' if key in en else 'en'}.toml: {key}: is missing"
    for key in sorted(zh.keys() & en.keys()):
        names = [set(_PLACEHOLDER.findall(str(text))) for text in (zh[key], en[key])]
        if names[0] != names[1]:
            yield f"messages.en.toml: {key}: has the placeholders {sorted(names[1])}, not {sorted(names[0])}"
