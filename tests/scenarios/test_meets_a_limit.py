"""Somebody asks for more than they may, or may not ask at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.dsl import (
    ADMIN,
    CATALOGUE,
    BotUnderTest,
    Conversation,
    Gate,
    bot_with,
    bot_with_paused_glm,
    header_color,
    toast_text,
    wait_for,
)

ZONE = CATALOGUE.bilingual("zone.china")
AT_ONCE: dict[str, tuple[str, dict[str, object]]] = {
    "BOT_LIMITS_PENDING": ("limit.pending", {"used": 2, "count": 1, "most": 2}),
    "BOT_LIMITS_PER_DAY": ("limit.day", {"most": 2, "zone": ZONE}),
    "BOT_LIMITS_IMAGES_PER_MONTH": ("limit.images", {"most": 2}),
}


@pytest.mark.parametrize("variable", AT_ONCE)
def test_prompt_over_a_limit_is_refused_unpaid(tmp_path: Path, gate: Gate, variable: str) -> None:
    """The prompt over the limit is answered by its sentence, nothing is paid for it, and the others are made."""
    with bot_with_paused_glm(gate, tmp_path, {variable: "2"}) as bot:
        user = bot.new_user()
        cards = [user.ask_without_waiting(text) for text in ("第一座灯塔", "第二座灯塔")]
        refused = user.ask_without_waiting("第三座灯塔")
        sentence, values = AT_ONCE[variable]
        refused.assert_shows(sentence, **values)
        refused.assert_shows("card.limit")
        refused.assert_shows("cost.none")
        gate.release(3)
        for card in cards:
            card.wait_to_show("state.ready")
        assert bot.paid_prompts == ["第一座灯塔", "第二座灯塔"]


def test_full_queue_refuses(tmp_path: Path, gate: Gate) -> None:
    """When the whole queue is full, everybody is told; what is being made does not count as waiting."""
    with bot_with_paused_glm(gate, tmp_path, {"BOT_LIMITS_WAITING": "1"}) as bot:
        bot.new_user().ask_without_waiting("第一座灯塔")
        wait_for(lambda: gate.calls_waiting == 1)
        bot.new_user().ask_without_waiting("第二座灯塔")
        refused = bot.new_user().ask_without_waiting("第三座灯塔")
        refused.assert_shows("limit.waiting", used=1, count=1, most=1)


def test_budget_counts_each_models_price(tmp_path: Path) -> None:
    """The budget counts the price of each model, and what costs nothing is made when it is used up."""
    with bot_with(tmp_path, {"BOT_LIMITS_YUAN_PER_MONTH": "0.15"}) as bot:
        user = bot.new_user()
        assert header_color(user.ask("一座灯塔")) == "green"
        said = user.send("一座灯塔 /model cogview-4")
        user.ask(said).assert_shows("limit.yuan", most="0.15")
        assert user.paid_since(said) == []
        assert header_color(user.ask("一座灯塔 /model cogview-3-flash")) == "green"


def test_four_images_need_room_for_four(tmp_path: Path) -> None:
    """Four images need room for four, and none is made when there is room for three."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "3"}) as bot:
        user = bot.new_user()
        said = user.send("一座灯塔 /n 4")
        user.ask(said).assert_shows("limit.day_some", used=0, count=4, most=3, zone=ZONE)
        assert user.paid_since(said) == []


def test_invalid_request_is_given_back(tmp_path: Path) -> None:
    """An image that the platform refused as invalid does not count for the day, and the next one is made."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "1"}) as bot:
        user = bot.new_user()
        bot.glm.arm("glm_1214")
        assert header_color(user.ask("一座灯塔")) == "red"
        assert header_color(user.ask("一座灯塔")) == "green"
        user.ask("另一座灯塔").assert_shows("limit.day", most=1, zone=ZONE)


def test_a_prompt_that_the_content_filter_refused_counts(tmp_path: Path) -> None:
    """Whether the platform bills it is not known, so it counts, also after a restart, and /quota says so."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "2"}) as bot:
        user = bot.new_user()
        bot.glm.arm("glm_1301", times=2)
        for _ in range(2):
            assert header_color(user.ask("一座灯塔")) == "red"
        bot.stop()
        bot.start()
        user.ask("/quota").assert_shows("quota.today", used=2, most=2, left=0)
        user.ask("一座灯塔").assert_shows("limit.day", most=2, zone=ZONE)
        assert len(bot.glm.calls) == 2


