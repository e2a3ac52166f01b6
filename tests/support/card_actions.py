"""What a user can press, choose or fill in on a card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.feishu.stand_in import FeishuStandIn

_ACTIVE = ("button", "select_static", "overflow", "input")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardAction:
    """An active component: its first label and what it sends.

    ``value`` is ``None`` for what does not call the bot; ``url`` is what a press opens; ``choices`` are the values of
    a select; ``form`` is the name of the form around it.
    """

    tag: str
    label: str
    name: str | None = None
    value: Mapping[str, Any] | None = None
    url: str | None = None
    choices: tuple[str, ...] = ()
    disabled: bool = False
    form: str | None = None


def card_actions(feishu: FeishuStandIn, message_id: str) -> list[CardAction]:
    """The active components of a card as it is now, from top to bottom."""
    return list(_actions(json.loads(feishu.state.messages[message_id].content).get("body", {}), form=None))


def _actions(value: Any, *, form: str | None) -> Iterator[CardAction]:
    if isinstance(value, list):
        for entry in value:
            yield from _actions(entry, form=form)
    elif isinstance(value, dict):
        if value.get("tag") in _ACTIVE:
            behaviors = value.get("behaviors", ())
            label = value.get("text") or value.get("placeholder") or value.get("label") or {}
            yield CardAction(
                tag=value["tag"],
                label=str(label.get("content") or next(iter(label.get("i18n_content", {}).values()), "")),
                name=value.get("name"),
                value=next((entry["value"] for entry in behaviors if entry["type"] == "callback"), None),
                url=next((entry["default_url"] for entry in behaviors if entry["type"] == "open_url"), None),
                choices=tuple(option["value"] for option in value.get("options", ()) if "value" in option),
                disabled=bool(value.get("disabled")),
                form=form,
            )
        inner = value.get("name") if value.get("tag") == "form" else form
        yield from _actions([*value.get("elements", ()), *value.get("columns", ())], form=inner)
