"""The sandbox from the command line, as a newcomer starts it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.sandbox.faults import FAULTS, arm
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import LoopbackServer, wait_until
from bot.sandbox.page.control_panel import Unable
from bot.sandbox.start import Sandbox
from tests.repo.lock import TOP
from tests.support.forkserver import Ended, run_command


def sandbox(folder: Path, *arguments: str, **settings: str) -> Ended:
    """Runs the command to its end, with these settings in its environment."""
    variables = {"PATH": os.environ["PATH"], **settings}
    return run_command(main, "sandbox", *arguments, variables=variables, folder=folder)


def config_with(folder: Path, **files: str) -> str:
    """A folder of configuration in which these files, named without ``.toml``, have another text."""
    copied = shutil.copytree(TOP / "config", folder / "own")
    for name, text in files.items():
        (copied / f"{name}.toml").write_text(text, encoding="utf-8")
    return str(copied)


def test_a_fault_on_demand_shows_its_sentence(tmp_path: Path) -> None:
    """With ``--fault`` the transcript shows what a person would read, and the command fails."""
    done = sandbox(tmp_path, "--say", "一只橘猫", "--fault", "glm_1113")
    assert done.code == 1
    assert "余额不足" in done.stdout.decode()
    assert not list(tmp_path.glob("*.jpg"))


def test_a_wrong_fault_lists_the_right_ones(tmp_path: Path) -> None:
    """A name that is no fault is answered with all that are."""
    done = sandbox(tmp_path, "--say", "猫", "--fault", "glm_9999")
    assert done.code == 2
    assert "glm_1302" in done.stderr
    assert len(FAULTS) > 100


def test_a_setting_is_tried_as_it_would_hold(tmp_path: Path) -> None:
    """The environment's settings and its folder of configuration hold, the stand-ins' own facts come first."""
    style = '\n[[style]]\nname = {zh = "木刻", en = "woodcut"}\nwords = {zh = "木刻版画", en = "a woodcut"}\n'
    own = (TOP / "config" / "styles.toml").read_text("utf-8") + style + 'example = {zh = "山", en = "a hill"}\n'
    done = sandbox(
        tmp_path,
        "--say",
        "一只橘猫 /风格 木刻",
        BOT_CONFIG_DIR=config_with(tmp_path, styles=own),
        BOT_IMAGES_SIZE="1728x960",
        BOT_DATA_DIR=str(tmp_path / "data"),
        BOT_SERVER_HOST="192.0.2.1",
    )
    assert done.code == 0, done.stderr
    assert "木刻版画" in done.stdout.decode()
    assert "1728x960" in done.stdout.decode()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("page", [False, True])
def test_a_wrong_setting_is_refused_as_in_production(tmp_path: Path, *, page: bool) -> None:
    """Every fault is listed at once, before anything is started, with or without the page."""
    how = ("--no-browser", "--port", "0") if page else ("--say", "猫")
    done = sandbox(tmp_path, *how, BOT_LIMITS_PER_DAY="many", BOT_NO_SUCH="1")
    assert done.code == 2
    assert "BOT_LIMITS_PER_DAY" in done.stderr
    assert "BOT_NO_SUCH" in done.stderr
    done = sandbox(tmp_path, *how, BOT_CONFIG_DIR=config_with(tmp_path, styles="no toml"))
    assert (done.code, "styles.toml" in done.stderr) == (2, True)


@pytest.mark.parametrize("text", ["/help", "帮助", "一只橘猫 /n 2 /size 3:2"])
def test_a_right_answer_ends_it_with_0(tmp_path: Path, text: str) -> None:
    """A command ends with its one card, a prompt with its pictures, each of which is saved."""
    done = sandbox(tmp_path, "--say", text, "--save", "folder/cat.jpg")
    assert done.code == 0, done.stdout.decode()
    saved = ["cat-2.jpg", "cat.jpg"] if "/n" in text else []
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == saved


@pytest.mark.parametrize(("fault", "code"), [("feishu_230099", 0), ("feishu_234006", 0), ("feishu_10014", 1)])
def test_a_fault_meets_its_call(tmp_path: Path, fault: str, code: int) -> None:
    """A refused card or picture is worked round as designed; a fault that no call can meet is not passed over."""
    done = sandbox(tmp_path, "--say", "一只橘猫", "--fault", fault)
    assert done.code == code, done.stdout.decode()
    assert (f"✗ {fault} met no call" in done.stdout.decode()) == bool(code)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--say", ""), "there is nothing to say"),
        (("--say", " 　"), "there is nothing to say"),
        (("--say", "猫", "--save", "."), "--save . cannot be written: Is a directory"),
        (("--say", "猫", "--save", "/dev/null/cat.jpg"), "--save /dev/null/cat.jpg cannot be written: Not a directory"),
        (("--port", "http"), "a port is a number from 0 to 65535"),
        (("--port", "65536"), "a port is a number from 0 to 65535"),
    ],
)
def test_unusable_arguments_are_rejected_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    """It is one sentence that names the flag, and nothing was said to the bot."""
    done = sandbox(tmp_path, *arguments)
    assert (done.code, done.stdout) == (2, b"")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_sandbox_says_that_the_port_is_taken(tmp_path: Path) -> None:
    """Where another program has the page's port, the flag is named, and what to give instead."""
    with LoopbackServer() as other:
        done = sandbox(tmp_path, "--no-browser", "--port", str(other.port))
    assert (done.code, done.stdout) == (2, b"")
    assert f"--port {other.port} is taken by another program, or by a sandbox that runs already" in done.stderr
    assert "Traceback" not in done.stderr


