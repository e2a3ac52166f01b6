"""The command that removes what is stored of a person; the bot may run meanwhile."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bot.cli.check_local import check_database
from bot.cli.id_args import person
from bot.db.database import Database, read_url
from bot.db.retention import PersonData, forget, stored_of, vacuum
from bot.errors import DatabaseUnavailable
from bot.settings import Settings, load

_ELSEWHERE = """\
Kept: the sums of images and yuan by month, which name nobody, and the bare ids of messages of the last day, so that
  Feishu's delivering one again is not taken for a new prompt.
Not reached from here: the messages and pictures in Feishu, the records in a Base, log files, backups, and what other
  people asked for by repeating this person's prompt."""


def main(argv: Sequence[str]) -> int:
    """Shows what is stored of a person, asks, and removes it.

    Returns:
        0 when it was removed, 1 when nothing was, 2 for the usage.

    Raises:
        SettingsError: the settings cannot be read.
        DatabaseUnavailable: the database does not answer.
    """
    given = _parser().parse_args(argv)
    settings = load()
    there = check_database(settings)
    if not there.ok:
        return _refuse(f"The database {there.detail}; {there.fix}")
    with closing(Database(read_url(settings.url), connections=1)) as database:
        stored = stored_of(database, given.user)
        if stored.nothing:
            return _refuse(f"Nothing is stored of {given.user}.")
        print(_told(given.user, stored))
        if stored.goes_on:
            return _refuse(_unfinished(stored))
        if not given.yes and not _agreed():
            return _refuse("Nothing was removed.")
        return _forget(database, settings, given.user)


def _forget(database: Database, settings: Settings, who: str) -> int:
    stored = forget(database, who)
    if stored.goes_on:
        return _refuse(_unfinished(stored))
    missing = _remove_files(settings.data_dir / "originals", stored.originals)
    print(f"Removed. {_ELSEWHERE}")
    if missing:
        days = settings.originals.days
        print(
            f"{missing} pictures are not in this data folder; another machine keeps them for {days} days at the most."
        )
    try:
        vacuum(database)
    except DatabaseUnavailable as error:
        return _refuse(
            f"The rows are gone, but their bytes may still be in the file: it could not be rewritten ({error}). "
            "Stop the bot and run: sqlite3 FILE VACUUM"
        )
    return 0


def _remove_files(folder: Path, names: Sequence[str]) -> int:
    """Deletes pictures; gives how many were not there."""
    missing = 0
    for name in names:
        try:
            (folder / name).unlink()
        except FileNotFoundError:
            missing += 1
    return missing


def _told(who: str, stored: PersonData) -> str:
    return (
        f"Stored of {who}: {stored.requests:,} requests, {stored.generations:,} generations, {stored.sends:,} further "
        f"messages, {len(stored.originals):,} pictures, {stored.settings:,} settings, {stored.turns:,} turns in line."
    )


def _unfinished(stored: PersonData) -> str:
    return (
        f"Nothing was removed: {stored.unfinished} images are waiting or being made, and {stored.unanswered} answers "
        "are on their way. Let them end, or have them cancelled (/cancel, the card's button), and run this again."
    )


def _agreed() -> bool:
    try:
        return input("Remove all of it, for good? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        print()
        return False


def _refuse(why: str) -> int:
    print(why, file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="glm-image-bot forget",
        allow_abbrev=False,
        description="Deletes everything stored about a person: prompts, generations, images, settings; the bot may run",
        epilog="Exit codes: 0 deleted, 1 nothing deleted, 2 usage error.",
    )
    parser.add_argument("user", metavar="USER", type=person, help="the person's open_id (ou_…), which /id shows")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    return parser
