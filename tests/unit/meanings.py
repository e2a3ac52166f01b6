"""What a message of the tables can mean, in few words."""

from __future__ import annotations

from typing import Any

from bot.errors import UserError
from bot.models import Command, ImagePrompt
from bot.options import PartialOptions


def draw(prompt: str, **options: Any) -> ImagePrompt:
    """The message asks for an image."""
    return ImagePrompt(prompt=prompt, options=PartialOptions(**options))


def does(name: str, argument: str = "", **options: Any) -> Command:
    """The message is a command."""
    return Command(name=name, argument=argument, options=PartialOptions(**options))


def wrong(sentence: str, **values: str) -> UserError:
    """The message has a fault, and nothing is paid."""
    return UserError(sentence=f"misread.{sentence}", values=values)


def fails(command: str, sentence: str, **values: str) -> UserError:
    """The message is a command with a fault."""
    return UserError(sentence=f"misread.{sentence}", values=values, command=command)


RATIOS = "16:9, 3:2, 4:3, 1:1, 3:4, 2:3, 9:16"
MODELS = "glm-image, cogview-4, cogview-4-250304, cogview-3-flash"
