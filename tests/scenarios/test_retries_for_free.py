"""An image was paid for and has not arrived: it is fetched and uploaded again, and not paid for again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from bot.db.tables import generations
from bot.sandbox.feishu.world import ChatMessage
from tests.scenarios.talking import (
    answer_to,
    button,
    flash,
    now,
    paid_for,
    said_in_toast,
    shows,
    somebody_else_in,
    toast_of,
)
from tests.support.world import DEADLINE, Talk, World, colour

MANY = 1000
"""More downloads than are tried before an image fails."""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[World]:
    """A bot of this test's own."""
    with World(folder=tmp_path) as world:
        yield world


class Tap(httpx.BaseTransport):
    """Holds downloads back while it is not open."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.opened.set()
        self._inner: httpx.BaseTransport | None = None

    def on(self, inner: httpx.BaseTransport) -> httpx.BaseTransport:
        """The transport behind the tap."""
        self._inner = inner
        return self

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request when the tap is open."""
        assert self._inner is not None
        self.opened.wait(DEADLINE)
        return self._inner.handle_request(request)


def failed_card(talk: Talk, *, text: str = "一座灯塔") -> tuple[ChatMessage, ChatMessage]:
    """A prompt whose image is made and cannot be downloaded, and its card."""
    talk.world.glm.arm("image_403", times=MANY)
    said = talk.say(text)
    card = answer_to(talk, said)
    talk.world.glm.disarm()
    return said, card


def settled(talk: Talk, card: ChatMessage) -> ChatMessage:
    """The card once nothing is left to do."""
    talk.wait(lambda: talk.world.idle)
    return now(talk.world, card)


def test_a_failed_download_is_repeated_for_free(world: World) -> None:
    """The button says that it is free; the image appears in the same card, and nothing is paid again."""
    talk = world.somebody()
    said, card = failed_card(talk)
    assert colour(card) == "red"
    assert shows(card, "button.resume")
    assert not shows(card, "button.retry")
    assert flash(talk, card, "resume") == said_in_toast("toast.resumed")
    card = settled(talk, card)
    assert colour(card) == "green"
    assert not shows(card, "button.resume")
    assert talk.answers == [card]
    assert len(paid_for(talk, said)) == 1


def test_a_failed_upload_is_repeated_from_the_kept_image(world: World) -> None:
    """The image is there already: it is not even downloaded again."""
    talk = world.somebody()
    world.feishu.faults.arm("feishu_234001", on="image", times=None)
    said = talk.say()
    card = answer_to(talk, said)
    world.feishu.faults.disarm()
    assert colour(card) == "red"
    downloads = len(world.glm.downloads)
    assert flash(talk, card, "resume") == said_in_toast("toast.resumed")
    assert colour(settled(talk, card)) == "green"
    assert len(world.glm.downloads) == downloads
    assert len(talk.posts(said)) == 1


def test_one_of_four_is_repeated(world: World) -> None:
    """Beside three images that have arrived, the fourth is fetched again for free."""
    talk = world.somebody()
    world.feishu.faults.arm("feishu_234002", on="image")
    said = talk.say("一座灯塔 /n 4")
    card = answer_to(talk, said)
    assert shows(card, "button.resume")
    assert shows(card, "button.again")
    flash(talk, card, "resume")
    card = settled(talk, card)
    assert colour(card) == "green"
    assert shows(card, "state.ready_all", count=4)
    assert len(paid_for(talk, said)) == 4


def test_anybody_in_the_chat_may_repeat_it(world: World) -> None:
    """It costs nothing, so whoever presses first helps the person who asked."""
    talk = world.somebody(kind="group")
    said, card = failed_card(talk)
    other = somebody_else_in(talk)
    assert flash(other, card, "resume") == said_in_toast("toast.resumed")
    assert colour(settled(talk, card)) == "green"
    assert len(paid_for(talk, said)) == 1


@pytest.mark.parametrize("action", ["resume", "again"])
def test_pressed_twice(tmp_path: Path, action: str) -> None:
    """A second press, also on the button of an older card, finds it going on; a third finds it done."""
    tap = Tap()
    with World(folder=tmp_path, fetching=tap.on) as world:
        talk = world.somebody()
        said, card = failed_card(talk)
        value = {"a": action, "r": (button(talk, card, "resume").value or {})["r"]}
        tap.opened.clear()
        assert toast_of(talk, card, value) == said_in_toast("toast.resumed")
        assert toast_of(talk, card, value) == said_in_toast("toast.going_on")
        tap.opened.set()
        assert colour(settled(talk, card)) == "green"
        if action == "resume":
            assert toast_of(talk, card, value) == said_in_toast("toast.not_resumed")
            assert colour(settled(talk, card)) == "green"
        assert len(paid_for(talk, said)) == 1


def test_a_failure_again_keeps_the_free_button(world: World) -> None:
    """While the link may still work, the free button comes back."""
    talk = world.somebody()
    said, card = failed_card(talk)
    world.glm.arm("image_403", times=MANY)
    flash(talk, card, "resume")
    card = settled(talk, card)
    assert colour(card) == "red"
    assert shows(card, "button.resume")
    assert len(paid_for(talk, said)) == 1


def test_an_expired_link_is_paid_for_again(own: World) -> None:
    """When the link has expired, the free button becomes one that does not say free, and only that one pays."""
    talk = own.somebody()
    said, card = failed_card(talk)
    with own.bot.database.write() as connection:
        connection.execute(update(generations).values(link_expires_at=1.0))
    assert flash(talk, card, "resume") == said_in_toast("toast.not_resumed")
    card = settled(talk, card)
    assert not shows(card, "button.resume")
    assert shows(card, "button.retry")
    assert len(paid_for(talk, said)) == 1
    flash(talk, card, "again")
    settled(talk, card)
    assert len(paid_for(talk, said)) == 2
    assert [colour(answer) for answer in talk.answers] == ["red", "green"]


def test_a_failure_without_a_link_is_paid_for_again(world: World) -> None:
    """When nothing was made, the retry is a new call, as before."""
    talk = world.somebody()
    world.glm.arm("glm_1234")
    said = talk.say("一座灯塔")
    card = answer_to(talk, said)
    assert shows(card, "button.retry")
    assert not shows(card, "button.resume")
    flash(talk, card, "again")
    settled(talk, card)
    assert len(paid_for(talk, said)) == 2


@pytest.mark.parametrize("words", ["/again", "再来一次", "again"])
def test_again_in_words_downloads_for_free(world: World, words: str) -> None:
    """Asked for once more in words, what was paid for appears in its card; with another size it is a new image."""
    talk = world.somebody()
    said, card = failed_card(talk)
    notice = answer_to(talk, words)
    assert shows(notice, "notice.redownload.text")
    assert colour(now(world, card)) == "green"
    assert len(paid_for(talk, said)) == 1
    answer_to(talk, words)
    assert len(paid_for(talk, said)) == 2


def test_again_with_options_pays(world: World) -> None:
    """Another size cannot be had from the image that was paid for."""
    talk = world.somebody()
    said, card = failed_card(talk)
    assert colour(answer_to(talk, "/again /size 16:9")) == "green"
    assert colour(now(world, card)) == "red"
    assert len(paid_for(talk, said)) == 2
