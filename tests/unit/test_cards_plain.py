"""The text beside a plain image, for a chat whose platform refused the card."""

from __future__ import annotations

import pytest

from bot.chat.cards.request_card import render_request_text
from bot.models import State
from tests.unit.card_samples import LINK, STAGES, cards, failed, picture, request


def test_the_text_says_what_the_card_says() -> None:
    """Title, prompt, parameters, reminder and link stand line by line in the reader's language."""
    assert render_request_text(cards(), STAGES["ready"], "zh").splitlines() == [
        "图片已生成",
        "一只橘猫，坐在窗台上，水彩",
        "模型 glm-image · 尺寸 1280x1280（1:1） · 质量 hd · 有水印 · 用时 21 秒 · 费用 ¥0.10",
        "图片链接有效期 30 天，请及时下载保存",
        LINK,
    ]
    assert render_request_text(cards(), STAGES["ready"], "en").splitlines()[0] == "Your image is ready"


def test_failures_and_numbers_are_told() -> None:
    """Of several images the text names each that failed, with the platform's words and what to do."""
    card = request(picture(State.DONE), failed("failure.server", 2, platform="500 internal"))
    said = render_request_text(cards(), card, "en").splitlines()
    assert said[1:3] == ["Image 2: The ZhiPu platform had an internal error and returned no image.", "500 internal"]
    assert said[3].startswith("Please try again later")


def test_warnings_are_told() -> None:
    """The content filter's findings are in the text, too."""
    assert "⚠ 内容安全提示：生成的图片，级别 2（0 最严重，3 最轻），请留意。" in render_request_text(
        cards(), STAGES["warned"], "zh"
    )


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ('<at user_id="all"></at>', '＜at user_id="all">＜/at>'),
        ("&lt;at user_id=1&gt; R&D; a & b", "＆lt;at user_id=1＆gt; R＆D; a & b"),
        ("&#60;at>", "＆#60;at>"),
    ],
)
def test_nobody_is_mentioned(prompt: str, shown: str) -> None:
    """Tags and entities of a prompt become full-width signs, which no platform reads as tags."""
    assert shown in render_request_text(cards(), request(picture(State.DONE), prompt=prompt), "zh").splitlines()


def test_a_long_prompt_is_cut() -> None:
    """The text holds as much of the prompt as the card does."""
    said = render_request_text(cards(), request(picture(State.DONE), prompt="猫" * 5000), "zh")
    assert "猫" * 800 in said
    assert "猫" * 801 not in said
    assert "提示词共 5000 字" in said
