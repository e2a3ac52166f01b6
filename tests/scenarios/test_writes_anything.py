"""Somebody writes a prompt full of markup, signs and tricks: it is shown as typed, and nobody is pinged."""

from __future__ import annotations

import json

import pytest

from tests.support.dsl import BotUnderTest, Conversation, all_strings, wait_for

TYPED = {
    "a mention of everybody": '一只猫 <at id=all></at> <at user_id="all">所有人</at>',
    "a mention in markdown": "一只猫 <at email=somebody@example.com></at> @所有人",
    "markdown": "**一只** _猫_ [这里](javascript:alert) `x` ![图](img_v3_x) ~~y~~ # 标题",
    "html": "<b>一只猫</b><script>alert(1)</script>&lt;at id=all&gt;",
    "a card": '{"tag":"markdown","content":"<at id=all></at>","elements":[{"tag":"at","user_id":"all"}]}',
    "placeholders": "{prompt} {count} %s %(name)s ${HOME} {{x}} 的一只猫",
    "emoji": "👩‍👩‍👧‍👦 和 🐈‍⬛ 在 🏳️‍🌈 下",
    "several lines": "一只猫\n\n  缩进\t制表\n结束",
    "quotes": "写着 \"营业中\" 和 '打烊' 的两块牌子 \\n \\u0000",
    "a link": "一只猫，参考 https://example.com/a?b=c&d=e#f 和 and/or 24/7",
}


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.parametrize("fault", [None, "feishu_230099"], ids=["card", "text"])
def test_prompt_is_shown_as_typed(bot: BotUnderTest, user: Conversation, name: str, fault: str | None) -> None:
    """The prompt reaches the platform as typed and is once on the card; as card and as text it pings nobody."""
    if fault:
        bot.feishu.faults.arm(fault, on="reply")
    said = user.send(TYPED[name])
    wait_for(lambda: bot.feishu.replies(said.message_id) and bot.idle)
    assert [body["prompt"] for body in user.paid_since(said)] == [TYPED[name]]
    assert bot.feishu.pings == []
    if not fault:
        (card,) = user.answers
        assert list(all_strings(json.loads(card.content))).count(TYPED[name]) == 1
        assert card.color == "green"


def test_direction_overrides_are_removed(user: Conversation) -> None:
    """Signs that reverse what stands after them reach neither the platform nor the card."""
    card = user.ask("一只猫\u202egnp.exe\u2066 在窗边")
    assert [body["prompt"] for body in card.paid] == ["一只猫gnp.exe 在窗边"]
    assert "一只猫gnp.exe 在窗边" in card.text()
    assert not {"\u202e", "\u2066"} & set(card.content)


@pytest.mark.parametrize("hidden", ["\u200b", "\u3164", "\U000e0041"])
@pytest.mark.parametrize("text", ["{}帮助", "/尺{}寸{}", "{}", "{}\u2800", "/size {}16:9"])
def test_an_invisible_character_makes_no_prompt(user: Conversation, hidden: str, text: str) -> None:
    """A command is the same command with an invisible character in it, and such characters alone are no prompt."""
    said = user.ask(text.replace("{}", hidden))
    assert said.paid == []


def test_an_option_with_an_invisible_character(user: Conversation) -> None:
    """An option counts as if the invisible character were not there, and the prompt loses them too."""
    said = user.ask("\ufeff一只\u2060猫 /\u200bsi\u00adze 16\u200d:9\u200b")
    (body,) = said.paid
    assert (body["prompt"], body["size"]) == ("一只猫", "1728x960")


def test_long_prompt_is_sent_whole_and_shown_in_part(user: Conversation) -> None:
    """A long prompt goes to the platform whole, and the card shows its beginning, its length and a tip."""
    prompt = "灯塔" * 700
    card = user.ask(prompt)
    assert [body["prompt"] for body in card.paid] == [prompt]
    assert prompt[:800] in card.text().split("\n")
    card.assert_shows("label.prompt_excerpt", length=1400, shown=800)
    card.assert_shows("advice.long")


def test_thirty_thousand_characters(user: Conversation) -> None:
    """What only the platform can call too long is sent to it whole, and its refusal is shown on one valid card."""
    prompt = "灯塔" * 15_000
    card = user.ask(prompt)
    assert [body["prompt"] for body in card.paid] == [prompt]
    card.assert_shows("failure.prompt_too_long")
    card.assert_shows("failure.prompt_too_long.advice")
    card.assert_shows("label.prompt_excerpt", length=30_000, shown=800)
    assert len(card.content.encode()) < 30_000


@pytest.mark.parametrize("text", ["/again " + "猫" * 20_000, "/" + "x" * 20_000, "/size " * 4000, "“" * 20_000])
def test_very_long_input_gets_one_card(user: Conversation, text: str) -> None:
    """Very long nonsense is answered by one valid card."""
    card = user.ask(text)
    assert len(card.content.encode()) < 30_000
