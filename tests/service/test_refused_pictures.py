"""A refusal is stored: what had to wait after it does not make the refused message go out again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from bot.db.timers import SendRateLimiter
from tests.support.databases import postgres_database
from tests.support.dsl import BotUnderTest, Conversation, card_actions, wait_for


@pytest.fixture(params=["sqlite", "postgresql"])
def crowded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Crowded]:
    """A bot on either engine, whose chat is at its send limit after each image or file."""
    with ExitStack() as stack:
        postgres = request.param == "postgresql"
        variables = {"DATABASE_URL": stack.enter_context(postgres_database())} if postgres else {}
        crowded = Crowded()
        crowded.bot = BotUnderTest(folder=tmp_path, variables=variables, wrap_feishu=crowded.around)
        stack.enter_context(crowded.bot)
        yield crowded


class Crowded:
    """A transport that uses up a chat's allowance when an image or a file is sent there."""

    def __init__(self) -> None:
        self.bot: BotUnderTest
        self.chat_id = ""

    def around(self, inner: httpx.BaseTransport | None) -> httpx.BaseTransport:
        """The transport of the bot."""
        network, crowded = inner or httpx.HTTPTransport(trust_env=False), self

        class Around(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                body = request.read()
                if b"image_key" in body or b"file_key" in body:
                    limiter = SendRateLimiter(crowded.bot.app.database)
                    while limiter.reserve(crowded.chat_id) == 0:
                        pass
                return network.handle_request(request)

            def close(self) -> None:
                network.close()

        return Around()


def kinds(user: Conversation, kind: str) -> int:
    """How often a message of a kind was tried."""
    return sum(call.name == "reply" and json.loads(call.body)["msg_type"] == kind for call in user.calls)


@pytest.mark.parametrize("code", [230017, 230019, 230055, 230099])
def test_a_refused_picture_is_not_sent_again_when_its_text_has_to_wait(crowded: Crowded, code: int) -> None:
    """The image is tried once, although the text after it has to wait for the chat's limit."""
    bot = crowded.bot
    user = bot.new_user()
    crowded.chat_id = user.chat_id
    bot.feishu.faults.arm("card_bad", on="reply")
    bot.feishu.faults.arm(f"feishu_{code}", on="reply")
    user.send()
    wait_for(lambda: user.answers and bot.idle)
    assert [answer.msg_type for answer in user.answers] == ["text"]
    assert kinds(user, "image") == 1
    assert kinds(user, "text") == 1


def test_a_refused_file_is_not_sent_again_when_its_notice_has_to_wait(crowded: Crowded) -> None:
    """The original is uploaded and sent once, although the notice after its refusal has to wait."""
    bot = crowded.bot
    user = bot.new_user()
    user.wait_for_end(user.send())
    crowded.chat_id = user.chat_id
    (card,) = user.answers
    (button,) = [one for one in card_actions(bot.feishu, card.message_id) if (one.value or {}).get("a") == "original"]
    bot.feishu.faults.arm("feishu_230055", on="reply")
    bot.feishu.press(card.message_id, user.person, value=button.value)
    wait_for(lambda: len(user.answers) == 2 and bot.idle)
    assert [call.name for call in user.calls].count("file") == 1
    assert kinds(user, "file") == 1
