"""The cards of commands pass the platform's check, also with the most and the worst that they can hold."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot import errors
from bot.chat.cards.command_cards import (
    NOTICES,
    render_changed,
    render_history,
    render_ids,
    render_not_allowed,
    render_notice,
    render_queue,
    render_quota,
    render_settings,
    render_stats,
)
from bot.chat.cards.elements import CardContext, text_of
from bot.chat.cards.form_card import render_form
from bot.chat.cards.help_cards import EXAMPLES, render_welcome
from bot.chat.styles import Style, Styles
from bot.options import Options
from bot.sandbox.feishu.cards import validate_card
from bot.view_models import ModelStats
from tests.unit.card_samples import bytes_of, cards, catalogue, elements
from tests.unit.command_samples import QUOTA, SETTINGS, STATS, history, line, waiting

KEYS = {"img_v3_1"}
# What is longest in bytes once it stands as JSON within JSON, and what would be markup.
WORST = ['"' * 2000, "\N{CAT FACE}" * 2000, "\\" * 2000, "\n" * 2000, "<at id=all></at>" * 500, "\ud800" * 2000, ""]

FULL_STATS = dataclasses.replace(
    STATS,
    models=tuple(
        ModelStats(model="m" * 500, images=10**9, yuan=1e9, generation_seconds=1e9, waiting_seconds=1e9)
        for _ in range(10)
    ),
    people=tuple(("ou_" + "x" * 500, 10**9) for _ in range(100)),
    days=tuple((f"11-{day:02}", day) for day in range(1, 31)),
    outcomes={f"{number}" + "x" * 500: 10**9 for number in range(100)},
)

MANY_STYLES = Styles(
    [
        Style(
            name={"zh": f"风{number}" * 50, "en": f"style{number}" * 50},
            words={"zh": "词", "en": "word"},
            example={"zh": "例", "en": "example"},
        )
        for number in range(300)
    ]
)


def made(cards: CardContext, text: str) -> dict[str, dict[str, Any]]:
    """Every card of a command, full, with this text wherever somebody else's text may stand."""
    entries = [*(waiting(number, prompt=text) for number in range(1, 60)), *(waiting(prompt=text) for _ in range(60))]
    notices = {
        name: render_notice(
            cards, name, **dict.fromkeys([*catalogue().placeholders(f"notice.{name}.text"), "prompt"], text or "x")
        )
        for name in NOTICES
    }
    return notices | {
        "queue": render_queue(cards, line(*entries, elsewhere=10**6, paused=True, private=True)),
        "quota": render_quota(cards, QUOTA),
        "settings": render_settings(cards, dataclasses.replace(SETTINGS, options=Options(style=text))),
        "changed": render_changed(cards, dataclasses.asdict(Options(style=text)), for_chat=True),
        "stats": render_stats(cards, FULL_STATS),
        "history": render_history(cards, [history(prompt=text) for _ in range(30)]),
        "no history": render_history(cards, []),
        "form": render_form(cards, request_id="r" * 40, prompt=text, options=Options(style=text)),
        "welcome": render_welcome(cards),
        "not allowed": render_not_allowed(cards, person="ou_" + text, chat="oc_" + text),
        "id": render_ids(cards, person="ou_" + text, chat="oc_" + text),
    }


@pytest.mark.parametrize("text", WORST, ids=[ascii(text[:1]) for text in WORST])
@pytest.mark.parametrize("buttons", [True, False])
def test_each_card_is_sound_with_the_worst_text(text: str, *, buttons: bool) -> None:
    """Nothing in any card is unknown to the platform, and the request that sends it is under 30 KB."""
    for name, card in made(cards(buttons=buttons), text).items():
        assert validate_card(card, image_keys=KEYS) == [], name
        assert bytes_of(card) < 30 * 1024, name


def test_the_form_has_room_for_very_many_styles() -> None:
    """Of very many styles with long names the form offers as many as a card holds, the present one among them."""
    many = CardContext(messages=catalogue(), styles=MANY_STYLES, zone=ZoneInfo("UTC"), buttons=True)
    present = MANY_STYLES.all[-1].name["en"]
    card = render_form(many, request_id="req_1", prompt='"' * 2000, options=Options(style=present))
    assert validate_card(card, image_keys=KEYS) == []
    assert bytes_of(card) < 30 * 1024
    assert [element["initial_option"] for element in elements(card) if "initial_option" in element][1] == present


def test_every_word_of_the_bot_is_in_both_languages() -> None:
    """Each text has both languages, but for what people wrote, ids and ratios."""
    for name, card in made(cards(), "猫").items():
        alone = {e["content"] for e in elements(card) if e["tag"] == "plain_text" and "i18n_content" not in e}
        assert alone <= {"猫", "ou_猫", "oc_猫"}, name
        assert not any(element["tag"] == "markdown" for element in elements(card)), name


def test_each_card_has_a_text_for_a_chat_that_refuses_it() -> None:
    """As plain text a card still says something, and pings nobody."""
    for name, card in made(cards(), "<at id=all></at>").items():
        for said in (text_of(card, "zh"), text_of(card, "en")):
            assert said.strip(), name
            assert "<" not in said, name


SENTENCE = re.compile(r'"((?:card|command|failure|limit|misread|notice|queue|settings|toast|wait)\.[a-z_.]+)"')


def test_each_sentence_that_the_source_names_is_in_the_catalogue() -> None:
    """Every key of a sentence that the program names is there to be said."""
    bot = Path(errors.__file__).parent
    folders = [path for folder in ("chat", "service", "worker", "glm") for path in (bot / folder).rglob("*.py")]
    named = {key for path in folders for key in SENTENCE.findall(path.read_text(encoding="utf-8"))}
    # The names of events look alike.
    named = {key for key in named if not key.endswith(("trigger", "trigger_v1"))}
    assert len(named) > 60
    assert named <= catalogue().keys | {f"notice.{name}" for name in NOTICES}


def test_the_examples_are_those_of_the_catalogue() -> None:
    """Every example has its button and its prompt, and none is written in vain."""
    written = {key.split(".")[2] for key in sorted(catalogue().keys) if key.startswith("welcome.example.")}
    assert written == set(EXAMPLES)
