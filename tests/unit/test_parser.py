"""Every message of the table means what the table says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.chat.messages import Messages
from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import BARE, COMMANDS
from bot.errors import UserError
from bot.models import Command, ImagePrompt, ParsedMessage
from tests.unit.messages_table import EVERY


@pytest.mark.parametrize(("text", "meaning"), EVERY, ids=[repr(text) for text, _ in EVERY])
def test_message_means_what_the_table_says(text: str, meaning: ParsedMessage) -> None:
    """Each message of the table is understood as written there, down to the values of a fault's sentence."""
    assert parse(text) == meaning


def test_table_is_large_and_has_no_message_twice() -> None:
    """The table holds at least 120 messages, each one once."""
    texts = [text for text, _ in EVERY]
    assert len(texts) == len(set(texts))
    assert len(texts) >= 120


def test_every_fault_has_its_sentence() -> None:
    """The catalogues hold the sentence of each fault in the table, with just the values that the parser gives."""
    words = Messages.load(Path(__file__).parents[2] / "config")
    faults = [meaning for _, meaning in EVERY if isinstance(meaning, UserError)]
    assert {fault.sentence: set(fault.values) for fault in faults} == {
        fault.sentence: set(words.placeholders(fault.sentence)) for fault in faults
    }


@pytest.mark.parametrize("word", sorted(COMMANDS))
def test_every_command_word_works_with_a_slash(word: str) -> None:
    """Each command's English and Chinese word gives it after a slash, in full width too."""
    if COMMANDS[word] == "lang":
        assert parse(f"/{word} zh") == parse(f"／{word}　ＺＨ") == Command(name="lang", argument="zh")
    else:
        name = COMMANDS[word] if COMMANDS[word] != "set" else "settings"
        assert parse(f"/{word}") == parse(f"／{word}") == Command(name=name)


@pytest.mark.parametrize("word", sorted(BARE))
def test_bare_command_word_counts_only_when_it_is_the_whole_message(word: str) -> None:
    """A command word alone is a command; with a description after it, or after 画, it is a prompt."""
    assert not isinstance(parse(word), ImagePrompt)
    assert parse(f"{word} 的图标") == ImagePrompt(prompt=f"{word} 的图标")
    assert parse(f"画 {word}") == ImagePrompt(prompt=word)


@pytest.mark.parametrize("word", sorted(set(COMMANDS) - set(BARE)))
def test_english_command_word_alone_is_a_prompt(word: str) -> None:
    """English command words that name things to draw need the slash."""
    assert parse(word) == ImagePrompt(prompt=word)


HOSTILE = [
    *("“" * 40_000, '"「' * 20_000, "a" * 80_000, "/a" * 40_000, " /a" * 30_000, "—" * 80_000, "-" * 80_000),
    *("http://" * 12_000, "猫/size 1:1 " * 8_000, "/尺寸" * 30_000, "help" + " ." * 40_000 + "x", "，" * 80_000),
    *("取消" + " " * 80_000 + "x", "/cancel" + "2 " * 40_000 + "x", "取消" + "0" * 80_000, "再来" + "图" * 80_000),
    *("，/9" * 10_000, "a--ar 3:2" * 8_000, "（/n 2）" * 10_000, "(" * 40_000 + "/n 2" + ")" * 40_000, '9"' * 40_000),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
@pytest.mark.timeout(10)
def test_long_hostile_message_has_an_answer(text: str) -> None:
    """A message as long as the platform lets through is answered in time linear in its length."""
    assert isinstance(parse(text), ImagePrompt | Command | UserError)
