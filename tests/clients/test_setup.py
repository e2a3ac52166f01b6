"""``setup`` as a newcomer runs it: a scan, a key, ``.env``, the check, and a bot that answers."""

from __future__ import annotations

import base64
import gzip
import json
import os
import pty
import re
import signal
import stat
import termios
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import segno

from bot.__main__ import main
from bot.cli.setup import qr_code, with_variables
from bot.dotenv import read_dotenv
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.feishu.registration import RegistrationStandIn
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import FeishuState
from tests.clients import drivers
from tests.clients.commands import run
from tests.repo.lock import TOP
from tests.support.dsl import DEADLINE, wait_for
from tests.support.forkserver import Program, run_command, start_command
from tests.support.proxy import TlsProxy

KEY = "0123456789abcdef.not-a-real-key"
SCANNER = "ou_scanner"


@dataclass(kw_only=True)
class Terminal:
    """A command in a terminal of 100 columns; ``screen`` is what it has shown."""

    process: BaseProcess
    end: int
    screen: str = ""
    seen: int = 0

    def expect(self, pattern: str) -> re.Match[str]:
        """Waits until the screen shows something after what was found last; fails if the command ends before."""
        while not (found := re.search(pattern, self.screen[self.seen :])):
            assert self._read(), f"{pattern} did not come: {self.screen}"
        self.seen += found.end()
        return found

    def _read(self) -> bool:
        """Waits for more on the screen; gives whether there was any before the command ended."""
        if self.end not in wait([self.end, self.process.sentinel], DEADLINE):
            return False
        self.screen += os.read(self.end, 65536).decode(errors="replace")
        return True

    def type(self, line: str) -> None:
        """Types a secret, which the terminal must not show."""
        assert not termios.tcgetattr(self.end)[3] & termios.ECHO
        os.write(self.end, f"{line}\n".encode())

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid or 0, number)

    def wait(self) -> int | None:
        """Reads to the end; gives the exit code."""
        while self._read():
            pass
        self.process.join(DEADLINE)
        return self.process.exitcode


@contextmanager
def in_terminal(program: Program, *arguments: str, folder: Path, variables: dict[str, str]) -> Iterator[Terminal]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "PYTHONUTF8": "1", "COLUMNS": "100", "PORT": "0"}
    here, there = pty.openpty()
    streams = [Path(os.ttyname(there))] * 3
    process = start_command(program, *arguments, variables={**environment, **variables}, folder=folder, streams=streams)
    try:
        yield Terminal(process=process, end=here)
    finally:
        process.kill()
        process.join()
        os.close(here)
        os.close(there)


@dataclass(kw_only=True)
class Platform:
    """Both services of the platform, and how ``setup`` is started against them in a folder."""

    feishu: FeishuStandIn
    accounts: RegistrationStandIn
    folder: Path

    @property
    def dotenv(self) -> Path:
        return self.folder / ".env"

    def given(self, *, domains: dict[str, str] | None = None, **run: Any) -> str:
        """What :func:`drivers.setup` is told."""
        domains = {"feishu": self.feishu.origin, "lark": self.feishu.origin, **(domains or {})}
        return json.dumps({"accounts": self.accounts.accounts, "domains": domains, "run": run})

    def setup(
        self, *, key: str = KEY, variables: dict[str, str] | None = None, **how: Any
    ) -> AbstractContextManager[Terminal]:
        """Starts it up to the check."""
        variables = {"ZHIPU_API_KEY": key, **(variables or {})}
        return in_terminal(drivers.setup, self.given(**how), folder=self.folder, variables=variables)

    def run(self, *answers: tuple[str, str], code: int = 0, **how: Any) -> str:
        """Runs it to the check, answering its questions; gives what the terminal has shown."""
        with self.setup(**how) as terminal:
            for question, line in answers:
                terminal.expect(question)
                terminal.type(line)
            assert terminal.wait() == code, terminal.screen
        return terminal.screen


ASK_KEY, ASK_SECRET = "ZhiPu API key.*: ", "App Secret of cli_00000000000000.*: "
LAUNCHER = r"http://127\.\S+page/launcher\S+(?=\s)"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with FeishuStandIn(FeishuState(app_id="cli_00000000000000aa")) as feishu:
        accounts = RegistrationStandIn(
            app_id=feishu.app_id, app_secret=feishu.app_secret, open_id=SCANNER, scan_seconds=0, interval=0.05
        )
        with accounts:
            yield Platform(feishu=feishu, accounts=accounts, folder=tmp_path)


