"""Somebody looks for what they had drawn: page by page, by days and words, and uses what they find."""

from __future__ import annotations

import time

from sqlalchemy import select, update

from bot.db.tables import generations, requests
from tests.support.builders import change
from tests.support.dsl import Card, Conversation, toast_text

DAY = 86_400.0
SETTINGS = {"BOT_LIMITS_PER_DAY": "0"}


def draw(user: Conversation, *prompts: str, days_ago: float = 0.0) -> None:
    """Images of somebody, as if they had been asked for some days ago."""
    for prompt in prompts:
        asked = requests.c.dedup_key == user.ask(prompt).parent_id
        made = generations.c.request_id.in_(select(requests.c.request_id).where(asked))
        at = time.time() - days_ago * DAY
        for rows, these in ((requests, asked), (generations, made)):
            change(user.bot.app.database, update(rows).where(these).values(accepted_at=at))


def shown(card: Card, *prompts: str) -> list[str]:
    """Which of these prompts a card shows."""
    return [prompt for prompt in prompts if prompt in card.text()]


def test_pages_of_six_newest_first(user: Conversation) -> None:
    """The button for older ones brings the next six as they were when it was asked for."""
    prompts = [f"第{number}座灯塔" for number in "一二三四五六七八九十"]
    draw(user, *prompts)
    first = user.ask("/history")
    draw(user, "后来的城堡")
    assert shown(first, *prompts) == prompts[4:]
    second = first.press("older")
    assert shown(second, *prompts, "后来的城堡") == prompts[:4]
    assert "older" not in [one.value.get("a") for one in second.actions]
    toast = second.press_raw(first.button("older").value, by=user.other_user())
    assert toast == toast_text("toast.others_history")


def test_several_images_of_a_request_may_be_cut_by_a_page(user: Conversation) -> None:
    draw(user, "四座灯塔 /n 4", "四只白鹭 /n 4")
    first = user.ask("/history")
    assert first.text().count("四只白鹭") == 4
    assert first.text().count("四座灯塔") == 2
    assert first.press("older").text().count("四座灯塔") == 2


FILTERS = {
    "今天": ["今天的猫"],
    "昨天": ["昨天的猫", "昨天的塔"],
    "yesterday 塔": ["昨天的塔"],
    "塔": ["昨天的塔", "很早的塔"],
    "白鹭": [],
}


def test_days_and_words_filter(user: Conversation) -> None:
    """A day in words, words of a prompt, or both; where nothing is found the card says so."""
    draw(user, "很早的塔", days_ago=20)
    draw(user, "昨天的猫", "昨天的塔", days_ago=1)
    draw(user, "今天的猫")
    prompts = ("今天的猫", "昨天的猫", "昨天的塔", "很早的塔")
    assert {typed: shown(user.ask(f"/history {typed}"), *prompts) for typed in FILTERS} == FILTERS
    user.ask("/history 白鹭").assert_shows("history.none", filter="白鹭")
    user.other_user().ask("/history").assert_shows("history.empty")


def test_direct_chat_has_images_of_all_chats(member: Conversation) -> None:
    """In a group only its own; in the direct chat all, and each can be drawn again and sent as a file there."""
    draw(member, "群里的灯塔")
    direct = member.in_another_chat("p2p")
    draw(direct, "私下的灯塔")
    assert shown(member.ask("/history"), "群里的灯塔", "私下的灯塔") == ["群里的灯塔"]
    card = direct.ask("/history")
    assert shown(card, "群里的灯塔", "私下的灯塔") == ["群里的灯塔", "私下的灯塔"]
    again = card.press("again", number=1)
    assert ("群里的灯塔" in again.text(), again.parent_id) == (True, card.message_id)
    assert card.press("original", number=1).msg_type == "file"
