"""The stand-in refuses the cards that Feishu refuses."""

from __future__ import annotations

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


def column(*elements: Json, **fields: Any) -> Json:
    """One column."""
    return {"tag": "column", "elements": list(elements), **fields}


def columns(*elements: Json, **fields: Any) -> Json:
    """A column set with a column for each element."""
    return {"tag": "column_set", "columns": [column(element) for element in elements], **fields}


def form(*elements: Json, **fields: Any) -> Json:
    """A form."""
    return {"tag": "form", "name": "edit", "elements": list(elements), **fields}


def panel(*elements: Json, **fields: Any) -> Json:
    """A collapsible panel."""
    return {"tag": "collapsible_panel", "header": {"title": words("更多")}, "elements": list(elements), **fields}


def nested(depth: int) -> Json:
    """Panels in panels."""
    return panel(MARKDOWN) if depth == 1 else panel(nested(depth - 1))


RESULT: Json = {
    "schema": "2.0",
    "config": {"update_multi": True, "summary": {"content": "图片已生成", "i18n_content": {"en_us": "Image ready"}}},
    "header": {
        "template": "green",
        "title": {**words("已生成"), "i18n_content": {"zh_cn": "已生成", "en_us": "Image ready"}},
        "text_tag_list": [{"tag": "text_tag", "text": words("hd"), "color": "neutral"}],
        "icon": {"tag": "standard_icon", "token": "image_outlined", "color": "green-500"},
    },
    "body": {
        "direction": "vertical",
        "padding": "12px 12px 12px 12px",
        "elements": [
            {**IMAGE, "scale_type": "fit_horizontal", "preview": True, "element_id": "picture_1"},
            {
                "tag": "div",
                "text": {**words("一只猫，水彩"), "text_size": "notation", "text_color": "grey", "lines": 3},
            },
            {**MARKDOWN, "margin": "4px -12px", "icon": {"tag": "custom_icon", "img_key": "img_v3_known"}},
            columns(button(type="primary"), {**SELECT, "placeholder": words("换比例")}, flex_mode="flow"),
            {"tag": "hr"},
            form({**INPUT, "max_length": 1000, "input_type": "multiline_text", "rows": 3}, columns(SUBMIT)),
            panel({"tag": "img_combination", "combination_mode": "bisect", "img_list": [{"img_key": "img_v3_known"}]}),
            button("原图", behaviors=[{"type": "open_url", "default_url": "https://example.com/a.png"}]),
            {"tag": "table", "columns": [{"name": "who", "data_type": "text"}], "rows": [{"who": "林小雨"}]},
            {"tag": "chart", "chart_spec": {"type": "bar", "data": {"values": []}}},
        ],
    },
}


@pytest.mark.parametrize("tag", UNCHECKED)
def test_a_component_of_the_platform_is_never_called_unknown(tag: str) -> None:
    """What a bot of this kind does not use is taken unread, also in a form, as Feishu takes it."""
    other = {"tag": tag, "name": "other", "options": []}
    assert validate_card(card(other), image_keys=KEYS) == []
    assert validate_card(card(form(other, SUBMIT)), image_keys=KEYS) == []


def test_a_card_with_every_component_is_taken() -> None:
    """What the documentation shows is not refused."""
    assert validate_card(RESULT, image_keys=KEYS) == []


@pytest.mark.parametrize(
    "element",
    [
        panel(columns(MARKDOWN)),
        nested(5),
        columns(MARKDOWN, background_style="grey-100", horizontal_spacing="8px", margin="0 4px"),
        {**IMAGE, "size": "100px 100px", "corner_radius": "5px"},
        button(width="120px", size="tiny", confirm={"title": words("取消？"), "text": words("不再生成")}),
        {"tag": "div", "text": {**words("x"), "text_color": "rgba(5,157,178,0.52)"}},
        {"tag": "div", "text": {"tag": "plain_text", "i18n_content": {"zh_cn": "猫"}}},
        form(INPUT, SUBMIT, button("清空", name="reset", form_action_type="reset")),
        {"tag": "interactive_container", "behaviors": [], "elements": [MARKDOWN]},
    ],
)
def test_these_components_are_taken(element: Json) -> None:
    """Values at the edges of what is allowed."""
    assert validate_card(card(element), image_keys=KEYS) == []


