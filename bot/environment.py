"""The variables that a program is given: those of its process, and those of a ``.env`` file."""

from __future__ import annotations

import os

from bot.errors import SettingsError

TYPE_CHECKING = False  # the module typing alone would take a fifth of the command line's start
if TYPE_CHECKING:
    from pathlib import Path

DOTENV = ".env"
"""The file of further variables, in the working folder."""


def variable(name: str) -> str:
    """One variable as the settings read it, without the rest of them: of the process, else of ``.env``, else empty.

    Raises:
        SettingsError: it is not the process's, and ``.env`` cannot be read.
    """
    found = os.environ.get(name)
    return (read_dotenv(DOTENV).get(name, "") if found is None else found).strip()


def read_dotenv(path: str | Path) -> dict[str, str]:
    """The variables of a ``.env`` file; none where there is no such file.

    Raises:
        SettingsError: it cannot be read, or is not UTF-8.
    """
    if not os.path.isfile(path):
        return {}
    # Imported only where there is a file: it takes longer to load than the command line.
    from dotenv import dotenv_values  # noqa: PLC0415

    try:
        # Windows writes a mark at the beginning, which would become part of the first name.
        read = dotenv_values(path, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8; save it as UTF-8 text"]) from error
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
    return {name: value for name, value in read.items() if value is not None}
