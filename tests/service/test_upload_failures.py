"""A picture that was paid for and does not reach the chat: why not, what the person can do, and what is not offered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.sandbox.feishu.codes import MESSAGES
from tests.scenarios.talking import answer_to, shows, words
from tests.support.world import QUICK, World, colour

REFUSED = {
    # What Feishu says to each upload: the sentence, and whether the image may be uploaded again.
    234001: ("failure.upload", True),
    234010: ("failure.upload", True),
    234011: ("failure.upload", True),
    234006: ("failure.image_too_large", False),
    234039: ("failure.image_too_large", False),
    99992402: ("failure.upload_barred", True),
    2200: ("failure.feishu", True),
    232096: ("failure.feishu", True),
    99991400: ("failure.feishu", True),
}
"""https://open.feishu.cn/document/server-docs/im-v1/image/create"""


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One bot for all refusals; each meets a new person in a new chat."""
    with World(folder=tmp_path_factory.mktemp("bot"), pace=replace(QUICK, upload_in_all=0.2)) as world:
        yield world


@pytest.fixture
def world(bot: World) -> Iterator[World]:
    """The bot, with no fault left armed by another test."""
    yield bot
    bot.feishu.faults.disarm()


@pytest.mark.parametrize(("code", "key", "free"), [(code, *row) for code, row in REFUSED.items()])
def test_a_refused_upload_says_why_and_what_to_do(world: World, code: int, key: str, *, free: bool) -> None:
    """The card has the sentence of the refusal, the platform's words, the link, and a free retry where it may help."""
    talk = world.somebody()
    world.feishu.faults.arm(f"feishu_{code}", on="image", times=None)
    said = talk.say()
    card = answer_to(talk, said)
    assert colour(card) == "red"
    assert shows(card, key)
    assert shows(card, f"{key}.advice")
    assert shows(card, "button.link")
    assert shows(card, "button.resume") == free
    assert not shows(card, "button.retry")
    assert shows(card, "button.edit")
    assert f"{code} {MESSAGES[code]}" in words(card).split("\n")
    assert len(talk.posts(said)) == 1
