"""Every card passes the platform's schema and fits, whatever is on it; text from outside is never markup."""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.chat.cards import command_cards, help_cards
from bot.chat.cards.command_cards import NOTICES, render_error, render_notice
from bot.chat.cards.elements import CardContext, content, text_of
from bot.chat.cards.form_card import render_form
from bot.chat.cards.request_card import render_request, render_request_text
from bot.chat.styles import Style, Styles
from bot.errors import UserError
from bot.models import Failure, Language, RequestView, State
from bot.options import Options
from bot.sandbox.feishu.cards import validate_card
from bot.view_models import HistoryView, ModelStats, Usage
from tests.unit.card_samples import (
    LINK,
    QUOTA,
    SETTINGS,
    STAGES,
    STATS,
    WARNED,
    bytes_of,
    cards,
    catalogue,
    elements,
    failed,
    generation,
    history,
    line,
    request,
    waiting,
)

CARD_BYTES = 30 * 1024
IMAGE_KEYS = {f"img_v3_{number}" for number in range(1, 5)}
LONG = "👍" * 5000
LONG_WORDS: dict[Language, str] = {"zh": "字" * 90, "en": "字" * 90}
# What is longest in bytes once it is JSON within JSON, and what would be markup.
WORST = ['"' * 2000, "\N{CAT FACE}" * 2000, "\\" * 2000, "\n" * 2000, "<at id=all></at>" * 500, "\ud800" * 2000, ""]

FULL_STATS = dataclasses.replace(
    STATS,
    models=(ModelStats(model="m" * 500, images=10**9, yuan=1e9, generation_seconds=1e9, waiting_seconds=1e9),) * 10,
    people=(Usage(open_id="ou_" + "x" * 500, images=10**9, yuan=1e9),) * 100,
    days=tuple((f"11-{day:02}", day) for day in range(1, 31)),
    outcomes={f"{number}" + "x" * 500: 10**9 for number in range(100)},
)


def every_card(ctx: CardContext, text: str) -> dict[str, dict[str, Any]]:
    """Every card, full, with this text wherever text from outside may be."""
    entries = [*(waiting(number, prompt=text) for number in range(1, 60)), *(waiting(prompt=text) for _ in range(60))]
    ids = {"person": "ou_" + text, "chat": "oc_" + text}
    cards = {
        **{name: render_request(ctx, view) for name, view in STAGES.items()},
        "help": help_cards.render_help(ctx),
        "sizes": help_cards.render_sizes(ctx),
        "models": help_cards.render_models(ctx),
        "styles": help_cards.render_styles(ctx),
        "tips": help_cards.render_tips(ctx),
        "welcome": help_cards.render_welcome(ctx),
        "moved": command_cards.render_moved(ctx),
        "queue": command_cards.render_queue(ctx, line(*entries, elsewhere=10**6, paused=True, private=True)),
        "quota": command_cards.render_quota(ctx, QUOTA),
        "settings": command_cards.render_settings(ctx, dataclasses.replace(SETTINGS, options=Options(style=text))),
        "changed": command_cards.render_changed(ctx, dataclasses.asdict(Options(style=text)), for_chat=True),
        "stats": command_cards.render_stats(ctx, FULL_STATS),
        "history": command_cards.render_history(
            ctx, HistoryView(entries=(history(prompt=text),) * 30, more=True), request_id="r" * 40
        ),
        "form": render_form(ctx, request_id="r" * 40, prompt=text, options=Options(style=text)),
        "not allowed": command_cards.render_not_allowed(ctx, **ids),
        "id": command_cards.render_ids(ctx, **ids),
    }
    for name in NOTICES:
        placeholders = [*catalogue().placeholders(f"notice.{name}.text"), "prompt"]
        cards[name] = render_notice(ctx, name, **dict.fromkeys(placeholders, text or "x"))
    for key in ("misread.size", "misread.style", "misread.unknown_word"):
        values = dict.fromkeys(catalogue().placeholders(key), text)
        cards[key] = render_error(ctx, UserError(sentence=key, values=values))
    return cards


