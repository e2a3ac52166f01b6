"""The sandbox reads what was typed by itself, so that the bot's own reader is judged by another one."""

from __future__ import annotations

import pytest

from bot.errors import InvalidSize
from bot.glm import sizes
from bot.models import Ask, Command
from bot.sandbox.typed import read
from tests.unit.messages_table import EVERY

HARDER = {"/size 16:9 /again"}
"""A command behind its options, which this reader takes for a prompt."""

SAID = {text: meaning for text, meaning in EVERY if text.strip() and text not in HARDER}


def pixels(meaning: Ask) -> tuple[int, int] | None:
    """The width and the height that the bot makes of the size that was typed; ``None`` where none was."""
    if meaning.options.size is None:
        return None
    width, _, height = sizes.resolve(meaning.options.model or sizes.DEFAULT_MODEL, meaning.options.size).partition("x")
    return int(width), int(height)


def can_be_made(meaning: object) -> bool:
    """Whether a message asks for pictures that there can be."""
    if not isinstance(meaning, Ask) or meaning.options.count not in {None, 1, 2, 3, 4}:
        return False
    try:
        pixels(meaning)
    except InvalidSize:
        return False
    return True


@pytest.mark.parametrize("text", [text for text, meaning in SAID.items() if isinstance(meaning, Command)])
def test_a_command_is_told_from_a_prompt(text: str) -> None:
    """What the table of messages says to be a command is one for this reader, too."""
    assert read(text).command


@pytest.mark.parametrize(("text", "meaning"), [row for row in SAID.items() if can_be_made(row[1])])
def test_a_prompt_is_read_as_the_bot_reads_it(text: str, meaning: Ask) -> None:
    """Of each prompt of the table this reader finds the size and the count that the bot finds, and no other."""
    typed, options, size = read(text), meaning.options, pixels(meaning)
    assert not typed.command
    assert (typed.size is None) == (size is None)
    assert size is None or typed.fits(*size)
    assert typed.count == (options.count or 1)
    # What only looks like a style makes this reader ask less of the prompt.
    assert typed.styled or options.style is None


@pytest.mark.parametrize(
    ("text", "width", "height", "fits"),
    [
        ("一只橘猫 /size 16:9", 1728, 960, True),
        ("一只橘猫 /size 16:9", 960, 1728, False),
        ("一只橘猫 /size 16:9", 1280, 1280, False),
        ("一只橘猫 ／尺寸　９：１６", 960, 1728, True),
        ("一只橘猫 /size 4:3", 1568, 1056, False),
        ("一只橘猫 /size 1728×960", 1728, 960, True),
        ("一只橘猫 /size 1728x960", 1729, 960, False),
        ("一只橘猫 --ar 竖版", 1056, 1568, True),
        ("一只橘猫 --ar 竖版", 1568, 1056, False),
        ("写着“/size 16:9”的海报", 1280, 1280, True),
        ("比例 3:4 的一只橘猫", 1280, 1280, True),
    ],
)
def test_a_picture_has_the_size_that_was_typed(text: str, width: int, height: int, *, fits: bool) -> None:
    """Pixels are met exactly and ratios nearly; what stands in quotes or without a sign asks for no size."""
    assert read(text).fits(width, height) == fits
