"""The catalogues hold the same sentences in both languages, and errors in them are found at the start."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import ClassVar

import pytest

from bot import errors
from bot.chat.messages import Messages, join, same_text
from bot.errors import GlmError, SettingsError
from bot.models import Language
from bot.options import OPTIONS
from tests.unit.card_samples import CONFIG, cards, catalogue, samples

BOT = Path(errors.__file__).parent
HAN = re.compile(r"[\u3400-\u9fff]")
ASCII_PUNCTUATION = re.compile(r"[\u3400-\u9fff][,;!?](?!\S)|[\u3400-\u9fff]\.$")
FAILURES = [
    key
    for key in sorted(catalogue().keys)
    if key.startswith("failure.") and not key.endswith((".advice", ".advice_image", "_plain"))
]


def leaves(error: type[GlmError]) -> list[type[GlmError]]:
    return [error, *(leaf for child in error.__subclasses__() for leaf in leaves(child))]


def test_each_sentence_is_in_its_own_language() -> None:
    wrong = []
    for key in catalogue().keys:
        values = dict.fromkeys(catalogue().placeholders(key), "1")
        zh, en = (catalogue().text(key, language, **values) for language in ("zh", "en"))
        if HAN.search(en) or ASCII_PUNCTUATION.search(zh) or set(zh + en) & set("!！<>"):
            wrong.append(key)
    assert wrong == []
    assert len(catalogue().keys) > 100


def test_each_error_has_its_sentence_and_each_failure_its_advice() -> None:
    assert {leaf.sentence for leaf in leaves(GlmError) if leaf.sentence} <= catalogue().keys
    assert {f"{key}.advice" for key in FAILURES if key not in errors.FOR_ADMINS} <= catalogue().keys
    assert set(FAILURES) >= errors.FOR_ADMINS
    sentences = [leaf.sentence for leaf in GlmError.__subclasses__() if leaf.sentence != "failure.internal"]
    assert len(sentences) == len(set(sentences))


GROUPS = (
    *("card", "command", "failure", "label", "limit", "misread", "note", "notification", "settings", "toast", "wait"),
)


class Recorder(Messages):
    """The catalogues, which remember what was looked up."""

    used: ClassVar[set[str]] = set()

    def text(self, key: str, language: Language, **values: object) -> str:
        self.used.add(key)
        return super().text(key, language, **values)


VALUED = [name for name, option in OPTIONS.items() if option.words]
PUT_TOGETHER = {
    *(f"misread.{name}" for name in (*VALUED, "again", "cancel", "lang", "set")),
    *(f"misread.{name}_missing" for name in VALUED),
    *(f"{prefix}.no_watermark" for prefix in ("label", "misread")),
    *(f"quota.budget_{who}{unit}" for who in ("person", "chat") for unit in ("", "_images")),
    *(f"limit.budget_{who}{unit}" for who in ("person", "chat") for unit in ("", "_images")),
    *(f"limit.{name}{some}" for name in ("pending", "day", "waiting") for some in ("", "_some")),
    *("limit.images", "limit.yuan"),
    *(f"advice.{told}_linked" for told in ("admins_told", "ask_admin")),
    *(f"settings.language_{name}" for name in ("zh", "en", "auto")),
    "role.history",
}
"""The keys that the program puts together from names and that no sample of a card looks up."""


def test_sentences_and_their_uses_match() -> None:
    recorder = Recorder.load(CONFIG)
    for render, buttons, alerts in product(samples().values(), (True, False), (True, False)):
        render(replace(cards(buttons=buttons, alerts_admins=alerts), messages=recorder))
    source = "\n".join(path.read_text(encoding="utf-8") for path in BOT.rglob("*.py"))
    named = set(re.findall(r'"([a-z_]+\.[a-z_.]+)"', source))
    sentences = {key for key in named if key.split(".")[0] in GROUPS and not key.endswith((".trigger", "_v1", "json"))}
    assert len(sentences) > 80
    assert sentences | PUT_TOGETHER <= catalogue().keys
    endings = re.compile(r"(_plain|_free|_near|\.advice(_plain|_image)?)$")
    used = named | PUT_TOGETHER | recorder.used
    assert {key for key in catalogue().keys if not {key, endings.sub("", key)} & used} == set()


def test_values_are_inserted_as_they_are() -> None:
    """Braces in a value are not placeholders, a value may be bilingual itself, and parts join in each language."""
    words = Messages({"zh": {"a": "在{where}。"}, "en": {"a": "In {where}."}})
    assert words.text("a", "zh", where="{where}") == "在{where}。"
    assert words.bilingual("a", where="{0.x}") == {"zh_cn": "在{0.x}。", "en_us": "In {0.x}."}
    where = {"zh_cn": "提示词", "en_us": "the prompt"}
    assert words.bilingual("a", where=where) == {"zh_cn": "在提示词。", "en_us": "In the prompt."}
    for key, missing in (("a", "where"), ("b", "b")):
        with pytest.raises(KeyError, match=missing):
            words.text(key, "zh")
    separator = {"zh_cn": "、", "en_us": ", "}
    assert join([same_text("1"), same_text("2")], separator=separator) == {"zh_cn": "1、2", "en_us": "1, 2"}
    # Without its values a sentence has a plainer form, or none.
    found = [catalogue().best_key("failure.quota", names) for names in ({"until"}, set())]
    assert [*found, catalogue().best_key("failure.of_another_version", {"until"})] == [
        *("failure.quota", "failure.quota_plain", None),
    ]


def test_all_errors_are_listed(tmp_path: Path) -> None:
    for zh, en, faults in FAULTS:
        with pytest.raises(SettingsError) as raised:
            Messages({"zh": tomllib.loads(zh), "en": tomllib.loads(en)})
        assert raised.value.faults == faults
    (tmp_path / "messages.zh.toml").mkdir()
    (tmp_path / "messages.en.toml").write_text('b = "B"\na = ', encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        Messages.load(tmp_path)
    found = [fault.partition(": ")[0] for fault in raised.value.faults]
    assert found == [str(tmp_path / "messages.zh.toml"), "messages.en.toml line 2"]


PLACEHOLDER = "a: a placeholder is written {name}, in small letters"
FAULTS: list[tuple[str, str, list[str]]] = [
    ('a = "一"', "", ["messages.en.toml: a: is missing"]),
    ("", 'a = "one"', ["messages.zh.toml: a: is missing"]),
    ('a = "{x}"', 'a = "{y}"', ["messages.en.toml: a: has the placeholders ['y'], not ['x']"]),
    ('a = ""', 'a = "one"', ["messages.zh.toml: a: write a sentence between quotes"]),
    ("a = 1", 'a = "one"', ["messages.zh.toml: a: write a sentence between quotes"]),
    ('a = "{X}"', 'a = "{0}"', [f"messages.{language}.toml: {PLACEHOLDER}" for language in ("zh", "en")]),
]
