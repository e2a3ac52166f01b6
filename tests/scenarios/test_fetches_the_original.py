"""Somebody wants the original as a file: from what is kept, from its link, from Feishu's own copy, or it is gone."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import update

from bot.db.tables import generations
from bot.sandbox.feishu.state import Upload
from tests.support.builders import change
from tests.support.dsl import BotUnderTest, Card, Conversation, bot_with


def file_of(message: Card) -> Upload:
    """The file that a message holds."""
    assert message.msg_type == "file"
    return message.conversation.bot.feishu.uploads[json.loads(message.content)["file_key"]]


def test_original_comes_from_the_cache_the_link_or_feishu(tmp_path: Path) -> None:
    """The kept bytes come unchanged, named by what they are, as a reply to the card; nothing is paid.

    When they are gone, the original is fetched from its link; when that has expired, the file is Feishu's own copy;
    when nobody has it any more, a card says so.
    """
    with bot_with(tmp_path) as bot:
        user = bot.new_user()
        card = user.ask("一座灯塔")
        (kept,) = (tmp_path / "originals").iterdir()
        content = kept.read_bytes()
        (picture,) = (upload for upload in bot.feishu.uploads.values() if upload.kind == "image")

        def pressed_anew() -> Card:
            for path in (tmp_path / "originals").iterdir():
                path.unlink()
            change(bot.app.database, update(generations).values(file_key=None))
            user.let_time_pass()
            return card.press("original")

        message = card.press("original")
        sent = file_of(message)
        assert (message.parent_id, sent.content, sent.name[-4:]) == (card.message_id, content, ".jpg")
        assert len(bot.glm.downloads) == 1
        assert file_of(pressed_anew()).content == content
        assert len(bot.glm.downloads) == 2
        # From here on for good: an answer that has to wait for the chat's limit looks for the file again.
        bot.glm.arm("image_403", times=20)
        assert file_of(pressed_anew()).content == picture.content
        assert len(bot.feishu.calls_named("own_image")) == 1
        bot.feishu.faults.arm("feishu_234005", on="own_image", times=None)
        pressed_anew().assert_shows("notice.original_gone.text")
        assert len(card.paid) == 1


def test_each_of_four_originals_has_a_button(bot: BotUnderTest, user: Conversation) -> None:
    card = user.ask("一座灯塔 /n 4")
    sent = file_of(card.press("original", number=3))
    (grid,) = [part for part in json.loads(card.content)["body"]["elements"] if part["tag"] == "img_combination"]
    assert sent.content == bot.feishu.uploads[grid["img_list"][3]["img_key"]].content


def test_original_is_uploaded_once(bot: BotUnderTest, user: Conversation) -> None:
    """However often its message is sent again, and no matter who asks for it at once or later.

    When Feishu refuses the file in a message, it is uploaded again the next time.
    """
    card = user.ask("一座灯塔")
    bot.feishu.faults.arm("feishu_2200", on="reply", times=7)
    for _ in range(4):
        card.press_for_toast("original", by=user.other_user())
    files = [file_of(message) for message in user.new_answers(1)]
    assert files == [file_of(card.press("original"))] * 4
    calls = [call.name for call in user.calls]
    assert (calls.count("file"), calls.count("reply")) == (1, 1 + 7 + 4 + 1)
    user.let_time_pass()
    bot.feishu.faults.arm("feishu_230017", on="reply")
    card.press("original").assert_shows("notice.original_refused.text")
    user.let_time_pass()
    assert file_of(card.press("original")) not in files


def test_a_cache_that_cannot_be_used_fails_no_image(tmp_path: Path) -> None:
    """Where its folder is something else, images and originals arrive all the same."""
    (tmp_path / "originals").write_text("not a folder")
    with bot_with(tmp_path) as bot:
        card = bot.new_user().ask("一座灯塔")
        assert (card.color, len(card.paid)) == ("green", 1)
        assert file_of(card.press("original")).name.endswith(".jpg")
