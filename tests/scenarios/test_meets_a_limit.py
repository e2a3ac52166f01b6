"""Somebody asks for more than they may, or may not ask at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.talking import (
    ADMIN,
    Gate,
    admin_in,
    answer_to,
    bot_behind,
    bot_with,
    first_answer_to,
    flash,
    new_answers,
    paid_for,
    rest,
    said_in_toast,
    shows,
    somebody_else_in,
    toast_of,
    wait_to_show,
    words,
)
from tests.support.world import Talk, World, colour

AT_ONCE = {
    "BOT_LIMITS_PENDING": ("limit.pending", {"used": 2, "count": 1, "most": 2}),
    "BOT_LIMITS_PER_DAY": ("limit.day", {"used": 2, "count": 1, "most": 2}),
    "BOT_LIMITS_IMAGES_PER_MONTH": ("limit.images", {"most": 2}),
}


@pytest.mark.parametrize("variable", AT_ONCE)
def test_one_too_many(tmp_path: Path, gate: Gate, variable: str) -> None:
    """The prompt over the limit is answered by its sentence, nothing is paid for it, and the others are made."""
    with bot_behind(gate, tmp_path, {variable: "2"}) as world:
        talk = world.somebody()
        cards = [first_answer_to(talk, "一座灯塔") for _ in range(2)]
        refused = first_answer_to(talk, "第三座灯塔")
        sentence, values = AT_ONCE[variable]
        assert shows(refused, sentence, **values)
        assert shows(refused, "card.limit")
        assert shows(refused, "card.misread_note")
        gate.let(3)
        for card in cards:
            wait_to_show(world, card, "state.ready")
        assert [call.body["prompt"] for call in world.glm.calls] == ["一座灯塔"] * 2


def test_too_many_wait(tmp_path: Path, gate: Gate) -> None:
    """When the whole line is full, everybody is told so; what is being made does not count as waiting."""
    with bot_behind(gate, tmp_path, {"BOT_LIMITS_WAITING": "1"}) as world:
        first_answer_to(world.somebody(), "第一座灯塔")
        world.feishu.wait_for(lambda _: gate.reached == 1)
        first_answer_to(world.somebody(), "第二座灯塔")
        refused = first_answer_to(world.somebody(), "第三座灯塔")
        assert shows(refused, "limit.waiting", used=1, count=1, most=1)


def test_the_teams_money(tmp_path: Path) -> None:
    """The budget counts the price of each model, and what costs nothing is made when it is used up."""
    with bot_with(tmp_path, {"BOT_LIMITS_YUAN_PER_MONTH": "0.15"}) as world:
        talk = world.somebody()
        assert colour(answer_to(talk, "一座灯塔")) == "green"
        said = talk.say("一座灯塔 /model cogview-4")
        assert shows(answer_to(talk, said), "limit.yuan", most="0.15")
        assert paid_for(talk, said) == []
        assert colour(answer_to(talk, "一座灯塔 /model cogview-3-flash")) == "green"


def test_four_do_not_fit(tmp_path: Path) -> None:
    """Four images need room for four, and none is made when there is room for three."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "3"}) as world:
        talk = world.somebody()
        said = talk.say("一座灯塔 /n 4")
        assert shows(answer_to(talk, said), "limit.day", used=0, count=4, most=3)
        assert paid_for(talk, said) == []
        assert colour(answer_to(talk, "一座灯塔 /n 3")) == "green"


def test_a_refusal_before_any_work_is_given_back(tmp_path: Path) -> None:
    """An image that the platform refused as invalid does not count for the day, and the next one is made."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "1"}) as world:
        talk = world.somebody()
        world.glm.arm("glm_1214")
        assert colour(answer_to(talk, "一座灯塔")) == "red"
        assert colour(answer_to(talk, "一座灯塔")) == "green"
        assert shows(answer_to(talk, "一座灯塔"), "limit.day", used=1, count=1, most=1)


def test_a_prompt_that_the_content_filter_refused_counts(tmp_path: Path) -> None:
    """Whether the platform bills it is not known, so it counts, and /quota says so."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "2"}) as world:
        talk = world.somebody()
        world.glm.arm("glm_1301", times=2)
        for _ in range(2):
            assert colour(answer_to(talk, "一座灯塔")) == "red"
        assert shows(answer_to(talk, "/quota"), "quota.today", used=2, most=2, left=0)
        assert shows(answer_to(talk, "一座灯塔"), "limit.day", used=2, count=1, most=2)
        assert len(world.glm.calls) == 2


