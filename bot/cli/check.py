"""The ``check`` command: reports missing or wrong configuration before the first message, each with its fix."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from bot.cli.check_feishu import FEISHU_CHECKS, TEST_CARD, TOKEN, check_feishu
from bot.cli.check_local import check_bot_findings, check_database, check_local, check_settings
from bot.cli.check_result import CheckResult, as_text
from bot.cli.id_args import recipient_id
from bot.errors import SettingsError
from bot.settings import Settings, load


def main(argv: Sequence[str]) -> int:
    """Checks and prints; returns 0 if all checks passed, 1 if one failed, 2 for a usage error.

    It pays for nothing, creates no folder and no database, and sends nothing but the card of ``--send-test``.
    """
    parser = _parser()
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


def check_all(
    settings: Settings, *, offline: bool = False, recipient: str | None = None, webhook: bool = True
) -> Iterator[CheckResult]:
    """Every check; the arguments are those of the command."""
    yield from check_settings(settings, webhook=webhook)
    database = check_database(settings, offline=offline)
    yield database
    yield from check_bot_findings(settings, readable=database.ok is True)
    yield from check_local(settings)
    yield from _feishu(settings, offline=offline, recipient=recipient, webhook=webhook)


def _feishu(settings: Settings, *, offline: bool, recipient: str | None, webhook: bool) -> Iterator[CheckResult]:
    why = "--offline" if offline else "without FEISHU_APP_ID and FEISHU_APP_SECRET"
    if not offline and settings.app_id and settings.app_secret.get_secret_value():
        try:
            yield from check_feishu(settings, recipient=recipient, webhook=webhook)
        except SettingsError as error:
            yield from _setting_errors(error)
            why = "Feishu cannot be called"
        else:
            return
    for name in (TOKEN, *FEISHU_CHECKS, *([TEST_CARD] if recipient else [])):
        yield CheckResult(name, None, f"skipped ({why})")


def _setting_errors(error: SettingsError) -> Iterator[CheckResult]:
    for line in error.faults:
        name, _, detail = line.partition(": ")
        yield CheckResult(name, False, detail, "correct it where it is set")  # noqa: FBT003


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="glm-image-bot check",
        allow_abbrev=False,
        description="Reports missing or wrong configuration before the first message, with fixes; costs nothing.",
        epilog="Exit codes: 0 all checks passed, 1 a check failed, 2 usage error.",
    )
    add = parser.add_argument
    add("--offline", action="store_true", help="call neither Feishu nor a database on another machine")
    add(
        "--connect",
        action="store_true",
        help="check for `connect`, which needs no Encrypt Key and no Verification Token",
    )
    add("--json", action="store_true", help="print an array of {name, ok, detail, fix}; ok may be null")
    add(
        "--send-test",
        metavar="CHAT_OR_OPEN_ID",
        type=recipient_id,
        help="also send one card, without an image, to a chat (oc_...) or a person (ou_...)",
    )
    return parser
