"""The catalogues hold the same sentences in both languages, and faults in them are found at the start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot import errors
from bot.chat.cards.command_cards import NOTICES
from bot.chat.cards.help_cards import EXAMPLES
from bot.chat.cards.request_card import Stage
from bot.chat.messages import Messages, join, same_text
from bot.chat.parsing.commands import WITH_ARGUMENT
from bot.chat.parsing.tokenizer import COMMAND_NAMES
from bot.errors import GlmError, SettingsError
from bot.models import State
from bot.options import DEFAULTS, OPTIONS
from tests.unit.card_samples import CONFIG, catalogue

BOT = Path(errors.__file__).parent
HAN = re.compile(r"[\u3400-\u9fff]")
FAILURES = [
    key for key in sorted(catalogue().keys) if key.startswith("failure.") and not key.endswith((".advice", "_plain"))
]


def leaves(error: type[errors.BotError]) -> list[type[errors.BotError]]:
    """The error and everything below it."""
    return [error, *(leaf for child in error.__subclasses__() for leaf in leaves(child))]


def test_both_languages_load_with_the_same_keys_and_placeholders() -> None:
    """The catalogues that ship have no fault."""
    loaded = Messages.load(CONFIG)
    assert len(loaded.keys) > 100


@pytest.mark.parametrize("key", sorted(catalogue().keys))
def test_each_sentence_is_in_its_own_language(key: str) -> None:
    """An English sentence holds no Chinese, and a Chinese one no ASCII comma or full stop after Chinese."""
    values = dict.fromkeys(catalogue().placeholders(key), "1")
    assert not HAN.search(catalogue().text(key, "en", **values))
    assert not re.search(r"[\u3400-\u9fff][,;!?](?!\S)|[\u3400-\u9fff]\.$", catalogue().text(key, "zh", **values))


@pytest.mark.parametrize("key", sorted(catalogue().keys))
def test_no_sentence_shouts_or_mentions(key: str) -> None:
    """No sentence holds an exclamation mark or a tag."""
    for language in ("zh", "en"):
        text = catalogue().text(key, language, **dict.fromkeys(catalogue().placeholders(key), "1"))
        assert not set(text) & set("!！<>")


@pytest.mark.parametrize("key", FAILURES)
def test_each_failure_says_what_to_do(key: str) -> None:
    """Under each failure stands what a person can do about it."""
    assert f"{key}.advice" in catalogue()


@pytest.mark.parametrize("error", leaves(errors.BotError), ids=lambda error: error.__name__)
def test_each_error_has_its_sentence(error: type[errors.BotError]) -> None:
    """Every error of the tree names a sentence that the catalogue has."""
    assert error.sentence in catalogue()


def test_no_two_errors_of_the_image_api_share_a_sentence_by_accident() -> None:
    """Each code of a failed generation has its own sentence, but for those that only a fault of the bot raises."""
    errors = [leaf for leaf in GlmError.__subclasses__() if leaf.sentence != "failure.internal"]
    sentences = [error.sentence for error in errors]
    assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize("name", ["size", "quality", "model", "style", "count"])
def test_each_option_has_its_sentences(name: str) -> None:
    """A missing and a wrong value of each option are explained."""
    assert {f"misread.{name}", f"misread.{name}_missing"} <= catalogue().keys


def test_each_fault_that_the_source_names_has_its_sentence() -> None:
    """Every key of a misread message or a failure that the program names is in the catalogue."""
    sources = [path.read_text(encoding="utf-8") for path in BOT.rglob("*.py")]
    named = {key for source in sources for key in re.findall(r'"((?:misread|failure)\.[a-z_]+)"', source)}
    assert len(named) > 20
    assert named <= catalogue().keys


VALUED = [name for name, option in OPTIONS.items() if option.words]
PUT_TOGETHER = {
    *(f"{name}.{part}" for name in (f"notice.{notice}" for notice in NOTICES) for part in ("title", "text")),
    *(f"welcome.example.{name}.{part}" for name in EXAMPLES for part in ("title", "prompt")),
    *(f"help.command.{name}" for name in COMMAND_NAMES),
    *(f"help.option.{name}" for name in OPTIONS),
    *(f"tips.{name}" for name in ("details", "style", "light", "composition", "text", "avoid")),
    *(f"misread.{name}" for name in {*VALUED} | WITH_ARGUMENT),
    *(f"misread.{name}_missing" for name in VALUED),
    *(f"misread.no_{name}" for name, option in OPTIONS.items() if option.kind is bool),
    *(f"label.{name}" for name in OPTIONS),
    *(f"label.no_{name}" for name, option in OPTIONS.items() if option.kind is bool),
    *(f"settings.no_{name}" for name, default in DEFAULTS.items() if default is None),
    *(f"form.{prefix}{name}" for name, option in OPTIONS.items() if option.form for prefix in ("", "no_")),
    "form.size_now",
    *(f"state.{stage}" for stage in Stage),
    *(f"queue.{state}" for state in State if not state.ended),
    *(f"role.{role}" for role in ("user", "assistant", "history", "unknown")),
    *(f"settings.{end}" for end in ("own", "chat", "team", "language_zh", "language_en", "language_auto")),
    *(f"settings.{name}{of_chat}" for name in ("title", "use") for of_chat in ("", "_chat")),
    *("stats.done", "stats.cancelled", "limit.pending", "limit.day", "limit.waiting"),
}
"""The keys that the program puts together from names."""


def test_each_sentence_is_said_somewhere() -> None:
    """Every key of the catalogue is named in the program, alone or with an ending of its own, or put together."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in BOT.rglob("*.py"))
    named = set(re.findall(r'"([a-z_]+\.[a-z_.]+)"', source)) | PUT_TOGETHER
    endings = re.compile(r"(_plain|_free|\.advice(_plain)?)$")
    assert {key for key in sorted(catalogue().keys) if not {key, endings.sub("", key)} & named} == set()


