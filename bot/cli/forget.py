"""The ``forget`` command: deletes what is stored about a person; the bot may run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing

from bot.cli.arguments import command_parser, person
from bot.cli.check_local import check_database
from bot.db.database import Database, read_url
from bot.db.retention import PersonData, forget, stored_of, vacuum
from bot.errors import DatabaseUnavailable
from bot.settings import Settings, load

_ELSEWHERE = """\
Kept: the monthly totals of images and yuan, which name nobody, and the bare ids of the last day's messages, so that
  a redelivery by Feishu is not taken for a new prompt.
Not reached from here: messages and images in Feishu, the records in a Base, log files, backups, and other people's
  requests that repeat this person's prompt."""


def main(argv: Sequence[str]) -> int:
    """Shows what is stored about a person, asks, and deletes it; returns 0 if it did, and exits with 1 if not."""
    parser = command_parser(
        "forget",
        description="Deletes everything stored about a person: prompts, generations, images, settings; the bot may run",
        epilog="Exit codes: 0 deleted, 1 nothing deleted, 2 usage error.",
    )
    parser.add_argument("user", metavar="USER", type=person, help="the person's open_id (ou_…), which /id shows")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    given = parser.parse_args(argv)
    settings = load()
    checked = check_database(settings)
    if not checked.ok:
        sys.exit(f"The database {checked.detail}; {checked.fix}")
    with closing(Database(read_url(settings.url), connections=1)) as database:
        stored = stored_of(database, given.user)
        if stored == PersonData():
            sys.exit(f"Nothing is stored about {given.user}.")
        print(
            f"Stored about {given.user}: {stored.requests:,} requests, {stored.generations:,} generations, "
            f"{stored.sends:,} other messages, {len(stored.originals):,} images, {stored.settings:,} settings, "
            f"{stored.turns:,} queue turns."
        )
        if stored.goes_on:
            sys.exit(_unfinished(stored))
        if not given.yes and not _agreed():
            sys.exit("Nothing was deleted.")
        return _forget(database, settings, given.user)


def _forget(database: Database, settings: Settings, who: str) -> int:
    stored = forget(database, who)
    if stored.goes_on:
        sys.exit(_unfinished(stored))
    files = [settings.data_dir / "originals" / name for name in stored.originals]
    missing = sum(not file.exists() for file in files)
    for file in files:
        file.unlink(missing_ok=True)
    print(f"Deleted. {_ELSEWHERE}")
    if missing:
        days = settings.originals.days
        print(f"{missing} images are not in this data folder; another machine keeps them for at most {days} days.")
    try:
        vacuum(database)
    except DatabaseUnavailable as error:
        sys.exit(
            f"The rows are deleted, but their bytes may still be in the database file, which could not be rewritten "
            f"({error}). Stop the bot and run: sqlite3 FILE VACUUM"
        )
    return 0


def _unfinished(stored: PersonData) -> str:
    return (
        f"Nothing was deleted: {stored.unfinished} images are waiting or in progress, and {stored.unanswered} answers "
        "are not sent yet. Let them finish, or have them cancelled (/cancel, the card's button), and run this again."
    )


def _agreed() -> bool:
    try:
        return input("Delete all of it permanently? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        print()
        return False
