"""Every card passes the strict check of the platform's stand-in."""

from __future__ import annotations

from typing import Any

import pytest

from bot.chat.cards.command_cards import render_error, render_moved
from bot.chat.cards.elements import content
from bot.chat.cards.help_cards import render_help, render_models, render_sizes, render_styles, render_tips
from bot.chat.cards.request_card import render_request
from bot.errors import UserError
from bot.sandbox.feishu.cards import validate_card
from tests.unit.card_samples import STAGES, cards

KEYS = {f"img_v3_{number}" for number in range(1, 5)}
OTHERS = {
    render.__name__: render(cards())
    for render in (render_help, render_sizes, render_models, render_styles, render_tips, render_moved)
}
OTHERS["misread"] = render_error(cards(), UserError(sentence="failure.quality"))


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("buttons", [True, False])
def test_the_card_of_a_request_is_sound(name: str, *, buttons: bool) -> None:
    """At every stage the card holds only what the platform knows."""
    assert validate_card(render_request(cards(buttons=buttons), STAGES[name]), image_keys=KEYS) == []


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_cards_are_sound(name: str) -> None:
    """So do the cards that explain."""
    card: dict[str, Any] = OTHERS[name]
    assert validate_card(card, image_keys=KEYS) == []
    assert content(card)
