"""The form, the welcome, the notices, and the refusals by a limit or of a command."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot import sizes
from bot.chat.cards import prompt_tips as advice
from bot.chat.cards.command_cards import NOTICES, render_error, render_notice
from bot.chat.cards.elements import CardContext
from bot.chat.cards.form_card import render_form
from bot.chat.cards.help_cards import EXAMPLES, render_help, render_welcome
from bot.chat.messages import LOCALES
from bot.chat.parsing.parser import parse
from bot.errors import UserError
from bot.models import ImagePrompt, Language
from bot.options import OPTIONS, Options, PartialOptions, resolve_options
from tests.unit.card_samples import cards, catalogue, lines, pressable, styles, tagged


def form(prompt: str = "一只橘猫", **options: Any) -> dict[str, Any]:
    """The form of a request."""
    return render_form(cards(), request_id="req_1", prompt=prompt, options=Options(**options))


def choices(card: dict[str, Any]) -> dict[str, tuple[list[str], str]]:
    """The values of each drop-down list, and the one that is chosen."""
    return {
        select["name"]: ([option["value"] for option in select["options"]], select["initial_option"])
        for select in tagged(card, "select_static")
    }


def test_the_form_is_filled_in_with_what_was_asked() -> None:
    """Prompt, size and style stand in their fields, and the button carries the request alone."""
    card = form(size="1568x1056", style="INK")
    assert [(field["name"], field["default_value"]) for field in tagged(card, "input")] == [("prompt", "一只橘猫")]
    assert choices(card)["size"] == (["1568x1056", *sizes.RATIOS], "1568x1056")
    assert choices(card)["style"][1] == "ink"
    assert tagged(card, "button")[0]["behaviors"] == [{"type": "callback", "value": {"a": "submit", "r": "req_1"}}]


def test_the_form_stands_at_the_root_with_one_button() -> None:
    """Feishu takes a form only there, and one that can be submitted."""
    card = form()
    assert [element["tag"] for element in card["body"]["elements"]] == ["form"]
    assert [button["form_action_type"] for button in tagged(card, "button")] == ["submit"]


def test_every_choice_of_the_form_is_understood() -> None:
    """Each size and style that the form offers is one that an image can be made with."""
    offered = choices(form(style=None))
    assert offered["style"] == (["none", *(style.name["en"] for style in styles().all)], "none")
    assert set(offered["style"][0]) & OPTIONS["style"].off_words == {"none"}
    typed = [PartialOptions(size=size) for size in offered["size"][0]]
    typed += [PartialOptions(style=style) for style in offered["style"][0][1:]]
    for one in typed:
        settled = resolve_options(one, defaults=Options(), may_drop_watermark=False, styles=styles())
        assert isinstance(settled, Options)


def test_a_style_that_is_gone_is_not_chosen() -> None:
    """After a style was taken out of the file the form begins without one."""
    assert choices(form(style="baroque"))["style"][1] == "none"


def test_a_long_prompt_is_cut_and_the_form_says_so() -> None:
    """The field takes 1,000 characters; of a longer prompt the form says how much is missing."""
    card = form(prompt="猫" * 1500)
    assert tagged(card, "input")[0]["default_value"] == "猫" * 1000
    assert any("共 1500 字" in label["content"] for label in tagged(card, "plain_text"))
    assert not any("1000 字" in label["content"] for label in tagged(form(prompt="猫" * 1000), "plain_text"))


def test_the_welcome_shows_three_examples_to_press() -> None:
    """Each example stands with its words, and its button carries its name alone."""
    card = render_welcome(cards())
    assert list(pressable(card).values()) == [{"a": "example", "e": name} for name in EXAMPLES]
    for language, locale in LOCALES.items():
        said = lines(card, locale)
        assert {catalogue().text(f"welcome.example.{name}.prompt", language) for name in EXAMPLES} <= set(said)
        assert "/help" in said[-1]


def test_without_card_actions_the_examples_are_to_copy() -> None:
    """Where the app receives no card actions nothing is there to press, and the card does not say so."""
    card = render_welcome(cards(buttons=False))
    assert pressable(card) == {}
    assert "点" not in "".join(lines(card))


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_a_good_prompt(name: str, language: Language) -> None:
    """An example can be sent as it stands, and the bot has no advice for it."""
    prompt = catalogue().text(f"welcome.example.{name}.prompt", language)
    assert parse(prompt) == ImagePrompt(prompt=prompt)
    assert advice.tip_for(prompt) is None


@pytest.mark.parametrize("name", NOTICES)
def test_each_notice_is_one_line(name: str) -> None:
    """Title and sentence of each notice are in the catalogue."""
    values = dict.fromkeys(catalogue().placeholders(f"notice.{name}.text"), "2")
    card = render_notice(cards(), name, **values)
    assert lines(card, "en_us") == [catalogue().text(f"notice.{name}.text", "en", **values)]


def test_every_notice_of_the_catalogue_has_its_card() -> None:
    """No notice is written that no card shows."""
    written = {key.split(".")[1] for key in sorted(catalogue().keys) if key.startswith("notice.")}
    assert written == set(NOTICES)


def test_the_prompt_of_a_notice_is_no_markup() -> None:
    """A prompt stands apart from the sentence as plain text, where it pings nobody."""
    card = render_notice(cards(), "cancelled", count="2", prompt="**猫** <at id=all></at>")
    assert lines(card)[1] == "**猫** <at id=all></at>"
    assert tagged(card, "markdown") == []


REFUSED = [
    ("limit.pending", None, "现在还不能生成", True),
    ("limit.day", None, "现在还不能生成", True),
    ("limit.waiting", None, "现在还不能生成", True),
    ("limit.images", None, "现在还不能生成", True),
    ("limit.yuan", None, "现在还不能生成", True),
    ("limit.paused", None, "现在还不能生成", True),
    ("command.admins_only", "stats", "这个命令没有生效", False),
    ("command.nothing_to_cancel", "cancel", "这个命令没有生效", False),
    ("command.no_such_number", "cancel", "这个命令没有生效", False),
    ("misread.quality", None, "有一处没看懂", True),
    ("misread.quality", "again", "有一处没看懂", True),
    ("misread.quality", "set", "有一处没看懂", False),
    ("misread.lang", "lang", "有一处没看懂", False),
    ("misread.nothing_to_repeat", None, "这个命令没有生效", False),
]


@pytest.mark.parametrize(("sentence", "command", "title", "noted"), REFUSED)
def test_a_refusal_has_the_title_of_its_kind(sentence: str, command: str | None, title: str, *, noted: bool) -> None:
    """A limit is not called unclear; that nothing was charged is said where an image was asked for."""
    values = {"used": "5", "most": "5", "count": "1", "number": "9", "value": "x", "allowed": "hd"}
    card = render_error(cards(), UserError(sentence=sentence, values=values, command=command))
    said = lines(card)
    assert card["header"]["title"]["content"] == title
    assert said[0] == catalogue().text(sentence, "zh", **values)
    assert (catalogue().text("card.misread_note", "zh") in said) is noted


def test_the_help_lists_the_new_commands_only_where_they_exist() -> None:
    """A bot without statistics does not tell of them."""
    few = CardContext(
        messages=catalogue(), styles=styles(), zone=ZoneInfo("UTC"), buttons=True, commands=("queue", "set")
    )
    text = "\n".join(lines(render_help(few), "en_us"))
    assert "`/queue`" in text
    assert "--chat`" in text
    assert "/stats" not in text
