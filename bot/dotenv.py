"""What the program is configured with: environment variables, a ``.env`` file, and TOML files."""

from __future__ import annotations

import os
import re
import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from bot.errors import SettingsError

DOTENV = ".env"  # the file of further variables, in the working folder

_IN_WHEEL = Path(__file__).with_name("config")
SHIPPED = _IN_WHEEL if _IN_WHEEL.is_dir() else Path(__file__).parent.parent / "config"
"""The configuration that comes with the program: in the wheel, else in the checkout."""

_QUOTED = re.compile(r"""\"[^"]*\"|'[^']*'|[“”][^“”]*[“”]|[‘’][^‘’]*[‘’]""")


def unquote(value: str) -> str:
    """A value without the space around it and the quotation marks that compose files and ``--env-file`` leave."""
    value = value.strip()
    while _QUOTED.fullmatch(value):
        value = value[1:-1].strip()
    return value


def variable(name: str) -> str:
    """One variable, read without the other settings: from the environment, else from ``.env``, else empty."""
    return unquote(os.environ.get(name, "")) or unquote(read_dotenv(Path(DOTENV)).get(name, ""))


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of a ``.env`` file; none where there is no such file.

    Values in single quotes are literal. Everything else is read as python-dotenv does. ``SettingsError`` if it cannot
    be read, is not UTF-8, or has a malformed line.
    """
    if not path.is_file():
        return {}
    literals: list[str] = []

    def hide(found: re.Match[str]) -> str:
        literals.append(found[2])
        return f"{found[1]}'\0{len(literals) - 1}\0'"

    name = r"""^([^\S\n]*(?:export[^\S\n]+)?[^\s=#'"]+[^\S\n]*=[^\S\n]*)"""
    # python-dotenv would take a comment right after the equals sign for the value.
    text = re.sub(rf"(?m){name}(?<=\s)#.*$", r"\1", _read_text(path).replace("\0", ""))
    # It also decodes escapes and expands ${…} in single quotes, so it does not get to see those values.
    text = re.sub(rf"(?m){name}'([^']*)'", hide, text)
    if wrong := [each.original.line for each in parse_stream(StringIO(text)) if each.error]:
        raise SettingsError([f"{path} line {line}: is not NAME=value; see config/example.env" for line in wrong])
    values = dotenv_values(stream=StringIO(text))
    return {
        key: re.sub("\0([0-9]+)\0", lambda found: literals[int(found[1])], value)
        for key, value in values.items()
        if value is not None
    }


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; ``SettingsError`` if it cannot be read, is not UTF-8, or is not TOML."""
    text = _read_text(path)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingsError([f"{path.name}: is nested too deeply"]) from None
    except ValueError as error:
        reason, _, place = str(error).partition(" (at ")
        found = re.search(r"line (\d+)", place)
        line = int(found[1]) if found else len(text.splitlines())
        raise SettingsError([f"{path.name} line {line}: is not TOML: {reason[:1].lower()}{reason[1:]}"]) from None


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """The content of a TOML file of the configuration: the shipped one where ``folder`` has none."""
    own = folder / name
    return read_toml(own if own.exists() else SHIPPED / name)


def _read_text(path: Path) -> str:
    try:
        # Windows writes a byte order mark, which would become part of the first name.
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        fault = f"{path}: there is no such file; BOT_CONFIG_DIR must name a folder with a {path.name}"
    except UnicodeDecodeError:
        fault = f"{path}: is not UTF-8; save it as UTF-8 text"
    except OSError as error:
        fault = f"{path}: cannot be read: {error.strerror}"
    raise SettingsError([fault])
