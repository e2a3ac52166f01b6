"""Every card passes the strict check of the platform's stand-in."""

from __future__ import annotations

from typing import Any

import pytest

from bot.chat.cards.cards import content
from bot.errors import UserError
from bot.sandbox.feishu.cards import validate_card
from tests.unit.card_samples import STAGES, cards

KEYS = {f"img_v3_{number}" for number in range(1, 5)}
OTHERS = {name: getattr(cards(), name)() for name in ("help", "sizes", "models", "styles", "tips", "moved")}
OTHERS["misread"] = cards().rejection(UserError(sentence="failure.quality"))


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("buttons", [True, False])
def test_the_card_of_a_request_is_sound(name: str, *, buttons: bool) -> None:
    """At every stage the card holds only what the platform knows."""
    assert validate_card(cards(buttons=buttons).request(STAGES[name]), image_keys=KEYS) == []


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_cards_are_sound(name: str) -> None:
    """So do the cards that explain."""
    card: dict[str, Any] = OTHERS[name]
    assert validate_card(card, image_keys=KEYS) == []
    assert content(card)
