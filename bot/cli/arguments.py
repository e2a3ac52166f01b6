"""The arguments of the command line that makes an image, as far as they can be read."""

from __future__ import annotations

import argparse
import os
import re
import sys

from bot import __version__
from bot.cli.id_args import recipient_id
from bot.options import DEFAULTS, OPTIONS
from bot.sizes import MODELS

TYPE_CHECKING = False  # glm-image starts with this module, and typing alone would take a fifth of the start
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

STDIN = "-"
"""The prompt that stands for what standard input says."""

_DEFAULTS = {name: DEFAULTS[name] for name, option in OPTIONS.items() if option.cli}
_NAMES = ("prompt", *_DEFAULTS, "user_id", "save", "send")
_WITHOUT_VALUE = re.compile(r"argument (?:-\w/)?(--[\w-]+): expected one argument")


class UsageError(Exception):
    """The arguments cannot be read."""


def unread() -> argparse.Namespace:
    """What is asked before anything was read: every argument is ``None``."""
    return argparse.Namespace(**dict.fromkeys(_NAMES))


def read(argv: Sequence[str] | None, asked: argparse.Namespace) -> None:
    """Reads the arguments into ``asked``, one after the other, and then puts in what holds for those not given.

    Args:
        argv: the arguments without the program's name; the process's own when ``None``.
        asked: what :func:`unread` gave. After a failure it holds what was read before.

    Raises:
        UsageError: they cannot be read.
    """
    parser = _parser()
    parser.parse_args([_text(argument) for argument in (sys.argv[1:] if argv is None else argv)], asked)
    for name, value in _DEFAULTS.items():
        if getattr(asked, name) is None:
            setattr(asked, name, value)
    if asked.model not in MODELS:
        parser.error(f"argument -m/--model: there is no '{asked.model}'; choose from {', '.join(MODELS)}")
    if asked.save == "":
        parser.error("argument --save: the file has no name")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if found := _WITHOUT_VALUE.fullmatch(message):
            message += f"; write {found[1]}=… where it begins with a dash"
        raise UsageError(f"{message}. See {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="glm-image",
        allow_abbrev=False,
        description="Makes one image with ZhiPu's GLM-Image API; prints one JSON object. The key is ZHIPU_API_KEY.",
        epilog="Exit codes: 0 done, 1 failure, 2 usage. Nothing is ever tried twice: each call may be billed.",
    )
    add = parser.add_argument
    add("--version", action="version", version=f"glm-image {__version__}")
    add("-p", "--prompt", required=True, help="what to draw; - reads it from standard input")
    for name, option in OPTIONS.items():
        if option.cli and option.kind is bool:
            add(*option.cli, dest=name, action="store_const", const=not DEFAULTS[name], help=option.cli_help)
        elif option.cli:
            add(*option.cli, dest=name, type=option.kind, help=option.cli_help)
    add("--user-id", help="6-128 characters that stand for the end user")
    add("--save", metavar="FILE", type=_path, help="also download the image to this file")
    add(
        "--send",
        metavar="CHAT_OR_OPEN_ID",
        type=recipient_id,
        help="also send the image as the bot's card to a chat (oc_...) or a person (ou_...); needs the bot's settings",
    )
    return parser


def _text(argument: str) -> str:
    """An argument as it was typed; under an ASCII locale Python reads what is not ASCII as surrogates."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        return argument


def _path(argument: str) -> str:
    """A path as the file system takes it, which under an ASCII locale is the way it came."""
    try:
        os.fsencode(argument)
    except UnicodeEncodeError:
        return os.fsdecode(argument.encode("utf-8", "surrogateescape"))
    return argument