def test_values_are_put_in_as_they_are() -> None:
    """Braces in a value are not read as placeholders."""
    words = Messages({"zh": {"a": "尺寸 {size}"}, "en": {"a": "Size {size}"}})
    assert words.text("a", "zh", size="{size}") == "尺寸 {size}"
    assert words.bilingual("a", size="{0.x}") == {"zh_cn": "尺寸 {0.x}", "en_us": "Size {0.x}"}


def test_a_value_may_have_two_languages() -> None:
    """A value in both languages appears in each sentence in its language."""
    words = Messages({"zh": {"a": "{where}。"}, "en": {"a": "{where}."}})
    assert words.bilingual("a", where={"zh_cn": "提示词", "en_us": "prompt"}) == {
        "zh_cn": "提示词。",
        "en_us": "prompt.",
    }


def test_a_missing_value_or_sentence_is_refused() -> None:
    """Asking for what is not there is a fault of the program, not of the reader."""
    words = Messages({"zh": {"a": "{x}"}, "en": {"a": "{x}"}})
    with pytest.raises(KeyError, match="x"):
        words.text("a", "zh")
    with pytest.raises(KeyError, match="b"):
        words.text("b", "en")


@pytest.mark.parametrize(
    ("key", "names", "fitting"),
    [
        ("failure.quota", {"until"}, "failure.quota"),
        ("failure.quota", set(), "failure.quota_plain"),
        ("failure.quota_plain", {"until"}, "failure.quota_plain"),
        ("failure.size", {"size", "model"}, "failure.size_plain"),
        ("failure.balance", {"anything"}, "failure.balance"),
        ("failure.of_another_version", {"until"}, None),
    ],
)
def test_the_sentence_fits_the_values(key: str, names: set[str], fitting: str | None) -> None:
    """Where a value is missing the plain form is taken, and none where there is none."""
    assert catalogue().best_key(key, names) == fitting


def test_texts_join_in_each_language() -> None:
    """Parts join with the separator of each language."""
    separator = {"zh_cn": "、", "en_us": ", "}
    assert join([same_text("1"), same_text("2")], separator=separator) == {"zh_cn": "1、2", "en_us": "1, 2"}


@pytest.mark.parametrize(
    ("zh", "en", "faults"),
    [
        ('a = "一"', "", ["messages.en.toml: a: is missing"]),
        ("", 'a = "one"', ["messages.zh.toml: a: is missing"]),
        ('a = "{x}"', 'a = "{y}"', ["messages.en.toml: a: has the placeholders ['y'], not ['x']"]),
        ('a = ""', 'a = "one"', ["messages.zh.toml: a: write a sentence between quotes"]),
        ("a = 1", 'a = "one"', ["messages.zh.toml: a: write a sentence between quotes"]),
        (
            'a = "{X}"',
            'a = "{0}"',
            [f"messages.{n}.toml: a: a placeholder is written {{name}}, in small letters" for n in ("zh", "en")],
        ),
    ],
)
def test_faults_are_all_listed(tmp_path: Path, zh: str, en: str, faults: list[str]) -> None:
    """Every difference between the catalogues is named with its file and key."""
    (tmp_path / "messages.zh.toml").write_text(zh, encoding="utf-8")
    (tmp_path / "messages.en.toml").write_text(en, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        Messages.load(tmp_path)
    assert raised.value.faults == faults


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A missing file and one that is not TOML are both named, the latter with its line."""
    (tmp_path / "messages.en.toml").write_text('b = "B"\na = ', encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        Messages.load(tmp_path)
    assert [fault.partition(": ")[0] for fault in raised.value.faults] == [
        str(tmp_path / "messages.zh.toml"),
        "messages.en.toml line 2",
    ]
