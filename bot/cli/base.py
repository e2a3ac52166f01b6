"""The ``base`` command: creates the Base to which generations are exported."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bot.cli.id_args import person
from bot.errors import FeishuError, SettingsError
from bot.feishu import error_codes as fixes
from bot.feishu.bitable import FIELDS, BitableClient, NewBase
from bot.feishu.client import FeishuClient
from bot.settings import Settings, load, required_settings_missing

NAME = "AI 绘画记录 Image log"


def main(argv: Sequence[str]) -> int:
    """Creates a Base and prints its link and what to set; returns 1 if Feishu refuses.

    Raises:
        SettingsError: the settings are invalid, or the app's id or secret is missing.
    """
    given = _parser().parse_args(argv)
    settings = load()
    if missing := required_settings_missing(settings, webhook=False):
        raise SettingsError([str(fault) for fault in missing])
    client = FeishuClient(
        domain=settings.domain,
        app_id=settings.app_id,
        app_secret=settings.app_secret.get_secret_value(),
        proxy=settings.network.proxy,
        ca_file=settings.network.ca_file,
    )
    try:
        return _create(
            BitableClient(client.call), settings, name=given.name, owners=given.owner or settings.team.admins
        )
    finally:
        client.close()


def _create(bases: BitableClient, settings: Settings, *, name: str, owners: Sequence[str]) -> int:
    base: NewBase | None = None
    try:
        base = bases.create(name, zone=settings.team.timezone)
        table_id = bases.create_table(base.app_token, "Log", FIELDS)
    except FeishuError as error:
        _say(f"The Base was not created: {fixes.describe(error)}", fixes.suggest_fix(error, domain=settings.domain))
        if base is not None:
            _say(f"An empty Base is left at {base.url}")
        return 1
    shared = _share(bases, base, settings, owners)
    _clear(bases, base)
    print(
        f"Created {base.url}?table={table_id}", *shared, "", "Set in the environment, in .env or in [base]:", sep="\n"
    )
    print(f"BOT_BASE_APP_TOKEN={base.app_token}", f"BOT_BASE_TABLE_ID={table_id}", sep="\n")
    print("\nThen restart the bot. `python -m bot check` reports whether it can write to it.")
    return 0


def _share(bases: BitableClient, base: NewBase, settings: Settings, owners: Sequence[str]) -> list[str]:
    """Shares the Base with the owners, as far as Feishu allows; returns lines about it."""
    if not owners:
        return ["Only the bot can open it so far: name an admin in [team], or create another one with --owner ou_…"]
    shared = []
    for owner in owners:
        try:
            bases.share(base.app_token, owner)
        except FeishuError as error:
            _say(f"Not shared with {owner}: {fixes.describe(error)}", fixes.suggest_fix(error, domain=settings.domain))
        else:
            shared.append(f"{owner} may view, edit and share it.")
    return shared


def _clear(bases: BitableClient, base: NewBase) -> None:
    """Deletes the blank table that every new Base has, where the app may."""
    if base.blank_table is None:
        return
    try:
        bases.delete_table(base.app_token, base.blank_table)
    except FeishuError as error:
        _say(f"A blank table is left beside the log; delete it manually ({fixes.describe(error)})")


def _say(*lines: str) -> None:
    print(*lines, sep="\n  ", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="glm-image-bot base", allow_abbrev=False, description=main.__doc__)
    parser.description = "Creates a Feishu Base (多维表格) to which each generation is exported."
    parser.epilog = "Exit codes: 0 created, 1 Feishu refused, 2 usage error."
    parser.add_argument("action", choices=["create"], help="create a Base with its table, and print the settings")
    parser.add_argument("--name", default=NAME, help="its name (default: %(default)s)")
    parser.add_argument(
        "--owner",
        metavar="OPEN_ID",
        type=person,
        action="append",
        help="who may manage it (ou_…), repeatable; default: the admins of [team]",
    )
    return parser
