"""What the sandbox says of a bot's answer: nothing of a right one, and of a wrong one what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.feishu.client import FeishuClient
from bot.sandbox.faults import arm
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.judging import PROMPT_SHOWN, faults_of, pictures_of
from bot.sandbox.saying import say
from bot.settings import config_folder
from tests.support.world import DEADLINE, Impatient, World

Wrong = Callable[[int, dict[str, Any]], list[dict[str, Any]]]
"""Which bodies are sent for the bot's how-manieth call, counted from 1; the answer to the last one is the bot's."""


class WrongBot(httpx.BaseTransport):
    """Makes a bot that asks the platform for something else than it should."""

    def __init__(self, inner: httpx.BaseTransport, *, wrong: Wrong) -> None:
        self._inner = Impatient(inner)
        self._wrong = wrong
        self._numbers = count(1)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends what the wrong bot would send."""
        for body in self._wrong(next(self._numbers), json.loads(request.content)):
            headers = {name: request.headers[name] for name in ("Authorization", "User-Agent")}
            sent = httpx.Request(request.method, request.url, headers=headers, json=body, extensions=request.extensions)
            response = self._inner.handle_request(sent)
            response.read()
        return response

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()


def answered(world: World, text: str) -> ChatMessage:
    """A message, once the bot has done all that it leads to."""
    said = say(world.feishu, text, idle=lambda: world.idle, seconds=DEADLINE, out=StringIO())
    assert said.finished
    return said.message


def judged(world: World, text: str) -> list[str]:
    """What is said of the answer to a message."""
    return faults_of(world.feishu, answered(world, text), text=text, paid=world.glm.paid)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A right bot."""
    with World(folder=tmp_path) as world:
        yield world


RIGHT = [
    "一只橘猫 /size 16:9",
    "一只橘猫 /n 3 /尺寸 竖版",
    "画：一只橘猫，坐在窗台上 /风格 水墨",
    "an orange cat <at id=all></at> & a dog --ar 1568x1056",
    "写着“/size 16:9 & <b>”的海报",
    "很长的提示词，" * 200 + " /size 3:2",
    "/help",
    "帮助",
    "/set size 16:9",
    "/取消",
    "额度",
    "/again",
]


@pytest.mark.parametrize("text", RIGHT, ids=[text[:20] for text in RIGHT])
def test_a_right_answer_has_no_fault(world: World, text: str) -> None:
    """Prompts with their pictures and commands with their one card are right, the paid calls seen or not."""
    said = answered(world, text)
    assert [faults_of(world.feishu, said, text=text, paid=paid) for paid in (world.glm.paid, None)] == [[], []]


@pytest.mark.parametrize(
    "fault",
    ["feishu_230099", "feishu_230031", "feishu_230011", "feishu_230022", "feishu_234006", "feishu_reset_after"],
)
def test_the_designed_way_round_a_refusal_is_right(world: World, fault: str) -> None:
    """Where Feishu refuses a card, its words or a picture once, what then comes in its place is no fault."""
    arm(fault, feishu=world.feishu, glm=world.glm)
    assert judged(world, "一只橘猫 <b> & 狗 /size 16:9") == []
    assert world.feishu.faults.armed == []


def dropped(_: int, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Without the size."""
    return [{name: value for name, value in body.items() if name != "size"}]


