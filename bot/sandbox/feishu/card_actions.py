"""What a person can press, choose or fill in on a card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ACTIVE = ("button", "select_static", "overflow", "input")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardAction:
    """One such component: its label in the first language that the card gives, and what it sends.

    ``value`` is ``None`` for what does not call the bot; ``url`` is what a press opens. ``choices`` are the values of
    a select.
    """

    tag: str
    label: str
    name: str | None = None
    value: Mapping[str, Any] | None = None
    url: str | None = None
    choices: tuple[str, ...] = ()
    disabled: bool = False
    form: str | None = None
    """The name of the form that it is in."""


def actions_of(card: Mapping[str, Any]) -> list[CardAction]:
    """The active components of a card, from top to bottom."""
    return list(_actions(card.get("body", {}), form=None))


def _actions(value: Any, *, form: str | None) -> Iterator[CardAction]:
    if isinstance(value, list):
        for entry in value:
            yield from _actions(entry, form=form)
    elif isinstance(value, dict):
        if value.get("tag") in _ACTIVE:
            yield _action(value, form=form)
        inner = value.get("name") if value.get("tag") == "form" else form
        yield from _actions([*value.get("elements", ()), *value.get("columns", ())], form=inner)


def _action(component: Mapping[str, Any], *, form: str | None) -> CardAction:
    behaviours = component.get("behaviors", ())
    return CardAction(
        tag=component["tag"],
        label=_words(component.get("text") or component.get("placeholder") or component.get("label") or {}),
        name=component.get("name"),
        value=next((entry["value"] for entry in behaviours if entry["type"] == "callback"), None),
        url=next((entry["default_url"] for entry in behaviours if entry["type"] == "open_url"), None),
        choices=tuple(option["value"] for option in component.get("options", ()) if "value" in option),
        disabled=bool(component.get("disabled")),
        form=form,
    )


def _words(text: Mapping[str, Any]) -> str:
    return str(text.get("content") or next(iter(text.get("i18n_content", {}).values()), ""))
