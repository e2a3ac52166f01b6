"""Somebody reads what stands beside a picture, or why there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scenarios.talking import LANGUAGES, WORDS, answer_to, bot_with, shows, words
from tests.support.world import World, colour, strings_in

TIPS = {
    "好看的图片": "advice.vague",
    "好看的图片 /style 油画": "advice.vague",
    "a nice picture": "advice.vague",
    "白天的夜晚街道": "advice.contradictory",
    "一只猫、两只狗、三个人和四辆车": "advice.subjects",
    "灯塔" * 501: "advice.long",
}


@pytest.mark.parametrize("say", TIPS, ids=lambda say: say[:10])
def test_a_tip(world: World, say: str) -> None:
    """A prompt that could be better is drawn as it is, and one line under the result says how."""
    card = answer_to(world.somebody(), say)
    assert colour(card) == "green"
    assert [key for key in set(TIPS.values()) if shows(card, key)] == [TIPS[say]]


@pytest.mark.parametrize(
    "say", ["一座灯塔，黄昏，油画", "an orange cat on a windowsill, watercolour", "写着“好看的图片”的牌子"]
)
def test_no_tip(world: World, say: str) -> None:
    """A prompt that says what to draw gets no tip."""
    card = answer_to(world.somebody(), say)
    assert not any(shows(card, key) for key in set(TIPS.values()))


def test_the_links_end(world: World) -> None:
    """The card tells until when the link works, gives the link, and shows seconds and price."""
    card = answer_to(world.somebody(), "一座灯塔")
    assert "失效（平台标注有效期 30 天），请及时下载保存" in words(card, "zh")
    assert "(the platform says 30 days). Please download and save" in words(card, "en")
    assert any("ufileos.com" in text for text in strings_in(json.loads(card.content)))
    assert shows(card, "label.seconds", seconds=1)
    assert shows(card, "label.price", price="0.10")


@pytest.mark.parametrize("level", [2, 3])
def test_a_warning(world: World, level: int) -> None:
    """A picture that the content check found something in is shown with the place and the level."""
    world.glm.arm(f"level_{level}")
    card = answer_to(world.somebody(), "一座灯塔")
    assert colour(card) == "orange"
    where = {language: WORDS.text("role.assistant", language) for language in LANGUAGES}
    for language in LANGUAGES:
        said = WORDS.text("warning.content", language, where=where[language], level=level)
        assert said in words(card, language)


@pytest.mark.parametrize("level", [0, 1])
def test_a_picture_that_is_not_shown(world: World, level: int) -> None:
    """A picture that the content check found something grave in is not shown, and the card says why."""
    world.glm.arm(f"level_{level}")
    talk = world.somebody()
    card = answer_to(talk, "一座灯塔")
    assert colour(card) == "red"
    assert WORDS.text("role.assistant", "zh") in words(card, "zh")
    assert "img_key" not in card.content
    assert [call.name for call in talk.calls].count("image") == 0


def test_without_a_key(tmp_path: Path) -> None:
    """Without an API key the card says where the admin gets one, and nothing is asked of the platform."""
    with bot_with(tmp_path, {"ZHIPU_API_KEY": ""}) as world:
        card = answer_to(world.somebody(), "一座灯塔")
        assert colour(card) == "red"
        assert shows(card, "failure.key_missing")
        assert shows(card, "failure.key_missing.advice")
        assert world.glm.calls == []