def test_from_nothing_to_a_running_bot(tmp_path: Path) -> None:
    with ConnectedStandIn() as feishu, ExitStack() as stack:
        feishu.line.origin = "wss://line.feishu.test"
        accounts = RegistrationStandIn(
            app_id=feishu.app_id, app_secret=feishu.app_secret, open_id="ou_lin", scan_seconds=0
        )
        stack.enter_context(accounts)
        ports = {"accounts.feishu.cn": accounts.port, "open.feishu.cn": feishu.port}
        ports["line.feishu.test"] = feishu.line.port
        proxy = stack.enter_context(TlsProxy(ports, folder=tmp_path))
        variables = {"BOT_NETWORK_PROXY": proxy.url, "BOT_NETWORK_CA_FILE": str(proxy.authority)}
        with in_terminal(main, "setup", folder=tmp_path, variables=variables) as terminal:
            terminal.expect(ASK_KEY)
            terminal.type(KEY)
            terminal.expect(r"All \d\d checks passed")
            terminal.expect("https://open.feishu.cn/app/cli_sandbox")
            terminal.expect("started command=connect")
            wait_for(lambda: [one.chat_id for one in feishu.messages] == ["oc_direct_lin"])
            assert feishu.messages[0].sender == feishu.app_id
            terminal.signal(signal.SIGTERM)
            assert terminal.wait() == 0
        assert [path for path, _ in accounts.calls] == ["/oauth/v1/app/registration"] * 3
    assert [word for word in (KEY, feishu.app_secret, "Traceback") if word in terminal.screen] == []
    dotenv = tmp_path / ".env"
    assert {name: value for name, value in read_dotenv(dotenv).items() if value} == {
        "FEISHU_APP_ID": "cli_sandbox",
        "FEISHU_APP_SECRET": feishu.app_secret,
        "FEISHU_DOMAIN": "feishu",
        "ZHIPU_API_KEY": KEY,
        "BOT_TEAM_ADMINS": "ou_lin",
    }
    assert stat.S_IMODE(dotenv.stat().st_mode) == 0o600


def test_the_page_is_filled_in(platform: Platform) -> None:
    """The link asks for the scopes of ``scopes.json``, the events that are used and the card callback.

    Each scope is one line on the sheet that the organisation's admin approves, so there is none too many. A card is
    changed with ``im:message:send_as_bot``; the last one is for the event of a first direct chat.
    """
    platform.accounts.scan_seconds = DEADLINE
    with platform.setup() as terminal:
        httpx.get(terminal.expect(LAUNCHER)[0], trust_env=False)
        assert terminal.wait() == 0
    (opened,) = platform.accounts.opened
    packed = opened["addons"]
    asked = json.loads(gzip.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))))
    scopes = (
        *("im:message.p2p_msg:readonly", "im:message.group_at_msg:readonly", "im:message:send_as_bot"),
        *("im:message.reactions:write_only", "im:message:readonly", "im:resource", "im:chat.members:bot_access"),
        "im:chat.access_event.bot_p2p_chat:read",
    )
    events = (
        *("application.bot.menu_v6", "im.chat.access_event.bot_p2p_chat_entered_v1", "im.chat.member.bot.added_v1"),
        *("im.message.recalled_v1", "im.message.receive_v1"),
    )
    assert asked == {
        "preset": False,
        "scopes": {"tenant": [*scopes]},
        "events": {"items": {"tenant": [*events]}},
        "callbacks": {"items": ["card.action.trigger"]},
    }
    assert (opened["createOnly"], opened["avatar"][:8]) == ("true", "https://")
    assert all(opened[name] for name in ("name", "desc"))


def test_it_can_be_repeated(platform: Platform) -> None:
    """A second run registers and asks nothing, and leaves ``.env`` as it is; ``--new-app`` registers again."""
    platform.run()
    before, calls = platform.dotenv.read_text(encoding="utf-8"), len(platform.accounts.calls)
    assert "is kept" in platform.run(key="")
    assert len(platform.accounts.calls) == calls
    platform.run(key="", new_app=True)
    assert len(platform.accounts.calls) > calls
    assert platform.dotenv.read_text(encoding="utf-8") == before


