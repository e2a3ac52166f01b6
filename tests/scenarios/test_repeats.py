"""Somebody wants it once more: by command, by the buttons of a card, by the history."""

from __future__ import annotations

from pathlib import Path

from tests.support.dsl import CATALOGUE, BotUnderTest, Conversation, bot_with, card_actions, header_color, toast_text

TOWER = "一座灯塔，水彩 /size 3:2 /style 油画"


AGAIN = {
    "/again": {},
    "再来一张 16:9": {"size": "1728x960"},
    "/再来 /质量 standard": {"quality": "standard"},
    "/again /style none": {"prompt": "一座灯塔，水彩"},
    "/again /model cogview-4": {"model": "cogview-4", "size": "1280x1280"},
}


def test_again_command_repeats_last_prompt(bot: BotUnderTest) -> None:
    """The last prompt is drawn again as it was, but for the options that follow; unless they say more, once."""
    for text, changed in AGAIN.items():
        user = bot.new_user()
        (body,) = user.ask(TOWER).paid
        card = user.ask(text)
        assert (card.color, card.paid) == ("green", [{**body, **changed}])
    user = bot.new_user()
    user.ask("一座灯塔 /n 2")
    assert [len(user.ask(text).paid) for text in ("/again", "/again /n 2", "再来两张")] == [1, 2, 2]


def test_again_button_repeats_prompt(user: Conversation) -> None:
    """The button draws the same again, as a new reply under the card, and leaves the card as it is."""
    card = user.ask(TOWER)
    again = card.press("again")
    assert again.parent_id == card.message_id
    assert again.color == "green"
    one, two = card.paid
    assert one == two
    assert user.answers == [card, again]


def test_again_button_stays_in_topic(bot: BotUnderTest) -> None:
    """What a press asks for stays in the topic as well."""
    user = bot.new_user(kind="topic")
    card = user.ask(TOWER)
    assert card.press("again").thread_id == card.thread_id is not None


def test_ratio_select_changes_only_the_size(user: Conversation) -> None:
    """The select on the card draws the same in another ratio."""
    card = user.ask(TOWER)
    assert {"16:9", "9:16", "1:1"} <= set(card.button("ratio").choices)
    card.press("ratio", choice="9:16")
    one, two = card.paid
    assert two == {**one, "size": "960x1728"}


def test_anybody_in_the_group_can_press_again(member: Conversation) -> None:
    """Anybody in the chat may press, and it counts as theirs."""
    card = member.ask(TOWER)
    other = member.other_user()
    assert header_color(card.press("again", by=other)) == "green"
    one, two = card.paid
    assert one.pop("user_id") != two.pop("user_id")
    assert one == two
    other.ask("/quota").assert_shows("quota.today", used=1, most=20, left=19)


def test_again_ignores_defaults_of_the_presser(user: Conversation) -> None:
    """The defaults of who presses do not change a picture that was made without them."""
    card = user.ask("一座灯塔")
    user.ask("/set style 水彩 size 16:9 n 2")
    card.press("again")
    one, two = card.paid
    assert one == two


def test_redelivered_click_changes_nothing(bot: BotUnderTest, user: Conversation) -> None:
    """The same click delivered again is answered with the same toast and makes nothing new."""
    card = user.ask(TOWER)
    card.press("again")
    click = bot.last_press
    again = bot.deliver_again(click)
    assert (again.status, again.body) == (200, click.body)
    bot.wait_until_idle()
    assert len(user.answers) == len(card.paid) == 2


def test_two_separate_clicks_create_two_images(user: Conversation) -> None:
    """A click some time after the last one is a wish for another image."""
    card = user.ask(TOWER)
    for _ in range(2):
        assert card.press("again").color == "green"
        user.let_time_pass()
    assert len(card.paid) == 3


def test_retry_button_under_passing_failures_only(bot: BotUnderTest, user: Conversation) -> None:
    """Under a passing failure there is a button to try again; under a refusal of the content there is none."""
    bot.glm.arm("glm_500")
    failed = user.ask("一座灯塔")
    failed.assert_shows("button.retry")
    assert header_color(failed.press("again")) == "green"
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


def test_press_about_nothing_that_is_known_does_nothing(user: Conversation) -> None:
    """A forgotten image, or a value that no card of ours can send, is answered with a toast."""
    card = user.ask("/help")
    for value, toast in PRESSES:
        assert card.press_raw(value) == toast_text(toast)
    assert user.answers == [card]


def test_forged_press_from_another_chat_does_nothing(bot: BotUnderTest) -> None:
    """A forged press learns and gets nothing of an image of another chat."""
    owner, stranger = bot.new_user(), bot.new_user()
    theirs = owner.ask("一座灯塔")
    values = [one.value or {} for one in card_actions(bot.feishu, theirs.message_id)]
    known = {key: value for one in values for key, value in one.items()}
    card = stranger.ask("/help")
    for action in ("again", "ratio", "edit", "cancel", "original", "deliver"):
        assert card.press_raw({**known, "a": action}, by=stranger) == toast_text("toast.gone")
    assert stranger.answers == [card]
    assert len(theirs.paid) == 1


def test_press_about_a_command_pays_nothing(bot: BotUnderTest, user: Conversation) -> None:
    """A forged press about a card that is no picture pays for nothing."""
    card = user.ask("/help")
    with bot.app.database.read() as connection:
        request_id = connection.exec_driver_sql("SELECT request_id FROM requests WHERE kind = 'help'").scalar()
    assert card.press_raw({"a": "again", "r": request_id}) == toast_text("toast.gone")


def test_limit_is_told_in_the_toast(tmp_path: Path) -> None:
    """A press that would pass a limit is answered with the limit's sentence, and nothing else is sent."""
    with bot_with(tmp_path, {"BOT_LIMITS_PER_DAY": "1"}) as bot:
        user = bot.new_user()
        card = user.ask("一座灯塔")
        assert card.press_for_toast("again") == toast_text("limit.day", most=1, zone=CATALOGUE.bilingual("zone.china"))
        assert user.answers == [card]
        assert len(bot.glm.calls) == 1
