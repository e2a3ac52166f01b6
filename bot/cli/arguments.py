"""What the arguments of several commands have in common."""

from __future__ import annotations

import argparse
import re


def command_parser(name: str, *, description: str, epilog: str) -> argparse.ArgumentParser:
    """The parser of a command; options cannot be abbreviated."""
    return argparse.ArgumentParser(
        prog=f"glm-image-bot {name}", allow_abbrev=False, description=description, epilog=epilog
    )


def recipient_id(argument: str) -> str:
    """A chat's ``chat_id`` or a person's ``open_id``, as a type of ``argparse``."""
    if re.fullmatch(r"o[cu]_[A-Za-z0-9_]+", argument):
        return argument
    raise argparse.ArgumentTypeError(f"'{argument}' is neither a chat (oc_...) nor a person (ou_...)")


def person(argument: str) -> str:
    """A person's ``open_id``, as a type of ``argparse``."""
    if re.fullmatch(r"ou_[A-Za-z0-9_]+", argument):
        return argument
    raise argparse.ArgumentTypeError(f"'{argument}' is not the open_id of a person (ou_...)")