@pytest.mark.parametrize("text", WORST, ids=[ascii(text[:1]) for text in WORST])
@pytest.mark.parametrize("buttons", [True, False])
def test_each_card_is_valid_with_the_worst_text(text: str, *, buttons: bool) -> None:
    """The platform knows everything on it, the request that sends it is under 30 KB, and its text is no tag."""
    for name, card in every_card(cards(buttons=buttons), text).items():
        assert validate_card(card, image_keys=IMAGE_KEYS) == [], name
        assert bytes_of(card) < CARD_BYTES, name
        for said in (text_of(card, "zh"), text_of(card, "en")):
            assert said.strip(), name
            assert "<" not in said, name


def test_every_text_of_the_bot_is_bilingual() -> None:
    """Each text has both languages, except what people wrote, ids, the platform's message and ratios."""
    own = {"猫", "ou_猫", "oc_猫", "1113 余额不足或无可用资源包,请充值。", STAGES["ready"].prompt}
    for name, card in every_card(cards(), "猫").items():
        ratios = {option["text"]["content"] for element in elements(card) for option in element.get("options", ())}
        texts = [e for e in elements(card) if e["tag"] in ("plain_text", "markdown")]
        assert {e["content"] for e in texts if "i18n_content" not in e} <= own | ratios, name
        assert {e["tag"] for e in texts} == {"plain_text"} or name in ("help", "tips"), name


def test_very_many_styles_fit() -> None:
    """Styles for which a card has no room are listed by name alone, and the form keeps the present one."""

    def style(zh: str, en: str) -> Style:
        return Style(name={"zh": zh, "en": en}, words=LONG_WORDS, example=LONG_WORDS)

    short = Styles([style(f"风{number}", f"s{number}") for number in range(200)])
    ctx = CardContext(messages=catalogue(), styles=short, zone=ZoneInfo("UTC"))
    card = help_cards.render_styles(ctx)
    assert bytes_of(card) < CARD_BYTES
    assert "风20 s20" in card["body"]["elements"][-1]["text"]["content"]
    long = Styles([style(f"风{number}" * 50, f"style{number}" * 50) for number in range(300)])
    present = long.all[-1].name["en"]
    ctx = CardContext(messages=catalogue(), styles=long, zone=ZoneInfo("UTC"))
    card = render_form(ctx, request_id="req_1", prompt='"' * 2000, options=Options(style=present))
    assert validate_card(card, image_keys=IMAGE_KEYS) == []
    assert bytes_of(card) < CARD_BYTES
    assert [element["initial_option"] for element in elements(card) if "initial_option" in element][1] == present


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


def places(card: Any, needle: str, path: str = "") -> list[str]:
    """The paths of the strings that hold the needle."""
    if isinstance(card, dict):
        return [found for key, value in card.items() for found in places(value, needle, f"{path}.{key}")]
    if isinstance(card, list):
        return [found for value in card for found in places(value, needle, f"{path}[]")]
    return [path] if isinstance(card, str) and needle in card else []


@pytest.mark.parametrize("prompt", HOSTILE)
def test_prompt_is_shown_once_as_plain_text(prompt: str) -> None:
    """Whatever markup a prompt holds, at every stage it is shown as typed, once, where nothing is markup."""
    for view in STAGES.values():
        card = render_request(cards(), request(*view.images, prompt=prompt))
        assert places(card, prompt) == [".body.elements[].text.content"]
        shown = [element for element in elements(card) if element.get("content") == prompt]
        assert shown == [{"tag": "plain_text", "content": prompt}]


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("\u2066a\u2069\u202a", "a"),
        ("a\x00b\x1b[31m\x7f\x85", "ab[31m"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\ud800b", "a\ufffdb"),
    ],
)
def test_misleading_characters_are_removed(prompt: str, shown: str) -> None:
    """Control characters and signs that turn the writing round are not shown, and the card is compact UTF-8 JSON."""
    card = render_request(cards(), request(generation(State.DONE), prompt=prompt))
    assert {"tag": "plain_text", "content": shown} in elements(card)
    assert json.loads(content(card).encode()) == card
    assert "\\u" not in content(card)
    assert '": ' not in content(card)


