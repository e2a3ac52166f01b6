"""What the arguments of several commands have in common."""

from __future__ import annotations

import argparse
import re
from typing import Literal

_ID = re.compile(r"o[cu]_[A-Za-z0-9_]+")


def command_parser(name: str, *, description: str, epilog: str) -> argparse.ArgumentParser:
    """The parser of a command; options cannot be abbreviated."""
    return argparse.ArgumentParser(
        prog=f"glm-image-bot {name}", allow_abbrev=False, description=description, epilog=epilog
    )


def recipient_id(argument: str) -> str:
    """A chat's ``chat_id`` or a person's ``open_id``, as a type of ``argparse``."""
    if _ID.fullmatch(argument):
        return argument
    raise argparse.ArgumentTypeError(f"'{argument}' is neither a chat (oc_...) nor a person (ou_...)")


def person(argument: str) -> str:
    """A person's ``open_id``, as a type of ``argparse``."""
    if _ID.fullmatch(argument) and kind_of(argument) == "open_id":
        return argument
    raise argparse.ArgumentTypeError(f"'{argument}' is not the open_id of a person (ou_...)")


def kind_of(recipient: str) -> Literal["chat_id", "open_id"]:
    """What the platform calls this kind of id: https://open.feishu.cn/document/server-docs/im-v1/message/create."""
    return "chat_id" if recipient.startswith("oc_") else "open_id"
