"""The sandbox from the command line, as a newcomer starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.sandbox.faults import FAULTS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.start import Sandbox
from tests.repo.lock import TOP
from tests.support.commands import Ended, run_command


def sandbox(folder: Path, *arguments: str) -> Ended:
    """Runs the command to its end."""
    return run_command(main, "sandbox", *arguments, variables={"PATH": os.environ["PATH"]}, folder=folder)


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


def test_real_pictures_need_a_key(tmp_path: Path) -> None:
    """``--real-glm`` without a key says where to get one, and starts nothing."""
    done = sandbox(tmp_path, "--real-glm", "--say", "猫")
    assert done.code == 2
    assert "ZHIPU_API_KEY" in done.stderr


def test_the_page_is_served_until_it_is_told_to_end(tmp_path: Path) -> None:
    """The command prints the page's address, and leaves with the bot's process on SIGTERM."""
    command = [sys.executable, "-m", "bot", "sandbox", "--no-browser", "--port", "0"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "PYTHONUTF8": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.parametrize("killed", [False, True])
def test_the_bots_process_can_be_killed_and_started_again(tmp_path: Path, *, killed: bool) -> None:
    """What waited when the bot was killed is seen in the queue, and done after it was started again."""
    feishu, glm = FeishuStandIn(), GlmStandIn(seconds=0.5)
    with Sandbox(folder=tmp_path, feishu=feishu, glm=glm, apart=True) as world:
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
