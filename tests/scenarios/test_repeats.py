"""Somebody wants it once more: by command, by the buttons of a card, by the history."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.card_actions import card_actions
from tests.support.dsl import BotUnderTest, bot_with, header_color, toast_text

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
def test_by_command(bot: BotUnderTest, say: str, changed: dict[str, str]) -> None:
    """The last prompt is drawn again as it was, but for the options that follow."""
    user = bot.new_user()
    first = user.send(TOWER)
    user.ask(first)
    (body,) = user.paid_since(first)
    said = user.send(say)
    assert header_color(user.ask(said)) == "green"
    (again,) = user.paid_since(said)
    assert again == {**body, **changed}


def test_four_by_command(bot: BotUnderTest) -> None:
    """Again is one image, whatever the first message asked for, unless it says more."""
    user = bot.new_user()
    user.ask("一座灯塔 /n 2")
    said = user.send("/again")
    user.ask(said)
    assert len(user.paid_since(said)) == 1
    for say in ("/again /n 2", "再来两张"):
        said = user.send(say)
        user.ask(said)
        assert len(user.paid_since(said)) == 2


def test_by_the_button(bot: BotUnderTest) -> None:
    """The button draws the same again, as a new reply under the card, and leaves the card as it is."""
    user = bot.new_user()
    first = user.send(TOWER)
    card = user.ask(first)
    again = card.press("again")
    assert again.parent_id == card.message_id
    assert header_color(again) == "green"
    one, two = user.paid_since(first)
    assert one == two
    assert user.answers == [card, again]


def test_by_the_button_in_a_topic(bot: BotUnderTest) -> None:
    """What a press asks for stays in the topic as well."""
    user = bot.new_user(kind="topic")
    card = user.ask(TOWER)
    assert card.press("again").thread_id == card.thread_id is not None


@pytest.mark.parametrize(("ratio", "size"), [("16:9", "1728x960"), ("9:16", "960x1728"), ("1:1", "1280x1280")])
def test_with_another_ratio(bot: BotUnderTest, ratio: str, size: str) -> None:
    """The select on the card draws the same in another ratio."""
    user = bot.new_user()
    first = user.send(TOWER)
    card = user.ask(first)
    assert ratio in card.button("ratio").choices
    card.press("ratio", choice=ratio)
    one, two = user.paid_since(first)
    assert two == {**one, "size": size}


def test_by_anybody_in_the_group(bot: BotUnderTest) -> None:
    """Anybody in the chat may press, and it counts as theirs."""
    user = bot.new_user(kind="group")
    first = user.send(TOWER)
    card = user.ask(first)
    other = user.other_user()
    assert header_color(card.press("again", by=other)) == "green"
    one, two = user.paid_since(first)
    assert one.pop("user_id") != two.pop("user_id")
    assert one == two
    other.ask("/quota").assert_shows("quota.today", used=1, most=20, left=19)


def test_as_it_was_made_whatever_the_presser_has_set(bot: BotUnderTest) -> None:
    """The defaults of who presses do not change a picture that was made without them."""
    user = bot.new_user()
    first = user.send("一座灯塔")
    card = user.ask(first)
    user.ask("/set style 水彩 size 16:9 n 2")
    card.press("again")
    one, two = user.paid_since(first)
    assert one == two


def test_a_click_that_is_delivered_twice(bot: BotUnderTest) -> None:
    """The same click delivered again is answered with the same toast and makes nothing new."""
    user = bot.new_user()
    first = user.send(TOWER)
    card = user.ask(first)
    card.press("again")
    click = bot.last_press
    again = bot.deliver_again(click)
    assert (again.status, again.body) == (200, click.body)
    bot.wait_until_idle()
    assert len(user.answers) == len(user.paid_since(first)) == 2


def test_two_clicks(bot: BotUnderTest) -> None:
    """Two honest clicks are two pictures."""
    user = bot.new_user()
    first = user.send(TOWER)
    card = user.ask(first)
    card.press_for_toast("again")
    card.press_for_toast("again")
    assert [header_color(answer) for answer in user.new_answers(1)] == ["green", "green"]
    assert len(user.paid_since(first)) == 3


def test_from_the_history(bot: BotUnderTest) -> None:
    """Each picture of the history has a button that draws its prompt again."""
    user = bot.new_user()
    for prompt in ("第一座灯塔", "第二座灯塔"):
        user.ask(prompt)
    history = user.ask("/history")
    again = history.press("again", number=1)
    assert again.parent_id == history.message_id
    assert "第一座灯塔" in again.text()


def test_a_failure_can_be_tried_again(bot: BotUnderTest) -> None:
    """Under a passing failure there is a button to try again; under a refusal of the content there is none."""
    user = bot.new_user()
    bot.glm.arm("glm_500")
    failed = user.ask("一座灯塔")
    failed.assert_shows("button.retry")
    assert header_color(failed.press("again")) == "green"
    bot.glm.arm("glm_1301")
    refused = user.ask("一座灯塔")
    assert not refused.shows("button.retry")
    refused.assert_shows("button.edit")


GONE = ({"a": "again", "r": "r0"}, {"a": "edit", "r": "r0"}, {"a": "cancel", "r": "r0"}, {"a": "original", "g": "g0"})


@pytest.mark.parametrize("value", GONE, ids=lambda value: value["a"])
def test_a_button_of_what_is_gone(bot: BotUnderTest, value: dict[str, str]) -> None:
    """A button whose picture is not known any more says so and does nothing."""
    user = bot.new_user()
    card = user.ask("/help")
    assert card.press_raw(value) == toast_text("toast.gone")
    assert user.answers == [card]


STRANGE: tuple[dict[str, object], ...] = (
    {},
    {"a": "delete"},
    {"a": ["again"]},
    {"a": "example", "e": "dog"},
    {"a": "example", "e": {}},
)


@pytest.mark.parametrize("value", STRANGE, ids=str)
def test_a_button_that_there_is_not(bot: BotUnderTest, value: dict[str, object]) -> None:
    """A press that no card of ours can send is answered with a toast and does nothing."""
    user = bot.new_user()
    card = user.ask("/help")
    assert card.press_raw(value) == toast_text("toast.unknown")
    assert user.answers == [card]


@pytest.mark.parametrize("action", ["again", "ratio", "edit", "cancel", "original"])
def test_a_press_from_another_chat(bot: BotUnderTest, action: str) -> None:
    """Whoever forges a press learns and gets nothing of a picture of another chat."""
    owner, stranger = bot.new_user(), bot.new_user()
    first = owner.send("一座灯塔")
    theirs = owner.ask(first)
    values = [one.value or {} for one in card_actions(bot.feishu, theirs.message_id)]
    known = {key: value for one in values for key, value in one.items()}
    card = stranger.ask("/help")
    assert card.press_raw({**known, "a": action}, by=stranger) == toast_text("toast.gone")
    assert stranger.answers == [card]
    assert len(owner.paid_since(first)) == 1


def test_a_press_on_what_made_no_image(bot: BotUnderTest) -> None:
    """A forged press about a card that is no picture pays for nothing."""
    user = bot.new_user()
    card = user.ask("/help")
    with bot.app.database.read() as connection:
        request_id = connection.exec_driver_sql("SELECT request_id FROM requests WHERE kind = 'help'").scalar()
    assert card.press_raw({"a": "again", "r": request_id}) == toast_text("toast.gone")


def test_a_limit_is_told_in_the_toast(tmp_path: Path) -> None:
    """A press that would pass a limit is answered with the limit's sentence, and nothing else is sent."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "1"}) as bot:
        user = bot.new_user()
        card = user.ask("一座灯塔")
        assert card.press_for_toast("again") == toast_text("limit.day", used=1, count=1, most=1)
        assert user.answers == [card]
        assert len(bot.glm.calls) == 1
