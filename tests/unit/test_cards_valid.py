"""Every card passes the platform's schema and fits, whatever is on it; text from outside is never markup."""

from __future__ import annotations

import dataclasses
import re
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.cards import command_cards
from bot.chat.cards.elements import CardContext, text_of
from bot.chat.cards.form_card import render_form
from bot.chat.cards.request_card import render_request
from bot.chat.styles import Style, Styles
from bot.models import Failure, HistoryView, Language, ModelStats, State, Usage
from bot.options import Options
from bot.sandbox.feishu.cards import validate_card
from tests.unit.card_samples import (
    LINK,
    STAGES,
    STATS,
    WARNED,
    bytes_of,
    cards,
    elements,
    failed,
    generation,
    history,
    line,
    queued,
    request,
    samples,
)

CARD_BYTES = 30 * 1024
IMAGE_KEYS = {f"img_v3_{number}" for number in range(1, 5)}
# What is longest in bytes once it is JSON within JSON, and what would be markup.
WORST = ['"' * 2000, "\N{CAT FACE}" * 2000, "\n" * 2000, "<at id=all></at>" * 500, "\ud800" * 2000, ""]


def assert_valid(card: dict[str, Any], name: str) -> None:
    """The platform knows everything on it, the request that sends it is under 30 KB, and its text is no tag."""
    assert validate_card(card, image_keys=IMAGE_KEYS) == [], name
    assert bytes_of(card) < CARD_BYTES, name
    for said in (text_of(card, "zh"), text_of(card, "en")):
        assert said.strip(), name
        assert "<" not in said, name


def test_each_card_is_valid() -> None:
    for (name, render), buttons in product(samples().items(), (True, False)):
        assert_valid(render(cards(buttons=buttons)), name)


def full_cards(ctx: CardContext, text: str) -> dict[str, dict[str, Any]]:
    """The cards whose length depends on how much there is, as long as they can become."""
    entries = [queued(number if number < 60 else None, prompt=text) for number in range(1, 120)]
    many = HistoryView(entries=tuple(history(prompt=text) for _ in range(30)), filter=text, more=True)
    most: dict[str, Any] = {"images": 10**9, "yuan": 1e9}
    stats = dataclasses.replace(
        STATS,
        models=(ModelStats(model="m" * 500, generation_seconds=1e9, waiting_seconds=1e9, **most),) * 10,
        people=(Usage(open_id="ou_" + "x" * 500, **most),) * 100,
        chats=(Usage(open_id="", chat_id="oc_" + "x" * 500, **most),) * 100,
        outcomes={f"{number}" + "x" * 500: 10**9 for number in range(100)},
    )
    return {
        "queue": command_cards.render_queue(ctx, line(*entries, elsewhere=10**6, paused=True, private=True)),
        "history": command_cards.render_history(ctx, many, request_id="r" * 40),
        "stats": command_cards.render_stats(ctx, stats),
    }


@pytest.mark.parametrize("text", WORST, ids=[ascii(text[:1]) for text in WORST])
def test_each_card_is_valid_with_the_worst_text(text: str) -> None:
    for name, render in samples(text).items():
        assert_valid(render(cards()), name)
    for name, card in full_cards(cards(), text).items():
        assert_valid(card, f"full {name}")


def test_very_many_styles_fit() -> None:
    def style(zh: str, en: str) -> Style:
        long: dict[Language, str] = {"zh": "字" * 90, "en": "字" * 90}
        return Style(name={"zh": zh, "en": en}, words=long, example=long)

    short = Styles([style(f"风{number}", f"s{number}") for number in range(200)])
    card = command_cards.render_styles(dataclasses.replace(cards(), styles=short))
    assert_valid(card, "styles")
    assert any("风60 s60" in one.get("content", "") for one in elements(card))
    long = Styles([style(f"风{number}" * 50, f"style{number}" * 50) for number in range(300)])
    last = long.all[-1].name["en"]
    ctx = dataclasses.replace(cards(), styles=long)
    card = render_form(ctx, request_id="req_1", prompt='"' * 2000, options=Options(style=last))
    assert_valid(card, "form")
    assert last in [element.get("initial_option") for element in elements(card)]


HOSTILE = [
    *("<at id=all></at>", "**粗体** [点我](https://example.com) <font color='red'>红</font>"),
    *("# 标题\n- 列表\n```code```", '"}],"schema":"1.0","config":{"a":"\\u003c"}', "{prompt} {0} %s ${x}"),
    "emoji 👨‍👩‍👧‍👦 🏳️‍🌈 é مرحبا \u200fשלום",
]


def test_prompt_is_plain_text() -> None:
    for prompt, view in product(HOSTILE, STAGES.values()):
        shown = list(elements(render_request(cards(), request(*view.images, prompt=prompt))))
        assert {one["tag"] for one in shown if prompt in one.get("content", "")} == {"plain_text"}


IMAGES = st.lists(
    st.builds(
        generation,
        st.sampled_from(State),
        st.integers(1, 4),
        failure=st.just(Failure(code="timeout", sentence="failure.timeout")),
        url=st.sampled_from([None, LINK]),
        findings=st.sampled_from([(), WARNED]),
        repeated=st.booleans(),
        calls_billed=st.integers(0, 2),
        kept=st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


@given(images=IMAGES, prompt=st.text(max_size=1500), recalled=st.booleans(), price=st.sampled_from([None, 0.0, 0.1]))
def test_any_request_has_a_valid_card(images: list[Any], prompt: str, price: float | None, *, recalled: bool) -> None:
    view = request(*images, prompt=prompt, recalled=recalled, price=price)
    card = render_request(cards(), view)
    assert_valid(card, str(images))
    cost = r"没有产生费用|(预计|^| · )费用 ¥|可能已计费 ¥|^免费"
    assert bool(re.search(cost, text_of(card, "zh"), re.MULTILINE)) == (price is not None)


def test_failures_with_the_longest_values_fit() -> None:
    images = [
        failed(
            "failure.size",
            number,
            url=LINK + str(number) + "a" * 300,
            platform_request_id="字" * 999,
            platform="字" * 999,
            values=dict.fromkeys(("model", "size", "allowed"), str(number) * 999),
        )
        for number in range(1, 5)
    ]
    assert_valid(render_request(cards(), request(*images, prompt='"' * 2000)), "four failures")
