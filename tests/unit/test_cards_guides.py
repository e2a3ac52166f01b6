"""The cards that explain the bot."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot import sizes
from bot.chat.cards.command_cards import render_moved
from bot.chat.cards.elements import CardContext
from bot.chat.cards.help_cards import render_help, render_models, render_sizes, render_styles, render_tips
from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import COMMAND_NAMES
from bot.chat.styles import Style, Styles
from bot.models import Command, ImagePrompt, Language
from bot.options import Options, PartialOptions
from tests.unit.card_samples import bytes_of, cards, catalogue, lines, styles

GUIDES = [render_help, render_sizes, render_models, render_styles, render_tips, render_moved]


@pytest.mark.parametrize("render", GUIDES)
def test_each_guide_fits_a_card(render: Callable[[CardContext], dict[str, Any]]) -> None:
    """Each is a card in both languages, well under 30 KB."""
    card = render(cards())
    assert set(card["header"]["title"]["i18n_content"]) == {"zh_cn", "en_us"}
    assert bytes_of(card) < 15_000


def test_the_help_lists_every_option_and_command() -> None:
    """All options and all commands stand in the help, in both languages."""
    for locale in ("zh_cn", "en_us"):
        text = "\n".join(lines(render_help(cards()), locale))
        for word in ("size", "quality", "model", "no-watermark", "style", "n", *COMMAND_NAMES):
            assert f"`/{word}" in text


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_each_command_in_the_help_can_be_copied(name: str, language: Language) -> None:
    """What stands between the marks of a command's line is that command."""
    for example in re.findall("`([^`]+)`", catalogue().text(f"help.command.{name}", language)):
        understood = parse(example)
        assert isinstance(understood, Command)
        assert understood.name == name


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", ["size", "quality", "model", "watermark", "style", "count"])
def test_each_option_in_the_help_can_be_copied(name: str, language: Language) -> None:
    """The example of an option is understood beside a prompt, and leaves it."""
    values = dict.fromkeys(catalogue().placeholders(f"help.option.{name}"), "x")
    example = catalogue().text(f"help.option.{name}", language, **values).split("`")[1]
    understood = parse(f"a cat {example}")
    assert isinstance(understood, ImagePrompt)
    assert understood.prompt == "a cat"
    assert understood.options != PartialOptions()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_each_further_word_in_the_help_can_be_copied(language: Language) -> None:
    """The words that the help names beside the list are options where they have a sign, else commands."""
    examples = re.findall("`([^`]+)`", catalogue().text("help.words", language))
    assert len(examples) >= 5
    for example in examples:
        if example.startswith(("/", "--")):
            assert parse(f"猫 {example}") != ImagePrompt(prompt="猫")
            assert isinstance(parse(f"猫 {example}"), ImagePrompt)
        else:
            assert isinstance(parse(example), Command)


COGVIEW = Options(model="cogview-4", size="1344x768", quality="standard")


def test_the_guides_name_the_teams_defaults() -> None:
    """What the team has set is called the default, and each model's own size where it does not make that one."""
    guides = CardContext(messages=catalogue(), styles=styles(), zone=ZoneInfo("UTC"), buttons=True, defaults=COGVIEW)
    assert lines(render_models(guides), "en_us")[1].startswith("cogview-4 (default)")
    assert "default" not in lines(render_models(guides), "en_us")[0]
    glm, cogview = lines(render_sizes(guides), "en_us")[:2]
    assert "1728x960 (≈16:9, default)" in glm
    assert "1344x768 (≈16:9, default)" in cogview
    assert (glm.count("default"), cogview.count("default")) == (1, 1)
    text = "\n".join(lines(render_help(guides), "en_us"))
    for said in ("1344x768 by default", "standard by default", "cogview-4 by default"):
        assert said in text


def test_only_the_commands_that_exist_are_listed() -> None:
    """A bot with fewer commands tells of fewer."""
    few = CardContext(
        messages=catalogue(), styles=styles(), zone=ZoneInfo("UTC"), buttons=True, commands=("help", "tips")
    )
    text = "\n".join(lines(render_help(few)))
    assert "`/tips`" in text
    assert "/history" not in text


def test_the_sizes_of_every_model_are_listed() -> None:
    """Every recommended size stands with its ratio, and each rule with its numbers."""
    text = "\n".join(lines(render_sizes(cards())))
    for model, recommended in sizes.RECOMMENDED.items():
        assert model in text
        assert all(f"{size}（{sizes.ratio_name(size)}" in text for size in recommended)
    assert "1280x1280（1:1，默认）" in text
    assert "边长 1024–2048，都是 32 的倍数，总像素不超过 4,194,304" in text


def test_the_models_are_listed_with_price_and_time() -> None:
    """Each model stands with its price where one is set, free in words."""
    said = lines(render_models(cards()), "en_us")
    assert said[0] == "glm-image (default) · ¥0.10 an image · usually 20–50 s"
    assert "cogview-4-250304 · usually 5–20 s" in said
    assert "cogview-3-flash · free · usually 5–20 s" in said


def test_every_style_is_listed_with_words_and_example() -> None:
    """Each style stands with both names, its words and an example to copy."""
    said = lines(render_styles(cards()), "en_us")
    for style, text in zip(styles().all, said, strict=True):
        assert text.splitlines() == [
            f"{style.name['zh']} · {style.name['en']}",
            f"Adds: {style.words['en']}",
            f"Try: {style.example['en']} /style {style.name['en']}",
        ]


def test_very_many_styles_still_fit() -> None:
    """Styles for which a card has no room are listed by name alone."""
    many = [
        Style(
            name={"zh": f"风{n}", "en": f"s{n}"},
            words=dict.fromkeys(("zh", "en"), "字" * 90),
            example=dict.fromkeys(("zh", "en"), "例" * 90),
        )
        for n in range(200)
    ]
    card = render_styles(CardContext(messages=catalogue(), styles=Styles(many), zone=ZoneInfo("UTC")))
    assert bytes_of(card) < 30 * 1024
    assert "风20 s20" in lines(card)[-1]


def test_the_tips_follow_the_prompt_advice() -> None:
    """Details, style, light, composition and what to avoid are named with examples."""
    text = "\n".join(lines(render_tips(cards())))
    for example in ("英国短毛猫", "赛博朋克风格", "柔和的逆光", "特写镜头", "好看的图片", "白天和夜晚同时"):
        assert example in text