def test_cancelled_while_it_is_made(tmp_path: Path, gate: Gate) -> None:
    """Who cancels or recalls what the platform is already drawing has used it up."""
    with bot_behind(gate, tmp_path, {"BOT_LIMITS_PER_DAY": "2"}) as world:
        talk = world.somebody()
        first_answer_to(talk, "一座灯塔")
        world.feishu.wait_for(lambda _: gate.reached == 1)
        answer_to(talk, "/cancel")
        gate.let(1)
        said = talk.say("第二座灯塔")
        world.feishu.wait_for(lambda _: gate.reached == 2)
        world.feishu.recall(said.message_id, by=talk.person)
        gate.let(1)
        assert shows(answer_to(talk, "第三座灯塔"), "limit.day", used=2, count=1, most=2)
        assert len(world.glm.calls) == 2


def test_limits_survive_a_restart(tmp_path: Path) -> None:
    """What was used today is still used after the bot was stopped and started."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "1"}) as world:
        talk = world.somebody()
        answer_to(talk, "一座灯塔")
        world.stop()
        world.start()
        assert shows(answer_to(talk, "一座灯塔"), "limit.day", used=1, count=1, most=1)


def listed(world: World) -> Talk:
    """The person of the list in the chat of the list."""
    feishu = world.feishu.world
    feishu.add_person("名单上的人", open_id="ou_listed")
    feishu.add_chat("group", name="名单上的群", members=["ou_listed"], chat_id="oc_listed")
    return Talk(world=world, person="ou_listed", chat_id="oc_listed", first_call=0)


@pytest.mark.parametrize(
    ("variable", "listed_id"), [("BOT_TEAM_ALLOWED_CHATS", "oc_listed"), ("BOT_TEAM_ALLOWED_PEOPLE", "ou_listed")]
)
def test_only_who_is_listed(tmp_path: Path, variable: str, listed_id: str) -> None:
    """With a list, whoever is not on it is told the ids that the list needs, once, and nothing is done or paid."""
    with bot_with(tmp_path, {variable: f"{listed_id}, {listed_id}2"}) as world:
        assert colour(answer_to(listed(world), "一座灯塔")) == "green"
        stranger = world.somebody()
        card = answer_to(stranger, "别人的灯塔")
        assert shows(card, "id.not_allowed")
        assert {stranger.person, stranger.chat_id} <= set(words(card).split("\n"))
        for text in ("/help", "/set size 16:9", " "):
            rest(world, stranger.say(text))
        assert stranger.answers == [card]
        assert len(world.glm.calls) == 1


def test_everybody_who_is_not_listed_is_told(tmp_path: Path) -> None:
    """In a group each person is told once, and one person in each of their chats."""
    with bot_with(tmp_path, {"BOT_TEAM_ALLOWED_PEOPLE": "ou_listed"}) as world:
        one = world.somebody(kind="group")
        other = somebody_else_in(one)
        alone = world.feishu.world.add_chat("p2p", name="某处", members=[one.person])
        elsewhere = Talk(world=world, person=one.person, chat_id=alone.chat_id, first_call=0)
        for talk in (one, other, elsewhere):
            assert talk.person in words(answer_to(talk, "一座灯塔"))


def test_a_command_of_somebody_who_is_not_listed(tmp_path: Path) -> None:
    """A command of somebody who is not listed changes nothing: what they set does not hold once they are listed."""
    variables = {"BOT_TEAM_ALLOWED_PEOPLE": "ou_other"}
    with bot_with(tmp_path, variables) as world:
        talk = listed(world)
        assert shows(answer_to(talk, "/set size 16:9"), "id.not_allowed")
        with world.bot.database.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM preferences").scalar() == 0


def test_a_press_of_somebody_who_is_not_listed(tmp_path: Path) -> None:
    """In a group with somebody who is listed, the buttons tell others that they may not use them."""
    with bot_with(tmp_path, {"BOT_TEAM_ALLOWED_PEOPLE": "ou_listed"}) as world:
        talk = listed(world)
        card = answer_to(talk, "一座灯塔")
        other = somebody_else_in(talk)
        assert flash(other, card, "again") == said_in_toast("toast.not_allowed")
        assert new_answers(talk, 1) == []
        assert len(world.glm.calls) == 1


def test_admins_are_listed_everywhere(tmp_path: Path) -> None:
    """An admin may use the bot in any chat, so that lists can be mended from anywhere."""
    with bot_with(tmp_path, {"BOT_TEAM_ALLOWED_CHATS": "oc_listed"}) as world:
        boss = admin_in(world)
        card = answer_to(boss, "/id")
        assert shows(card, "id.title")
        assert boss.person == ADMIN
        assert toast_of(boss, card, {"a": "again", "r": "r0"})
