"""The ``setup`` command: from nothing to a running bot, with one scan in Feishu and one key."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bot import logs
from bot.cli.setup_steps import Setup
from bot.dotenv import DOTENV
from bot.sandbox.feishu.registration import OUTCOMES, RegistrationStandIn
from bot.settings import VARIABLES


def main(argv: Sequence[str]) -> int:
    """Sets the bot up, then becomes ``connect``; returns the exit code if it does not come to that."""
    args = _parser().parse_args(argv)
    logs.configure("error")
    if args.sandbox:
        return _set_up_in_sandbox(args)
    setup = Setup(environment=os.environ, folder=Path.cwd())
    if not setup.run(app_id=args.app_id, new_app=args.new_app):
        return 1
    if args.no_start:
        setup.say("setup.start_later")
    else:
        setup.say("setup.starting")
        greet = [part for admin in setup.load().team.admins[:1] for part in ("--greet", admin)]
        os.execv(sys.executable, [sys.executable, "-m", "bot", "connect", *greet])  # noqa: S606 - no shell is wanted
    return 0


def _set_up_in_sandbox(args: argparse.Namespace) -> int:
    """Sets up a bot in a folder of its own and runs it until Ctrl-C or SIGTERM; returns the exit code."""
    # Imported here, as they bring the whole bot.
    from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn  # noqa: PLC0415
    from bot.sandbox.page.server import Page  # noqa: PLC0415
    from bot.sandbox.start import ADMIN, Sandbox  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        enter = stack.enter_context
        given = args.folder or enter(tempfile.TemporaryDirectory(prefix="setup-", ignore_cleanup_errors=True))
        folder = Path(given).absolute()
        if (folder / DOTENV).exists():
            print(f"--folder: {folder / DOTENV} is there, and is not overwritten; choose another", file=sys.stderr)
            return 2
        folder.mkdir(parents=True, exist_ok=True)
        feishu = ConnectedStandIn()
        sandbox = enter(Sandbox(folder=folder / "data", feishu=feishu, environment=os.environ, dotenv=folder / DOTENV))
        registration = RegistrationStandIn(
            app_id=feishu.app_id, app_secret=feishu.app_secret, open_id=ADMIN, outcome=args.sandbox
        )
        accounts = enter(registration).accounts
        setup = Setup(
            environment=_environment(folder),
            folder=folder,
            accounts=accounts,
            domains=dict.fromkeys(accounts, feishu.origin),
        )
        if not setup.run():
            return 1
        if args.no_start:
            return 0
        page = enter(Page(feishu=feishu, glm=sandbox.glm, port=args.port, controls=sandbox))
        sandbox.start()
        setup.say("setup.sandbox_started", page=page.origin)
        if not args.no_browser:
            webbrowser.open(page.origin)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0


def _environment(folder: Path) -> dict[str, str]:
    """The person's environment without the settings of a real bot, which would take precedence over ``.env``."""
    own = {"ZHIPU_API_KEY": "sandbox.not-a-real-key", "BOT_DATA_DIR": str(folder / "data"), "PORT": "0"}
    hidden = {*VARIABLES, "BOT_TEAM_ADMINS"}
    return {**{name: value for name, value in os.environ.items() if name not in hidden}, **own}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="glm-image-bot setup",
        allow_abbrev=False,
        description="Creates a Feishu or Lark app with one scan, asks for the ZhiPu key, writes .env, runs `check`, "
        "and starts `connect`.",
        epilog="What is set already is kept, so run it again after an interruption. Exit codes: 0 set up, 1 a step "
        "failed, 2 wrong usage or settings.",
    )
    add = parser.add_argument
    add("--no-start", action="store_true", help="stop after the check")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--app-id", default="", help="complete this app, with its secret or with a scan")
    which.add_argument("--new-app", action="store_true", help="create another app, even if one is set")
    add(
        "--sandbox",
        nargs="?",
        const="approved",
        choices=OUTCOMES,
        help="against local stand-ins, without an account or a network; the scan happens by itself, and ends as named",
    )
    add("--folder", metavar="DIR", help="with --sandbox: where .env and the data go, instead of a temporary folder")
    add("--port", type=int, default=0, help="with --sandbox: the port of the page; any free one by default")
    add("--no-browser", action="store_true", help="with --sandbox: do not open the page")
    return parser
