"""The ``check`` command: reports missing or wrong configuration before the first message, each with its fix."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial

from bot.cli.arguments import command_parser, recipient_id
from bot.cli.check_feishu import check_feishu
from bot.cli.check_local import CheckResult, check_bot_findings, check_database, check_settings, data_folder, port
from bot.errors import SettingsError
from bot.settings import Settings, load

_MARKS: dict[bool | None, tuple[str, str]] = {True: ("✓", "ok"), False: ("✗", "NO"), None: ("–", "--")}
"""The mark of a result, and that for a terminal that can print only ASCII."""


def main(argv: Sequence[str]) -> int:
    """Checks and prints; returns 0 if all checks passed, 1 if one failed, 2 for a usage error.

    It pays for nothing, creates no folder and no database, and sends nothing but the card of ``--send-test``.
    """
    parser = command_parser(
        "check",
        description="Reports missing or wrong configuration before the first message, with fixes; costs nothing.",
        epilog="Exit codes: 0 all checks passed, 1 a check failed, 2 usage error.",
    )
    add = parser.add_argument
    add("--offline", action="store_true", help="call neither Feishu nor a database on another machine")
    connect = "check for `connect`, which needs no Encrypt Key and no Verification Token"
    add("--connect", action="store_true", help=connect)
    add("--json", action="store_true", help="print an array of {name, ok, detail, fix}; ok may be null")
    send_test = "also send one card, without an image, to a chat (oc_...) or a person (ou_...)"
    add("--send-test", metavar="CHAT_OR_OPEN_ID", type=recipient_id, help=send_test)
    args = parser.parse_args(argv)
    if args.offline and args.send_test:
        parser.error("--send-test cannot be used with --offline")
    try:
        settings = load()
    except SettingsError as error:
        results = [*_setting_errors(error)]
        results.append(CheckResult("Everything else", None, "skipped while the settings cannot be read"))
    else:
        webhook = not args.connect
        results = list(check_all(settings, offline=args.offline, recipient=args.send_test, webhook=webhook))
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    if args.json:
        print(json.dumps([asdict(result) for result in results], ensure_ascii=ascii_only, indent=2))
    else:
        print(as_text(results, ascii_only=ascii_only))
    return 1 if any(result.ok is False for result in results) else 0


def as_text(results: Sequence[CheckResult], *, ascii_only: bool = False) -> str:
    """The results for a terminal, one line each, and a summary."""
    lines = []
    for result in results:
        lines.append(f"{_MARKS[result.ok][ascii_only]} {result.name:<26} {result.detail}")
        if result.fix:
            lines.append(f"  {'->' if ascii_only else '→'} {result.fix}")
    failed = sum(result.ok is False for result in results)
    counted = f"{failed} check{'s' if failed > 1 else ''} failed, marked {_MARKS[False][ascii_only]}."
    return "\n".join([*lines, "", counted if failed else "All checks passed."])


def check_all(
    settings: Settings, *, offline: bool = False, recipient: str | None = None, webhook: bool = True
) -> Iterator[CheckResult]:
    """Every check; the arguments are those of the command."""
    yield from check_settings(settings, webhook=webhook)
    database = check_database(settings, offline=offline)
    yield database
    yield from check_bot_findings(settings, readable=database.ok is True)
    yield CheckResult("Data folder", *data_folder(settings))
    yield CheckResult("Port", *port(settings))
    has_app = bool(settings.app_id and settings.app_secret.get_secret_value())
    skip = "--offline" if offline else "" if has_app else "without FEISHU_APP_ID and FEISHU_APP_SECRET"
    feishu = partial(check_feishu, settings, recipient=recipient, webhook=webhook)
    try:
        yield from feishu(skip=skip)
    except SettingsError as error:
        yield from _setting_errors(error)
        yield from feishu(skip="Feishu cannot be called")


def _setting_errors(error: SettingsError) -> Iterator[CheckResult]:
    for line in error.faults:
        name, _, detail = line.partition(": ")
        yield CheckResult(name, ok=False, detail=detail, fix="correct it where it is set")
