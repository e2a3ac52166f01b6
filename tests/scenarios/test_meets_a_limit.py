"""Somebody asks for more than they may, or may not ask at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.settings import config_folder
from tests.support.dsl import CATALOGUE, BotUnderTest, Conversation, Gate, bot_with, toast_text, wait_for

ZONE = CATALOGUE.bilingual("zone.china")


def test_full_queue_refuses(tmp_path: Path, gate: Gate) -> None:
    """What is being made does not count as waiting; what is refused is not paid."""
    with bot_with(tmp_path, {"BOT_LIMITS_WAITING": "1"}, gate=gate) as bot:
        bot.new_user().ask_without_waiting("第一座灯塔")
        wait_for(lambda: gate.calls_waiting == 1)
        bot.new_user().ask_without_waiting("第二座灯塔")
        refused = bot.new_user().ask_without_waiting("第三座灯塔")
        refused.assert_shows("limit.waiting", "card.limit", "cost.none", used=1, count=1, most=1)
        gate.release(3)
        bot.wait_until_idle()
        assert bot.paid_prompts == ["第一座灯塔", "第二座灯塔"]


def test_daily_limit_needs_room_for_all_images_and_survives_a_restart(tmp_path: Path) -> None:
    """Four images need room for four; what the content filter refused counts, as it may be billed, and /quota says so.

    What the platform refused as invalid does not count. A press over the limit is told in the toast.
    """
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "2"}) as bot:
        user = bot.new_user()
        user.ask("一座灯塔 /n 3").assert_shows("limit.day_some", used=0, count=3, most=2, zone=ZONE)
        card = user.ask("第一座灯塔")
        for fault in ("glm_1214", "glm_1301"):
            bot.glm.arm(fault)
            assert user.ask("一座灯塔").color == "red"
        bot.stop()
        bot.start()
        quota = user.ask("/quota")
        quota.assert_shows("quota.today", used=2, most=2, left=0)
        quota.assert_shows("quota.pending", used=0, most=5)
        user.ask("一座灯塔").assert_shows("limit.day", most=2, zone=ZONE)
        assert card.press_for_toast("again") == toast_text("limit.day", most=2, zone=ZONE)
        assert len(bot.glm.calls) == 3


def test_budget_of_a_person_is_kept(tmp_path: Path) -> None:
    """Nothing over it is paid, and /quota shows it; others draw on."""
    config = tmp_path / "config"
    shutil.copytree(config_folder({}), config)
    with (config / "bot.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[budgets]]\nwho = "ou_listed"\nimages = 1\n')
    with bot_with(tmp_path, {"BOT_CONFIG_DIR": str(config)}) as bot:
        user = listed(bot)
        user.ask("一座灯塔").assert_shows("state.ready")
        user.ask("第二座灯塔").assert_shows("limit.budget_person_images", most=1)
        user.ask("/quota").assert_shows("quota.budget_person_images", used=1, most=1)
        bot.new_user().ask("第三座灯塔").assert_shows("state.ready")
        assert bot.paid_prompts == ["一座灯塔", "第三座灯塔"]


def listed(bot: BotUnderTest) -> Conversation:
    """The person of the list in the chat of the list."""
    bot.feishu.state.add_person("名单上的人", open_id="ou_listed")
    bot.feishu.state.add_chat("group", name="名单上的群", members=["ou_listed"], chat_id="oc_listed")
    return bot.conversation("ou_listed", "oc_listed")


@pytest.mark.parametrize(
    ("variable", "listed_id"), [("BOT_TEAM_ALLOWED_CHATS", "oc_listed"), ("BOT_TEAM_ALLOWED_PEOPLE", "ou_listed")]
)
def test_unlisted_person_gets_ids_once(tmp_path: Path, variable: str, listed_id: str) -> None:
    """With a list, a person who is not on it is told the ids that the list needs, once, and nothing is done or paid.

    Admins are listed everywhere, so that lists can be mended from anywhere.
    """
    with bot_with(tmp_path, {variable: f"{listed_id}, {listed_id}2"}) as bot:
        assert listed(bot).ask("一座灯塔").color == "green"
        stranger = bot.new_user()
        card = stranger.ask("别人的灯塔")
        card.assert_shows("id.not_allowed")
        assert {stranger.person, stranger.chat_id} <= set(card.text().split("\n"))
        for text in ("/help", "/set size 16:9", " "):
            bot.wait_until_idle(stranger.send(text))
        assert stranger.answers == [card]
        assert len(bot.glm.calls) == 1
        with bot.app.database.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM preferences").scalar() == 0
        card = bot.admin().ask("/id")
        card.assert_shows("id.title")
        assert card.press_raw({"a": "again", "r": "r0"}) == toast_text("toast.gone")


def test_everybody_who_is_not_listed_is_told(tmp_path: Path) -> None:
    """In a group each person once, and one person in each of their chats; their presses get a toast."""
    with bot_with(tmp_path, {"BOT_TEAM_ALLOWED_PEOPLE": "ou_listed"}) as bot:
        one = bot.new_user(kind="group")
        for user in (one, one.other_user(), one.in_another_chat("p2p")):
            assert user.person in user.ask("一座灯塔").text()
        user = listed(bot)
        card = user.ask("一座灯塔")
        assert card.press_for_toast("again", by=user.other_user()) == toast_text("toast.not_allowed")
        assert user.new_answers(1) == []
        assert len(bot.glm.calls) == 1
