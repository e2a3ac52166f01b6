"""The command that writes the generations as CSV or JSON lines; it changes nothing and runs beside the bot."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import date, datetime, time, timedelta, tzinfo
from typing import IO

from bot.cli.atomic_file import AtomicFile
from bot.cli.check_local import check_database
from bot.cli.export_rows import COLUMNS, IMAGE_URL, PROMPT, cells, json_line, values_of
from bot.cli.id_args import person
from bot.db.database import Database, read_url
from bot.db.export_query import ExportFilter, wanted_rows
from bot.settings import Settings, load

_PART = 64 * 1024


def main(argv: Sequence[str]) -> int:
    """Exports.

    Returns:
        0 when everything was written, 1 when it could not be, 2 for the usage.

    Raises:
        SettingsError: the settings cannot be read.
        StoreUnavailable: the database does not answer.
    """
    parser = _parser()
    given = parser.parse_args(argv)
    if given.since and given.until and given.since > given.until:
        parser.error("--since is after --until")
    settings = load()
    there = check_database(settings)
    if not there.ok:
        print(f"The database {there.detail}; {there.fix}", file=sys.stderr)
        return 1
    try:
        return _export(settings, given)
    except BrokenPipeError:
        # Who reads has seen enough. Python would complain once more when it closes the output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"{given.output or 'The output'} cannot be written: {error.strerror or error}", file=sys.stderr)
        return 1


def _export(settings: Settings, given: argparse.Namespace) -> int:
    # All of it goes to a nameless file first: the database is then read at once, however slowly the output is.
    with tempfile.TemporaryFile() as spool:
        if given.output is None:
            _write(spool, settings, given)
            _to_stdout(spool)
            return 0
        with AtomicFile(given.output, private=True) as file:
            count = _write(spool, settings, given)
            file.copy(spool)
    print(f"{count:,} generations written to {file.path}", file=sys.stderr)
    return 0


def _write(spool: IO[bytes], settings: Settings, given: argparse.Namespace) -> int:
    """Writes the lines; gives how many generations they are."""
    columns = [*COLUMNS, *([IMAGE_URL] if given.links else []), *([PROMPT] if given.prompts else [])]
    as_csv = given.format == "csv"
    zone, prices = settings.team.zone, settings.prices.by_model()
    encoding = "utf-8" if given.no_bom or not as_csv else "utf-8-sig"
    lines = io.TextIOWrapper(spool, encoding=encoding, errors="replace", newline="", write_through=False)
    sheet = csv.writer(lines)
    if as_csv:
        sheet.writerow(columns)
    count = 0
    with closing(Database(read_url(settings.url), connections=1)) as database:
        for row in wanted_rows(database, _wanted(given, zone)):
            values = values_of(row, prices=prices, zone=zone)
            if as_csv:
                sheet.writerow(cells(values, columns))
            else:
                lines.write(json_line(values, columns))
            count += 1
    lines.flush()
    lines.detach()
    spool.seek(0)
    return count


def _to_stdout(spool: IO[bytes]) -> None:
    while part := spool.read(_PART):
        sys.stdout.buffer.write(part)
    sys.stdout.flush()


def _wanted(given: argparse.Namespace, zone: tzinfo) -> ExportFilter:
    return ExportFilter(
        since=_midnight(given.since, zone) if given.since else None,
        until=_midnight(given.until + timedelta(days=1), zone) if given.until else None,
        sender=given.user,
    )


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime.combine(day, time(), zone).timestamp()


def _day(argument: str) -> date:
    with suppress(ValueError):
        day = date.fromisoformat(argument)
        # The end of the last day that there is cannot be told.
        if day < date.max:
            return day
    raise argparse.ArgumentTypeError(f"'{argument}' is not a day such as 2026-11-01")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="glm-image-bot export",
        allow_abbrev=False,
        description="Writes the stored generations, oldest first; the bot may keep running.",
        epilog="Exit codes: 0 written, 1 failed, 2 usage error. Days are in the team's time zone.",
    )
    parser.add_argument("--format", choices=["csv", "jsonl"], default="csv", help="default: csv, for spreadsheets")
    parser.add_argument("--since", metavar="DATE", type=_day, help="the first day, such as 2026-11-01")
    parser.add_argument("--until", metavar="DATE", type=_day, help="the last day")
    parser.add_argument("--user", metavar="OPEN_ID", type=person, help="only of one person (ou_…)")
    parser.add_argument("--output", metavar="FILE", help="the output file, written atomically; default: stdout")
    parser.add_argument("--prompts", action="store_true", help="include the prompts")
    parser.add_argument(
        "--links", action="store_true", help="include the links, with which anybody can download the images"
    )
    parser.add_argument(
        "--no-bom", action="store_true", help="CSV without the byte order mark that Excel needs for UTF-8"
    )
    return parser
