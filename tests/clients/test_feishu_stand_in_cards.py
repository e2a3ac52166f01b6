"""The stand-in refuses the cards that Feishu refuses."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.feishu.card_rules import OTHERS
from bot.sandbox.feishu.cards import faults_of
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


@pytest.mark.parametrize("tag", OTHERS)
def test_a_component_of_the_platform_is_never_called_unknown(tag: str) -> None:
    """What a bot of this kind does not use is taken unread, also in a form, as Feishu takes it."""
    other = {"tag": tag, "name": "other", "options": []}
    assert faults_of(card(other), image_keys=KEYS) == []
    assert faults_of(card(form(other, SUBMIT)), image_keys=KEYS) == []


def test_a_card_with_every_component_is_taken() -> None:
    """What the documentation shows is not refused."""
    assert faults_of(RESULT, image_keys=KEYS) == []


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
    assert faults_of(card(element), image_keys=KEYS) == []


@pytest.mark.parametrize(
    ("element", "sub_code", "words_of_the_fault"),
    [
        (
            {"tag": "note", "elements": []},
            200861,
            "no longer support this capability; ErrorValue: unsupported tag note",
        ),
        ({"tag": "action", "actions": []}, 200861, "unsupported tag action"),
        ({"tag": "marquee"}, 200861, "unsupported tag marquee"),
        ({"tag": "column", "elements": []}, 200861, "unsupported tag column"),
        ({"no": "tag"}, 200861, "unsupported tag None"),
        ("text", 200861, "unsupported tag None"),
        ({**IMAGE, "mode": "large"}, 200861, "unknown property 'mode'"),
        (button(value={"a": "again"}), 200861, "unknown property 'value'"),
        (button(url="https://example.com"), 200861, "unknown property 'url'"),
        ({**MARKDOWN, "text_color": "grey"}, 200861, "unknown property 'text_color'"),
        ({**MARKDOWN, "i18n_content": {"zh": "猫"}}, 200861, "unknown property 'zh'"),
        ({"tag": "img", "img_key": "img_no", "alt": words("")}, 200570, "invalid image keys"),
        ({"tag": "markdown", "content": "x", "icon": {"tag": "custom_icon", "img_key": "no"}}, 200570, "image keys"),
        ({"tag": "img", "img_key": "img_v3_known"}, 200621, "'alt' is missing"),
        ({**IMAGE, "size": "stretch_without_padding"}, 200621, "is no length"),
        ({**IMAGE, "preview": "true"}, 200621, "a boolean is expected"),
        ({**MARKDOWN, "element_id": "1st"}, 200621, "element_id '1st' is invalid"),
        ({**MARKDOWN, "element_id": "a" * 21}, 200621, "is invalid"),
        ({**MARKDOWN, "margin": "100px"}, 200621, "is no length from -99px to 99px"),
        ({**MARKDOWN, "content": 7}, 200621, "a string is expected"),
        ({"tag": "div", "text": {**words("x"), "text_color": "#ff0000"}}, 200621, "'#ff0000' is no colour"),
        ({"tag": "div", "text": {"tag": "markdown", "content": "x"}}, 200621, "'markdown' is none of"),
        ({"tag": "div", "text": {"tag": "plain_text"}}, 200621, "neither content nor i18n_content"),
        (button("x" * 101), 200621, "at most 100 characters"),
        (button(type="big"), 200621, "'big' is none of"),
        (button(behaviors=[{"type": "callback", "value": "again"}]), 200621, "an object is expected"),
        (button(behaviors=[{"type": "open_url", "default_url": "javascript:0"}]), 200621, "is no link"),
        (button(behaviors=[{"type": "jump"}]), 200621, "neither open_url nor callback"),
        (button(form_action_type="submit"), 200621, "belong into a form"),
        ({**SELECT, "options": SELECT["options"] * 2}, 200621, "two options have the same value"),
        ({"tag": "input", "max_length": 1001}, 200621, "from 1 to 1000"),
        (form(INPUT), 200621, "needs a button whose form_action_type is submit"),
        (form({"tag": "input"}, SUBMIT), 200530, "name is empty"),
        (form(INPUT, INPUT, SUBMIT), 200621, "name 'prompt' is not unique"),
        (form(SUBMIT, name=""), 200621, "name is empty"),
        (form(SUBMIT, button("x", name="x")), 200621, "needs a form_action_type"),
        (panel(form(INPUT, SUBMIT)), 200861, "form cannot be inside collapsible_panel"),
        (columns({"tag": "table", "columns": [], "rows": []}), 200861, "table cannot be inside column_set"),
        ({"tag": "column_set", "columns": [MARKDOWN]}, 200861, "a column is expected"),
        (nested(6), 11310, "nested more than 5 deep"),
        ({"tag": "chart", "chart_spec": {}}, 200550, "chart spec is invalid"),
        ({"tag": "table", "columns": [], "rows": [], "page_size": 11}, 200621, "from 1 to 10"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_these_components_are_refused(element: Any, sub_code: int, words_of_the_fault: str) -> None:
    """Each fault is found once, with its sub code and a sentence."""
    (fault,) = faults_of(card(element), image_keys=KEYS)
    assert fault.sub_code == sub_code
    assert words_of_the_fault in fault.message
    assert fault.path.startswith("ROOT -> body -> elements -> [0]")


@pytest.mark.parametrize(
    ("fields", "path", "words_of_the_fault"),
    [
        ({"schema": "1.0"}, "ROOT -> schema", "'1.0' is none of 2.0"),
        ({"elements": []}, "ROOT -> elements", "unknown property"),
        ({"i18n_elements": {}}, "ROOT -> i18n_elements", "unknown property"),
        ({"fallback": {}}, "ROOT -> fallback", "unknown property"),
        ({"config": {"wide_screen_mode": True}}, "ROOT -> config -> wide_screen_mode", "unknown property"),
        ({"config": {"update_multi": False}}, "ROOT -> config -> update_multi", "only be true"),
        ({"config": {"summary": {"text": "x"}}}, "ROOT -> config -> summary -> text", "unknown property"),
        ({"header": {"template": "green"}}, "ROOT -> header", "'title' is missing"),
        ({"header": {"title": words("x"), "template": "pink"}}, "ROOT -> header -> template", "'pink' is none of"),
        ({"header": {"title": words("x"), "ud_icon": {}}}, "ROOT -> header -> ud_icon", "unknown property"),
        ({"body": {"elements": {}}}, "ROOT -> body -> elements", "a list is expected"),
        ({"body": []}, "ROOT -> body", "an object is expected"),
    ],
    ids=str,
)
def test_the_frame_of_a_card_is_checked(fields: Json, path: str, words_of_the_fault: str) -> None:
    """Unknown and removed properties of the card itself are errors in 2.0."""
    (fault,) = faults_of({**card(), **fields}, image_keys=KEYS)
    assert (fault.path, words_of_the_fault in fault.message) == (path, True)


def test_a_header_shows_three_tags() -> None:
    """A fourth would not be shown."""
    tag = {"tag": "text_tag", "text": words("hd"), "color": "blue"}
    (fault,) = faults_of(card(header={"title": words("x"), "text_tag_list": [tag] * 4}), image_keys=KEYS)
    assert fault.path == "ROOT -> header -> text_tag_list"


def test_a_colour_of_the_cards_own_style_is_known() -> None:
    """A name that ``config.style`` defines is a colour in that card."""
    style = {"color": {"cus-0": {"light_mode": "rgba(5,157,178,0.52)", "dark_mode": "rgba(78,23,108,0.49)"}}}
    element = {"tag": "div", "text": {**words("x"), "text_color": "cus-0"}}
    assert faults_of(card(element, config={"style": style}), image_keys=KEYS) == []
    assert len(faults_of(card(element), image_keys=KEYS)) == 1


def test_ids_are_unique_in_a_card() -> None:
    """The same ``element_id`` twice is an error."""
    element = {**MARKDOWN, "element_id": "same"}
    (fault,) = faults_of(card(element, panel(element)), image_keys=KEYS)
    assert "not unique" in fault.message


@pytest.mark.parametrize(("count", "taken"), [(200, True), (201, False)])
def test_a_card_has_two_hundred_components(count: int, taken: bool) -> None:  # noqa: FBT001 - a column of the table
    """The two hundred and first is one too many; texts count, data does not."""
    texts: list[Json] = [{"tag": "div", "text": words("x")}] * (count // 2)
    elements: list[Json] = [*texts, *[{"tag": "hr"}] * (count % 2)]
    behaviours = [{"type": "callback", "value": {"tag": "data"}}]
    elements[0] = {"tag": "button", "text": words("x"), "behaviors": behaviours}
    assert (faults_of(card(*elements), image_keys=KEYS) == []) == taken


@pytest.mark.parametrize(("size", "codes"), [(30 * 1024, []), (30 * 1024 + 1, [230025])])
def test_a_card_has_thirty_kilobytes(size: int, codes: list[int]) -> None:
    """Counted in bytes of its JSON."""
    empty = '{"schema":"2.0","config":{"update_multi":true},"body":{"elements":[{"tag":"markdown","content":""}]}}'
    letters = "x" * (size - len(empty))
    faults = faults_of(card({"tag": "markdown", "content": letters}), image_keys=KEYS)
    assert [fault.sub_code for fault in faults] == codes
