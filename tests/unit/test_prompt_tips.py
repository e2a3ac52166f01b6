"""The tip for a prompt: given where the prompt advice asks for it, and not to good prompts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.cards.prompt_tips import tip_for
from bot.models import Language
from tests.unit.card_samples import catalogue

ADVISED = {
    "advice.vague": [
        *("好看的图片", "来一张好看的壁纸吧", "随便画点什么好看的", "a nice picture"),
        "please draw me something beautiful",
    ],
    "advice.contradictory": [
        *("白天和夜晚同时出现的城市", "盛夏的海滩，寒冬", "a city in daytime at night", "day and night at once"),
        "晴天娃娃挂在晴天的窗前，外面下雨",
    ],
    "advice.subjects": ["一只猫、两只狗、三只鸟和一辆车在街上", "a cat, a dog, two birds and a red car"],
    "advice.long": ["猫" * 1001],
}
"""Prompts that the advice warns of, by the tip that they get."""

GOOD = [
    *("一只橘色的英国短毛猫，绿色眼睛，坐在木质窗台上", "赛博朋克风格的城市夜景"),
    *("中国山水画风格，远山近水，云雾缭绕", "从白天到夜晚的城市天际线", "海报，写着“白天营业，夜晚休息”"),
    *("“开业大吉”", "夜晚的湖面上一只白天鹅", "雨夜的晴空塔", "屋檐下的晴天娃娃，外面下雨"),
    *("sunny side up eggs on a rainy morning", "白天与夜晚各占一半的城市", "左边是夏天，右边是冬天"),
    *("a street split into summer and winter", "a baker working day and night", "猫", "🐱", ""),
    "a black and white cat on a colourful rug",
    "a photo of a woman in a red dress with a hat, holding a bag on a street",
    *("an orange British shorthair on a windowsill, soft backlight, close-up", "画家在画室里"),
    "猫" * 1000,
]


def test_the_tip_fits_the_prompt() -> None:
    for key, prompts in ADVISED.items():
        assert {prompt: tip_for(prompt) for prompt in prompts} == dict.fromkeys(prompts, key)
    assert {prompt: tip_for(prompt) for prompt in GOOD} == dict.fromkeys(GOOD)


def test_a_style_does_not_make_a_vague_prompt_clear() -> None:
    assert tip_for("好看的图片，油画质感，厚涂笔触，画布纹理", raw_prompt="好看的图片") == "advice.vague"
    assert tip_for("好看的图片，油画质感，厚涂笔触，画布纹理") is None
    assert tip_for("猫" * 1001, raw_prompt="猫") == "advice.long"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_examples_of_what_to_avoid_get_their_tips(language: Language) -> None:
    vague, opposite, _ = re.findall("[（(]([^）)]+)[）)]", catalogue().text("tips.avoid", language))
    assert (tip_for(vague), tip_for(opposite)) == ("advice.vague", "advice.contradictory")


@given(st.text(max_size=1500))
def test_any_text_gets_a_known_tip_or_none(prompt: str) -> None:
    key = tip_for(prompt)
    assert key is None or key in catalogue()
