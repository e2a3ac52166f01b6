"""What may not be a prompt is asked about on a free card; what people say after a result refers to it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from bot.db.tables import requests
from tests.support.dsl import BotUnderTest, Conversation, bot_with, toast_text

UNCLEAR = "今天下午三点开会"
SETTINGS = {"BOT_CHAT_CONFIRM": "ambiguous"}
"""As it is shipped, the bot asks where it is not clear that an image is wanted."""


def test_a_confirmed_question_is_drawn_once(bot: BotUnderTest, member: Conversation) -> None:
    """Pressed twice, and after a restart, it is one image, which counts for the person who pressed first."""
    card = member.ask(UNCLEAR)
    card.assert_shows("question.text", prompt=UNCLEAR)
    card.assert_shows("button.draw", "button.decline", price="¥0.10")
    assert card.paid == []
    button = card.button("confirm").value
    confirming = member.other_user()
    image = card.press("confirm", by=confirming)
    assert (image.color, image.parent_id) == ("green", card.message_id)
    assert [body["prompt"] for body in card.paid] == [UNCLEAR]
    card.reload().assert_shows("question.drawn")
    assert card.reload().actions == []
    bot.stop()
    bot.start()
    for person in (member, member.other_user()):
        assert card.press_raw(button, by=person) == toast_text("toast.going_on")
    bot.wait_until_idle()
    assert (len(card.paid), len(member.answers)) == (1, 2)
    with bot.app.database.read() as connection:
        images = (requests.c.kind == "images") & (requests.c.chat_id == member.chat_id)
        assert list(connection.scalars(select(requests.c.sender).where(images))) == [confirming.person]


def test_a_declined_question_costs_nothing(member: Conversation) -> None:
    """Only who wrote it can decline; then it cannot be drawn any more."""
    card = member.ask(UNCLEAR)
    assert card.press_for_toast("decline", by=member.other_user()) == toast_text("toast.not_yours")
    button = card.button("confirm").value
    assert card.press_for_toast("decline") == toast_text("toast.declined")
    card.wait_until_idle().assert_shows("question.declined")
    assert card.press_raw(button) == toast_text("toast.unknown")
    assert card.wait_until_idle().paid == []


def test_a_recalled_message_leaves_no_words_on_question_form_and_error(user: Conversation) -> None:
    """And the old button draws nothing."""
    tower = user.ask("一座红色的塔")
    button = user.ask(question := user.send(UNCLEAR)).button("confirm").value
    for said, words in ((question, UNCLEAR), (user.send("改成墨绿色"), "墨绿色"), (user.send("/秘密 一座塔"), "秘密")):
        card = user.ask(said)
        assert words in card.content
        user.recall(said)
        assert words not in card.wait_to_show("notice.recalled.text").content
    assert user.answers[1].press_raw(button) == toast_text("toast.gone")
    user.bot.wait_until_idle()
    assert len(tower.paid) == 1


def test_always_asks_before_every_image(tmp_path: Path) -> None:
    """Again and its options are asked about with the prompt that would be drawn, and drawn with them."""
    with bot_with(tmp_path, {"BOT_CHAT_CONFIRM": "always"}) as bot:
        user = bot.new_user()
        first = user.ask("画一座红色的塔")
        first.press("confirm")
        for text in ("再来一张", "/again", "换成横版"):
            card = user.ask(text)
            card.assert_shows("question.text", prompt="一座红色的塔")
        assert len(first.paid) == 1
        card.press("confirm")
        assert [(body["prompt"], body["size"]) for body in first.paid][1:] == [("一座红色的塔", "1568x1056")]


def test_without_the_scope_thanks_are_silent(bot: BotUnderTest, user: Conversation) -> None:
    """The refusal concerns nothing else: the next prompt is answered."""
    bot.feishu.faults.arm("feishu_99991672", on="react")
    user.assert_no_answer(user.send("谢谢"))
    assert user.ask("一座灯塔").color == "green"


def test_a_reply_refers_to_the_result_that_it_quotes(bot: BotUnderTest, member: Conversation) -> None:
    """Not to the last one; and in a group who replies owns and pays."""
    tower = member.ask("一座红色的塔")
    member.ask("一片蓝色的海")
    other = member.other_user()
    card = other.ask("再来一张", quote=tower.message_id)
    assert (card.color, [body["prompt"] for body in card.paid]) == ("green", ["一座红色的塔"])
    with bot.app.database.read() as connection:
        owner = connection.scalar(select(requests.c.sender).where(requests.c.dedup_key == card.parent_id))
    assert owner == other.person


def test_a_change_opens_the_form(user: Conversation) -> None:
    """It is filled in, free, and says that a new image will be made."""
    first = user.ask("a red tower")
    form = user.ask("make it blue")
    form.assert_shows("form.new_image")
    filled = "a red tower, make it blue"
    assert f'"default_value":"{filled}"' in form.content
    assert len(first.paid) == 1
    form.submit(prompt=filled)
    (image,) = user.new_answers(2)
    assert (image.color, first.paid[-1]["prompt"]) == ("green", filled)


def test_the_card_says_what_was_recognized(bot: BotUnderTest) -> None:
    """One small line quotes the words; the button opens the form with the message as it was typed."""
    for text, words in {"一只猫，竖版": "竖版", "来四张猫的图": "四张"}.items():
        card = bot.new_user().ask(text)
        assert any(words in line and ("：" in line) for line in card.text().split("\n"))
        assert f'"default_value":"{text}"' in card.press("retype").content


def test_pause_needs_the_slash(bot: BotUnderTest) -> None:
    """What concerns everybody is not done by a word that an admin happens to say."""
    for text in ("暂停", "恢复", "继续"):
        bot.admin().ask(text).assert_shows("question.title")


def test_the_short_help_leads_to_all_commands(user: Conversation) -> None:
    card = user.ask("/help")
    card.assert_shows("help.short")
    assert not card.shows("help.commands")
    card.press("command").assert_shows("help.commands")
