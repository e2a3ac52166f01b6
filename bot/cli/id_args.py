"""The chat or person that a card is sent to, as it is typed."""

from __future__ import annotations

import argparse
import re
from typing import Literal

_ID = re.compile(r"o[cu]_[A-Za-z0-9_]+")


def recipient_id(argument: str) -> str:
    """A chat's ``chat_id`` (``oc_…``) or a person's ``open_id`` (``ou_…``), as a type of ``argparse``.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    if not _ID.fullmatch(argument):
        raise argparse.ArgumentTypeError(f"'{argument}' is neither a chat (oc_...) nor a person (ou_...)")
    return argument


def person(argument: str) -> str:
    """A person's ``open_id``, as a type of ``argparse``.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not _ID.fullmatch(argument) or kind_of(argument) != "open_id":
        raise argparse.ArgumentTypeError(f"'{argument}' is not the open_id of a person (ou_...)")
    return argument


def kind_of(recipient: str) -> Literal["chat_id", "open_id"]:
    """What the platform calls this kind of id: https://open.feishu.cn/document/server-docs/im-v1/message/create."""
    return "chat_id" if recipient.startswith("oc_") else "open_id"
