"""The message catalogues: every sentence that a person in the chat reads, by key, in Chinese and in English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

from bot.dotenv import SHIPPED, read_config, read_toml
from bot.errors import SettingsError
from bot.models import Language

Bilingual = dict[str, str]
"""One text in both languages, under the locales of a card's ``i18n_content``."""

LOCALES: Mapping[Language, str] = {"zh": "zh_cn", "en": "en_us"}
"""https://open.feishu.cn/document/feishu-cards/configure-multi-language-content"""

PLAIN = "_plain"  # the suffix of a key whose sentence does without values that may be missing

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Messages:
    """The sentences of both languages by key, with the same placeholders; raises ``SettingsError`` with every fault."""

    def __init__(self, words: Mapping[Language, Mapping[str, object]]) -> None:
        if faults := list(_faults(words)):
            raise SettingsError(faults)
        self._words = {language: {key: str(text) for key, text in words[language].items()} for language in LOCALES}
        self.keys = self._words["zh"].keys()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The catalogues of a folder: without unknown sentences, and with the shipped ones that it does not have."""
        words: dict[Language, Mapping[str, object]] = {}
        faults: list[str] = []
        for language in LOCALES:
            file = f"messages.{language}.toml"
            shipped = read_toml(SHIPPED / file)
            try:
                own = read_config(folder, file)
            except SettingsError as error:
                faults += error.faults
                continue
            words[language] = {key: own.get(key, text) for key, text in shipped.items()}
            for key, text in words[language].items():
                if unknown := set(_PLACEHOLDER.findall(str(text))) - set(_PLACEHOLDER.findall(str(shipped[key]))):
                    faults.append(f"{file}: {key}: has no value for {sorted(unknown)}")
        if faults:
            raise SettingsError(faults)
        return cls(words)

    def placeholders(self, key: str) -> frozenset[str]:
        return frozenset(_PLACEHOLDER.findall(self._words["zh"][key]))

    def text(self, key: str, language: Language, **values: object) -> str:
        """The sentence in one language; raises ``KeyError`` if there is none, or a value is missing."""
        return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), self._words[language][key])

    def bilingual(self, key: str, **values: object) -> Bilingual:
        """The sentence in both languages; a value may be bilingual itself."""
        return {
            locale: self.text(
                key, language, **{name: one[locale] if isinstance(one, dict) else one for name, one in values.items()}
            )
            for language, locale in LOCALES.items()
        }

    def best_key(self, key: str, names: Iterable[str]) -> str | None:
        """The key whose sentence these values suffice for: ``key``, its plain form, or ``None``.

        Keys of failures are stored, so one written by another version may lack a value or be unknown.
        """
        known = set(names)
        return next((one for one in (key, key + PLAIN) if one in self.keys and self.placeholders(one) <= known), None)


def same_text(text: str) -> Bilingual:
    """The same text for both languages: a number, a name, a size."""
    return dict.fromkeys(LOCALES.values(), text)


def join(parts: Iterable[Bilingual | str | None], *, separator: Bilingual | str = " · ") -> Bilingual:
    """The parts that there are, in each language, with the separator of that language between them."""
    between, *every = [
        same_text(one) if isinstance(one, str) else one for one in (separator, *parts) if one is not None
    ]
    return {locale: between[locale].join(part[locale] for part in every) for locale in LOCALES.values()}


def _faults(words: Mapping[Language, Mapping[str, object]]) -> Iterator[str]:
    for language in LOCALES:
        for key, text in words[language].items():
            if not isinstance(text, str) or not text.strip():
                yield f"messages.{language}.toml: {key}: write a sentence between quotes"
            elif set("{}") & set(_PLACEHOLDER.sub("", text)):
                yield f"messages.{language}.toml: {key}: a placeholder is written {{name}}, in small letters"
    zh, en = words["zh"], words["en"]
    for key in sorted(zh.keys() ^ en.keys()):
        yield f"messages.{'zh' if key in en else 'en'}.toml: {key}: is missing"
    for key in sorted(zh.keys() & en.keys()):
        names = [set(_PLACEHOLDER.findall(str(text))) for text in (zh[key], en[key])]
        if names[0] != names[1]:
            yield f"messages.en.toml: {key}: has the placeholders {sorted(names[1])}, not {sorted(names[0])}"
