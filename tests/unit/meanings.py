"""What a message of the tables can mean, in few words."""

from __future__ import annotations

from typing import Any

from bot.models import Ask, Command, Misread, TypedOptions


def draw(prompt: str, **options: Any) -> Ask:
    """The message asks for an image."""
    return Ask(prompt=prompt, options=TypedOptions(**options))


def does(name: str, argument: str = "", **options: Any) -> Command:
    """The message is a command."""
    return Command(name=name, argument=argument, options=TypedOptions(**options))


def wrong(sentence: str, **values: str) -> Misread:
    """The message has a fault, and nothing is paid."""
    return Misread(sentence=f"misread.{sentence}", values=values)


def fails(command: str, sentence: str, **values: str) -> Misread:
    """The message is a command with a fault."""
    return Misread(sentence=f"misread.{sentence}", values=values, command=command)


RATIOS = "16:9, 3:2, 4:3, 1:1, 3:4, 2:3, 9:16"
MODELS = "glm-image, cogview-4, cogview-4-250304, cogview-3-flash"
