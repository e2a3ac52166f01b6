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


def test_again_button_repeats_prompt(user: Conversation) -> None:
    """As a new reply under the card, which stays as it is; the defaults of who presses do not change it."""
    card = user.ask(TOWER)
    user.ask("/set style 水彩 size 16:9 n 2")
    again = card.press("again")
    assert (again.color, again.parent_id) == ("green", card.message_id)
    one, two = card.paid
    assert one == two
    assert card in user.answers


def test_ratio_select_changes_only_the_size(user: Conversation) -> None:
    card = user.ask(TOWER)
    assert {"16:9", "9:16", "1:1"} <= set(card.button("ratio").choices)
    card.press("ratio", choice="9:16")
    one, two = card.paid
    assert two == {**one, "size": "960x1728"}


def test_anybody_in_the_group_can_press_again(member: Conversation) -> None:
    """And it counts as theirs."""
    card = member.ask(TOWER)
    other = member.other_user()
    assert card.press("again", by=other).color == "green"
    one, two = card.paid
    assert one.pop("user_id") != two.pop("user_id")
    assert one == two
    other.ask("/quota").assert_shows("quota.today", used=1, most=20, left=19)


def test_redelivered_click_changes_nothing(bot: BotUnderTest, user: Conversation) -> None:
    """It is answered with the same toast."""
    card = user.ask(TOWER)
    card.press("again")
    click = bot.last_press
    header = {**click.event["header"], "token": bot.feishu.verification_token}
    again = bot.feishu.push({**click.event, "header": header})
    assert (again.status, again.body) == (200, click.body)
    bot.wait_until_idle()
    assert len(user.answers) == len(card.paid) == 2


def test_two_separate_clicks_create_two_images(user: Conversation) -> None:
    card = user.ask(TOWER)
    for _ in range(2):
        assert card.press("again").color == "green"
        user.let_time_pass()
    assert len(card.paid) == 3


def test_retry_button_under_passing_failures_only(bot: BotUnderTest, user: Conversation) -> None:
    bot.glm.arm("glm_500")
    failed = user.ask("一座灯塔")
    failed.assert_shows("button.retry")
    assert failed.press("again").color == "green"
    bot.glm.arm("glm_1301")
    refused = user.ask("一座灯塔")
    assert not refused.shows("button.retry")
    refused.assert_shows("button.edit")


PRESSES: list[tuple[dict[str, str], str]] = [
    *(({"a": action, "r": "r0"}, "toast.gone") for action in ("again", "edit", "cancel")),
    ({"a": "original", "g": "g0"}, "toast.gone"),
    ({}, "toast.unknown"),
    ({"a": "delete"}, "toast.unknown"),
    ({"a": "example", "e": "dog"}, "toast.unknown"),
]


def test_press_about_nothing_that_is_known_does_nothing(bot: BotUnderTest, user: Conversation) -> None:
    """A forgotten image, a card that is no picture, or a value that no card of ours can send."""
    card = user.ask("/help")
    for value, toast in PRESSES:
        assert card.press_raw(value) == toast_text(toast)
    with bot.app.database.read() as connection:
        request_id = connection.exec_driver_sql("SELECT request_id FROM requests WHERE kind = 'help'").scalar()
    assert card.press_raw({"a": "again", "r": request_id}) == toast_text("toast.gone")
    assert user.answers == [card]


def test_forged_press_from_another_chat_does_nothing(bot: BotUnderTest) -> None:
    """It learns and gets nothing of an image of another chat."""
    theirs, card = bot.new_user().ask("一座灯塔"), bot.new_user().ask("/help")
    known = {key: value for one in theirs.actions for key, value in one.value.items()}
    for action in ("again", "ratio", "edit", "cancel", "original", "deliver"):
        assert card.press_raw({**known, "a": action}) == toast_text("toast.gone")
    assert card.conversation.answers == [card]
    assert len(theirs.paid) == 1
