"""An image was paid for and has not arrived: it is fetched and uploaded again, and not paid for again."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import httpx
from sqlalchemy import update

from bot.db.tables import generations
from tests.support.builders import change
from tests.support.dsl import DEADLINE, QUICK, BotUnderTest, Card, Conversation, around, toast_text

PACE = replace(QUICK, download=replace(QUICK.download, seconds=0.2))  # the bot gives up a download soon


def failed_card(user: Conversation) -> Card:
    """The card of a prompt whose image is made and could not be downloaded."""
    user.bot.glm.arm("image_403", times=1000)
    card = user.ask("一座灯塔")
    user.bot.glm.disarm()
    assert card.color == "red"
    return card


def test_a_failed_download_is_repeated_for_free(bot: BotUnderTest, member: Conversation) -> None:
    """The button says that it is free, so anybody in the chat may press; the image appears in the same card."""
    card = failed_card(member)
    bot.glm.arm("image_403", times=1000)
    card.press_for_toast("resume")
    card = card.wait_until_idle()
    bot.glm.disarm()
    card.assert_shows("button.resume")
    assert (card.color, card.shows("button.retry")) == ("red", False)
    assert card.press_for_toast("resume", by=member.other_user()) == toast_text("toast.resumed")
    card = card.wait_until_idle()
    assert (card.color, card.shows("button.resume")) == ("green", False)
    assert (member.answers, len(card.paid)) == ([card], 1)


def test_one_failed_upload_of_four_is_repeated_from_the_kept_image(bot: BotUnderTest, user: Conversation) -> None:
    """It is not even downloaded again."""
    downloads = len(bot.glm.downloads)
    bot.feishu.faults.arm("feishu_99992402", on="image")
    card = user.ask("一座灯塔 /n 4")
    card.assert_shows("button.resume", "button.again")
    assert card.press_for_toast("resume") == toast_text("toast.resumed")
    card = card.wait_until_idle()
    card.assert_shows("state.ready_all", count=4)
    assert (card.color, len(card.paid), len(bot.glm.downloads) - downloads) == ("green", 4, 4)


def test_second_press_finds_it_going_on(tmp_path: Path) -> None:
    """A second press, also on the button of an older card, finds it going on; a third finds it done."""
    opened = threading.Event()
    opened.set()

    def hold(inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        opened.wait(DEADLINE)
        return inner.handle_request(request)

    with BotUnderTest(folder=tmp_path, pace=PACE, wrap_downloads=around(hold)) as bot:
        card = failed_card(bot.new_user())
        value = card.button("resume").value
        opened.clear()
        assert card.press_raw({**value, "a": "again"}) == toast_text("toast.resumed")
        for action in ("resume", "again"):
            assert card.press_raw({**value, "a": action}) == toast_text("toast.going_on")
        opened.set()
        assert card.wait_until_idle().color == "green"
        assert card.press_raw(value) == toast_text("toast.not_resumed")
        assert card.wait_until_idle().color == "green"
        assert len(card.paid) == 1


def test_an_expired_link_is_paid_for_again(bot: BotUnderTest, user: Conversation) -> None:
    """When the link has expired, the free button becomes one that does not say free, and only that one pays."""
    card = failed_card(user)
    own = generations.c.sender == user.person
    change(bot.app.database, update(generations).where(own).values(link_expires_at=1.0))
    assert card.press_for_toast("resume") == toast_text("toast.not_resumed")
    card = card.wait_until_idle()
    card.assert_shows("button.retry")
    assert (card.shows("button.resume"), len(card.paid)) == (False, 1)
    card.press_for_toast("again")
    card.wait_until_idle()
    assert len(card.paid) == 2
    assert [answer.color for answer in user.answers] == ["red", "green"]


def test_again_in_words_downloads_for_free(bot: BotUnderTest) -> None:
    """Asked for once more in words, what was paid for appears in its card; with another size it is a new image."""
    user = bot.new_user()
    card = failed_card(user)
    assert user.ask("/again /size 16:9").color == "green"
    assert (card.reload().color, len(card.paid)) == ("red", 2)
    user = bot.new_user()
    card = failed_card(user)
    user.ask("再来一次").assert_shows("notice.redownload.text")
    assert (card.reload().color, len(card.paid)) == ("green", 1)
    user.let_time_pass()
    user.ask("/again")
    assert len(card.paid) == 2
