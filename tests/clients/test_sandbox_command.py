"""The sandbox from the command line, as a newcomer starts it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import LoopbackServer
from bot.sandbox.page.server import Unable
from bot.sandbox.start import Sandbox
from tests.clients.commands import run
from tests.repo.lock import TOP
from tests.support.dsl import wait_for
from tests.support.forkserver import running_command


def configuration(folder: Path, styles: str) -> str:
    """A folder of configuration with other styles."""
    copied = shutil.copytree(TOP / "config", folder / "own")
    (copied / "styles.toml").write_text(styles, encoding="utf-8")
    return str(copied)


def test_images_are_saved_and_settings_apply_as_in_production(tmp_path: Path) -> None:
    """The environment's settings and its folder of configuration apply, but for data folder and server."""
    style = '\n[[style]]\nname = {zh = "木刻", en = "woodcut"}\nwords = {zh = "木刻版画", en = "a woodcut"}\n'
    own = (TOP / "config" / "styles.toml").read_text("utf-8") + style + 'example = {zh = "山", en = "a hill"}\n'
    settings = {
        "BOT_CONFIG_DIR": configuration(tmp_path, own),
        "BOT_IMAGES_SIZE": "1728x960",
        "BOT_DATA_DIR": str(tmp_path / "data"),
        "BOT_SERVER_HOST": "192.0.2.1",
    }
    arguments = ("--say", "一只橘猫 /n 2 /风格 木刻", "--save", "folder/cat.jpg")
    done = run("sandbox", *arguments, folder=tmp_path, **settings)
    assert done.code == 0, done.stderr
    assert [word for word in ("木刻版画", "1728x960") if word not in done.text] == []
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["cat-2.jpg", "cat.jpg"]
    assert not (tmp_path / "data").exists()


def test_one_message_ends_with_its_answer(tmp_path: Path) -> None:
    """A fault meets its call or is reported; thanks are answered with an emoji, whatever else is missing."""
    for text, fault, shown in (
        ("一只橘猫", "glm_1113", ["余额不足"]),
        ("谢谢", "feishu_10014", ["[表情 THUMBSUP]", "✗ feishu_10014 met no call"]),
    ):
        done = run("sandbox", "--say", text, "--fault", fault, folder=tmp_path)
        assert (done.code, [words for words in shown if words not in done.text]) == (1, []), done.text
        assert ("met no call" in done.text) == (fault == "feishu_10014")


def test_what_cannot_be_used_is_rejected_before_anything_starts(tmp_path: Path) -> None:
    """Wrong settings are rejected as in production."""
    with LoopbackServer() as other:
        taken = f"--port {other.port} is taken by another program, or by a sandbox that runs already"
        for arguments, variables, words in (
            (("--say", " 　"), {}, "the message is empty"),
            (("--say", "猫", "--save", "."), {}, "--save . cannot be written: Is a directory"),
            (("--say", "猫", "--fault", "glm_9999"), {}, "glm_1302"),
            (("--port", "65536"), {}, "a port is a number from 0 to 65535"),
            (("--real-glm", "--say", "猫"), {}, "ZHIPU_API_KEY"),
            (("--no-browser", "--port", str(other.port)), {}, taken),
            (("--no-browser", "--port", "0"), {"BOT_LIMITS_PER_DAY": "many"}, "BOT_LIMITS_PER_DAY"),
            (("--say", "猫"), {"BOT_CONFIG_DIR": configuration(tmp_path, "no toml")}, "styles.toml"),
        ):
            done = run("sandbox", *arguments, folder=tmp_path, **variables)
            assert (done.code, done.stdout, words in done.stderr) == (2, b"", True), arguments
            assert "Traceback" not in done.stderr


def test_page_is_served_until_sigterm(tmp_path: Path) -> None:
    arguments = ("sandbox", "--no-browser", "--port", "0")
    with running_command(main, *arguments, variables={"PATH": os.environ["PATH"]}, folder=tmp_path) as running:
        wait_for(lambda: "http://127.0.0.1:" in running.log)
        assert running.leave() == 0


def test_queue_is_listed_in_its_order_and_not_waited_for(tmp_path: Path) -> None:
    """While the bot runs it is not started again."""
    with Sandbox(folder=tmp_path, glm=GlmStandIn(seconds=3600)) as world:
        for who, text in (("chen", "一"), ("chen", "二"), ("chen", "三"), ("lin", "四")):
            world.feishu.say(chat_id=f"oc_direct_{who}", sender=f"ou_{who}", text=f"画 {text}")
            wait_for(lambda said=text: said in {one["prompt"] for one in world.queue()})  # type: ignore[misc]
        wait_for(lambda: world.queue()[0]["state"] == "generating")
        order = [("一", None), ("四", 1), ("二", 2), ("三", 3)]
        assert [(one["prompt"], one.get("ahead")) for one in world.queue()] == order
        with pytest.raises(Unable):
            world.start()
