"""Somebody writes characters that nobody sees, or very much."""

from __future__ import annotations

from tests.support.dsl import Conversation


def test_invisible_characters_count_as_not_there(user: Conversation) -> None:
    """A command and an option are what they are without them, and a prompt loses them."""
    assert user.ask("\u200b帮助").paid == []
    (body,) = user.ask("\ufeff一只\u2060猫 /\u200bsi\u00adze 16\u200d:9\u200b").paid
    assert (body["prompt"], body["size"]) == ("一只猫", "1728x960")


def test_long_prompt_is_sent_whole_and_shown_in_part(user: Conversation) -> None:
    """A long prompt goes to the platform whole, and the card shows its beginning, its length and a tip."""
    prompt = "灯塔" * 700
    card = user.ask(prompt)
    assert [body["prompt"] for body in card.paid] == [prompt]
    assert prompt[:800] in card.text().split("\n")
    card.assert_shows("label.prompt_excerpt", length=1400, shown=800)
    card.assert_shows("advice.long")