def test_cancelled_running_image_counts(tmp_path: Path, gate: Gate) -> None:
    """Who cancels or recalls what the platform is already drawing has used it up."""
    with bot_with_paused_glm(gate, tmp_path, {"BOT_LIMITS_PER_DAY": "2"}) as bot:
        user = bot.new_user()
        user.ask_without_waiting("一座灯塔")
        wait_for(lambda: gate.calls_waiting == 1)
        user.ask("/cancel")
        gate.release(1)
        said = user.send("第二座灯塔")
        wait_for(lambda: gate.calls_waiting == 2)
        bot.feishu.recall(said.message_id, by=user.person)
        gate.release(1)
        user.ask("第三座灯塔").assert_shows("limit.day", most=2, zone=ZONE)
        assert len(bot.glm.calls) == 2


def listed(bot: BotUnderTest) -> Conversation:
    """The person of the list in the chat of the list."""
    feishu = bot.feishu.state
    feishu.add_person("名单上的人", open_id="ou_listed")
    feishu.add_chat("group", name="名单上的群", members=["ou_listed"], chat_id="oc_listed")
    return Conversation(bot=bot, person="ou_listed", chat_id="oc_listed", first_call=0)


@pytest.mark.parametrize(
    ("variable", "listed_id"), [("BOT_TEAM_ALLOWED_CHATS", "oc_listed"), ("BOT_TEAM_ALLOWED_PEOPLE", "ou_listed")]
)
def test_unlisted_person_gets_ids_once(tmp_path: Path, variable: str, listed_id: str) -> None:
    """With a list, a person who is not on it is told the ids that the list needs, once, and nothing is done or paid."""
    with bot_with(tmp_path, {variable: f"{listed_id}, {listed_id}2"}) as bot:
        assert header_color(listed(bot).ask("一座灯塔")) == "green"
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


def test_everybody_who_is_not_listed_is_told(tmp_path: Path) -> None:
    """In a group each person is told once, and one person in each of their chats."""
    with bot_with(tmp_path, {"BOT_TEAM_ALLOWED_PEOPLE": "ou_listed"}) as bot:
        one = bot.new_user(kind="group")
        other = one.other_user()
        alone = bot.feishu.state.add_chat("p2p", name="某处", members=[one.person])
        elsewhere = Conversation(bot=bot, person=one.person, chat_id=alone.chat_id, first_call=0)
        for user in (one, other, elsewhere):
            assert user.person in user.ask("一座灯塔").text()


def test_a_press_of_somebody_who_is_not_listed(tmp_path: Path) -> None:
    """In a group with somebody who is listed, the buttons tell others that they may not use them."""
    with bot_with(tmp_path, {"BOT_TEAM_ALLOWED_PEOPLE": "ou_listed"}) as bot:
        user = listed(bot)
        card = user.ask("一座灯塔")
        other = user.other_user()
        assert card.press_for_toast("again", by=other) == toast_text("toast.not_allowed")
        assert user.new_answers(1) == []
        assert len(bot.glm.calls) == 1


def test_admins_are_listed_everywhere(tmp_path: Path) -> None:
    """An admin may use the bot in any chat, so that lists can be mended from anywhere."""
    with bot_with(tmp_path, {"BOT_TEAM_ALLOWED_CHATS": "oc_listed"}) as bot:
        boss = bot.admin()
        card = boss.ask("/id")
        card.assert_shows("id.title")
        assert boss.person == ADMIN
        assert card.press_raw({"a": "again", "r": "r0"}, by=boss)
