"""The ``base`` command: creates the Base to which generations are exported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing

from bot.cli.arguments import command_parser, person
from bot.errors import FeishuError
from bot.feishu.bitable import FIELDS, BitableClient
from bot.feishu.client import FeishuClient
from bot.feishu.error_codes import describe, suggest_fix
from bot.settings import Settings, load, require_settings

NAME = "AI 绘画记录 Image log"


def main(argv: Sequence[str]) -> int:
    """Creates a Base and prints its link and what to set; returns 1 if Feishu refuses."""
    parser = command_parser(
        "base",
        description="Creates a Feishu Base (多维表格) to which each generation is exported.",
        epilog="Exit codes: 0 created, 1 Feishu refused, 2 usage error.",
    )
    add = parser.add_argument
    add("action", choices=["create"], help="create a Base with its table, and print the settings")
    add("--name", default=NAME, help="its name (default: %(default)s)")
    owner = "who may manage it (ou_…), repeatable; default: the admins of [team]"
    add("--owner", metavar="OPEN_ID", type=person, action="append", help=owner)
    given = parser.parse_args(argv)
    settings = load()
    require_settings(settings, webhook=False)
    owners = given.owner or settings.team.admins
    with closing(FeishuClient(**settings.feishu_access)) as client:
        return _create(BitableClient(client.call), settings, name=given.name, owners=owners)


def _create(bases: BitableClient, settings: Settings, *, name: str, owners: Sequence[str]) -> int:
    base = None
    try:
        base = bases.create(name, zone=settings.team.timezone.key)
        table_id = bases.create_table(base.app_token, "Log", FIELDS)
    except FeishuError as error:
        _report("The Base was not created", error, settings)
        if base is not None:
            print(f"An empty Base is left at {base.url}", file=sys.stderr)
        return 1
    print(f"Created {base.url}?table={table_id}")
    if not owners:
        print("Only the bot can open it so far: name an admin in [team], or create another one with --owner ou_…")
    for owner in owners:
        try:
            bases.share(base.app_token, owner)
            print(f"{owner} may view, edit and share it.")
        except FeishuError as error:
            _report(f"Not shared with {owner}", error, settings)
    # Every new Base has a blank table.
    if base.blank_table is not None:
        try:
            bases.delete_table(base.app_token, base.blank_table)
        except FeishuError as error:
            print(f"A blank table is left beside the log; delete it manually ({describe(error)})", file=sys.stderr)
    print("", "Set in the environment, in .env or in [base]:", sep="\n")
    print(f"BOT_BASE_APP_TOKEN={base.app_token}", f"BOT_BASE_TABLE_ID={table_id}", sep="\n")
    print("\nThen restart the bot. `python -m bot check` reports whether it can write to it.")
    return 0


def _report(what: str, error: FeishuError, settings: Settings) -> None:
    print(f"{what}: {describe(error)}", f"  {suggest_fix(error, domain=settings.domain)}", sep="\n", file=sys.stderr)
