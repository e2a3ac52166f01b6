"""Somebody sends an image, a voice message, a file or nothing: one sentence, or the welcome; nothing is paid."""

from __future__ import annotations

from bot.sandbox.feishu.state import ChatMessage
from tests.clients.feishu_wire import png
from tests.support.dsl import BotUnderTest, Conversation

PICTURE = png(1, 1)


def send_picture(user: Conversation) -> ChatMessage:
    return user.send(image=PICTURE, mention_bot=False)


def send_file(user: Conversation) -> ChatMessage:
    return user.bot.feishu.send_file(chat_id=user.chat_id, sender=user.person, content=b"words", name="a.txt")


def forward(user: Conversation) -> ChatMessage:
    return user.send("Merged and Forwarded Message")


def test_what_cannot_be_read_is_answered_with_one_sentence(bot: BotUnderTest) -> None:
    """What holds no words is answered by the welcome card."""
    for send in (send_picture, send_file, forward):
        user = bot.new_user()
        card = user.ask(send(user))
        card.assert_shows("notice.unreadable.text")
        assert card.paid == []
    for kind, mentions in (("p2p", []), ("p2p", [bot.new_user().person]), ("group", [])):
        card = bot.new_user(kind=kind).ask(" ", mentions=mentions)
        card.assert_shows("welcome.title")
        assert card.paid == []


def test_the_sentence_comes_once_a_minute(bot: BotUnderTest, user: Conversation) -> None:
    """Another person's on their own, and a prompt after them as ever."""
    user.ask(send_picture(user))
    for send in (send_picture, send_file, forward):
        bot.wait_until_idle(send(user))
    assert len(user.answers) == 1
    other = user.other_user()
    other.ask(send_picture(other)).assert_shows("notice.unreadable.text")
    assert user.ask("一座灯塔").color == "green"


def test_words_about_an_image_are_asked_about(member: Conversation) -> None:
    """Beside an image, in reply to one, or to a message that was not for the bot and may be one.

    They may ask for a change of that image, which the bot cannot make: it asks before it draws. Thanks ask for nothing.
    """
    member.assert_no_answer(member.send("谢谢", image=PICTURE))
    tower = member.ask("一座红色的塔")
    beside = member.ask("一座灯塔", image=PICTURE)
    beside.assert_shows("question.text", prompt="一座灯塔")
    image = send_picture(member)
    for text in ("画一座灯塔", "再来一张", "改成蓝色"):
        member.ask(text, quote=image.message_id).assert_shows("question.title")
    direct = member.in_another_chat("p2p")
    direct.ask(image := send_picture(direct))
    direct.ask("画一座灯塔", quote=image.message_id).assert_shows("question.text", prompt="一座灯塔")
    assert len(tower.paid) == 1
    assert beside.press("confirm").color == "green"
