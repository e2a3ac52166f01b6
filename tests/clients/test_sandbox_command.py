"""The sandbox from the command line, as a newcomer starts it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.sandbox.faults import FAULTS
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import LoopbackServer
from bot.sandbox.page.server import Unable
from bot.sandbox.start import Sandbox
from tests.clients.commands import CommandResult, run
from tests.repo.lock import TOP
from tests.support.waiting import wait_until


def sandbox(folder: Path, *arguments: str, **settings: str) -> CommandResult:
    return run("sandbox", *arguments, folder=folder, **settings)


def config_with(folder: Path, styles: str) -> str:
    """A folder of configuration with other styles."""
    copied = shutil.copytree(TOP / "config", folder / "own")
    (copied / "styles.toml").write_text(styles, encoding="utf-8")
    return str(copied)


@pytest.mark.parametrize(
    ("text", "saved", "shown"),
    [
        ("/help", [], ""),
        ("一只橘猫 /n 2 /size 3:2", ["cat-2.jpg", "cat.jpg"], ""),
        ("谢谢", [], "[表情 THUMBSUP]"),
    ],
)
def test_right_answer_ends_with_0(tmp_path: Path, text: str, saved: list[str], shown: str) -> None:
    done = sandbox(tmp_path, "--say", text, "--save", "folder/cat.jpg")
    assert (done.code, shown in done.text) == (0, True), done.text
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == saved


@pytest.mark.parametrize(
    ("fault", "code", "shown"),
    [
        ("feishu_230099", 0, ""),
        ("glm_1113", 1, "余额不足"),
        ("feishu_10014", 1, "✗ feishu_10014 met no call"),
    ],
)
def test_fault_meets_its_call(tmp_path: Path, fault: str, code: int, shown: str) -> None:
    done = sandbox(tmp_path, "--say", "一只橘猫", "--fault", fault)
    assert done.code == code, done.text
    assert shown in done.text
    assert ("met no call" in done.text) == ("met no call" in shown)


def test_settings_apply_as_in_production(tmp_path: Path) -> None:
    style = '\n[[style]]\nname = {zh = "木刻", en = "woodcut"}\nwords = {zh = "木刻版画", en = "a woodcut"}\n'
    own = (TOP / "config" / "styles.toml").read_text("utf-8") + style + 'example = {zh = "山", en = "a hill"}\n'
    done = sandbox(
        tmp_path,
        "--say",
        "一只橘猫 /风格 木刻",
        BOT_CONFIG_DIR=config_with(tmp_path, own),
        BOT_IMAGES_SIZE="1728x960",
        BOT_DATA_DIR=str(tmp_path / "data"),
        BOT_SERVER_HOST="192.0.2.1",
    )
    assert done.code == 0, done.stderr
    assert "木刻版画" in done.text
    assert "1728x960" in done.text
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("how", [("--no-browser", "--port", "0"), ("--say", "猫")], ids=" ".join)
def test_wrong_settings_are_rejected_as_in_production(tmp_path: Path, how: tuple[str, ...]) -> None:
    done = sandbox(tmp_path, *how, BOT_LIMITS_PER_DAY="many", BOT_NO_SUCH="1")
    assert done.code == 2
    assert "BOT_LIMITS_PER_DAY" in done.stderr
    assert "BOT_NO_SUCH" in done.stderr
    done = sandbox(tmp_path, *how, BOT_CONFIG_DIR=config_with(tmp_path, "no toml"))
    assert (done.code, "styles.toml" in done.stderr) == (2, True)


def test_unusable_arguments_are_rejected_before_anything_starts(tmp_path: Path) -> None:
    assert len(FAULTS) > 100
    with LoopbackServer() as other:
        taken = f"--port {other.port} is taken by another program, or by a sandbox that runs already"
        for arguments, words in (
            (("--say", " 　"), "the message is empty"),
            (("--say", "猫", "--save", "."), "--save . cannot be written: Is a directory"),
            (("--say", "猫", "--save", "/dev/null/a.jpg"), "--save /dev/null/a.jpg cannot be written: Not a directory"),
            (("--say", "猫", "--fault", "glm_9999"), "glm_1302"),
            (("--port", "http"), "a port is a number from 0 to 65535"),
            (("--port", "65536"), "a port is a number from 0 to 65535"),
            (("--real-glm", "--say", "猫"), "ZHIPU_API_KEY"),
            (("--no-browser", "--port", str(other.port)), taken),
        ):
            done = sandbox(tmp_path, *arguments)
            assert (done.code, done.stdout) == (2, b""), arguments
            assert words in done.stderr
            assert "Traceback" not in done.stderr


def test_page_is_served_until_sigterm(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "sandbox", "--no-browser", "--port", "0"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "PYTHONUTF8": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_queue_is_listed_in_its_order_and_not_waited_for(tmp_path: Path) -> None:
    with Sandbox(folder=tmp_path, glm=GlmStandIn(seconds=3600)) as world:
        for who, text in (("chen", "一"), ("chen", "二"), ("chen", "三"), ("lin", "四")):
            world.feishu.say(chat_id=f"oc_direct_{who}", sender=f"ou_{who}", text=f"画 {text}")
            assert wait_until(lambda said=text: said in {one["prompt"] for one in world.queue()}, seconds=20)  # type: ignore[misc]
        assert wait_until(lambda: world.queue()[0]["state"] == "generating", seconds=20)
        assert [(one["prompt"], one.get("ahead")) for one in world.queue()] == [
            ("一", None),
            ("四", 1),
            ("二", 2),
            ("三", 3),
        ]


def test_bot_is_started_once(tmp_path: Path) -> None:
    with Sandbox(folder=tmp_path) as world:
        with pytest.raises(Unable):
            world.start()
        world.kill()
        rejected: list[str] = []
        starting = threading.Barrier(3)

        def switch(turn: Callable[[], None]) -> None:
            starting.wait()
            try:
                turn()
            except Unable as unable:
                rejected.append(unable.sentence)

        threads = [threading.Thread(target=switch, args=(world.start,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(rejected) == 2
        assert set(rejected) <= {"being_switched", "runs_already"}
        assert len([child for child in multiprocessing.active_children() if child.is_alive()]) == 1
