"""Styles add their words visibly to a prompt, and a tip is given where the prompt advice asks for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.chat.cards.request_card import tip_for
from bot.chat.parsing.parser import parse
from bot.chat.styles import Styles, apply
from bot.errors import SettingsError, UserError
from bot.models import ImagePrompt, Language
from tests.unit.card_samples import catalogue, styles

SHORT_FILE = '[[style]]\nname = {zh="水墨",en="ink"}\nwords = {zh="墨",en="ink wash"}\nexample = {zh="山",en="hills"}\n'
SHIPPED = ["动漫", "写实", "国风", "像素", "线稿", "贴纸", "anime", "赛博朋克", "中国水墨画", "油画质感", "INK", "3d"]


def test_a_dozen_styles_ship_and_every_name_can_be_typed() -> None:
    assert len(styles().all) >= 12
    assert [name for name in SHIPPED if name not in styles()] == []
    for name in styles():
        understood = parse(f"一只猫 /style {name} 坐在窗台上")
        assert isinstance(understood, ImagePrompt)
        assert understood.prompt == "一只猫 坐在窗台上"
        assert understood.options["style"] in styles()
        misplaced = parse(f"一只猫 /{name} 坐在窗台上", styles=styles())
        assert isinstance(misplaced, UserError)
        assert misplaced.values["suggestion"].removeprefix("/style ") in styles()


FINAL = {
    "一只猫": "一只猫，{zh}",
    "一只猫。": "一只猫。{zh}",
    "a cat": "a cat, {en}",
    "A cat.": "A cat. {en}",
    "a sign that says “开业大吉”": "a sign that says “开业大吉”, {en}",
    "写着 “OPEN” 的招牌": "写着 “OPEN” 的招牌，{zh}",
}


def test_the_words_follow_the_prompt_in_its_language() -> None:
    style = styles().find("水墨")
    assert style is not None
    final = {prompt: words.format(zh=style.words["zh"], en=style.words["en"]) for prompt, words in FINAL.items()}
    assert {prompt: apply(prompt, style) for prompt in FINAL} == final
    assert {prompt: apply(apply(prompt, style), style) for prompt in FINAL} == final


FAULTS = [
    ("style = [1]", "style 1: must be a [[style]] table"),
    ("[style]\nname = 'x'", ""),
    # A misspelt table would otherwise be no style at all.
    ("[[styles]]\nname = 'x'", ""),
    (SHORT_FILE.replace('en="ink"', 'en=""'), 'style 1: name: write { zh = "…", en = "…" }'),
    (SHORT_FILE + "aliases = [1]\n", "style 1: aliases: write a list of names"),
    (SHORT_FILE + "wrods = 1\n", "style 1: wrods: is not known; use name, words, example and aliases"),
    (SHORT_FILE + SHORT_FILE.replace("水墨", "墨"), "two styles are called ink; rename one"),
]


def test_faults_in_the_file_are_listed(tmp_path: Path) -> None:
    """A copy of the configuration need not hold every file."""
    assert len(Styles.load(tmp_path)) > 10
    for text, fault in FAULTS:
        (tmp_path / "styles.toml").write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError) as raised:
            Styles.load(tmp_path)
        (found,) = raised.value.faults
        assert found.startswith(f"styles.toml: {fault}")


ADVISED = {
    "advice.vague": ["好看的图片", "来一张好看的壁纸吧", "随便画点什么好看的", "please draw me something beautiful"],
    "advice.contradictory": [
        *("白天和夜晚同时出现的城市", "盛夏的海滩，寒冬", "a city in daytime at night", "day and night at once"),
        "晴天娃娃挂在晴天的窗前，外面下雨",
    ],
    "advice.subjects": ["一只猫、两只狗、三只鸟和一辆车在街上", "a cat, a dog, two birds and a red car"],
    "advice.long": ["猫" * 1001],
}
"""Prompts that the advice warns of, by the tip that they get."""
CLEAR = [
    *("一只橘色的英国短毛猫，绿色眼睛，坐在木质窗台上", "画家在画室里", "猫" * 1000, "猫", "🐱", "“开业大吉”", ""),
    *("中国山水画风格，远山近水，云雾缭绕", "从白天到夜晚的城市天际线", "海报，写着“白天营业，夜晚休息”"),
    *("夜晚的湖面上一只白天鹅", "雨夜的晴空塔", "屋檐下的晴天娃娃，外面下雨", "左边是夏天，右边是冬天"),
    *("sunny side up eggs on a rainy morning", "白天与夜晚各占一半的城市", "a baker working day and night"),
    *("a street split into summer and winter", "a black and white cat on a colourful rug"),
    "a photo of a woman in a red dress with a hat, holding a bag on a street",
]


def test_the_tip_fits_the_prompt() -> None:
    """The words that a style adds do not make a vague prompt clear; what ``/tips`` calls vague is called so here."""
    for key, prompts in ADVISED.items():
        assert {prompt: tip_for(prompt) for prompt in prompts} == dict.fromkeys(prompts, key)
    assert {prompt: tip_for(prompt) for prompt in CLEAR} == dict.fromkeys(CLEAR)
    assert tip_for("好看的图片，油画质感，厚涂笔触，画布纹理", raw_prompt="好看的图片") == "advice.vague"
    assert tip_for("好看的图片，油画质感，厚涂笔触，画布纹理") is None
    languages: tuple[Language, ...] = ("zh", "en")
    for language in languages:
        vague, opposite, _ = re.findall("[（(]([^）)]+)[）)]", catalogue().text("tips.avoid", language))
        assert (tip_for(vague), tip_for(opposite)) == ("advice.vague", "advice.contradictory")
