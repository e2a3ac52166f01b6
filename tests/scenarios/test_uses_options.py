"""Somebody writes options into a prompt: what is asked of the platform, what the card says, what is unclear."""

from __future__ import annotations

from pathlib import Path

from tests.support.dsl import BotUnderTest, Conversation, bot_with

CAT = "一只橘猫"
DEFAULTS = {"model": "glm-image", "prompt": CAT, "size": "1280x1280", "quality": "hd", "watermark_enabled": True}
UNDERSTOOD: dict[str, tuple[dict[str, object], dict[str, dict[str, object]]]] = {
    "一只橘猫 /size 16:9": ({"size": "1728x960"}, {"tag.size": {"size": "1728x960", "ratio": "≈16:9"}}),
    "一只橘猫 /quality standard": ({"quality": "standard"}, {"note.standard": {}}),
    "一只橘猫 /model cogview-4": ({"model": "cogview-4"}, {"cost.sure": {"price": "0.06"}}),
    "一只橘猫 /模型 cogview-3-flash": ({"model": "cogview-3-flash"}, {"cost.none": {}}),
    "一只橘猫 /风格 水彩": ({"prompt": "一只橘猫，水彩画风格，透明叠色，纸张纹理"}, {}),
    "an orange cat /style watercolor": (
        {"prompt": "an orange cat, watercolour painting, transparent layers, paper texture"},
        {},
    ),
    "画“欢迎 /size 1:1”的牌子": ({"prompt": "“欢迎 /size 1:1”的牌子"}, {}),
}
"""What is typed, what is asked of the platform where it is not the default, and what the card shows of it."""


def test_option_reaches_the_platform_and_the_card(user: Conversation) -> None:
    for text, (asks, shows) in UNDERSTOOD.items():
        card = user.ask(text)
        (body,) = card.paid
        del body["user_id"]
        assert body == {**DEFAULTS, **asks}
        assert card.color == "green"
        assert str(body["prompt"]) in card.text()
        for key, values in shows.items():
            card.assert_shows(key, **values)


def test_watermark_can_be_dropped_where_allowed(tmp_path: Path) -> None:
    """Where the admin has said that the disclaimer is signed."""
    with bot_with(tmp_path, {"BOT_IMAGES_WATERMARK_DISCLAIMER_SIGNED": "true"}) as bot:
        card = bot.new_user().ask("一只橘猫 /无水印")
        (body,) = card.paid
    assert (body["prompt"], body["watermark_enabled"]) == (CAT, False)
    card.assert_shows("label.no_watermark")


def test_style_button_asks_with_the_last_prompt(user: Conversation) -> None:
    """Pressing a style of /styles is free; confirmed, the last prompt, or at first the example, has its words."""
    styles = user.ask("/styles")
    styles.press("style").assert_shows("question.title")
    tower = user.ask("一座红色的塔")
    question = styles.press("style", number=1)
    question.assert_shows("question.text", prompt="一座红色的塔")
    assert len(tower.paid) == 1
    question.press("confirm")
    assert tower.paid[-1]["prompt"].startswith("一座红色的塔，写实摄影风格")


NEAR_MISSES: dict[str, tuple[str, dict[str, object]]] = {
    "一只猫 /size 1920x1080": ("1920x1088", {"prompt": "一只猫", "size": "1920x1088"}),
    "一只猫 /size 16:10": ("3:2", {"prompt": "一只猫", "size": "1568x1056"}),
    "一只猫 /szie 16:9": ("/size", {"prompt": "一只猫", "size": "1728x960"}),
    "赛博朋克 /霓虹": ("", {"prompt": "赛博朋克 /霓虹", "size": "1280x1280"}),
    "一只猫 /size": ("", {"prompt": "一只猫", "size": "1280x1280"}),
    "一只猫 /size 3:2 --ar 16:9": ("", {"prompt": "一只猫", "size": "1728x960"}),
    "一只猫 /quality 4k": ("", {"prompt": "一只猫", "quality": "hd"}),
    "一只猫 /n 5": ("4", {"prompt": "一只猫"}),
}


def test_near_miss_has_one_button_for_the_likely_meaning(bot: BotUnderTest) -> None:
    """The card is small and free, and its only button draws what was probably meant, once."""
    for text, (value, asks) in NEAR_MISSES.items():
        card = bot.new_user().ask(text)
        assert (card.color, len(card.actions), card.paid) == ("yellow", 1, [])
        card.assert_shows("cost.none", "button.use" if value else "button.as_is", value=value)
        assert all(len(line) <= 100 for line in card.text().split("\n"))
        images = 4 if value == "4" else 1
        assert f"¥{images * 0.1:.2f}" in card.text()
        assert card.press("confirm").color == "green"
        assert [{name: body[name] for name in asks} for body in card.paid] == [asks] * images
        assert card.reload().actions == []
