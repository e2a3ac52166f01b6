"""What `sandbox --say` reports: nothing for a right answer, and one line per problem of a wrong one."""

from __future__ import annotations

import json
from contextlib import closing
from io import StringIO
from pathlib import Path

import httpx

from bot.feishu.client import FeishuClient
from bot.sandbox.faults import arm
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.one_shot import images, problems_with_answer, send
from tests.support.dsl import DEADLINE, BotUnderTest, around


def pay_twice(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    """Pays for two images of another size than was requested."""
    body = {**json.loads(request.content), "size": "1024x1024"}
    headers = {name: request.headers[name] for name in ("Authorization", "User-Agent")}
    for _ in range(2):
        sent = httpx.Request(request.method, request.url, headers=headers, json=body, extensions=request.extensions)
        response = inner.handle_request(sent)
        response.read()
    return response


def answered(bot: BotUnderTest, text: str) -> ChatMessage:
    message, finished = send(bot.feishu, text, idle=lambda: bot.idle, seconds=DEADLINE, out=StringIO())
    assert finished
    return message


def problems(bot: BotUnderTest, text: str) -> list[str]:
    before = len(bot.glm.paid)
    message = answered(bot, text)
    return problems_with_answer(bot.feishu, message, paid=bot.glm.paid[before:])


def test_fallback_after_a_rejected_card_has_no_problems(bot: BotUnderTest) -> None:
    for fault in ("feishu_reset_after", "feishu_230099", "feishu_230031", "feishu_230022"):
        arm(fault, feishu=bot.feishu.faults, glm=bot.glm.faults)
        # The same prompt again would be taken for a double.
        assert problems(bot, f"一只橘猫 <b> & 狗 {fault} /size 16:9") == [], fault
        assert bot.feishu.faults.armed == []


def test_a_second_payment_is_reported(tmp_path: Path) -> None:
    """Images and paid calls are compared by number and size."""
    with BotUnderTest(folder=tmp_path, wrap_glm=around(pay_twice)) as bot:
        assert problems(bot, "一只橘猫 /size 16:9") == [
            "the images do not match the paid calls: 1024x1024 instead of 1024x1024, 1024x1024"
        ]


def test_a_second_message_and_a_mention_are_reported(tmp_path: Path) -> None:
    with BotUnderTest(folder=tmp_path) as bot:
        sent, feishu = answered(bot, "一只橘猫"), bot.feishu
        client = FeishuClient(domain=feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret)
        more = json.dumps({"text": '<at user_id="all"></at>'})
        with closing(client):
            client.reply(sent.message_id, msg_type="text", content=more, uuid="more", in_thread=False)
        assert problems_with_answer(feishu, sent, paid=bot.glm.paid) == [
            "all was mentioned",
            "the answer is not one card: 1 interactive, 1 text",
        ]


def test_transcript_holds_each_version(bot: BotUnderTest) -> None:
    """The prompt comes first, then the card as it was sent and as it was patched, in the end with its images."""
    out = StringIO()
    message, _ = send(bot.feishu, "一只橘猫 /n 2", idle=lambda: bot.idle, seconds=DEADLINE, out=out)
    lines = out.getvalue().splitlines()
    said = [line[10:] for line in lines if line[0] != " "]
    assert said[:2] == ["林小雨：一只橘猫 /n 2", "画图：正在生成"]
    assert said[-1] == "画图：2 张图片已生成"
    last = max(index for index, line in enumerate(lines) if line[0] != " ")
    shown = [line.strip() for line in lines[last:]]
    assert [f"[图片 {image.key}]" in shown for image in images(bot.feishu, message)] == [True, True]


def test_unfinished_answer_is_reported(bot: BotUnderTest) -> None:
    assert not send(bot.feishu, "一只橘猫", idle=lambda: False, seconds=0.3, out=StringIO())[1]