def test_it_continues_after_an_interruption(platform: Platform) -> None:
    """Ctrl-C before the scan leaves nothing, and at the question for the key an app that the next run keeps."""
    for scan_seconds, shown in ((DEADLINE, "Waiting for the confirmation"), (0, ASK_KEY)):
        platform.accounts.scan_seconds = scan_seconds
        assert list(platform.folder.iterdir()) == []
        with platform.setup(key="") as terminal:
            terminal.expect(shown)
            terminal.signal(signal.SIGINT)
            assert terminal.wait() == 130
    calls = len(platform.accounts.calls)
    # Nothing and a blank are no keys; one without a dot is taken the second time.
    typed = [(ASK_KEY, line) for line in ("", "a key", "plainkey12", "plainkey12")]
    screen = platform.run(*typed, key="")
    assert (screen.count("This is no API key"), screen.count("ID.SECRET")) == (2, 1)
    assert len(platform.accounts.calls) == calls
    assert read_dotenv(platform.dotenv)["ZHIPU_API_KEY"] == "plainkey12"


def test_an_app_that_exists(platform: Platform) -> None:
    """``--app-id`` takes its secret, or a scan of a page that is about this app."""
    platform.accounts.scan_seconds = DEADLINE
    with platform.setup(app_id=platform.feishu.app_id) as terminal:
        terminal.expect(ASK_SECRET)
        terminal.type("")
        link = terminal.expect(LAUNCHER)[0]
        assert parse_qs(urlsplit(link).query)["clientID"] == [platform.feishu.app_id]
        httpx.get(link, trust_env=False)
        assert terminal.wait() == 0
    written = read_dotenv(platform.dotenv)
    assert written["FEISHU_APP_SECRET"] == platform.feishu.app_secret
    assert written["BOT_TEAM_ADMINS"] == SCANNER


def test_the_platform_is_found_by_the_secret(platform: Platform) -> None:
    """An app that Feishu does not know is tried on Lark, and there ``FEISHU_DOMAIN`` leads then."""
    answer = (ASK_SECRET, platform.feishu.app_secret)
    with FeishuStandIn(FeishuState(app_id="cli_00000000000000cc")) as other:
        screen = platform.run(answer, domains={"feishu": other.origin}, app_id=platform.feishu.app_id)
    assert ("(Lark)" in screen, platform.feishu.app_secret in screen) == (True, False)
    written = read_dotenv(platform.dotenv)
    assert written["FEISHU_APP_SECRET"] == platform.feishu.app_secret
    assert (written["FEISHU_DOMAIN"], written.get("BOT_TEAM_ADMINS")) == (platform.feishu.origin, None)


def test_a_wrong_secret_or_app_and_a_denial_write_nothing(platform: Platform) -> None:
    """They are explained in the language of the terminal."""
    screen = platform.run((ASK_SECRET, "wrong-secret"), code=1, app_id=platform.feishu.app_id)
    assert ("Neither Feishu nor Lark accepts" in screen, "wrong-secret" in screen) == (True, False)
    screen = platform.run((ASK_SECRET, ""), code=1, app_id="cli_00000000000000bb")
    assert "Another app was confirmed (cli_00000000000000aa)" in screen
    platform.accounts.outcome = "denied"
    assert "创建被拒绝" in platform.run(code=1, variables={"LANG": "zh_CN.UTF-8"})
    assert list(platform.folder.iterdir()) == []


def test_only_the_checks_that_failed_are_shown(platform: Platform) -> None:
    platform.feishu.scopes.discard("im:message:send_as_bot")
    screen = platform.run(code=1)
    assert ("missing for sending: im:message:send_as_bot" in screen, "Bot ability" in screen) == (True, False)


def test_what_cannot_be_written_is_found_before_the_scan(platform: Platform) -> None:
    platform.dotenv.mkdir()
    assert ".env" in platform.run(code=2)
    assert platform.accounts.calls == []


def test_without_a_terminal_the_key_comes_from_the_environment(platform: Platform) -> None:
    """Where nobody can be asked the variable is named, and the app that was created is kept."""
    for key, code, said in (("", 2, "ZHIPU_API_KEY: is not set"), (KEY, 0, "is kept")):
        variables = {"PATH": os.environ["PATH"], "PORT": "0", "ZHIPU_API_KEY": key}
        ran = run_command(drivers.setup, platform.given(), variables=variables, folder=platform.folder)
        assert (ran.code, said in ran.text + ran.stderr) == (code, True)


