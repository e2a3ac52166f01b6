"""The components of JSON 2.0 cards with their properties, as far as a bot of this kind uses them.

https://open.feishu.cn/document/feishu-cards/card-json-v2-components/component-json-v2-overview
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.feishu.card_checks import (
    Check,
    Findings,
    anything,
    by_language,
    colour,
    each,
    flag,
    image_key,
    one_of,
    pixels,
    shape,
    shape_of_any,
    text,
    whole,
)
from bot.sandbox.feishu.card_parts import (
    corner,
    fillable,
    icon,
    label,
    layout,
    multi_url,
    name,
    options,
    padding,
    plain,
    pressable,
    spacing,
    text_look,
    worded,
)
from bot.sandbox.feishu.card_words import BUTTON_TYPES

CONTAINERS = ("column_set", "form", "collapsible_panel", "interactive_container")
ROOT_ONLY = ("form", "table")
REMOVED = ("note", "action")
# fmt: off
OTHERS = (
    "audio", "checker", "date_picker", "multi_select_person", "multi_select_static", "person",
    "person_list", "picker_datetime", "picker_time", "select_img", "select_person",
)
"""The platform's components beside :data:`COMPONENTS`, whose properties are not known here."""
# fmt: on
FORM_FIELDS = ("button", "input", "select_static")

_INVALID_CHART = 200550


@dataclass(frozen=True, slots=True)
class Component:
    """A component's properties beside ``tag``, ``element_id`` and ``margin``, and which of them it needs."""

    properties: Mapping[str, Check]
    required: tuple[str, ...] = ()


def _chart(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, dict) or not {"type", "data"} <= value.keys():
        findings.add(path, "chart spec is invalid", code=_INVALID_CHART)


COMPONENTS: Mapping[str, Component] = {
    "div": Component(
        {
            "text": worded("plain_text", "lark_md", more={**text_look, "text_color": colour, "lines": whole(1)}),
            "icon": icon,
            "width": pixels(16, 999, "fill", "auto"),
        }
    ),
    "markdown": Component(
        {"content": text, "i18n_content": by_language(text), "icon": icon, **text_look}, ("content",)
    ),
    "img": Component(
        {
            "img_key": image_key,
            "i18n_img_key": by_language(image_key),
            "alt": plain,
            "title": plain,
            "corner_radius": corner,
            "scale_type": one_of("crop_center", "crop_top", "fit_horizontal"),
            "size": pixels(1, 1000, "stretch", "large", "medium", "small", "tiny", most=2),
            "transparent": flag,
            "preview": flag,
        },
        ("img_key", "alt"),
    ),
    "img_combination": Component(
        {
            "combination_mode": one_of("double", "triple", "bisect", "trisect"),
            "combination_transparent": flag,
            "corner_radius": corner,
            "img_list": each(shape({"img_key": image_key, "transparent": flag}, required=("img_key",)), most=9),
        },
        ("combination_mode", "img_list"),
    ),
    "hr": Component({}),
    "button": Component(
        {
            **fillable,
            "text": label,
            "type": one_of(*BUTTON_TYPES),
            "size": one_of("tiny", "small", "medium", "large"),
            "icon": icon,
            "hover_tips": plain,
            "form_action_type": one_of("submit", "reset"),
        }
    ),
    "select_static": Component(
        {
            **fillable,
            "type": one_of("default", "text"),
            "placeholder": label,
            "initial_option": text,
            "initial_index": whole(0),
            "options": options,
        },
        ("options",),
    ),
    "input": Component(
        {
            **fillable,
            "placeholder": label,
            "default_value": text,
            "i18n_default_value": by_language(text),
            "max_length": whole(1, 1000),
            "input_type": one_of("text", "multiline_text", "password"),
            "rows": whole(1),
            "max_rows": whole(1),
            "auto_resize": flag,
            "show_icon": flag,
            "label": plain,
            "label_position": one_of("top", "left"),
        }
    ),
    "overflow": Component(
        {
            **pressable,
            "options": each(shape({"text": label, "multi_url": multi_url, "value": text}, required=("text",))),
        },
        ("options",),
    ),
    "table": Component(
        {
            "page_size": whole(1, 10),
            "row_height": pixels(32, 124, "low", "middle", "high", "auto"),
            "row_max_height": pixels(32, 999),
            "freeze_first_column": flag,
            "header_style": shape_of_any,
            "columns": each(shape_of_any, most=50),
            "rows": each(shape_of_any),
        },
        ("columns", "rows"),
    ),
    "chart": Component(
        {
            "chart_spec": _chart,
            "aspect_ratio": one_of("1:1", "2:1", "4:3", "16:9"),
            "color_theme": one_of("brand", "rainbow", "complementary", "converse", "primary"),
            "preview": flag,
            "height": pixels(1, 999, "auto"),
        },
        ("chart_spec",),
    ),
    "column_set": Component(
        {
            "columns": anything,
            "horizontal_spacing": spacing,
            "horizontal_align": layout["horizontal_align"],
            "flex_mode": one_of("none", "stretch", "flow", "bisect", "trisect"),
            "background_style": colour,
            "action": shape({"multi_url": multi_url}),
        },
        ("columns",),
    ),
    "column": Component(
        {
            **layout,
            "elements": anything,
            "width": pixels(16, 600, "auto", "weighted"),
            "weight": whole(1, 5),
            "background_style": colour,
            "action": shape({"multi_url": multi_url}),
        }
    ),
    "form": Component({**layout, "name": name, "elements": anything}, ("name", "elements")),
    "collapsible_panel": Component(
        {
            **layout,
            "expanded": flag,
            "background_color": colour,
            "header": shape(
                {
                    "title": worded("plain_text", "markdown", more={**text_look, "text_color": colour}),
                    "background_color": colour,
                    "vertical_align": layout["vertical_align"],
                    "padding": padding,
                    "position": one_of("top", "bottom"),
                    "width": one_of("fill", "auto", "auto_when_fold"),
                    "icon": icon,
                    "icon_position": one_of("left", "right", "follow_text"),
                    "icon_expanded_angle": one_of(-180, -90, 90, 180),
                }
            ),
            "border": shape({"color": colour, "corner_radius": corner}),
            "elements": anything,
        },
        ("header",),
    ),
    "interactive_container": Component(
        {
            **layout,
            **pressable,
            "height": pixels(10, 999, "auto"),
            "background_style": colour,
            "has_border": flag,
            "border_color": colour,
            "corner_radius": corner,
            "disabled": flag,
            "disabled_tips": plain,
            "hover_tips": plain,
            "elements": anything,
        },
        ("behaviors", "elements"),
    ),
}
