"""A prompt in a card: once, as plain text, as typed where that is harmless, and within the platform's 30 KB."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.chat.cards.command_cards import render_error
from bot.chat.cards.elements import content
from bot.chat.cards.request_card import render_request, render_request_text
from bot.errors import UserError
from bot.models import Failure, RequestView, State
from tests.unit.card_samples import (
    LINK,
    STAGES,
    WARNED,
    bytes_of,
    cards,
    catalogue,
    elements,
    failed,
    picture,
    request,
    tagged,
)

CARD_BYTES = 30 * 1024

HOSTILE = [
    "<at id=all></at>",
    '<at user_id="all">所有人</at>',
    "**粗体** [点我](https://example.com) <font color='red'>红</font>",
    "# 标题\n- 列表\n```code```",
    '"}],"schema":"1.0","config":{"a":"\\u003c"}',
    "{prompt} {0} %s ${x}",
    "&lt;at id=all&gt;",
    "emoji 👨‍👩‍👧‍👦 🏳️‍🌈 é",
    "مرحبا بالعالم",
    "\u200fשלום",
    "第一行\n\n\t第二行",
]

STRANGE = [
    ("abc\u202egnp.exe", "abcgnp.exe"),
    ("\u2066a\u2069\u202a", "a"),
    ("a\x00b\x1b[31m\x7f\x85", "ab[31m"),
    ("a\r\nb\rc", "a\nb\nc"),
    ("a\ud800b", "a\ufffdb"),
]


def places(card: Any, needle: str, path: str = "") -> list[str]:
    """The paths of the strings that hold the needle."""
    if isinstance(card, dict):
        return [found for key, value in card.items() for found in places(value, needle, f"{path}.{key}")]
    if isinstance(card, list):
        return [found for value in card for found in places(value, needle, f"{path}[]")]
    return [path] if isinstance(card, str) and needle in card else []


@pytest.mark.parametrize("prompt", HOSTILE)
@pytest.mark.parametrize("name", STAGES)
def test_a_prompt_stands_once_in_plain_text_unchanged(prompt: str, name: str) -> None:
    """Whatever markup a prompt holds, it is shown as typed, once, where nothing is markup."""
    base = STAGES[name]
    card = render_request(cards(), request(*base.pictures, prompt=prompt))
    assert places(card, prompt) == [".body.elements[].text.content"]
    shown = [element for element in elements(card) if element.get("content") == prompt]
    assert shown == [{"tag": "plain_text", "content": prompt}]


@pytest.mark.parametrize(("prompt", "shown"), STRANGE)
def test_what_could_mislead_is_left_out(prompt: str, shown: str) -> None:
    """Control characters and signs that turn the writing round are not shown, and the card stays valid UTF-8."""
    card = render_request(cards(), request(picture(State.DONE), prompt=prompt))
    assert {"tag": "plain_text", "content": shown} in elements(card)
    assert json.loads(content(card).encode()) == card


def test_the_beginning_of_a_long_prompt_is_shown_with_its_length() -> None:
    """Of a prompt over 800 characters the card shows the first 800 and the count; up to there the whole."""
    long = render_request(cards(), request(picture(State.WAITING), prompt="猫" * 801))
    assert places(long, "猫" * 800) == [".body.elements[].text.content"]
    assert not places(long, "猫" * 801)
    assert places(long, "提示词共 801 字，以上是前 800 字。")
    assert not places(render_request(cards(), request(picture(State.WAITING), prompt="猫" * 800)), "提示词共")


@pytest.mark.parametrize("prompt", ["", "\n", "\x00"])
def test_a_prompt_without_a_visible_sign_has_no_place(prompt: str) -> None:
    """A prompt that Feishu would not take and is left out leaves no empty paragraph, on the card or in the text."""
    card = request(picture(State.DONE), prompt=prompt)
    assert [element["tag"] for element in render_request(cards(), card)["body"]["elements"]] == [
        "img",
        "div",
        "div",
        "column_set",
    ]
    assert "" not in render_request_text(cards(), card, "zh").splitlines()


def test_the_json_has_no_ascii_escapes() -> None:
    """Chinese stands as it is, and nothing is padded."""
    text = content(render_request(cards(), STAGES["ready"]))
    assert "\\u" not in text
    assert "一只橘猫" in text
    assert '": ' not in text


@pytest.mark.parametrize(
    "prompt", ["👨‍👩‍👧‍👦" * 6000, "\\" * 30000, '"' * 30000, "\n" * 30000, "猫" * 30000, "\x01" * 30000]
)
def test_the_longest_cards_fit(prompt: str) -> None:
    """Four pictures, 30,000 characters and four long different failures stay under 30 KB."""
    long = "👍" * 5000
    url = LINK + "&" + "a" * (800 - len(LINK) - 1)
    done = [picture(State.DONE, n, findings=WARNED * 2, repeated=True, shrunk=True, url=url) for n in range(1, 5)]
    values = dict.fromkeys(("size", "model", "allowed", "until"), long)
    failures = [failed("failure.size", n, url=url, platform=f"{n}{long}", values=values) for n in range(1, 5)]
    for pictures in (done, failures, [*done[:2], *failures[2:]]):
        assert bytes_of(render_request(cards(), request(*pictures, prompt=prompt, price=0.4))) < CARD_BYTES


any_text = st.text(alphabet=st.characters(), max_size=1200)
any_failure = st.builds(
    Failure,
    code=st.just("server_error"),
    sentence=st.sampled_from(["failure.size", "failure.quota", "failure.content", "failure.server", "nothing"]),
    values=st.dictionaries(st.sampled_from(["size", "model", "allowed", "until", "other"]), any_text, max_size=5),
    platform=st.none() | any_text,
    roles=st.lists(st.sampled_from(["user", "assistant", "history", "?"]), max_size=3).map(tuple),
)
any_picture = st.builds(
    picture,
    st.sampled_from(State),
    st.integers(1, 4),
    url=st.sampled_from([None, LINK, "http://example.com/"]) | any_text,
    failure=st.none() | any_failure,
    findings=st.sampled_from([(), WARNED]),
    repeated=st.booleans(),
    shrunk=st.booleans(),
    seconds=st.none() | st.floats(0, 400),
    link_ends_at=st.none() | st.floats(1.7e9, 2.0e9),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    card=st.builds(
        lambda pictures, prompt, more: request(*pictures, prompt=prompt, **more),
        st.lists(any_picture, min_size=1, max_size=4),
        any_text,
        st.fixed_dictionaries(
            {"ahead": st.none() | st.integers(0, 100), "wait_seconds": st.none() | st.floats(0, 9000)}
        ),
    ),
    buttons=st.booleans(),
)
def test_any_request_makes_a_sound_card(card: RequestView, *, buttons: bool) -> None:
    """Whatever a request holds, its card is valid UTF-8 JSON under 30 KB, and its text holds no tag."""
    made = render_request(cards(buttons=buttons), card)
    assert json.loads(content(made).encode()) == made
    assert bytes_of(made) < CARD_BYTES
    assert "<" not in render_request_text(cards(), card, "zh")


MISREADS = [key for key in sorted(catalogue().keys) if key.startswith("misread.")]


@given(key=st.sampled_from(MISREADS), value=any_text | st.just("👍" * 5000))
def test_any_misread_makes_a_small_card(key: str, value: str) -> None:
    """Whatever was typed wrongly, the explanation is under 30 KB and holds no markup."""
    values = dict.fromkeys(catalogue().placeholders(key), value)
    made = render_error(cards(), UserError(sentence=key, values=values))
    assert json.loads(content(made).encode()) == made
    assert bytes_of(made) < CARD_BYTES
    assert not tagged(made, "markdown")
