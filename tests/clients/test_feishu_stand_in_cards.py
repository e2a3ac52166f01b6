"""The stand-in rejects the cards that Feishu rejects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.sandbox.feishu.cards import UNCHECKED, validate_card
from tests.clients.feishu_wire import Json, button, card, words

KEYS = {"img_v3_known"}
IMAGE: Json = {"tag": "img", "img_key": "img_v3_known", "alt": words("一只猫")}
MARKDOWN: Json = {"tag": "markdown", "content": "**尺寸** 1280x1280"}
SUBMIT: Json = button("提交", name="submit", form_action_type="submit")
INPUT: Json = {"tag": "input", "name": "prompt"}
SELECT: Json = {"tag": "select_static", "options": [{"text": words("16:9"), "value": "16:9"}]}


def columns(*elements: Json, **fields: Any) -> Json:
    return {"tag": "column_set", "columns": [{"tag": "column", "elements": [one]} for one in elements], **fields}


def form(*elements: Json, **fields: Any) -> Json:
    return {"tag": "form", "name": "edit", "elements": list(elements), **fields}


@pytest.mark.parametrize(
    "element",
    [
        *({"tag": tag, "name": "other", "options": []} for tag in UNCHECKED),
        columns(button(type="primary"), {**SELECT, "placeholder": words("换比例")}, flex_mode="flow", margin="0 4px"),
        {**IMAGE, "size": "100px 100px", "corner_radius": "5px", "element_id": "picture_1"},
        {**MARKDOWN, "margin": "4px -12px", "icon": {"tag": "custom_icon", "img_key": "img_v3_known"}},
        {"tag": "div", "text": {**words("x"), "text_color": "rgba(5,157,178,0.52)", "text_size": "notation"}},
        form({**INPUT, "max_length": 1000, "input_type": "multiline_text", "rows": 3}, columns(SUBMIT)),
        {"tag": "img_combination", "combination_mode": "bisect", "img_list": [{"img_key": "img_v3_known"}]},
    ],
    ids=lambda value: str(value)[:50],
)
def test_documented_components_are_accepted(element: Json) -> None:
    assert validate_card(card(element), image_keys=KEYS) == []


@pytest.mark.parametrize(
    ("element", "sub_code"),
    [
        ({"tag": "note", "elements": []}, 200861),
        ({"tag": "column", "elements": []}, 200861),
        ("text", 200861),
        (button(url="https://example.com"), 200621),
        ({**MARKDOWN, "i18n_content": {"zh": "猫"}}, 200621),
        ({"tag": "img", "img_key": "img_no", "alt": words("")}, 200570),
        ({"tag": "img", "img_key": "img_v3_known"}, 200621),
        ({**MARKDOWN, "element_id": "a" * 21}, 200621),
        ({**MARKDOWN, "margin": "100px"}, 200621),
        ({"tag": "div", "text": {"tag": "markdown", "content": "x"}}, 200621),
        (button("x" * 101), 200621),
        (button(behaviors=[{"type": "open_url", "default_url": "javascript:0"}]), 200621),
        (button(form_action_type="submit"), 200621),
        ({**SELECT, "options": SELECT["options"] * 2}, 200621),
        (form(INPUT), 200621),
        (form({"tag": "input"}, SUBMIT), 200530),
        (form(INPUT, INPUT, SUBMIT), 200621),
        (form(SUBMIT, button("x", name="x")), 200621),
        (columns(form(INPUT, SUBMIT)), 200861),
        (columns({**MARKDOWN, "element_id": "same"}, {**MARKDOWN, "element_id": "same"}), 200621),
    ],
    ids=lambda value: str(value)[:50],
)
def test_component_is_rejected(element: Any, sub_code: int) -> None:
    error, *_ = validate_card(card(element), image_keys=KEYS)
    assert error.sub_code == sub_code
    assert error.path.startswith("ROOT -> body -> elements -> [0]")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"schema": "1.0"}, "ROOT -> schema"),
        ({"elements": []}, "ROOT"),
        ({"config": {"update_multi": False}}, "ROOT -> config -> update_multi"),
        ({"header": {"template": "green"}}, "ROOT -> header"),
        ({"header": {"title": words("x"), "template": "pink"}}, "ROOT -> header -> template"),
        ({"body": {"elements": {}}}, "ROOT -> body -> elements"),
    ],
    ids=str,
)
def test_the_card_itself_is_checked(fields: Json, path: str) -> None:
    (error,) = validate_card({**card(), **fields}, image_keys=KEYS)
    assert error.path == path


def test_a_card_has_two_hundred_components_and_thirty_kilobytes() -> None:
    element = button(behaviors=[{"type": "callback", "value": {"tag": "data"}}])
    for count, codes in ((200, []), (201, [11310])):
        errors = validate_card(card(element, *[{"tag": "hr"}] * (count - 2)), image_keys=KEYS)
        assert [error.sub_code for error in errors] == codes
    empty = len(json.dumps(card({"tag": "markdown", "content": ""}), separators=(",", ":")))
    for size, codes in ((30 * 1024, []), (30 * 1024 + 1, [230025])):
        errors = validate_card(card({"tag": "markdown", "content": "x" * (size - empty)}), image_keys=KEYS)
        assert [error.sub_code for error in errors] == codes