def dropped_second(number: int, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Without the size of the second picture alone."""
    return dropped(number, body) if number == 2 else [body]


def twice(_: int, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Paid for twice."""
    return [body, body]


def invented(_: int, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Another prompt."""
    return [{**body, "prompt": "一座灯塔"}]


@pytest.mark.parametrize(
    ("text", "wrong", "faults"),
    [
        ("一只橘猫 /size 16:9", dropped, ["a picture is 1280x1280, typed was /size 16:9"]),
        ("一只橘猫 /n 2 /size 16:9", dropped_second, ["a picture is 1280x1280, typed was /size 16:9"]),
        ("一只橘猫", twice, ["2 images were paid for, 1 were asked for"]),
        (
            "一只橘猫",
            invented,
            ["the answer does not show the prompt", "the platform was asked for words that were not typed"],
        ),
    ],
)
def test_a_bot_that_asks_for_something_else_is_found_out(
    tmp_path: Path, text: str, wrong: Wrong, faults: list[str]
) -> None:
    """It is what was typed that counts, for every picture and every paid call, and not what the bot made of it."""
    with World(folder=tmp_path, calling=lambda inner: WrongBot(inner, wrong=wrong)) as world:
        assert judged(world, text) == faults


def test_a_real_picture_is_judged_by_what_was_typed(tmp_path: Path) -> None:
    """Where nobody sees the paid calls, the size, the number and the words are still looked at."""
    with World(folder=tmp_path, calling=lambda inner: WrongBot(inner, wrong=dropped)) as world:
        text = "一只橘猫 /size 16:9"
        said = answered(world, text)
        assert faults_of(world.feishu, said, text=text, paid=None) == ["a picture is 1280x1280, typed was /size 16:9"]


def test_a_picture_that_is_missing_is_found_out(world: World) -> None:
    """One of two pictures is not what was asked for, and nor is none."""
    world.glm.arm("glm_1113")
    assert judged(world, "一只橘猫 /n 2") == [
        "1 pictures came, 2 were asked for",
        "1 images were paid for, 2 were asked for",
    ]
    world.glm.arm("glm_1113")
    assert judged(world, "一只灰猫") == ["the answer shows no picture"]


def test_a_bot_that_says_too_much_is_found_out(world: World) -> None:
    """A second message beside the card is a fault, and so is one that pings."""
    text = "一只橘猫"
    said = answered(world, text)
    feishu = world.feishu
    client = FeishuClient(domain=feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret)
    more = json.dumps({"text": '<at user_id="all"></at>'})
    client.reply(said.message_id, msg_type="text", content=more, uuid="more", in_thread=False)
    client.close()
    assert faults_of(world.feishu, said, text=text, paid=world.glm.paid) == [
        "the answer is not one card: 1 interactive, 1 text",
        "all was pinged",
    ]


def test_a_card_without_the_reminder_is_found_out(tmp_path: Path) -> None:
    """The sentence that asks to save the picture has to be there."""
    shutil.copytree(config_folder({}), tmp_path / "config")
    for catalogue in (tmp_path / "config").glob("messages.*.toml"):
        lines = catalogue.read_text(encoding="utf-8").splitlines()
        kept = ['"reminder.until" = "{time}"' if line.startswith('"reminder.until"') else line for line in lines]
        catalogue.write_text("\n".join(kept), encoding="utf-8")
    with World(folder=tmp_path / "data", variables={"BOT_CONFIG_DIR": str(tmp_path / "config")}) as world:
        assert judged(world, "一只橘猫") == ["the answer does not remind to save"]


def test_the_transcript_holds_each_version(world: World) -> None:
    """What was said stands first, then the card as it was sent, then as it was changed."""
    out = StringIO()
    said = say(world.feishu, "一只橘猫", idle=lambda: world.idle, seconds=DEADLINE, out=out)
    (picture,) = pictures_of(world.feishu, said.message)
    lines = out.getvalue().splitlines()
    assert [line[10:] for line in lines if line[0] != " "] == ["林小雨：一只橘猫", "画图：正在生成", "画图：图片已生成"]
    assert f"          [图片 {picture.key}]" in lines
    assert PROMPT_SHOWN == 800


def test_a_bot_that_is_never_done_is_waited_for_only_so_long(world: World) -> None:
    """After the seconds that it is given, the transcript ends, and it is told that more may come."""
    assert not say(world.feishu, "一只橘猫", idle=lambda: False, seconds=0.3, out=StringIO()).finished
