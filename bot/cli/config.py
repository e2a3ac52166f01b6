"""The ``config`` command: a copy of the shipped configuration, which an upgrade does not touch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bot.cli.arguments import command_parser
from bot.dotenv import SHIPPED


def main(argv: Sequence[str]) -> int:
    """Copies the shipped files that the folder does not have; exits with 1 if it cannot be written."""
    parser = command_parser(
        "config",
        description="Copies the shipped configuration to a folder of your own, which no upgrade overwrites.",
        epilog="Exit codes: 0 copied, 1 the folder cannot be written, 2 usage error.",
    )
    parser.add_argument("action", choices=["init"], help="copy the files that the folder does not have yet")
    parser.add_argument("folder", metavar="DIR", help="the folder, such as /etc/glm-image-bot/config")
    folder = Path(parser.parse_args(argv).folder).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for shipped in sorted(SHIPPED.glob("*.toml")):
            own = folder / shipped.name
            if own.exists():
                print(f"kept    {own}")
            else:
                own.write_bytes(shipped.read_bytes())
                print(f"copied  {own}")
    except OSError as error:
        sys.exit(f"{error.filename or folder} cannot be written: {error.strerror}")
    print(
        f"\nSet BOT_CONFIG_DIR={folder} and restart the bot. Delete the files that you do not change, except bot.toml: "
        "the shipped ones are used in their place, and get better with upgrades."
    )
    return 0
