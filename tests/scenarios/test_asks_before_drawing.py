"""What may not be a prompt is asked about on a free card; what people say after a result refers to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.db.tables import requests
from tests.support.dsl import BotUnderTest, Conversation, bot_with, header_color, toast_text

SETTINGS = {"BOT_CHAT_CONFIRM": "ambiguous"}
UNCLEAR = "今天下午三点开会"


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """The bot as it is shipped: it asks where it is not clear that an image is wanted."""
    with bot_with(tmp_path_factory.mktemp("bot"), SETTINGS) as bot:
        yield bot


def test_a_confirmed_question_is_drawn_like_a_prompt(user: Conversation) -> None:
    """The free card quotes the words and says what an image costs; the image replies to it, and its buttons go."""
    said = user.send(text := UNCLEAR)
    card = user.ask(said)
    card.assert_shows("question.text", prompt=text)
    card.assert_shows("button.draw", price="¥0.10")
    card.assert_shows("button.decline")
    assert card.paid == []
    image = card.press("confirm")
    assert (image.color, image.parent_id) == ("green", card.message_id)
    assert [body["prompt"] for body in user.paid_since(said)] == [text]
    card.reload().assert_shows("question.drawn")
    assert card.reload().actions == []


def test_a_question_is_drawn_once(bot: BotUnderTest) -> None:
    """Pressed twice, and after a restart, it is one image, which counts for the person who pressed first."""
    user = bot.new_user(kind="group")
    said = user.send(UNCLEAR)
    card = user.ask(said)
    button = card.button("confirm").value
    confirming = user.other_user()
    card.press("confirm", by=confirming)
    bot.stop()
    bot.start()
    for person in (user, user.other_user()):
        assert card.press_raw(button, by=person) == toast_text("toast.going_on")
    bot.wait_until_idle()
    assert len(user.paid_since(said)) == 1
    assert len(user.answers) == 2
    with bot.app.database.read() as connection:
        images = (requests.c.kind == "images") & (requests.c.chat_id == user.chat_id)
        assert list(connection.scalars(select(requests.c.sender).where(images))) == [confirming.person]


def test_a_declined_question_costs_nothing(bot: BotUnderTest) -> None:
    """Only who wrote it can decline; then it cannot be drawn any more."""
    user = bot.new_user(kind="group")
    card = user.ask(UNCLEAR)
    assert card.press_for_toast("decline", by=user.other_user()) == toast_text("toast.not_yours")
    button = card.button("confirm").value
    assert card.press_for_toast("decline") == toast_text("toast.declined")
    card.wait_until_idle().assert_shows("question.declined")
    assert card.press_raw(button) == toast_text("toast.unknown")
    assert card.wait_until_idle().paid == []


def test_a_recalled_message_leaves_no_words_on_the_question(bot: BotUnderTest, user: Conversation) -> None:
    """The card says that the message was recalled, and its old button draws nothing."""
    said = user.send(UNCLEAR)
    card = user.ask(said)
    button = card.button("confirm").value
    bot.feishu.recall(said.message_id, by=user.person)
    card = card.wait_to_show("notice.recalled.text")
    assert UNCLEAR not in card.content
    assert card.press_raw(button) == toast_text("toast.gone")
    bot.wait_until_idle()
    assert user.paid_since(said) == []


def test_never_draws_what_is_not_clear(tmp_path: Path) -> None:
    """Where the setting says ``never``, nothing is asked."""
    with bot_with(tmp_path, {"BOT_CHAT_CONFIRM": "never"}) as bot:
        assert bot.new_user().ask("开会了").color == "green"


def test_always_asks_before_every_image(tmp_path: Path) -> None:
    """Again and its options are asked about with the prompt that would be drawn, and drawn with them."""
    with bot_with(tmp_path, {"BOT_CHAT_CONFIRM": "always"}) as bot:
        user = bot.new_user()
        said = user.send("画一座红色的塔")
        user.ask(said).press("confirm")
        for text in ("再来一张", "/again", "换成横版"):
            card = user.ask(text)
            card.assert_shows("question.text", prompt="一座红色的塔")
        assert len(user.paid_since(said)) == 1
        card.press("confirm")
        assert [(body["prompt"], body["size"]) for body in user.paid_since(said)][1:] == [("一座红色的塔", "1568x1056")]


def test_thanks_get_a_reaction_and_no_message(bot: BotUnderTest, user: Conversation) -> None:
    said = user.send("谢谢")
    user.assert_no_answer(said)
    (reaction,) = [one for one in bot.feishu.state.reactions.values() if one.message_id == said.message_id]
    assert reaction.emoji_type == "THUMBSUP"


def test_without_the_scope_thanks_are_silent(bot: BotUnderTest, user: Conversation) -> None:
    """The refusal concerns nothing else: the next prompt is answered."""
    bot.feishu.faults.arm("feishu_99991672", on="react")
    user.assert_no_answer(user.send("谢谢"))
    assert header_color(user.ask("一座灯塔")) == "green"


def test_a_reply_refers_to_the_result_that_it_quotes(bot: BotUnderTest) -> None:
    """Not to the last one; and in a group who replies owns and pays."""
    user = bot.new_user(kind="group")
    tower = user.ask("一座红色的塔")
    user.ask("一片蓝色的海")
    other = user.other_user()
    said = bot.feishu.say(chat_id=user.chat_id, sender=other.person, text="再来一张", quote=tower.message_id)
    assert header_color(other.ask(said)) == "green"
    assert [body["prompt"] for body in other.paid_since(said)] == ["一座红色的塔"]
    with bot.app.database.read() as connection:
        owner = connection.scalar(select(requests.c.sender).where(requests.c.dedup_key == said.message_id))
    assert owner == other.person


def test_a_change_opens_the_form(user: Conversation) -> None:
    """It is filled in, free, and says that a new image will be made."""
    first = user.send("a red tower")
    user.ask(first)
    form = user.ask("make it blue")
    form.assert_shows("form.new_image")
    filled = "a red tower, make it blue"
    assert f'"default_value":"{filled}"' in form.content
    assert len(user.paid_since(first)) == 1
    form.submit(prompt=filled)
    (image,) = user.new_answers(2)
    assert image.color == "green"
    assert user.paid_since(first)[-1]["prompt"] == filled


def test_recalled_change_leaves_the_form(bot: BotUnderTest, user: Conversation) -> None:
    """The words of a recalled change are not shown any more."""
    user.ask("一座红色的塔")
    said = user.send("改成墨绿色")
    form = user.ask(said)
    bot.feishu.recall(said.message_id, by=user.person)
    assert "改成墨绿色" not in form.wait_to_show("notice.recalled.text").content


def test_the_card_says_what_was_recognized(bot: BotUnderTest) -> None:
    """One small line quotes the words; the button opens the form with the message as it was typed."""
    for text, words in {"一只猫，竖版": "竖版", "来四张猫的图": "四张"}.items():
        card = bot.new_user().ask(text)
        assert any(words in line and ("：" in line) for line in card.text().split("\n"))
        assert f'"default_value":"{text}"' in card.press("retype").content


def test_pause_needs_the_slash(bot: BotUnderTest) -> None:
    """What concerns everybody is not done by a word that an admin happens to say."""
    admin = bot.admin()
    for text in ("暂停", "恢复", "继续"):
        admin.ask(text).assert_shows("question.title")
    admin.ask("/暂停").assert_shows("notice.paused.title")
    admin.ask("/继续").assert_shows("notice.resumed.title")


def test_the_short_help_leads_to_all_commands(user: Conversation) -> None:
    """The help is short, and a button sends the whole list."""
    card = user.ask("/help")
    card.assert_shows("help.short")
    assert not card.shows("help.commands")
    card.press("command").assert_shows("help.commands")
