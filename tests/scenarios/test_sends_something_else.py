"""Somebody sends an image, a voice message, a file or nothing: one sentence, or the welcome; nothing is paid."""

from __future__ import annotations

from collections.abc import Callable

from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import BotUnderTest, Conversation, header_color

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    b"!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)

UNREADABLE: dict[str, Callable[[Conversation], ChatMessage]] = {
    "a picture": lambda user: user.bot.feishu.say(
        chat_id=user.chat_id, sender=user.person, mention_bot=False, image=GIF
    ),
    "a file": lambda user: user.bot.feishu.send_file(
        chat_id=user.chat_id, sender=user.person, content=b"words", name="a.txt"
    ),
    "a merged forward": lambda user: user.send("Merged and Forwarded Message"),
}


def test_what_cannot_be_read_is_answered_with_one_sentence(bot: BotUnderTest) -> None:
    """The sentence asks for words, and nothing is paid; what holds no words is answered by the welcome card."""
    for send in UNREADABLE.values():
        user = bot.new_user()
        card = user.ask(send(user))
        card.assert_shows("notice.unreadable.text")
        assert card.paid == []
    for kind, mentions in (("p2p", []), ("p2p", [bot.new_user().person]), ("group", [])):
        user = bot.new_user(kind=kind)
        card = user.ask(bot.feishu.say(chat_id=user.chat_id, sender=user.person, text=" ", mentions=mentions))
        card.assert_shows("welcome.title")
        assert card.paid == []


def test_the_sentence_comes_once_a_minute(bot: BotUnderTest, user: Conversation) -> None:
    """Images in a row are answered once, another person's on their own, and a prompt after them as ever."""
    sent = [UNREADABLE["a picture"](user)]
    user.ask(sent[0])
    for message in [UNREADABLE[name](user) for name in (*UNREADABLE, *UNREADABLE)]:
        bot.wait_until_idle(message)
    assert len(user.answers) == 1
    user.other_user().ask(UNREADABLE["a picture"](user.other_user())).assert_shows("notice.unreadable.text")
    assert header_color(user.ask("一座灯塔")) == "green"


def test_words_beside_an_image_are_asked_about(bot: BotUnderTest) -> None:
    """An image with words may ask for a change of that image, which the bot cannot make: it asks before it draws."""
    user = bot.new_user(kind="group")
    said = bot.feishu.say(chat_id=user.chat_id, sender=user.person, image=GIF, text="一座灯塔")
    card = user.ask(said)
    card.assert_shows("question.text", prompt="一座灯塔")
    assert card.paid == []
    assert card.press("confirm").color == "green"


def test_words_in_reply_to_an_image_are_asked_about(user: Conversation) -> None:
    """A prompt that quotes somebody's image may be about that image."""
    image = UNREADABLE["a picture"](user)
    user.ask(image)
    said = user.bot.feishu.say(chat_id=user.chat_id, sender=user.person, text="画一座灯塔", quote=image.message_id)
    user.ask(said).assert_shows("question.text", prompt="一座灯塔")


def test_reply_to_an_unknown_message_is_asked_about(bot: BotUnderTest) -> None:
    """What somebody quotes that was not for the bot may be an image: nothing is paid at once."""
    user = bot.new_user(kind="group")
    tower = user.send("一座红色的塔")
    user.ask(tower)
    image = bot.feishu.say(chat_id=user.chat_id, sender=user.person, mention_bot=False, image=GIF)
    for text in ("画一座灯塔", "再来一张", "改成蓝色"):
        said = bot.feishu.say(chat_id=user.chat_id, sender=user.person, text=text, quote=image.message_id)
        user.ask(said).assert_shows("question.title")
    assert len(user.paid_since(tower)) == 1


def test_thanks_beside_an_image_get_a_reaction(user: Conversation) -> None:
    """Words that ask for nothing ask for nothing beside an image, too."""
    said = user.bot.feishu.say(chat_id=user.chat_id, sender=user.person, image=GIF, text="谢谢")
    user.assert_no_answer(said)
