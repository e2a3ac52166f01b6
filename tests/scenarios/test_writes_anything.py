"""Somebody writes characters that nobody sees, or very much."""

from __future__ import annotations

import pytest

from tests.support.dsl import Conversation


@pytest.mark.parametrize("hidden", ["\u200b", "\u3164", "\U000e0041"])
@pytest.mark.parametrize("text", ["{}帮助", "/尺{}寸{}", "{}", "{}\u2800", "/size {}16:9"])
def test_an_invisible_character_makes_no_prompt(user: Conversation, hidden: str, text: str) -> None:
    """A command is the same command with an invisible character in it, and such characters alone are no prompt."""
    said = user.ask(text.replace("{}", hidden))
    assert said.paid == []


def test_an_option_with_an_invisible_character(user: Conversation) -> None:
    """An option counts as if the invisible character were not there, and the prompt loses them too."""
    said = user.ask("\ufeff一只\u2060猫 /\u200bsi\u00adze 16\u200d:9\u200b")
    (body,) = said.paid
    assert (body["prompt"], body["size"]) == ("一只猫", "1728x960")


def test_long_prompt_is_sent_whole_and_shown_in_part(user: Conversation) -> None:
    """A long prompt goes to the platform whole, and the card shows its beginning, its length and a tip."""
    prompt = "灯塔" * 700
    card = user.ask(prompt)
    assert [body["prompt"] for body in card.paid] == [prompt]
    assert prompt[:800] in card.text().split("\n")
    card.assert_shows("label.prompt_excerpt", length=1400, shown=800)
    card.assert_shows("advice.long")


@pytest.mark.parametrize("text", ["/again " + "猫" * 20_000, "/" + "x" * 20_000, "/size " * 4000, "“" * 20_000])
def test_very_long_input_gets_one_card(user: Conversation, text: str) -> None:
    """Very long nonsense is answered by one valid card."""
    card = user.ask(text)
    assert len(card.content.encode()) < 30_000
