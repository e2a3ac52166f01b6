"""The sandbox from the command line: the chat page in the browser, or one message without one."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bot import logs
from bot.cli.atomic_file import AtomicFile
from bot.dotenv import unquote
from bot.glm.api import KEY_PAGE
from bot.glm.client import LARGE_CALL_SECONDS
from bot.sandbox.faults import FAULTS, arm
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.one_shot import images, problems_with_answer, send
from bot.sandbox.page.server import Page
from bot.sandbox.start import GLM_SECONDS, Sandbox

DEFAULT_PORT, MAX_PORT = 8765, 65_535
QUICK_SECONDS = 0.3  # how long an image takes with ``--say``

MAX_WAIT = 4 * LARGE_CALL_SECONDS  # seconds for the most that a message can ask for: four images, one after another

DRAWN = "图片由沙盒绘制，不花钱 / Pictures are drawn here and cost nothing"
REAL = "图片来自真实的 GLM，会产生费用；飞书在本地 / Pictures come from the real GLM and cost money; Feishu is local"


class _UsageError(Exception):
    """An argument cannot be used."""


def main(argv: Sequence[str]) -> int:
    """Runs the sandbox; returns the exit code."""
    given = _parser().parse_args(argv)
    # From the first moment SIGTERM ends the bot's process as well, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(given)
    except _UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 0


def _run(given: argparse.Namespace) -> int:
    level = "debug" if given.verbose else "error"
    logs.configure(level)
    key = unquote(os.environ.get("ZHIPU_API_KEY", "")) if given.real_glm else None
    if given.real_glm and not key:
        raise _UsageError(f"--real-glm needs ZHIPU_API_KEY in the environment; get a key at {KEY_PAGE}")
    glm = GlmStandIn(seconds=GLM_SECONDS if given.say is None else QUICK_SECONDS)
    with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as folder:
        sandbox = Sandbox(folder=Path(folder), glm=glm, environment=os.environ, real_key=key, log_level=level)
        return _show(sandbox, given) if given.say is None else _say(sandbox, given)


def _show(sandbox: Sandbox, given: argparse.Namespace) -> int:
    # A port that is taken is found before anything starts.
    try:
        page = Page(sandbox, port=given.port)
    except OSError as error:
        taken = "is taken by another program, or by a sandbox that runs already"
        why = taken if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise _UsageError(f"--port {given.port} {why}; end that, or give another port (0: any free one)") from error
    with sandbox, page:
        _arm(sandbox, given.fault)
        print(f"沙盒已启动 / The sandbox is running: {page.origin}")
        print(REAL if sandbox.real_glm else DRAWN)
        print("按 Ctrl-C 结束 / Ctrl-C ends it", flush=True)
        if not given.no_browser:
            webbrowser.open(page.origin)
        threading.Event().wait()
    return 0


def _say(sandbox: Sandbox, given: argparse.Namespace) -> int:
    """Sends one message; returns 0 when the answer was right, else 1."""
    feishu = sandbox.feishu
    with ExitStack() as stack:
        # A file that cannot be written is found before anything is paid for.
        with _saving(given.save):
            file = stack.enter_context(AtomicFile(given.save))
        stack.enter_context(sandbox)
        _arm(sandbox, given.fault)
        message, finished = send(feishu, given.say, idle=lambda: sandbox.idle, seconds=MAX_WAIT)
        problems = [] if finished else [f"the bot had not finished after {MAX_WAIT:g} s"]
        paid = None if sandbox.real_glm else sandbox.glm.paid
        problems += problems_with_answer(feishu, message, paid=paid)
        problems += [f"{one.fault.name} met no call" for one in (*sandbox.glm.faults.armed, *feishu.faults.armed)]
        for problem in problems:
            print(f"✗ {problem}")
        path = Path(file.path)
        for number, image in enumerate(images(feishu, message), 1):
            name = str(path if number == 1 else path.with_stem(f"{path.stem}-{number}"))
            with _saving(name), file if number == 1 else AtomicFile(name) as part:
                part.write(image.content)
            print(f"图片已保存 / saved: {name} ({image.width}x{image.height})")
    return 1 if problems else 0


def _arm(sandbox: Sandbox, faults: Sequence[str]) -> None:
    for name in faults:
        arm(name, feishu=sandbox.feishu.faults, glm=sandbox.glm.faults)


@contextmanager
def _saving(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _UsageError(f"--save {path} cannot be written: {error.strerror or error}") from error


def _text(given: str) -> str:
    if not given.strip():
        raise argparse.ArgumentTypeError("the message is empty")
    return given


def _port(given: str) -> int:
    if not given.isdecimal() or int(given) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {MAX_PORT}")
    return int(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="glm-image-bot sandbox",
        description="The whole bot against local stand-ins of Feishu and GLM: no key, no account, no network.",
        epilog="BOT_CONFIG_DIR and BOT_<SECTION>_<NAME> apply as in production, except for the data folder, the server "
        "and the admins: BOT_LIMITS_PER_DAY=0 removes the daily limit. Exit codes of --say: 0 the answer was correct, "
        "1 it was not, 2 usage error.",
    )
    add = parser.add_argument
    add("--say", metavar="TEXT", type=_text, help="send one message without a browser, and print what the chat shows")
    save = "where --say saves the image (others: FILE-2, …)"
    add("--save", metavar="FILE", default="sandbox-image.jpg", help=save)
    fault = "make one call fail: glm_1302, feishu_230099, image_403, glm_hang, … (an unknown name lists them all)"
    add("--fault", metavar="NAME", action="append", default=[], choices=sorted(FAULTS), help=fault)
    add("--real-glm", action="store_true", help="real images with ZHIPU_API_KEY; Feishu stays local")
    add("--port", type=_port, default=DEFAULT_PORT, help="the port of the page (0: any free one)")
    add("--no-browser", action="store_true", help="do not open the page")
    add("--verbose", action="store_true", help="show the log")
    return parser
