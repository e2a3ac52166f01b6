"""Whether Feishu would take a card of JSON 2.0, and if not, why.

https://open.feishu.cn/document/feishu-cards/card-json-v2-structure
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from bot.sandbox.feishu.card_checks import (
    LIMIT_REACHED,
    UNSUPPORTED,
    CardFault,
    Check,
    Findings,
    anything,
    by_language,
    each,
    flag,
    link,
    one_of,
    shape,
    shape_of_any,
    text,
)
from bot.sandbox.feishu.card_parts import element_id, icon, layout, margin, padding, text_tag, title
from bot.sandbox.feishu.card_rules import COMPONENTS, CONTAINERS, FORM_FIELDS, OTHERS, REMOVED, ROOT_ONLY
from bot.sandbox.feishu.card_words import LOCALES, TEMPLATES

__all__ = ["TOO_LARGE", "CardFault", "faults_of"]

TOO_LARGE = 230025
"""The code of a card of more than 30 KB, which is refused before it is read."""

_MOST_BYTES = 30 * 1024
_MOST_COMPONENTS = 200
_MOST_TABLES = 5
_DEEPEST = 5
_NAMELESS = 200530


def faults_of(card: dict[str, Any], *, image_keys: Collection[str]) -> list[CardFault]:
    """Everything for which Feishu would refuse the card; empty when it takes it.

    It knows the components that a bot of this kind uses; what the platform's others hold is not looked at.

    Args:
        card: the card as an object.
        image_keys: the keys of the pictures that were uploaded.
    """
    if len(json.dumps(card, ensure_ascii=False, separators=(",", ":")).encode()) > _MOST_BYTES:
        return [CardFault("ROOT", TOO_LARGE, "the card is larger than 30 KB")]
    findings = Findings(image_keys, custom_colours=_custom_colours(card))
    _CARD(card, "ROOT", findings)
    tags = list(_tags(card))
    if len(tags) > _MOST_COMPONENTS:
        findings.add("ROOT", f"element exceeds the limit of {_MOST_COMPONENTS}", code=LIMIT_REACHED)
    if tags.count("table") > _MOST_TABLES:
        findings.add("ROOT", "card table number over limit", code=LIMIT_REACHED)
    return findings.faults


def _custom_colours(card: dict[str, Any]) -> Collection[str]:
    match card:
        case {"config": {"style": {"color": dict(colours)}}}:
            return colours.keys()
    return ()


def _tags(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _tags(entry)
    elif isinstance(value, dict):
        if isinstance(value.get("tag"), str):
            yield value["tag"]
        for name, entry in value.items():
            # What a callback or a chart carries is data, not components.
            if name not in ("value", "chart_spec", "rows"):
                yield from _tags(entry)


def _elements(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, list):
        findings.add(path, "a list is expected")
        return
    for place, element in enumerate(value):
        tag = element.get("tag") if isinstance(element, dict) else None
        _component(element, tag, f"{path} -> [{place}](tag: {tag})", findings)


def _component(element: Any, tag: Any, path: str, findings: Findings) -> None:
    if tag in OTHERS:
        return
    if not isinstance(tag, str) or tag not in COMPONENTS or tag == "column":
        gone = "cards of schema V2 no longer support this capability; " if tag in REMOVED else ""
        findings.add(path, f"{gone}ErrorValue: unsupported tag {tag}", code=UNSUPPORTED)
        return
    around = findings.containers
    if around and tag in ROOT_ONLY:
        findings.add(path, f"{tag} cannot be inside {around[-1]}", code=UNSUPPORTED)
    if tag in CONTAINERS and sum(outer in CONTAINERS for outer in around) >= _DEEPEST:
        findings.add(path, f"containers are nested more than {_DEEPEST} deep", code=LIMIT_REACHED)
        return
    _check_form_fields(element, tag, path, findings)
    _look(tag)(element, path, findings)
    with findings.inside(tag):
        if tag == "column_set":
            each(_column)(element.get("columns", []), f"{path} -> columns", findings)
        elif "elements" in COMPONENTS[tag].properties:
            _elements(element.get("elements", []), f"{path} -> elements", findings)
    if tag == "form" and not any(_submits(element)):
        findings.add(path, "a form needs a button whose form_action_type is submit")


def _column(value: Any, path: str, findings: Findings) -> None:
    if not isinstance(value, dict) or value.get("tag") != "column":
        findings.add(path, "a column is expected", code=UNSUPPORTED)
        return
    _look("column")(value, path, findings)
    _elements(value.get("elements", []), f"{path} -> elements", findings)


def _look(tag: str) -> Check:
    component = COMPONENTS[tag]
    common: dict[str, Check] = {"tag": anything, "element_id": element_id, "margin": margin}
    return shape({**common, **component.properties}, required=component.required)


def _check_form_fields(element: dict[str, Any], tag: str, path: str, findings: Findings) -> None:
    if "form" in findings.containers:
        if tag in FORM_FIELDS and not element.get("name"):
            findings.add(path, "name is empty", code=_NAMELESS)
        if tag == "button" and "form_action_type" not in element:
            findings.add(path, "a button in a form needs a form_action_type")
    elif {"form_action_type", "required"} & element.keys():
        findings.add(path, "form_action_type and required belong into a form")


def _submits(value: Any) -> Iterator[bool]:
    if isinstance(value, list):
        for entry in value:
            yield from _submits(entry)
    elif isinstance(value, dict):
        yield value.get("tag") == "button" and value.get("form_action_type") == "submit"
        yield from _submits([*value.get("elements", ()), *value.get("columns", ())])


def _always(value: Any, path: str, findings: Findings) -> None:
    if value is not True:
        findings.add(path, "update_multi can only be true in schema V2")


_CONFIG = shape(
    {
        "streaming_mode": flag,
        "streaming_config": shape_of_any,
        "summary": shape({"content": text, "i18n_content": by_language(text)}),
        "locales": each(one_of(*sorted(LOCALES))),
        "enable_forward": flag,
        "enable_forward_interaction": flag,
        "update_multi": _always,
        "width_mode": one_of("default", "compact", "fill"),
        "use_custom_translation": flag,
        "style": shape({"text_size": shape_of_any, "color": shape_of_any}),
    }
)
_HEADER = shape(
    {
        "title": title,
        "subtitle": title,
        "text_tag_list": each(text_tag, most=3),
        "i18n_text_tag_list": by_language(each(text_tag, most=3)),
        "template": one_of(*TEMPLATES),
        "icon": icon,
        "padding": padding,
    },
    required=("title",),
)
_CARD = shape(
    {
        "schema": one_of("2.0"),
        "config": _CONFIG,
        "card_link": shape(dict.fromkeys(("url", "pc_url", "ios_url", "android_url"), link)),
        "header": _HEADER,
        "body": shape({**layout, "elements": _elements}, required=("elements",)),
    },
    required=("schema", "body"),
)
