"""An image was paid for and has not arrived: it is fetched and uploaded again, and not paid for again."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from bot.db.tables import generations
from bot.sandbox.feishu.state import ChatMessage
from tests.support.dsl import DEADLINE, BotUnderTest, Card, Conversation, around, header_color, toast_text

MANY = 1000
"""More downloads than are tried before an image fails."""


def failed_card(user: Conversation, *, text: str = "一座灯塔") -> tuple[ChatMessage, Card]:
    """A prompt whose image is made and cannot be downloaded, and its card."""
    user.bot.glm.arm("image_403", times=MANY)
    said = user.send(text)
    card = user.ask(said)
    user.bot.glm.disarm()
    return said, card


def test_a_failed_download_is_repeated_for_free(member: Conversation) -> None:
    """The button says that it is free, so anybody in the chat may press; the image appears in the same card."""
    said, card = failed_card(member)
    assert card.color == "red"
    card.assert_shows("button.resume")
    assert not card.shows("button.retry")
    assert card.press_for_toast("resume", by=member.other_user()) == toast_text("toast.resumed")
    card = card.wait_until_idle()
    assert card.color == "green"
    assert not card.shows("button.resume")
    assert member.answers == [card]
    assert len(member.paid_since(said)) == 1


def test_a_failed_upload_is_repeated_from_the_kept_image(bot: BotUnderTest, user: Conversation) -> None:
    """The image is there already: it is not even downloaded again."""
    bot.feishu.faults.arm("feishu_234001", on="image", times=None)
    said = user.send()
    card = user.ask(said)
    bot.feishu.faults.disarm()
    assert card.color == "red"
    downloads = len(bot.glm.downloads)
    assert card.press_for_toast("resume") == toast_text("toast.resumed")
    assert header_color(card.wait_until_idle()) == "green"
    assert len(bot.glm.downloads) == downloads
    assert len(user.posts(said)) == 1


def test_one_of_four_is_repeated(bot: BotUnderTest, user: Conversation) -> None:
    """Beside three images that have arrived, the fourth is fetched again for free."""
    bot.feishu.faults.arm("feishu_99992402", on="image")
    said = user.send("一座灯塔 /n 4")
    card = user.ask(said)
    card.assert_shows("button.resume")
    card.assert_shows("button.again")
    card.press_for_toast("resume")
    card = card.wait_until_idle()
    assert card.color == "green"
    card.assert_shows("state.ready_all", count=4)
    assert len(user.paid_since(said)) == 4


@pytest.mark.parametrize("action", ["resume", "again"])
def test_second_press_finds_it_going_on(tmp_path: Path, action: str) -> None:
    """A second press, also on the button of an older card, finds it going on; a third finds it done."""
    opened = threading.Event()
    opened.set()

    def hold(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        opened.wait(DEADLINE)
        return inner.handle_request(request)

    with BotUnderTest(folder=tmp_path, wrap_downloads=around(hold)) as bot:
        user = bot.new_user()
        said, card = failed_card(user)
        value = {"a": action, "r": (card.button("resume").value or {})["r"]}
        opened.clear()
        assert card.press_raw(value) == toast_text("toast.resumed")
        assert card.press_raw(value) == toast_text("toast.going_on")
        opened.set()
        assert header_color(card.wait_until_idle()) == "green"
        if action == "resume":
            assert card.press_raw(value) == toast_text("toast.not_resumed")
            assert header_color(card.wait_until_idle()) == "green"
        assert len(user.paid_since(said)) == 1


def test_a_failure_again_keeps_the_free_button(bot: BotUnderTest, user: Conversation) -> None:
    """While the link may still work, the free button comes back."""
    said, card = failed_card(user)
    bot.glm.arm("image_403", times=MANY)
    card.press_for_toast("resume")
    card = card.wait_until_idle()
    bot.glm.disarm()
    assert card.color == "red"
    card.assert_shows("button.resume")
    assert len(user.paid_since(said)) == 1


def test_an_expired_link_is_paid_for_again(bot: BotUnderTest, user: Conversation) -> None:
    """When the link has expired, the free button becomes one that does not say free, and only that one pays."""
    said, card = failed_card(user)
    with bot.app.database.write() as connection:
        own = generations.c.sender == user.person
        connection.execute(update(generations).where(own).values(link_expires_at=1.0))
    assert card.press_for_toast("resume") == toast_text("toast.not_resumed")
    card = card.wait_until_idle()
    assert not card.shows("button.resume")
    card.assert_shows("button.retry")
    assert len(user.paid_since(said)) == 1
    card.press_for_toast("again")
    card.wait_until_idle()
    assert len(user.paid_since(said)) == 2
    assert [answer.color for answer in user.answers] == ["red", "green"]


def test_again_in_words_downloads_for_free(user: Conversation) -> None:
    """Asked for once more in words, what was paid for appears in its card; with another size it is a new image."""
    said, card = failed_card(user)
    assert header_color(user.ask("/again /size 16:9")) == "green"
    assert (card.reload().color, len(user.paid_since(said))) == ("red", 2)
    user = user.bot.new_user()
    said, card = failed_card(user)
    user.ask("再来一次").assert_shows("notice.redownload.text")
    assert (card.reload().color, len(user.paid_since(said))) == ("green", 1)
    user.let_time_pass()
    user.ask("/again")
    assert len(user.paid_since(said)) == 2