OWN = """\
# my bot
export FEISHU_APP_ID="cli_old" # the old one
OTHER='a # b
c'

FEISHU_APP_SECRET=
FEISHU_APP_ID=cli_older
LAST=1"""


def test_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    """Comments and other variables keep their places; a variable is set where it stood first, or at the end."""
    values = {"FEISHU_APP_ID": "cli_new", "FEISHU_APP_SECRET": "a b${c}#", "ZHIPU_API_KEY": "id.secret"}
    written = with_variables(OWN, values)
    assert written == (
        "# my bot\nexport FEISHU_APP_ID=cli_new # the old one\nOTHER='a # b\nc'\n\n"
        "FEISHU_APP_SECRET='a b${c}#'\nLAST=1\nZHIPU_API_KEY=id.secret\n"
    )
    (tmp_path / ".env").write_text(written, encoding="utf-8")
    assert read_dotenv(tmp_path / ".env") == {**values, "OTHER": "a # b\nc", "LAST": "1"}


def test_the_code_is_dark_on_light_on_any_background() -> None:
    link = "https://open.feishu.cn/page/launcher?user_code=ABCD-EFGH&addons=" + "x" * 400
    assert qr_code(link, columns=60) == ""
    wanted = [list(row) for row in segno.make(link, error="l", boost_error=False).matrix]
    size = len(wanted)
    for columns in (80, 100):
        code = qr_code(link, columns=columns)
        lines = re.findall("^\x1b\\[38;5;16;48;5;231m([ ▀▄█]+)\x1b\\[0m$", code, re.MULTILINE)
        rows = [[int(char in of) for char in line] for line in lines for of in ("▀█", "▄█")]
        border = (len(rows[0]) - size) // 2
        assert (border >= 1, max(map(len, lines)) <= columns) == (True, True)
        assert [row[border : border + size] for row in rows[border : border + size]] == wanted
        assert sum(map(sum, rows)) == sum(map(sum, wanted))


def wait_to_show(origin: str, text: str) -> None:
    """Waits until the chat page is told something."""
    shown = ""
    with httpx.stream("GET", f"{origin}/stream", trust_env=False, timeout=DEADLINE) as stream:
        for part in stream.iter_text():
            shown += part
            if text in shown:
                return
    raise AssertionError(shown)


def test_the_sandbox_ends_with_a_bot_that_answers(tmp_path: Path) -> None:
    own = tmp_path / ".env"
    own.write_text("FEISHU_APP_ID=cli_mine\n", encoding="utf-8")
    mine = {"FEISHU_APP_SECRET": "my-own-secret", "ZHIPU_API_KEY": "my-own.key", "DATABASE_URL": "sqlite:////nowhere"}
    arguments = ("setup", "--sandbox", "--no-browser", "--folder", "tried")
    with in_terminal(main, *arguments, folder=tmp_path, variables=mine) as terminal:
        page = terminal.expect(r"chat page: (\S+)\s")[1]
        wait_to_show(page, "Hello, I make images")
        said = {"chat": "oc_direct_lin", "sender": "ou_lin", "text": "一只橘猫"}
        done = httpx.post(f"{page}/do/say", json=said, headers={"Origin": page}, trust_env=False)
        assert done.json()["ok"]
        wait_to_show(page, '"template": "green"')
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() == 0
    written = read_dotenv(tmp_path / "tried" / ".env")
    assert written["FEISHU_APP_ID"] == "cli_sandbox"
    assert [word for word in (written["FEISHU_APP_SECRET"], *mine.values()) if word in terminal.screen] == []
    assert set(written.values()).isdisjoint(mine.values())
    assert own.read_text(encoding="utf-8") == "FEISHU_APP_ID=cli_mine\n"


def test_a_scan_in_the_sandbox_can_end_as_named(tmp_path: Path) -> None:
    for arguments, code, words in (
        (["lark", "--no-start"], 0, "(Lark)"),
        (["approved", "--folder", "."], 2, "is not overwritten"),
    ):
        (tmp_path / ".env").touch()
        ran = run("setup", "--sandbox", *arguments, folder=tmp_path)
        assert (ran.code, words in ran.text + ran.stderr) == (code, True), ran.text + ran.stderr
