"""The check before the first message: what is missing or wrong, a line each, with what to do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from bot.cli import check_machine
from bot.cli.check_calls import calls, found_by_the_bot
from bot.cli.check_feishu import TOKEN, about_feishu, unasked
from bot.cli.check_result import CheckResult, as_json, as_text
from bot.cli.check_settings import about_settings
from bot.cli.id_args import recipient_id
from bot.errors import SettingsError
from bot.settings import Settings, load


def main(argv: Sequence[str]) -> int:
    """Checks and prints; gives the exit code: 0 when nothing is to mend, 1 when something is, 2 for the usage.

    It pays for nothing, makes no folder and no database, and sends nothing but the card that ``--send-test`` asks for.
    """
    parser = _parser()
    given = parser.parse_args(argv)
    if given.offline and given.send_test:
        parser.error("--send-test cannot be had with --offline")
    findings = list(_look(offline=given.offline, to=given.send_test, webhook=not given.connect))
    _print(findings, as_array=given.json)
    return 1 if any(finding.ok is False for finding in findings) else 0


def _look(*, offline: bool, to: str | None, webhook: bool) -> Iterator[CheckResult]:
    try:
        settings = load()
    except SettingsError as error:
        yield from (_fault(fault) for fault in error.faults)
        yield CheckResult(name="Everything else", ok=None, detail="not looked at while the settings cannot be read")
        return
    yield from about_settings(settings, webhook=webhook)
    database = check_machine.database(settings, offline=offline)
    yield database
    yield calls(settings, readable=database.ok is True)
    yield from found_by_the_bot(settings, readable=database.ok is True)
    yield check_machine.data_folder(settings)
    yield check_machine.port(settings)
    yield from _feishu(settings, offline=offline, to=to, webhook=webhook)


def _feishu(settings: Settings, *, offline: bool, to: str | None, webhook: bool) -> Iterator[CheckResult]:
    why = "--offline" if offline else "without FEISHU_APP_ID and FEISHU_APP_SECRET"
    if not offline and settings.app_id and settings.app_secret.get_secret_value():
        try:
            yield from about_feishu(settings, recipient=to, webhook=webhook)
        except SettingsError as error:
            yield from (_fault(fault) for fault in error.faults)
            why = "without a way to Feishu"
        else:
            return
    yield CheckResult(name=TOKEN, ok=None, detail=f"not asked ({why})")
    yield from unasked(why, recipient=to)


def _fault(fault: str) -> CheckResult:
    name, _, detail = fault.partition(": ")
    return CheckResult(name=name, ok=False, detail=detail, fix="correct it where it is set")


def _print(findings: Sequence[CheckResult], *, as_array: bool) -> None:
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    print((as_json if as_array else as_text)(findings, ascii_only=ascii_only))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="glm-image-bot check",
        allow_abbrev=False,
        description="Tells what is missing or wrong before the first message, and what to do about it; pays nothing.",
        epilog="Exit codes: 0 nothing to mend, 1 something to mend, 2 usage.",
    )
    parser.add_argument("--offline", action="store_true", help="ask neither Feishu nor a database elsewhere")
    parser.add_argument(
        "--connect", action="store_true", help="for `connect`, which needs no key and no token of events"
    )
    parser.add_argument("--json", action="store_true", help="print an array of {name, ok, detail, fix}; ok may be null")
    parser.add_argument(
        "--send-test",
        metavar="CHAT_OR_OPEN_ID",
        type=recipient_id,
        help="also send one card, without an image, to a chat (oc_...) or a person (ou_...)",
    )
    return parser
