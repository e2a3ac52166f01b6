"""Somebody reads what is beside an image, or why there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.dsl import CATALOGUE, BotUnderTest, Conversation, all_strings, bot_with


@pytest.mark.parametrize("say", ["好看的图片 /style 油画", "a nice picture"])
def test_vague_prompt_gets_advice(user: Conversation, say: str) -> None:
    """A prompt that could be better is drawn as it is, and one line under the result says how."""
    card = user.ask(say)
    assert card.color == "green"
    card.assert_shows("advice.vague")


def test_card_shows_link_expiry_time_and_price(bot: BotUnderTest) -> None:
    """The card tells until when the link works, gives the link, and shows seconds and price."""
    card = bot.new_user().ask("一座灯塔")
    assert "图片链接有效期 30 天，请及时下载保存（这个链接 " in card.text("zh")
    assert "(this link already expires on " in card.text("en")
    assert any("ufileos.com" in text for text in all_strings(json.loads(card.content)))
    card.assert_shows("label.seconds", seconds=1)
    card.assert_shows("cost.sure", price="0.10")


@pytest.mark.parametrize("level", [2, 3])
def test_content_level_2_or_3_shows_warning(bot: BotUnderTest, level: int) -> None:
    """A picture that the content check found something in is shown with the place and the level."""
    bot.glm.arm(f"level_{level}")
    card = bot.new_user().ask("一座灯塔")
    assert card.color == "orange"
    where, level_words = CATALOGUE.bilingual("role.assistant"), CATALOGUE.bilingual(f"level.{level}")
    card.assert_shows("warning.content", where=where, level=level_words)


@pytest.mark.parametrize("level", [0, 1])
def test_content_level_0_or_1_shows_no_image(bot: BotUnderTest, user: Conversation, level: int) -> None:
    """A picture that the content check found something grave in is not shown, and the card says why."""
    bot.glm.arm(f"level_{level}")
    card = user.ask("一座灯塔")
    assert card.color == "red"
    assert CATALOGUE.text("role.assistant", "zh") in card.text("zh")
    assert "img_key" not in card.content
    assert [call.name for call in user.calls].count("image") == 0


def test_missing_api_key_is_explained(tmp_path: Path) -> None:
    """Without an API key the card says that the admins know, and nothing is asked of the platform."""
    with bot_with(tmp_path, {"ZHIPU_API_KEY": ""}) as bot:
        card = bot.new_user().ask("一座灯塔")
        assert card.color == "red"
        card.assert_shows("failure.key_missing")
        card.assert_shows("advice.admins_told")
        card.assert_shows("cost.none")
        assert bot.glm.calls == []