def test_start_of_a_long_prompt_is_shown_with_its_length() -> None:
    """Of a prompt over 800 characters card and text show the first 800 and the count; up to there the whole."""
    view = request(generation(State.DONE), prompt="猫" * 801)
    on_card = "\n".join(element.get("content", "") for element in elements(render_request(cards(), view)))
    for said in (on_card, render_request_text(cards(), view, "zh")):
        assert "猫" * 800 in said
        assert "猫" * 801 not in said
        assert "提示词共 801 字，以上是前 800 字。" in said
    assert "提示词共" not in render_request_text(cards(), request(generation(State.DONE), prompt="猫" * 800), "zh")


@pytest.mark.parametrize("prompt", ["", "\n", "\x00"])
def test_invisible_prompt_leaves_no_paragraph(prompt: str) -> None:
    """A prompt that Feishu would not take is left out, on the card and in the text."""
    view = request(generation(State.DONE), prompt=prompt)
    tags = [element["tag"] for element in render_request(cards(), view)["body"]["elements"]]
    assert tags == ["img", "div", "div", "column_set"]
    assert "" not in render_request_text(cards(), view, "zh").splitlines()


@pytest.mark.parametrize("character", ["👨‍👩‍👧‍👦", "\\", '"', "\n", "猫", "\x01"])
def test_longest_cards_fit(character: str) -> None:
    """Four images, 30,000 characters and four long different failures stay under 30 KB."""
    url = LINK + "&" + "a" * (800 - len(LINK) - 1)
    done = [generation(State.DONE, n, findings=WARNED * 2, repeated=True, reencoded=True, url=url) for n in range(1, 5)]
    values = dict.fromkeys(("size", "model", "allowed", "until"), LONG)
    failures = [failed("failure.size", n, url=url, platform=f"{n}{LONG}", values=values) for n in range(1, 5)]
    for images in (done, failures, [*done[:2], *failures[2:]]):
        assert bytes_of(render_request(cards(), request(*images, prompt=character * 30000, price=0.4))) < CARD_BYTES


any_text = st.text(alphabet=st.characters(), max_size=1200)
any_failure = st.builds(
    Failure,
    code=st.just("server_error"),
    sentence=st.sampled_from(["failure.size", "failure.quota", "failure.content", "failure.server", "nothing"]),
    values=st.dictionaries(st.sampled_from(["size", "model", "allowed", "until", "other"]), any_text, max_size=5),
    platform=st.none() | any_text,
    roles=st.lists(st.sampled_from(["user", "assistant", "history", "?"]), max_size=3).map(tuple),
)
any_image = st.builds(
    generation,
    st.sampled_from(State),
    st.integers(1, 4),
    url=st.sampled_from([None, LINK, "http://example.com/"]) | any_text,
    failure=st.none() | any_failure,
    findings=st.sampled_from([(), WARNED]),
    repeated=st.booleans(),
    reencoded=st.booleans(),
    seconds=st.none() | st.floats(0, 400),
    link_expires_at=st.none() | st.floats(1.7e9, 2.0e9),
)
waits = {"ahead": st.none() | st.integers(0, 100), "wait_seconds": st.none() | st.floats(0, 9000)}
any_request = st.builds(
    lambda images, prompt, more: request(*images, prompt=prompt, **more),
    st.lists(any_image, min_size=1, max_size=4),
    any_text,
    st.fixed_dictionaries(waits),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(view=any_request, buttons=st.booleans())
def test_any_request_has_a_valid_card(view: RequestView, *, buttons: bool) -> None:
    """Whatever a request holds, its card is UTF-8 JSON under 30 KB, and its text holds no tag."""
    card = render_request(cards(buttons=buttons), view)
    assert json.loads(content(card).encode()) == card
    assert bytes_of(card) < CARD_BYTES
    assert "<" not in render_request_text(cards(), view, "zh")


MISREAD = [key for key in catalogue().keys if key.startswith("misread.")]


@given(key=st.sampled_from(MISREAD), value=any_text | st.just(LONG))
def test_any_error_has_a_small_card(key: str, value: str) -> None:
    """Whatever was typed wrongly, the explanation is under 30 KB and holds no markup."""
    card = render_error(cards(), UserError(sentence=key, values=dict.fromkeys(catalogue().placeholders(key), value)))
    assert bytes_of(card) < CARD_BYTES
    assert not [element for element in elements(card) if element["tag"] == "markdown"]