@pytest.mark.parametrize(
    ("element", "sub_code"),
    [
        ({"tag": "note", "elements": []}, 200861),
        ({"tag": "action", "actions": []}, 200861),
        ({"tag": "marquee"}, 200861),
        ({"tag": "column", "elements": []}, 200861),
        ({"no": "tag"}, 200861),
        ("text", 200861),
        ({**IMAGE, "mode": "large"}, 200621),
        (button(value={"a": "again"}), 200621),
        (button(url="https://example.com"), 200621),
        ({**MARKDOWN, "text_color": "grey"}, 200621),
        ({**MARKDOWN, "i18n_content": {"zh": "猫"}}, 200621),
        ({"tag": "img", "img_key": "img_no", "alt": words("")}, 200570),
        ({"tag": "markdown", "content": "x", "icon": {"tag": "custom_icon", "img_key": "no"}}, 200570),
        ({"tag": "img", "img_key": "img_v3_known"}, 200621),
        ({**IMAGE, "size": "stretch_without_padding"}, 200621),
        ({**IMAGE, "preview": "true"}, 200621),
        ({**MARKDOWN, "element_id": "1st"}, 200621),
        ({**MARKDOWN, "element_id": "a" * 21}, 200621),
        ({**MARKDOWN, "margin": "100px"}, 200621),
        ({**MARKDOWN, "content": 7}, 200621),
        ({"tag": "div", "text": {**words("x"), "text_color": "#ff0000"}}, 200621),
        ({"tag": "div", "text": {"tag": "markdown", "content": "x"}}, 200621),
        ({"tag": "div", "text": {"tag": "plain_text"}}, 200621),
        (button("x" * 101), 200621),
        (button(type="big"), 200621),
        (button(behaviors=[{"type": "callback", "value": "again"}]), 200621),
        (button(behaviors=[{"type": "open_url", "default_url": "javascript:0"}]), 200621),
        (button(behaviors=[{"type": "jump"}]), 200621),
        (button(form_action_type="submit"), 200621),
        ({**SELECT, "options": SELECT["options"] * 2}, 200621),
        ({"tag": "input", "max_length": 1001}, 200621),
        (form(INPUT), 200621),
        (form({"tag": "input"}, SUBMIT), 200530),
        (form(INPUT, INPUT, SUBMIT), 200621),
        (form(SUBMIT, name=""), 200621),
        (form(SUBMIT, button("x", name="x")), 200621),
        (panel(form(INPUT, SUBMIT)), 200861),
        (columns({"tag": "table", "columns": [], "rows": []}), 200861),
        ({"tag": "column_set", "columns": [MARKDOWN]}, 200861),
        (nested(6), 11310),
        ({"tag": "chart", "chart_spec": {}}, 200550),
        ({"tag": "table", "columns": [], "rows": [], "page_size": 11}, 200621),
    ],
    ids=lambda value: str(value)[:50],
)
def test_component_is_rejected(element: Any, sub_code: int) -> None:
    """Each mistake is reported with its sub code and its path."""
    fault, *_ = validate_card(card(element), image_keys=KEYS)
    assert fault.sub_code == sub_code
    assert fault.path.startswith("ROOT -> body -> elements -> [0]")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"schema": "1.0"}, "ROOT -> schema"),
        ({"elements": []}, "ROOT -> elements"),
        ({"i18n_elements": {}}, "ROOT -> i18n_elements"),
        ({"fallback": {}}, "ROOT -> fallback"),
        ({"config": {"wide_screen_mode": True}}, "ROOT -> config -> wide_screen_mode"),
        ({"config": {"update_multi": False}}, "ROOT -> config -> update_multi"),
        ({"config": {"summary": {"text": "x"}}}, "ROOT -> config -> summary -> text"),
        ({"header": {"template": "green"}}, "ROOT -> header"),
        ({"header": {"title": words("x"), "template": "pink"}}, "ROOT -> header -> template"),
        ({"header": {"title": words("x"), "ud_icon": {}}}, "ROOT -> header -> ud_icon"),
        ({"body": {"elements": {}}}, "ROOT -> body -> elements"),
        ({"body": []}, "ROOT -> body"),
    ],
    ids=str,
)
def test_the_frame_of_a_card_is_checked(fields: Json, path: str) -> None:
    """Unknown and removed properties of the card itself are errors in 2.0."""
    (fault,) = validate_card({**card(), **fields}, image_keys=KEYS)
    assert fault.path == path.rpartition(" -> ")[0] or fault.path == path


def test_a_header_shows_three_tags() -> None:
    """A fourth would not be shown."""
    tag = {"tag": "text_tag", "text": words("hd"), "color": "blue"}
    (fault,) = validate_card(card(header={"title": words("x"), "text_tag_list": [tag] * 4}), image_keys=KEYS)
    assert fault.path == "ROOT -> header -> text_tag_list"


def test_a_colour_of_the_cards_own_style_is_known() -> None:
    """A name that ``config.style`` defines is a colour in that card."""
    style = {"color": {"cus-0": {"light_mode": "rgba(5,157,178,0.52)", "dark_mode": "rgba(78,23,108,0.49)"}}}
    element = {"tag": "div", "text": {**words("x"), "text_color": "cus-0"}}
    assert validate_card(card(element, config={"style": style}), image_keys=KEYS) == []


def test_ids_are_unique_in_a_card() -> None:
    """The same ``element_id`` twice is an error."""
    element = {**MARKDOWN, "element_id": "same"}
    (fault,) = validate_card(card(element, panel(element)), image_keys=KEYS)
    assert "not unique" in fault.message


@pytest.mark.parametrize(("count", "taken"), [(200, True), (201, False)])
def test_a_card_has_two_hundred_components(count: int, taken: bool) -> None:  # noqa: FBT001 - a column of the table
    """The two hundred and first is one too many; texts count, data does not."""
    texts: list[Json] = [{"tag": "div", "text": words("x")}] * (count // 2)
    elements: list[Json] = [*texts, *[{"tag": "hr"}] * (count % 2)]
    behaviours = [{"type": "callback", "value": {"tag": "data"}}]
    elements[0] = {"tag": "button", "text": words("x"), "behaviors": behaviours}
    assert (validate_card(card(*elements), image_keys=KEYS) == []) == taken


@pytest.mark.parametrize(("size", "codes"), [(30 * 1024, []), (30 * 1024 + 1, [230025])])
def test_a_card_has_thirty_kilobytes(size: int, codes: list[int]) -> None:
    """Counted in bytes of its JSON."""
    empty = '{"schema":"2.0","config":{"update_multi":true},"body":{"elements":[{"tag":"markdown","content":""}]}}'
    letters = "x" * (size - len(empty))
    faults = validate_card(card({"tag": "markdown", "content": letters}), image_keys=KEYS)
    assert [fault.sub_code for fault in faults] == codes
