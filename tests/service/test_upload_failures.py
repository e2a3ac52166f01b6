"""A picture that was paid for and does not reach the chat: why not, what the person can do, and what is not offered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.errors import FOR_ADMINS
from bot.sandbox.faults import FAULTS
from tests.support.dsl import QUICK, BotUnderTest, header_color

REFUSED = {
    # What Feishu says to each upload: the sentence, and whether the image may be uploaded again.
    234001: ("failure.upload", True),
    234006: ("failure.image_too_large", False),
    99992402: ("failure.upload_barred", True),
    2200: ("failure.feishu", True),
}
"""https://open.feishu.cn/document/server-docs/im-v1/image/create"""


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot for all refusals; each meets a new person in a new chat."""
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot"), pace=replace(QUICK, upload_in_all=0.2)) as bot:
        yield bot


@pytest.fixture
def bot(shared_bot: BotUnderTest) -> Iterator[BotUnderTest]:
    """The bot, with no fault left armed by another test."""
    yield shared_bot
    shared_bot.feishu.faults.disarm()


@pytest.mark.parametrize(("code", "key", "free"), [(code, *row) for code, row in REFUSED.items()])
def test_a_refused_upload_says_why_and_what_to_do(bot: BotUnderTest, code: int, key: str, *, free: bool) -> None:
    """The card has the sentence of the refusal, the platform's words, the link, and a free retry where it may help."""
    user = bot.new_user()
    bot.feishu.faults.arm(f"feishu_{code}", on="image", times=None)
    said = user.send()
    card = user.ask(said)
    assert header_color(card) == "red"
    card.assert_shows(key)
    card.assert_shows("advice.ask_admin_linked" if key in FOR_ADMINS else f"{key}.advice")
    card.assert_shows("button.link")
    assert card.shows("button.resume") == free
    assert not card.shows("button.retry")
    card.assert_shows("button.edit")
    assert f"{code} {FAULTS[f'feishu_{code}'].text}" in card.text().split("\n")
    assert len(user.posts(said)) == 1
