"""Somebody wants it once more: by command, by the buttons of a card."""

from __future__ import annotations

from tests.support.dsl import BotUnderTest, Conversation, toast_text

TOWER = "一座灯塔，水彩 /size 3:2 /style 油画"

AGAIN = {
    "/again": {},
    "再来一张 16:9": {"size": "1728x960"},
    "/再来 /质量 standard": {"quality": "standard"},
    "/again /style none": {"prompt": "一座灯塔，水彩"},
    "/again /model cogview-4": {"model": "cogview-4", "size": "1280x1280"},
}


def test_again_command_repeats_last_prompt(bot: BotUnderTest) -> None:
    """As it was, but for the options that follow; unless they say more, once."""
    for text, changed in AGAIN.items():
        user = bot.new_user()
        (body,) = user.ask(TOWER).paid
        card = user.ask(text)
        assert (card.color, card.paid) == ("green", [{**body, **changed}])
    user = bot.new_user()
    user.ask("一座灯塔 /n 2")
    assert [len(user.ask(text).paid) for text in ("/again", "/again /n 2", "再来两张")] == [1, 2, 2]


def test_buttons_repeat_the_prompt(user: Conversation) -> None:
    """As a new reply under the card, which stays as it is; the defaults of who presses do not change it.

    The select of ratios changes only the size.
    """
    card = user.ask(TOWER)
    user.ask("/set style 水彩 size 16:9 n 2")
    for again in (card.press("again"), card.press("ratio", choice="9:16")):
        assert (again.color, again.parent_id) == ("green", card.message_id)
    one, two, upright = card.paid
    assert (two, upright) == (one, {**one, "size": "960x1728"})
    assert card in user.answers


def test_anybody_in_the_group_can_repeat_and_edit(member: Conversation) -> None:
    """And it counts as theirs."""
    card = member.ask(TOWER)
    other = member.other_user()
    assert card.press("again", by=other).color == "green"
    one, two = card.paid
    assert one.pop("user_id") != two.pop("user_id")
    assert one == two
    card.press("edit", by=other).submit(by=other, prompt="两座灯塔", size="1:1", style="none")
    member.new_answers(3)
    other.ask("/quota").assert_shows("quota.today", used=2, most=20, left=18)


def test_redelivered_click_changes_nothing(bot: BotUnderTest, user: Conversation) -> None:
    """It is answered with the same toast."""
    card = user.ask(TOWER)
    card.press("again")
    click = [one for one in bot.feishu.attempts if one.event_type == "card.action.trigger"][-1]
    header = {**click.event["header"], "token": bot.feishu.verification_token}
    again = bot.feishu.push({**click.event, "header": header})
    assert (again.status, again.body) == (200, click.body)
    bot.wait_until_idle()
    assert len(user.answers) == len(card.paid) == 2


def test_press_about_nothing_that_is_known_does_nothing(bot: BotUnderTest, user: Conversation) -> None:
    """A forgotten image, one of another chat, a card that is no picture, or a value that no card of ours can send."""
    theirs, card = bot.new_user().ask("一座灯塔"), user.ask("/help")
    known = {key: value for one in theirs.actions for key, value in one.value.items()}
    for action in ("again", "ratio", "edit", "cancel", "original", "deliver"):
        assert card.press_raw({**known, "a": action}) == toast_text("toast.gone")
    for value in ({"a": "again", "r": "r0"}, {"a": "edit", "r": "r0"}, {"a": "original", "g": "g0"}):
        assert card.press_raw(value) == toast_text("toast.gone")
    for value in ({}, {"a": "delete"}, {"a": "example", "e": "dog"}):
        assert card.press_raw(value) == toast_text("toast.unknown")
    with bot.app.database.read() as connection:
        request_id = connection.exec_driver_sql("SELECT request_id FROM requests WHERE kind = 'help'").scalar()
    assert card.press_raw({"a": "again", "r": request_id}) == toast_text("toast.gone")
    bot.wait_until_idle()
    assert (user.answers, len(theirs.paid)) == ([card], 1)
