"""The sandbox from the command line: the chat page in the browser, or one prompt without one."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from bot import logs
from bot.glm.request import KEY_PAGE
from bot.sandbox.faults import FAULTS, arm
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.page.server import Page
from bot.sandbox.saying import say
from bot.sandbox.start import GLM_SECONDS, Sandbox

DEFAULT_PORT = 8765
QUICK_SECONDS = 0.3
"""How long a picture takes when nobody watches."""


DRAWN = "图片由沙盒绘制，不花钱 / Pictures are drawn here and cost nothing"
REAL = "图片来自真实的 GLM，会产生费用；飞书在本地 / Pictures come from the real GLM and cost money; Feishu is local"


def main(argv: Sequence[str]) -> int:
    """Runs the sandbox; gives the exit code."""
    given = _parser().parse_args(argv)
    # From the first moment SIGTERM ends the bot's process as well, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(given)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 0


def _run(given: argparse.Namespace) -> int:
    level = "debug" if given.verbose else "error"
    logs.set_up(level)
    key = os.environ.get("ZHIPU_API_KEY") if given.real_glm else None
    if given.real_glm and not key:
        print(f"--real-glm needs ZHIPU_API_KEY in the environment; get a key at {KEY_PAGE}", file=sys.stderr)
        return 2
    glm = GlmStandIn(seconds=QUICK_SECONDS if given.say else GLM_SECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as folder,
        Sandbox(
            folder=Path(folder),
            glm=glm,
            environment=os.environ,
            apart=not given.say,
            real_key=key,
            log_level=level,
        ) as sandbox,
    ):
        for name in given.fault:
            arm(name, feishu=sandbox.feishu, glm=sandbox.glm)
        if given.say:
            return say(sandbox.feishu, sandbox.glm, given.say, save=Path(given.save).expanduser())
        return _show_page(sandbox, port=given.port, browser=not given.no_browser)


def _show_page(sandbox: Sandbox, *, port: int, browser: bool) -> int:
    with Page(feishu=sandbox.feishu, glm=sandbox.glm, port=port, controls=sandbox) as page:
        print(f"沙盒已启动 / The sandbox is running: {page.origin}")
        print(REAL if sandbox.real_glm else DRAWN)
        print("按 Ctrl-C 结束 / Ctrl-C ends it", flush=True)
        if browser:
            webbrowser.open(page.origin)
        threading.Event().wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="glm-image-bot sandbox",
        description="The whole bot against local stand-ins of Feishu and GLM: no key, no account, no network.",
        epilog="BOT_CONFIG_DIR and each BOT_<SECTION>_<NAME> hold here as in production, but for the data folder, the "
        "server and the admins: BOT_LIMITS_PER_DAY=0 lifts the daily limit.",
    )
    parser.add_argument("--say", metavar="TEXT", help="do one prompt without a browser, print what the chat shows")
    parser.add_argument("--save", metavar="FILE", default="sandbox-image.jpg", help="where --say saves the picture")
    parser.add_argument(
        "--fault",
        metavar="NAME",
        action="append",
        default=[],
        choices=sorted(FAULTS),
        help="let a call fail once: glm_1302, feishu_230099, image_403, glm_hang, … (a wrong name lists them all)",
    )
    parser.add_argument("--real-glm", action="store_true", help="real pictures with ZHIPU_API_KEY; Feishu stays local")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="the port of the page (0: any free one)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    parser.add_argument("--verbose", action="store_true", help="show the log")
    return parser
