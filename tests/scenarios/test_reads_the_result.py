"""Somebody reads what is beside an image, or why there is none."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.dsl import CATALOGUE, BotUnderTest, Conversation, all_strings, bot_with


def test_vague_prompt_gets_advice(user: Conversation) -> None:
    """A prompt that could be better is drawn as it is, and one line under the result says how."""
    card = user.ask("好看的图片 /style 油画")
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


def test_image_with_a_grave_finding_is_not_shown(bot: BotUnderTest, user: Conversation) -> None:
    """A picture in which the content check found something grave is not uploaded, and the card says why."""
    bot.glm.arm("level_1")
    card = user.ask("一座灯塔")
    assert (card.color, "img_key" in card.content) == ("red", False)
    assert CATALOGUE.text("role.assistant", "zh") in card.text("zh")
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
