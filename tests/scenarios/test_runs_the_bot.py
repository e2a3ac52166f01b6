"""An admin looks at the month, pauses the bot and resumes it."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.talking import admin_in, answer_to, bot_with, paid_for, shows, words
from tests.support.world import colour


def test_the_month(tmp_path: Path) -> None:
    """The statistics count images, yuan, outcomes and people, with a chart and the calls to Feishu."""
    with bot_with(tmp_path) as world:
        talk = world.somebody()
        answer_to(talk, "一座灯塔 /n 2")
        answer_to(talk, "一座灯塔 /model cogview-4")
        world.glm.arm("glm_1301")
        answer_to(world.somebody(), "一座灯塔")
        card = answer_to(admin_in(world), "/stats")
        assert shows(card, "stats.total", images=3, yuan="0.26")
        lines = words(card, "en").split("\n")
        assert {f"{talk.person} · 3", "done · 3", "content_filter_violation · 1"} <= set(lines)
        assert "█" in words(card)


def test_pause_and_resume(tmp_path: Path) -> None:
    """Paused, prompts are refused in words and everything else is answered; resumed, they are taken again."""
    with bot_with(tmp_path) as world:
        boss, talk = admin_in(world), world.somebody()
        assert shows(answer_to(boss, "/暂停"), "notice.paused.text")
        assert shows(answer_to(boss, "/pause"), "notice.already_paused.text")
        refused = talk.say("一座灯塔")
        card = answer_to(talk, refused)
        assert shows(card, "limit.paused")
        assert shows(card, "card.misread_note")
        assert paid_for(talk, refused) == []
        assert shows(answer_to(talk, "/queue"), "queue.paused")
        assert shows(answer_to(boss, "/stats"), "stats.paused")
        assert shows(answer_to(boss, "/恢复"), "notice.resumed.text")
        assert shows(answer_to(boss, "/resume"), "notice.already_running.text")
        assert colour(answer_to(talk, "一座灯塔")) == "green"
