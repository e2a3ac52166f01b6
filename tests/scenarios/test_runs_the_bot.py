"""An admin looks at the month, pauses the bot and resumes it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dsl import ADMIN, BotUnderTest, bot_with, toast_text


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[BotUnderTest]:
    """A bot of the test's own, as the statistics count everything."""
    with bot_with(tmp_path) as bot:
        yield bot


def test_stats_count_the_month(bot: BotUnderTest) -> None:
    """What may have been billed, outcomes and people, with a chart and the calls to Feishu."""
    user = bot.new_user()
    user.ask("一座灯塔 /n 2")
    user.ask("一座灯塔 /model cogview-4")
    bot.glm.arm("glm_1301")
    bot.new_user().ask("一座灯塔")
    card = bot.admin().ask("/stats")
    card.assert_shows("stats.total", images=4, yuan="0.36")
    lines = card.text("en").split("\n")
    assert {"3 images · ¥0.26", "Done · 3", "The safety check rejected this · 1"} <= set(lines)
    assert f'"tag":"person","user_id":"{user.person}"' in card.content
    assert '"tag":"chart"' in card.content


def test_stats_of_another_month_and_their_file(bot: BotUnderTest) -> None:
    """A month that is named has its own figures; its file comes to the admin alone, with a line for each image."""
    user = bot.new_user(kind="group")
    user.ask("一座灯塔 /n 2")
    boss = bot.admin(user)
    boss.ask("/stats 2025-10").assert_shows("stats.none")
    card = boss.ask("/stats")
    export = card.button("export").value
    assert card.press_raw(export, by=user) == toast_text("toast.admins_only")
    assert card.press_raw({"a": "export", "m": "../1"}) == toast_text("toast.unknown")
    before = len(user.answers)
    assert card.press_raw(export) == toast_text("toast.export_coming")
    bot.wait_until_idle()
    assert len(user.answers) == before
    chat = bot.feishu.state.direct_chat(ADMIN).chat_id
    (file,) = [one for one in bot.feishu.messages if one.chat_id == chat and one.msg_type == "file"]
    upload = bot.feishu.uploads[json.loads(file.content)["file_key"]]
    lines = list(csv.DictReader(upload.content.decode("utf-8-sig").splitlines()))
    assert upload.name == f"usage-{export['m']}.csv"
    made = [(one["会话 Chat"], one["费用 Yuan"], one["结果 Result"]) for one in lines]
    assert made == [(user.chat_id, "0.1", "done")] * 2
    assert user.person in lines[0].values()
    assert "一座灯塔" not in upload.content.decode()


def test_paused_bot_refuses_prompts_only(bot: BotUnderTest) -> None:
    """Paused, prompts are refused in words and everything else is answered; resumed, they are taken again."""
    boss, user = bot.admin(), bot.new_user()
    boss.ask("/暂停").assert_shows("notice.paused.text")
    boss.ask("/pause").assert_shows("notice.already_paused.text")
    card = user.ask("一座灯塔")
    card.assert_shows("limit.paused", "cost.none")
    assert card.paid == []
    user.ask("/queue").assert_shows("queue.paused")
    boss.ask("/stats").assert_shows("stats.paused")
    boss.ask("/恢复").assert_shows("notice.resumed.text")
    boss.ask("/resume").assert_shows("notice.already_running.text")
    assert user.ask("一座灯塔").color == "green"
