"""The catalogues hold the same sentences in both languages, and errors in them are found at the start."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bot import errors
from bot.chat.messages import Messages
from bot.errors import ErrorKind, SettingsError
from bot.options import OPTIONS
from tests.unit.card_samples import FAILURES, catalogue

BOT = Path(errors.__file__).parent
HAN = re.compile(r"[\u3400-\u9fff]")
ASCII_PUNCTUATION = re.compile(r"[\u3400-\u9fff][,;!?](?!\S)|[\u3400-\u9fff]\.$")


def test_each_sentence_is_in_its_own_language() -> None:
    assert len(catalogue().keys) > 100
    for key in catalogue().keys:
        values = dict.fromkeys(catalogue().placeholders(key), "1")
        zh, en = (catalogue().text(key, language, **values) for language in ("zh", "en"))
        assert not HAN.search(en), key
        assert not ASCII_PUNCTUATION.search(zh), key
        assert not set(zh + en) & set("!！<>"), key


def test_each_error_has_its_sentence_and_each_failure_its_advice() -> None:
    assert {kind.sentence for kind in ErrorKind} <= catalogue().keys
    assert {f"{key}.advice" for key in FAILURES if key not in errors.FOR_ADMINS} <= catalogue().keys
    assert set(FAILURES) >= errors.FOR_ADMINS


GROUPS = re.compile(
    r"(card|command|failure|label|limit|misread|note|notification|settings|toast|wait)\.(?!json|\w+_v1)"
)
TEMPLATE = re.compile(r'f"([a-z]+\.(?:\{[^{}"]*\}|[^" {])+)"')


def test_sentences_and_their_uses_match() -> None:
    """Each sentence that the program names is there, and each that is there is named, or put together from names."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in BOT.rglob("*.py"))
    named = set(re.findall(r'"([a-z_]+\.[a-z_.]+)"', source))
    sentences = {key for key in named if GROUPS.match(key) and not key.endswith((".trigger", "_v1", "json"))}
    assert len(sentences) > 80
    assert sentences <= catalogue().keys
    named |= {f"{prefix}.{name}" for prefix in ("help.option", "label", "tag") for name in OPTIONS}
    templates = [re.sub(r"\{[^{}]*\}", r"\\w+", text) for text in re.findall(TEMPLATE, source)]
    endings = re.compile(r"(_plain|_free|_near|_linked|\.advice(_plain|_image)?)$")
    unnamed = {key for key in catalogue().keys if not {key, endings.sub("", key)} & named}
    assert [key for key in unnamed if not any(re.fullmatch(one, endings.sub("", key)) for one in templates)] == []


def test_values_are_inserted_as_they_are() -> None:
    """Braces in a value are not placeholders, and a value may be bilingual itself."""
    words = Messages({"zh": {"a": "在{where}。"}, "en": {"a": "In {where}."}})
    assert words.text("a", "zh", where="{where}") == "在{where}。"
    assert words.bilingual("a", where="{0.x}") == {"zh_cn": "在{0.x}。", "en_us": "In {0.x}."}
    where = {"zh_cn": "提示词", "en_us": "the prompt"}
    assert words.bilingual("a", where=where) == {"zh_cn": "在提示词。", "en_us": "In the prompt."}
    # Without its values a sentence has a plainer form, or none.
    found = [catalogue().best_key("failure.quota", names) for names in ({"until"}, set())]
    assert found == ["failure.quota", "failure.quota_plain"]
    assert catalogue().best_key("failure.of_another_version", {"until"}) is None


PLACEHOLDER = "a: a placeholder is written {name}, in small letters"
FAULTS: list[tuple[str, str, list[str]]] = [
    ('a = "一"', "", ["messages.en.toml: a: is missing"]),
    ("", 'a = "one"', ["messages.zh.toml: a: is missing"]),
    ('a = "{x}"', 'a = "{y}"', ["messages.en.toml: a: has the placeholders ['y'], not ['x']"]),
    ('a = ""', 'a = "one"', ["messages.zh.toml: a: write a sentence between quotes"]),
    ("a = 1", 'a = "one"', ["messages.zh.toml: a: write a sentence between quotes"]),
    ('a = "{X}"', 'a = "{0}"', [f"messages.{language}.toml: {PLACEHOLDER}" for language in ("zh", "en")]),
]


def test_all_errors_are_listed() -> None:
    for zh, en, faults in FAULTS:
        with pytest.raises(SettingsError) as raised:
            Messages({"zh": tomllib.loads(zh), "en": tomllib.loads(en)})
        assert raised.value.faults == faults
