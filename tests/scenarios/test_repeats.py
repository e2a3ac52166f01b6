"""Somebody wants it once more: by command, by the buttons of a card, by the history."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.talking import (
    answer_to,
    bot_with,
    button,
    deliver_again,
    flash,
    last_press,
    new_answers,
    paid_for,
    pressed,
    said_in_toast,
    shows,
    somebody_else_in,
    toast_of,
    words,
)
from tests.support.world import World, colour

TOWER = "一座灯塔，水彩 /size 3:2 /style 油画"


@pytest.mark.parametrize(
    ("say", "changed"),
    [
        ("/again", {}),
        ("再来一次", {}),
        ("再来一张图", {}),
        ("again", {}),
        ("再来一张 16:9", {"size": "1728x960"}),
        ("/again /size 16:9", {"size": "1728x960"}),
        ("/再来 /质量 standard", {"quality": "standard"}),
        ("/again /style none", {"prompt": "一座灯塔，水彩"}),
        ("/again /model cogview-4", {"model": "cogview-4", "size": "1280x1280"}),
    ],
)
def test_by_command(world: World, say: str, changed: dict[str, str]) -> None:
    """The last prompt is drawn again as it was, but for the options that follow."""
    talk = world.somebody()
    first = talk.say(TOWER)
    answer_to(talk, first)
    (body,) = paid_for(talk, first)
    said = talk.say(say)
    assert colour(answer_to(talk, said)) == "green"
    (again,) = paid_for(talk, said)
    assert again == {**body, **changed}


def test_four_by_command(world: World) -> None:
    """Again is one image, whatever the first message asked for, unless it says more."""
    talk = world.somebody()
    answer_to(talk, "一座灯塔 /n 2")
    said = talk.say("/again")
    answer_to(talk, said)
    assert len(paid_for(talk, said)) == 1
    for say in ("/again /n 2", "再来两张"):
        said = talk.say(say)
        answer_to(talk, said)
        assert len(paid_for(talk, said)) == 2


def test_by_the_button(world: World) -> None:
    """The button draws the same again, as a new reply under the card, and leaves the card as it is."""
    talk = world.somebody()
    first = talk.say(TOWER)
    card = answer_to(talk, first)
    again = pressed(talk, card, "again")
    assert again.parent_id == card.message_id
    assert colour(again) == "green"
    one, two = paid_for(talk, first)
    assert one == two
    assert talk.answers == [card, again]


def test_by_the_button_in_a_topic(world: World) -> None:
    """What a press asks for stays in the topic as well."""
    talk = world.somebody(kind="topic")
    card = answer_to(talk, TOWER)
    assert pressed(talk, card, "again").thread_id == card.thread_id is not None


@pytest.mark.parametrize(("ratio", "size"), [("16:9", "1728x960"), ("9:16", "960x1728"), ("1:1", "1280x1280")])
def test_with_another_ratio(world: World, ratio: str, size: str) -> None:
    """The select on the card draws the same in another ratio."""
    talk = world.somebody()
    first = talk.say(TOWER)
    card = answer_to(talk, first)
    assert ratio in button(talk, card, "ratio").choices
    pressed(talk, card, "ratio", choice=ratio)
    one, two = paid_for(talk, first)
    assert two == {**one, "size": size}


def test_by_anybody_in_the_group(world: World) -> None:
    """Anybody in the chat may press, and it counts as theirs."""
    talk = world.somebody(kind="group")
    first = talk.say(TOWER)
    card = answer_to(talk, first)
    other = somebody_else_in(talk)
    assert colour(pressed(other, card, "again")) == "green"
    one, two = paid_for(talk, first)
    assert one.pop("user_id") != two.pop("user_id")
    assert one == two
    assert shows(answer_to(other, "/quota"), "quota.today", used=1, most=20, left=19)


def test_as_it_was_made_whatever_the_presser_has_set(world: World) -> None:
    """The defaults of who presses do not change a picture that was made without them."""
    talk = world.somebody()
    first = talk.say("一座灯塔")
    card = answer_to(talk, first)
    answer_to(talk, "/set style 水彩 size 16:9 n 2")
    pressed(talk, card, "again")
    one, two = paid_for(talk, first)
    assert one == two


def test_a_click_that_is_delivered_twice(world: World) -> None:
    """The same click delivered again is answered with the same toast and makes nothing new."""
    talk = world.somebody()
    first = talk.say(TOWER)
    card = answer_to(talk, first)
    pressed(talk, card, "again")
    click = last_press(world)
    again = deliver_again(world, click)
    assert (again.status, again.body) == (200, click.body)
    talk.wait(lambda: world.idle)
    assert len(talk.answers) == len(paid_for(talk, first)) == 2


def test_two_clicks(world: World) -> None:
    """Two honest clicks are two pictures."""
    talk = world.somebody()
    first = talk.say(TOWER)
    card = answer_to(talk, first)
    flash(talk, card, "again")
    flash(talk, card, "again")
    assert [colour(answer) for answer in new_answers(talk, 1)] == ["green", "green"]
    assert len(paid_for(talk, first)) == 3


def test_from_the_history(world: World) -> None:
    """Each picture of the history has a button that draws its prompt again."""
    talk = world.somebody()
    for prompt in ("第一座灯塔", "第二座灯塔"):
        answer_to(talk, prompt)
    history = answer_to(talk, "/history")
    again = pressed(talk, history, "again", number=1)
    assert again.parent_id == history.message_id
    assert "第一座灯塔" in words(again)


def test_a_failure_can_be_tried_again(world: World) -> None:
    """Under a passing failure there is a button to try again; under a refusal of the content there is none."""
    talk = world.somebody()
    world.glm.arm("glm_500")
    failed = answer_to(talk, "一座灯塔")
    assert shows(failed, "button.retry")
    assert colour(pressed(talk, failed, "again")) == "green"
    world.glm.arm("glm_1301")
    refused = answer_to(talk, "一座灯塔")
    assert not shows(refused, "button.retry")
    assert shows(refused, "button.edit")


GONE = ({"a": "again", "r": "r0"}, {"a": "edit", "r": "r0"}, {"a": "cancel", "r": "r0"}, {"a": "original", "g": "g0"})


@pytest.mark.parametrize("value", GONE, ids=lambda value: value["a"])
def test_a_button_of_what_is_gone(world: World, value: dict[str, str]) -> None:
    """A button whose picture is not known any more says so and does nothing."""
    talk = world.somebody()
    card = answer_to(talk, "/help")
    assert toast_of(talk, card, value) == said_in_toast("toast.gone")
    assert talk.answers == [card]


STRANGE: tuple[dict[str, object], ...] = (
    {},
    {"a": "delete"},
    {"a": ["again"]},
    {"a": "example", "e": "dog"},
    {"a": "example", "e": {}},
)


@pytest.mark.parametrize("value", STRANGE, ids=str)
def test_a_button_that_there_is_not(world: World, value: dict[str, object]) -> None:
    """A press that no card of ours can send is answered with a toast and does nothing."""
    talk = world.somebody()
    card = answer_to(talk, "/help")
    assert toast_of(talk, card, value) == said_in_toast("toast.unknown")
    assert talk.answers == [card]


@pytest.mark.parametrize("action", ["again", "ratio", "edit", "cancel", "original"])
def test_a_press_from_another_chat(world: World, action: str) -> None:
    """Whoever forges a press learns and gets nothing of a picture of another chat."""
    owner, stranger = world.somebody(), world.somebody()
    first = owner.say("一座灯塔")
    theirs = answer_to(owner, first)
    values = [one.value or {} for one in world.feishu.actions(theirs.message_id)]
    known = {key: value for one in values for key, value in one.items()}
    card = answer_to(stranger, "/help")
    assert toast_of(stranger, card, {**known, "a": action}) == said_in_toast("toast.gone")
    assert stranger.answers == [card]
    assert len(paid_for(owner, first)) == 1


def test_a_press_on_what_made_no_image(world: World) -> None:
    """A forged press about a card that is no picture pays for nothing."""
    talk = world.somebody()
    card = answer_to(talk, "/help")
    with world.bot.database.read() as connection:
        request_id = connection.exec_driver_sql("SELECT request_id FROM requests WHERE kind = 'help'").scalar()
    assert toast_of(talk, card, {"a": "again", "r": request_id}) == said_in_toast("toast.gone")


def test_a_limit_is_told_in_the_toast(tmp_path: Path) -> None:
    """A press that would pass a limit is answered with the limit's sentence, and nothing else is sent."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "1"}) as world:
        talk = world.somebody()
        card = answer_to(talk, "一座灯塔")
        assert flash(talk, card, "again") == said_in_toast("limit.day", used=1, count=1, most=1)
        assert talk.answers == [card]
        assert len(world.glm.calls) == 1
