"""Somebody writes options into a prompt: what is asked of the platform, what the card says, what is unclear."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.dsl import BotUnderTest, bot_with, header_color

CAT = "一只橘猫"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is said, what is asked of the platform where it is not the default, and what the card shows of it."""

    say: str
    asks: dict[str, object]
    shows: dict[str, dict[str, object]] = field(default_factory=dict)


UNDERSTOOD = (
    Row(
        say="一只橘猫 /size 16:9",
        asks={"size": "1728x960"},
        shows={"label.size": {"size": "1728x960", "ratio": "≈16:9"}},
    ),
    Row(say="一只橘猫 /尺寸 1568x1056", asks={"size": "1568x1056"}),
    Row(say="一只橘猫 ／比例　３：４", asks={"size": "1088x1472"}),
    Row(say="一只橘猫——ar 横版", asks={"size": "1568x1056"}),
    Row(say="一只橘猫 --size 1728×960", asks={"size": "1728x960"}),
    Row(
        say="一只橘猫 /quality standard",
        asks={"quality": "standard"},
        shows={"label.quality": {"quality": "standard"}, "note.standard": {}},
    ),
    Row(say="/质量 高清 一只橘猫", asks={"quality": "hd"}),
    Row(
        say="一只橘猫 /model cogview-4",
        asks={"model": "cogview-4"},
        shows={"label.model": {"model": "cogview-4"}, "label.price": {"price": "0.06"}},
    ),
    Row(
        say="一只橘猫 /模型 cogview-3-flash",
        asks={"model": "cogview-3-flash"},
        shows={"label.free": {}},
    ),
    Row(
        say="一只橘猫 /风格 水彩",
        asks={"prompt": "一只橘猫，水彩画风格，透明叠色，纸张纹理"},
    ),
    Row(
        say="an orange cat /style watercolor",
        asks={"prompt": "an orange cat, watercolour painting, transparent layers, paper texture"},
    ),
    Row(say="/画 一只橘猫", asks={}),
    Row(say="生图：一只橘猫", asks={}),
    Row(say="画“欢迎 /size 1:1”的牌子", asks={"prompt": "画“欢迎 /size 1:1”的牌子"}),
)

MISREAD = {
    "一只橘猫 /sise 16:9": ("misread.unknown_word", {"word": "/sise", "suggestion": "/size"}),
    "一只橘猫 /size 512x512": None,
    "一只橘猫 /quality best": ("misread.quality", {"value": "best", "allowed": "hd, standard"}),
    "一只橘猫 /n 5": ("misread.count", {"value": "5", "most": "4"}),
    "一只橘猫 /size 1:1 /size 16:9": ("misread.twice", {"first": "/size 1:1", "second": "/size 16:9"}),
    "一只橘猫 /no-watermark": ("misread.no_watermark", {}),
    "/size 16:9": ("misread.only_options", {"options": "/size 16:9"}),
    "一只橘猫 /help": ("misread.not_first", {"word": "/help"}),
    "/again 换一只狗": ("misread.again", {"value": "换一只狗"}),
}


@pytest.mark.parametrize("row", UNDERSTOOD, ids=lambda row: row.say)
def test_an_option_is_followed(bot: BotUnderTest, row: Row) -> None:
    """The platform is asked for what was typed and for the default of everything else, and the card says so."""
    user = bot.new_user()
    said = user.send(row.say)
    card = user.ask(said)
    (body,) = user.paid_since(said)
    del body["user_id"]
    defaults = {"model": "glm-image", "prompt": CAT, "size": "1280x1280", "quality": "hd", "watermark_enabled": True}
    assert body == {**defaults, **row.asks}
    assert header_color(card) == "green"
    assert str(body["prompt"]) in card.text()
    for key, values in row.shows.items():
        card.assert_shows(key, **values)


@pytest.mark.parametrize("say", MISREAD)
def test_a_fault_is_explained(bot: BotUnderTest, say: str) -> None:
    """A faulty option is answered by one card that says what is wrong and that nothing was charged; nothing is."""
    user = bot.new_user()
    said = user.send(say)
    card = user.ask(said)
    assert user.paid_since(said) == []
    assert header_color(card) == "yellow"
    card.assert_shows("card.misread_note")
    expected = MISREAD[say]
    assert expected is None or card.shows(expected[0], **expected[1]), card.text()


def test_a_size_that_cannot_be_drawn(bot: BotUnderTest) -> None:
    """The answer to a wrong size lists the ratios, the recommended sizes and the rule for others."""
    card = bot.new_user().ask("一只橘猫 /size 512x512")
    for allowed in ("512x512", "16:9", "1280x1280", "1568x1056", "1024", "2048", "32"):
        assert allowed in card.text("zh")
        assert allowed in card.text("en")


def test_a_style_that_there_is_not(bot: BotUnderTest) -> None:
    """The answer to an unknown style lists the styles in the reader's language."""
    card = bot.new_user().ask("一只橘猫 /style 梵高")
    assert "水彩、" in card.text("zh")
    assert "watercolor, " in card.text("en")


def test_without_a_watermark_where_it_is_allowed(tmp_path: Path) -> None:
    """Where the admin has said that the disclaimer is signed, the platform is asked for a picture without it."""
    with bot_with(tmp_path, {"BOT_IMAGES_WATERMARK_DISCLAIMER_SIGNED": "true"}) as bot:
        user = bot.new_user()
        said = user.send("一只橘猫 /无水印")
        card = user.ask(said)
        (body,) = user.paid_since(said)
    assert (body["prompt"], body["watermark_enabled"]) == (CAT, False)
    card.assert_shows("label.no_watermark")
