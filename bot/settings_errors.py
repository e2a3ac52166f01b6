"""What is said of a setting that is missing or cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

NO_SUCH = "there is no such setting; config/bot.toml lists them all"

_NUMBERS = ("int_", "float_", "finite_number", "greater_than", "less_than")


@dataclass(frozen=True, slots=True)
class Fault:
    """A setting by its name, what is wrong with it, and what to do about it."""

    name: str
    detail: str
    fix: str

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}; {self.fix}"


def line_of(error: Mapping[str, Any], *, model: type[BaseModel], sources: Mapping[str, str]) -> str:
    """The line for a fault that pydantic found, with the place where the value was set.

    Args:
        error: one of ``ValidationError.errors()``.
        model: the settings.
        sources: the variable by the dotted name of the setting.
    """
    place = ".".join(str(part) for part in error["loc"])
    # What does not go together is blamed on a variable that took part in it, if there is one.
    section = place.rpartition(".")[0]
    others = [f"{section}.{name}" for name in error.get("ctx", {}).get("with", ())]
    where = next((sources[one] for one in (place, *others) if one in sources), f"{place} in bot.toml")
    return f"{where}: {_words(error, _field(model, error['loc']))}"


def _words(error: Mapping[str, Any], field: FieldInfo | None) -> str:
    kind = str(error["type"])
    if kind == "extra_forbidden":
        return NO_SUCH
    if kind.startswith("bool_"):
        return "must be true or false"
    if kind == "model_type":
        return "must be a section: its name in brackets, and its settings on the lines below"
    if field and kind.startswith(_NUMBERS):
        return f"must be {'an integer' if field.annotation is int else 'a number'}{_range(field.metadata)}"
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{message[:1].lower()}{message[1:]}"


def _range(bounds: Sequence[Any]) -> str:
    least = next((bound.ge for bound in bounds if hasattr(bound, "ge")), None)
    most = next((bound.le for bound in bounds if hasattr(bound, "le")), None)
    return "" if least is None or most is None else f" from {least} to {most}"


def _field(model: type[BaseModel], place: Sequence[Any]) -> FieldInfo | None:
    found = model.model_fields.get(str(place[0])) if place else None
    inner = found.annotation if found else None
    if len(place) > 1 and isinstance(inner, type) and issubclass(inner, BaseModel):
        return _field(inner, place[1:])
    return found
