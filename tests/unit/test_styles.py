"""Styles add their words visibly to a prompt, and faults in their file are found at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.chat.parsing.parser import parse
from bot.chat.styles import Styles, apply
from bot.errors import SettingsError, UserError
from bot.models import ImagePrompt
from tests.unit.card_samples import styles

GOOD = '[[style]]\nname = {zh="水墨",en="ink"}\nwords = {zh="墨",en="ink wash"}\nexample = {zh="山",en="hills"}\n'


def test_a_dozen_styles_ship() -> None:
    assert len(styles().all) >= 12
    assert "巴洛克" not in styles()
    for name in (
        *("动漫", "写实", "国风", "像素", "线稿", "贴纸", "anime", "realistic", "sticker", "赛博朋克", "中国水墨画"),
        *("油画质感", "3D渲染", "cyberpunk", "INK", "Oil", "3d"),
    ):
        assert name in styles()


def test_every_name_can_be_typed() -> None:
    for name in styles():
        understood = parse(f"一只猫 /style {name} 坐在窗台上")
        assert isinstance(understood, ImagePrompt)
        assert understood.prompt == "一只猫 坐在窗台上"
        assert understood.options.given["style"] in styles()
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
    ("style = 5", ""),
    ("[style]\nname = 'x'", ""),
    # A misspelt table would otherwise be no style at all.
    ("[[styles]]\nname = 'x'", ""),
    (GOOD.replace('en="ink"', 'en=""'), 'style 1: name: write { zh = "…", en = "…" }'),
    (GOOD + "aliases = [1]\n", "style 1: aliases: write a list of names"),
    (GOOD + "wrods = 1\n", "style 1: wrods: is not known; use name, words, example and aliases"),
    (GOOD + GOOD.replace("水墨", "墨"), "two styles are called ink; rename one"),
]


def test_faults_in_the_file_are_listed(tmp_path: Path) -> None:
    for text, fault in FAULTS:
        (tmp_path / "styles.toml").write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError) as raised:
            Styles.load(tmp_path)
        (found,) = raised.value.faults
        assert found.startswith(f"styles.toml: {fault}")


def test_without_a_file_of_its_own_a_folder_has_the_shipped_styles(tmp_path: Path) -> None:
    assert len(Styles.load(tmp_path)) > 10
