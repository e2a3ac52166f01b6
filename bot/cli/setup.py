"""The ``setup`` command: from nothing to a running bot, with one scan in Feishu and one key."""

from __future__ import annotations

import argparse
import getpass
import io
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import segno
from dotenv.parser import parse_stream

from bot import logs
from bot.addresses import parse_origin
from bot.chat.messages import Messages
from bot.chat.parsing.events import EVENT_TYPES
from bot.cli.arguments import command_parser
from bot.cli.atomic_file import AtomicFile
from bot.cli.check import as_text, check_all
from bot.dotenv import DOTENV, SHIPPED, read_dotenv
from bot.errors import AppNotRegistered, FeishuError, FeishuUnreachable, GlmError, SettingsError
from bot.feishu.client import FeishuClient
from bot.feishu.registration import ACCOUNTS, AppRegistration, Brand, RegisteredApp
from bot.glm.api import KEY_PAGE, validate_key
from bot.models import Language
from bot.sandbox.feishu.registration import OUTCOMES, RegistrationStandIn
from bot.settings import VARIABLES, Settings, load

CALLBACK = "card.action.trigger"

AVATAR = "https://cdn.jsdelivr.net/gh/jdecked/twemoji@15.1.0/assets/72x72/1f3a8.png"
"""A painter's palette of Twemoji (CC-BY 4.0); the confirmation page allows another picture."""

_BLACK_ON_WHITE, _RESET = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
"""Colors of the 256-color palette, which a terminal's theme does not change."""

