"""The parts that several components of a card have: texts, icons, layout, behaviours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.sandbox.feishu.card_checks import (
    Check,
    Findings,
    by_language,
    colour,
    each,
    flag,
    image_key,
    link,
    one_of,
    pixels,
    shape,
    shape_of_any,
    text,
)
from bot.sandbox.feishu.card_words import TAG_COLOURS

_LONGEST_LABEL = 100


def element_id(value: Any, path: str, findings: Findings) -> None:
    """The id by which a component can be addressed."""
    findings.see_id(value, path)


def name(value: Any, path: str, findings: Findings) -> None:
    """The name of a form, or of what is in it."""
    findings.see_name(value, path)


def worded(*tags: str, longest: int | None = None, more: Mapping[str, Check] | None = None) -> Check:
    """A text of one of these tags, in one language or several."""
    fields = {"tag": one_of(*tags), "content": text, "i18n_content": by_language(text), "element_id": element_id}
    look = shape({**fields, **(more or {})}, required=("tag",))

    def check(value: Any, path: str, findings: Findings) -> None:
        look(value, path, findings)
        if isinstance(value, dict):
            if not {"content", "i18n_content"} & value.keys():
                findings.add(path, "a text has neither content nor i18n_content")
            if longest is not None and len(str(value.get("content", ""))) > longest:
                findings.add(path, f"a text of at most {longest} characters is expected")

    return check


def behaviour(value: Any, path: str, findings: Findings) -> None:
    """What a press does: opens a link, or calls the bot with an object (the SDKs take no string).

    https://open.feishu.cn/document/feishu-cards/configuring-card-interactions
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "open_url":
        urls = dict.fromkeys(("default_url", "pc_url", "ios_url", "android_url"), link)
        shape({"type": text, **urls}, required=("default_url",))(value, path, findings)
    elif kind == "callback":
        shape({"type": text, "value": shape_of_any}, required=("value",))(value, path, findings)
    else:
        findings.add(path, f"behavior type {kind!r} is neither open_url nor callback")


def options(value: Any, path: str, findings: Findings) -> None:
    """The options of a select, each with a value of its own."""
    each(_OPTION)(value, path, findings)
    values = [option.get("value") for option in value if isinstance(option, dict)] if isinstance(value, list) else []
    if len(values) != len({str(entry) for entry in values}):
        findings.add(path, "two options have the same value")


plain = worded("plain_text")
label = worded("plain_text", longest=_LONGEST_LABEL)
title = worded("plain_text", "lark_md")
text_look: Mapping[str, Check] = {"text_size": text, "text_align": one_of("left", "center", "right")}
spacing = pixels(0, 99, "small", "medium", "large", "extra_large", "default")
margin = padding = pixels(-99, 99, most=4)
width = pixels(100, 10**6, "default", "fill")
corner = pixels(0, 10**6)
icon = shape(
    {
        "tag": one_of("standard_icon", "custom_icon"),
        "token": text,
        "color": colour,
        "img_key": image_key,
        "i18n_img_key": by_language(image_key),
        "size": pixels(1, 999, most=2),
    },
    required=("tag",),
)
layout: Mapping[str, Check] = {
    "direction": one_of("vertical", "horizontal"),
    "padding": padding,
    "horizontal_spacing": spacing,
    "horizontal_align": one_of("left", "center", "right"),
    "vertical_spacing": spacing,
    "vertical_align": one_of("top", "center", "bottom"),
}
multi_url = shape(dict.fromkeys(("url", "pc_url", "ios_url", "android_url"), link))
text_tag = shape(
    {"tag": one_of("text_tag"), "element_id": element_id, "text": plain, "color": one_of(*TAG_COLOURS)},
    required=("tag", "text"),
)
pressable: Mapping[str, Check] = {
    "behaviors": each(behaviour),
    "confirm": shape({"title": plain, "text": plain}, required=("title", "text")),
    "width": width,
}
fillable: Mapping[str, Check] = {
    **pressable,
    "disabled": flag,
    "disabled_tips": plain,
    "name": name,
    "required": flag,
}
_OPTION = shape({"text": label, "icon": icon, "value": text}, required=("text", "value"))