def test_real_pictures_need_a_key(tmp_path: Path) -> None:
    """``--real-glm`` without a key says where to get one, and starts nothing."""
    done = sandbox(tmp_path, "--real-glm", "--say", "猫")
    assert done.code == 2
    assert "ZHIPU_API_KEY" in done.stderr


def test_the_page_is_served_until_sigterm(tmp_path: Path) -> None:
    """The command prints the page's address, and leaves with the bot's process on SIGTERM."""
    command = [sys.executable, "-m", "bot", "sandbox", "--no-browser", "--port", "0"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "PYTHONUTF8": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_it_ends_at_once_while_an_image_is_made(tmp_path: Path) -> None:
    """What the stand-ins are working on dies with them, so nothing is waited for."""
    with Sandbox(folder=tmp_path, glm=GlmStandIn(seconds=60)) as world:
        world.feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
        assert world.feishu.wait_for(lambda _: bool(world.glm.calls), seconds=20)
        began = time.monotonic()
    assert time.monotonic() - began < 30


def test_a_bot_in_a_process_of_its_own_is_not_waited_for(tmp_path: Path) -> None:
    """Not even for as long as it waits for Feishu itself, which is ten seconds."""
    with Sandbox(folder=tmp_path) as world:
        arm("feishu_hang", feishu=world.feishu.faults, glm=world.glm.faults)
        world.feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
        assert world.feishu.wait_for(lambda one: bool(one.calls_named("reply")), seconds=20)
        began = time.monotonic()
    assert time.monotonic() - began < 9


def test_the_queue_is_listed_in_its_order(tmp_path: Path) -> None:
    """One prompt of a second person comes before the other ones of the first, as the bot serves them."""
    with Sandbox(folder=tmp_path, glm=GlmStandIn(seconds=60)) as world:
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


def test_the_bot_is_started_once(tmp_path: Path) -> None:
    """Of two that start it at the same moment one is refused, and so is who kills it meanwhile; one process runs."""
    with Sandbox(folder=tmp_path) as world:
        with pytest.raises(Unable):
            world.start()
        world.kill()
        refused: list[str] = []
        starting = threading.Barrier(3)

        def switch(turn: Callable[[], None]) -> None:
            starting.wait()
            try:
                turn()
            except Unable as unable:
                refused.append(unable.sentence)

        threads = [threading.Thread(target=switch, args=(world.start,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 2
        assert set(refused) <= {"being_switched", "runs_already"}
        assert len([child for child in multiprocessing.active_children() if child.is_alive()]) == 1


@pytest.mark.parametrize("killed", [False, True])
def test_the_bots_process_can_be_killed_and_started_again(tmp_path: Path, *, killed: bool) -> None:
    """What waited when the bot was killed is seen in the queue, and done after it was started again."""
    feishu, glm = FeishuStandIn(), GlmStandIn(seconds=0.5)
    with Sandbox(folder=tmp_path, feishu=feishu, glm=glm) as world:
        said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
        assert feishu.wait_for(lambda _: bool(glm.calls), seconds=20)
        assert [one["prompt"] for one in world.queue()] == ["一只橘猫"]
        if killed:
            world.kill()
            assert not world.running
            world.start()
        assert feishu.wait_for(
            lambda one: '"green"' in "".join(r.content for r in one.replies(said.message_id)), seconds=30
        )
        assert len(feishu.replies(said.message_id)) == 1