_MODULES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}  # two modules of a QR code, one above the other


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
        domains = dict.fromkeys(accounts, feishu.origin)
        setup = Setup(environment=_environment(folder), folder=folder, accounts=accounts, domains=domains)
        if not setup.run():
            return 1
        if args.no_start:
            return 0
        page = enter(Page(sandbox, port=args.port))
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
    parser = command_parser(
        "setup",
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
    sandbox = "against local stand-ins, without an account or a network; the scan happens by itself, and ends as named"
    add("--sandbox", nargs="?", const="approved", choices=OUTCOMES, help=sandbox)
    add("--folder", metavar="DIR", help="with --sandbox: where .env and the data go, instead of a temporary folder")
    add("--port", type=int, default=0, help="with --sandbox: the port of the page; any free one by default")
    add("--no-browser", action="store_true", help="with --sandbox: do not open the page")
    return parser


@dataclass(kw_only=True, repr=False)
class Setup:
    """The steps; what is set already is kept, so they can be repeated.

    ``environment`` takes precedence over the ``.env`` of ``folder``, where the bot will be started. Apps are registered
    at the origins ``accounts``; ``domains`` are the values of ``FEISHU_DOMAIN``.
    """

    environment: Mapping[str, str]
    folder: Path
    accounts: Mapping[Brand, str] = field(default_factory=lambda: ACCOUNTS)
    domains: Mapping[Brand, str] = field(default_factory=lambda: {brand: brand for brand in get_args(Brand)})

    def __post_init__(self) -> None:
        self._dotenv = self.folder / DOTENV
        # The shipped texts, as a team's own configuration may be of an older version.
        self._messages = Messages.load(SHIPPED)
        locale = next(filter(None, map(self.environment.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
        self._language: Language = "zh" if locale.startswith("zh") else "en"

    def run(self, *, app_id: str = "", new_app: bool = False) -> bool:
        """Takes every step but the start; returns whether the check passed. The arguments are those of the command.

        ``SettingsError`` if the settings there are cannot be used, or ``.env`` cannot be written; nothing was
        registered then.
        """
        settings = self.load()
        self._write({})
        if settings.app_id and settings.app_secret.get_secret_value() and not (app_id or new_app):
            self.say("setup.app_kept", app_id=settings.app_id)
        else:
            try:
                app = self._app(app_id or ("" if new_app else settings.app_id), settings)
            except AppNotRegistered as error:
                self.say(error.sentence, detail=error.detail)
                return False
            # Stored before the next question, since the platform shows a secret only once.
            self._store(app, settings)
        if not read_dotenv(self._dotenv).get("ZHIPU_API_KEY"):
            self._write({"ZHIPU_API_KEY": self._key(settings.api_key.get_secret_value())})
        return self._check(self.load())

    def say(self, key: str, **values: object) -> None:
        print(self._messages.text(key, self._language, **values).rstrip(), flush=True)

    def load(self) -> Settings:
        return load(self.environment, dotenv=self._dotenv)

    def _app(self, app_id: str, settings: Settings) -> RegisteredApp:
        """The app with this id, or a new one."""
        known = settings.app_secret.get_secret_value() if settings.app_id in {"", app_id} else ""
        if app_id and not (known and settings.app_id):
            secret = known or self._ask("setup.ask_secret", variable="FEISHU_APP_SECRET", app_id=app_id)
            if secret:
                brand = self._brand_of(app_id, secret, settings)
                return RegisteredApp(app_id=app_id, app_secret=secret, open_id="", brand=brand)
        network = settings.network
        registration = AppRegistration(accounts=self.accounts, proxy=network.proxy, ca_file=network.ca_file)
        registration.begin()
        scopes = json.loads((SHIPPED / "scopes.json").read_text(encoding="utf-8"))
        addons = {
            "preset": False,
            "scopes": {"tenant": scopes["scopes"]["tenant"]},
            "events": {"items": {"tenant": sorted(EVENT_TYPES - {CALLBACK})}},
            "callbacks": {"items": [CALLBACK]},
        }
        name, description = (
            self._messages.text(key, self._language) for key in ("setup.app_name", "setup.app_description")
        )
        link = registration.link(addons, app_id=app_id, name=name, desc=description, avatar=AVATAR)
        # The code of the whole link needs more than 90 columns, that of the other 80.
        self._show_code(link, registration.link(addons, app_id=app_id, name=name))
        self.say("setup.scan", link=link, minutes=round(registration.seconds / 60))
        app = registration.wait(on_status=self.say)
        if app_id and app.app_id != app_id:
            raise AppNotRegistered("setup.other_app", app.app_id)
        return app

    def _show_code(self, *links: str) -> None:
        """Shows the QR code of the first link that fits into the terminal."""
        if not sys.stdout.isatty() or "utf" not in sys.stdout.encoding.lower():
            return
        columns = shutil.get_terminal_size().columns
        for link in links:
            if code := qr_code(link, columns=columns):
                print(code)
                return
        self.say("setup.too_narrow")

    def _brand_of(self, app_id: str, secret: str, settings: Settings) -> Brand:
        """The platform to which an app belongs: apps and secrets of one are unknown to the other."""
        access = {**settings.feishu_access, "app_id": app_id, "app_secret": secret}
        for brand, domain in self.domains.items():
            with closing(FeishuClient(**{**access, "domain": parse_origin(domain)})) as client:
                try:
                    client.token.get()
                except FeishuError as error:
                    if isinstance(error, FeishuUnreachable):
                        raise
                else:
                    return brand
        raise AppNotRegistered("setup.secret_refused", app_id)

    def _store(self, app: RegisteredApp, before: Settings) -> None:
        # An open_id belongs to one app, so the admins of another app mean nothing to this one.
        others = before.team.admins if before.app_id == app.app_id else ()
        admins = dict.fromkeys((*filter(None, [app.open_id]), *others))
        values = {"FEISHU_APP_ID": app.app_id, "FEISHU_APP_SECRET": app.app_secret}
        values["FEISHU_DOMAIN"] = self.domains[app.brand]
        self._write(values | ({"BOT_TEAM_ADMINS": ",".join(admins)} if admins else {}))
        self.say("setup.app_stored", app_id=app.app_id, brand=app.brand.title(), file=self._dotenv)
        self.say("setup.admin" if app.open_id else "setup.no_admin")

    def _key(self, given: str) -> str:
        """The ZhiPu key in the settings, or one that is typed and has the form of a key."""
        unusual = ""
        while True:
            try:
                key = validate_key(given or self._ask("setup.ask_key", variable="ZHIPU_API_KEY", page=KEY_PAGE))
            except GlmError:
                self.say("setup.key_invalid")
            else:
                if given or all(key.partition(".")) or key == unusual:
                    return key
                unusual = key
                self.say("setup.key_unusual")
            given = ""

    def _ask(self, key: str, *, variable: str, **values: object) -> str:
        if not sys.stdin.isatty():
            raise SettingsError([f"{variable}: is not set, and there is no terminal to ask for it; set it"])
        return getpass.getpass(self._messages.text(key, self._language, **values)).strip()

    def _write(self, values: Mapping[str, str]) -> None:
        """Sets variables in ``.env``; without values only makes sure that it can be written."""
        try:
            with AtomicFile(str(self._dotenv), private=True) as file:
                if values:
                    source = self._dotenv if self._dotenv.exists() else SHIPPED / "example.env"
                    file.write(with_variables(source.read_text(encoding="utf-8-sig"), values).encode())
        except OSError as error:
            raise SettingsError([f"{self._dotenv}: cannot be written: {error.strerror}"]) from error

    def _check(self, settings: Settings) -> bool:
        self.say("setup.checking")
        results = list(check_all(settings, webhook=False))
        failed = [result for result in results if result.ok is False]
        if failed:
            print(as_text(failed))
            self.say("setup.check_failed")
        else:
            self.say("setup.check_passed", count=sum(result.ok is True for result in results))
        self.say("setup.policy", page=f"{settings.domain}/app/{settings.app_id}")
        return not failed


def qr_code(link: str, *, columns: int) -> str:
    """The QR code of a link, dark on light on any background; empty if it needs more columns."""
    code = segno.make(link, error="l", boost_error=False, micro=False)
    for border in (2, 1):
        rows = [tuple(row) for row in code.matrix_iter(border=border)]
        if len(rows) <= columns:
            rows += [(0,) * len(rows)] * (len(rows) % 2)
            lines = (
                "".join(map(_MODULES.__getitem__, zip(*pair, strict=True)))
                for pair in zip(rows[::2], rows[1::2], strict=True)
            )
            return "\n".join(f"{_BLACK_ON_WHITE}{line}{_RESET}" for line in lines)
    return ""


def with_variables(text: str, values: Mapping[str, str]) -> str:
    """The text of a ``.env`` file with these variables, in their old places or at the end; the rest stays as it is."""
    missing = dict(values)
    parts = []
    for each in parse_stream(io.StringIO(text)):
        part = each.original.string
        if each.key in missing:
            before = re.match(r"\s*(?:export\s+)?", part)
            comment = re.search(r"\s+#[^'\"]*$", part)
            value = _quoted(missing.pop(each.key))
            part = f"{before[0] if before else ''}{each.key}={value}{comment[0].rstrip() if comment else ''}\n"
        elif each.key in values:
            continue
        parts.append(part)
    if parts and not parts[-1].endswith("\n"):
        parts.append("\n")
    return "".join(parts) + "".join(f"{name}={_quoted(value)}\n" for name, value in missing.items())


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9_.:/,@+-]*", value) else f"'{value}'"
