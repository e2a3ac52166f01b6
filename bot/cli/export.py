"""The ``export`` command: writes the generations as CSV or JSON lines; it changes nothing, and the bot may run."""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import date, datetime, tzinfo
from typing import IO, Any

from sqlalchemy import Row

from bot.cli import stdio
from bot.cli.arguments import command_parser, person
from bot.cli.atomic_file import AtomicFile
from bot.cli.check_local import check_database
from bot.db.database import Database, read_url
from bot.db.reports import export_rows
from bot.options import OPTIONS
from bot.settings import Settings, load
from bot.timings import seconds_of

_COLUMNS = (
    *("generation_id", "message_id", "chat_id", "chat_type", "sender"),
    *("model", "size", "quality", "style", "watermark", "state", "error"),
    *("accepted_at", "posted_at", "ended_at", "seconds", "yuan", "paid_calls", "findings", "platform_request_id"),
)
COLUMNS = (*_COLUMNS, *(name for name, option in OPTIONS.items() if option.of_image and name not in _COLUMNS))
"""The columns in order; later versions only append, before ``image_url`` and ``prompt``."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the start of a formula: https://owasp.org/www-community/attacks/CSV_Injection"""


def main(argv: Sequence[str]) -> int:
    """Exports; returns 0, or exits with 1 if not everything was written and 2 for a usage error."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.since and args.until and args.since > args.until:
        parser.error("--since is after --until")
    settings = load()
    checked = check_database(settings)
    if not checked.ok:
        sys.exit(f"The database {checked.detail}; {checked.fix}")
    try:
        return _export(settings, args)
    except BrokenPipeError:
        # The reader has seen enough.
        stdio.silence(sys.stdout)
        return 0
    except OSError as error:
        sys.exit(f"{args.output or 'The output'} cannot be written: {error.strerror or error}")


def _export(settings: Settings, args: argparse.Namespace) -> int:
    # Everything is written to a nameless file first, so that a slow output does not hold the database.
    with tempfile.TemporaryFile() as spool:
        if args.output is None:
            _write(spool, settings, args)
            shutil.copyfileobj(spool, sys.stdout.buffer)
            sys.stdout.flush()
            return 0
        with AtomicFile(args.output, private=True) as file:
            count = _write(spool, settings, args)
            shutil.copyfileobj(spool, file.part)
            file.finish()
    print(f"{count:,} generations written to {file.path}", file=sys.stderr)
    return 0


def _write(spool: IO[bytes], settings: Settings, args: argparse.Namespace) -> int:
    """Writes the lines; returns the number of generations."""
    columns = [*COLUMNS, *(["image_url"] if args.links else []), *(["prompt"] if args.prompts else [])]
    as_csv = args.format == "csv"
    zone, prices, count = settings.team.timezone, settings.prices.by_model(), 0
    encoding = "utf-8" if args.no_bom or not as_csv else "utf-8-sig"
    lines = io.TextIOWrapper(spool, encoding=encoding, errors="replace", newline="")
    sheet = csv.writer(lines)
    if as_csv:
        sheet.writerow(columns)
    since, until = seconds_of(args.since, args.until, zone)
    with closing(Database(read_url(settings.url), connections=1)) as database:
        rows = export_rows(database, since=since, until=until, sender=args.user)
        for count, row in enumerate(rows, start=1):  # noqa: B007
            values = _values(row, prices=prices, zone=zone)
            if as_csv:
                sheet.writerow([csv_cell(values[name]) for name in columns])
            else:
                lines.write(json.dumps({name: values[name] for name in columns}, ensure_ascii=False) + "\n")
    lines.detach()
    spool.seek(0)
    return count


def _values(row: Row[Any], *, prices: Mapping[str, float], zone: tzinfo) -> dict[str, Any]:
    """The value of every column, with current prices, and times as ISO 8601."""
    return {
        **{name: row.content.get(name) for name, option in OPTIONS.items() if option.of_image},
        **row._asdict(),
        # A request from a button has no message of its own.
        "message_id": None if ":" in row.dedup_key else row.dedup_key,
        "error": row.failure.code if row.failure else None,
        "accepted_at": _iso(row.accepted_at, zone),
        "posted_at": _iso(row.called_at, zone),
        "ended_at": _iso(row.ended_at, zone),
        "seconds": None if row.call_seconds is None else round(row.call_seconds, 3),
        "yuan": round(row.calls_billed * prices.get(row.model, 0.0), 4),
        "paid_calls": row.calls_billed,
        "findings": [{"role": found.role, "level": found.level} for found in row.findings or ()],
        "image_url": row.url,
    }


def csv_cell(value: Any) -> Any:
    """A value in CSV: text that a spreadsheet would take for a formula begins with an apostrophe."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(f"{found['role']}:{found['level']}" for found in value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _iso(seconds: float | None, zone: tzinfo) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, zone).isoformat(timespec="seconds")


def _day(argument: str) -> date:
    with suppress(ValueError):
        day = date.fromisoformat(argument)
        # The last possible day has no following midnight.
        if day < date.max:
            return day
    raise argparse.ArgumentTypeError(f"'{argument}' is not a day such as 2026-11-01")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "export",
        description="Writes the stored generations, oldest first; the bot may keep running.",
        epilog="Exit codes: 0 written, 1 failed, 2 usage error. Days are in the team's time zone.",
    )
    add = parser.add_argument
    add("--format", choices=["csv", "jsonl"], default="csv", help="default: csv, for spreadsheets")
    add("--since", metavar="DATE", type=_day, help="the first day, such as 2026-11-01")
    add("--until", metavar="DATE", type=_day, help="the last day")
    add("--user", metavar="OPEN_ID", type=person, help="only of one person (ou_…)")
    add("--output", metavar="FILE", help="the output file, written atomically; default: stdout")
    add("--prompts", action="store_true", help="include the prompts")
    add("--links", action="store_true", help="include the links, with which anybody can download the images")
    add("--no-bom", action="store_true", help="CSV without the byte order mark that Excel needs for UTF-8")
    return parser
