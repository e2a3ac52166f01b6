"""Validation of JSON 2.0 cards as Feishu does it, by card.schema.json and the rules that a schema cannot express.

The schema holds the components that this bot sends; others count as unsupported.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache, reduce
from itertools import islice
from operator import getitem
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

UNSUPPORTED, INVALID, INVALID_IMAGE, INVALID_CHART, NAMELESS, LIMIT = 200861, 200621, 200570, 200550, 200530, 11310
MAX_COMPONENTS = 200
_SCHEMA = json.loads((Path(__file__).parent / "card.schema.json").read_text(encoding="utf-8"))
_COMPONENTS = _SCHEMA["$defs"]["components"]


@dataclass(frozen=True, slots=True)
class CardError:
    """Why Feishu would reject a card: where, with which sub code of 230099, and in what words."""

    path: str
    sub_code: int
    message: str


def validate_card(card: dict[str, Any], *, image_keys: Collection[str]) -> list[CardError]:
    """Everything but its size for which Feishu rejects the card; ``image_keys`` are those of the uploaded images."""
    errors = [*_schema_errors(card, "", "ROOT")]
    if isinstance(card.get("body"), dict):
        components = _Components(image_keys=image_keys)
        errors += components.errors(card["body"].get("elements"), "ROOT -> body -> elements")
    if sum("tag" in entry for entry in objects(card)) > MAX_COMPONENTS:
        errors.append(CardError("ROOT", LIMIT, f"element exceeds the limit of {MAX_COMPONENTS}"))
    return errors


@cache
def _validator(tag: str) -> Draft202012Validator:
    """The validator of one component, or of the card itself for an empty tag."""
    return Draft202012Validator(_inlined(_COMPONENTS[tag] if tag else {**_SCHEMA, "$defs": {}}))


def _inlined(part: Any) -> Any:
    """A part of the schema without references, which take half of the time of a check."""
    if isinstance(part, list):
        return [_inlined(one) for one in part]
    if isinstance(part, dict):
        if "$ref" in part:
            return _inlined(reduce(getitem, part["$ref"].split("/")[1:], _SCHEMA))
        return {name: _inlined(one) for name, one in part.items()}
    return part


def _schema_errors(value: Any, tag: str, path: str) -> Iterator[CardError]:
    """The first property that does not fit; what is wrong inside it makes further ones look unexpected."""
    for error in islice(_validator(tag).iter_errors(value), 1):
        where = " -> ".join([path, *(f"[{step}]" if isinstance(step, int) else step for step in error.absolute_path)])
        code = LIMIT if error.validator == "maxItems" else INVALID_CHART if "chart_spec" in where else INVALID
        yield CardError(where, code, error.message)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a value; what a callback or a chart carries is data and left out."""
    if isinstance(value, list):
        for entry in value:
            yield from objects(entry)
    elif isinstance(value, dict):
        yield value
        for name, entry in value.items():
            if name not in ("value", "chart_spec"):
                yield from objects(entry)


@dataclass(kw_only=True)
class _Components:
    """The components of one card: the schema of each, forms, unique ids and names, known images."""

    image_keys: Collection[str]
    seen: set[tuple[str, str]] = field(default_factory=set)

    def errors(self, elements: Any, path: str, containers: tuple[str, ...] = ()) -> Iterator[CardError]:
        for index, element in enumerate(elements if isinstance(elements, list) else []):
            tag = str(element.get("tag")) if isinstance(element, dict) else "None"
            where = f"{path} -> [{index}](tag: {tag})"
            if (tag == "column") != path.endswith("columns") or tag not in _COMPONENTS:
                yield CardError(where, UNSUPPORTED, f"ErrorValue: unsupported tag {tag}")
            else:
                if tag == "form" and containers:
                    yield CardError(where, UNSUPPORTED, f"{tag} cannot be inside {containers[-1]}")
                for code, message in (*_form_errors(element, tag, containers), *self._own_errors(element, tag)):
                    yield CardError(where, code, message)
                yield from _schema_errors(element, tag, where)
                inner = (*containers, tag) if tag in ("column_set", "form") else containers
                columns = element.get("columns") if tag == "column_set" else []
                yield from self.errors(columns, f"{where} -> columns", inner)
                yield from self.errors(element.get("elements"), f"{where} -> elements", inner)

    def _own_errors(self, element: dict[str, Any], tag: str) -> Iterator[tuple[int, str]]:
        own = objects({name: entry for name, entry in element.items() if name not in ("elements", "columns")})
        if any(entry["img_key"] not in self.image_keys for entry in own if "img_key" in entry):
            yield INVALID_IMAGE, "invalid image keys"
        for key in ("element_id", "name"):
            if (key, value := element.get(key)) in self.seen:
                yield INVALID, f"{key} {value!r} is not unique"
            elif isinstance(value, str):
                self.seen.add((key, value))
        values = [str(option.get("value")) for option in element.get("options", []) if isinstance(option, dict)]
        if tag == "select_static" and len(set(values)) < len(values):
            yield INVALID, "two options have the same value"


def _form_errors(element: dict[str, Any], tag: str, containers: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    if "form" in containers:
        if tag in ("button", "input", "select_static") and not element.get("name"):
            yield NAMELESS, "name is empty"
        if tag == "button" and "form_action_type" not in element:
            yield INVALID, "a button in a form needs a form_action_type"
    elif {"form_action_type", "required"} & element.keys():
        yield INVALID, "form_action_type and required belong into a form"
    if tag == "form" and not any(entry.get("form_action_type") == "submit" for entry in objects(element)):
        yield INVALID, "a form needs a button whose form_action_type is submit"
