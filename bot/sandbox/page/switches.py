"""The switches of the side panel: faults of both platforms, their pace, deliveries, and the bot's process."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from bot.sandbox.faults import OF_GLM, Side, aim, arm, fitting, named
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.glm.transport import IMAGE_HOST
from bot.sandbox.page.controls import Controls

SLOWEST = 120.0
"""The longest time that a picture can be made to take, in seconds."""

MOST_TIMES = 20
"""How many calls in a row a fault can be armed for, and how many copies of an event can be pushed."""

_WORDS = Path(__file__).with_name("faults.toml")


class Switches:
    """Turns the switches and tells how they stand.

    Args:
        feishu: the stand-in of Feishu.
        glm: the stand-in of the GLM API.
        controls: the bot's process, where it can be killed and started.
    """

    def __init__(self, *, feishu: FeishuStandIn, glm: GlmStandIn, controls: Controls | None) -> None:
        self._feishu = feishu
        self._glm = glm
        self._controls = controls

    def choices(self) -> dict[str, Any]:
        """What can be switched: every fault by name, with its words in both languages and the calls that it fits.

        ``image_host`` is the host of the links to pictures that the page itself answers for.
        """
        return {
            "faults": [_fault(name) for name in words() if not (self._real and name in OF_GLM)],
            "process": self._controls is not None,
            "real_glm": self._real,
            "image_host": None if self._real else IMAGE_HOST,
        }

    def state(self) -> dict[str, Any]:
        """How the switches stand now."""
        delivery = self._feishu.delivery
        return {
            "seconds": self._glm.seconds,
            "armed": [*self._armed_glm(), *self._armed_feishu()],
            "duplicates": delivery.duplicates,
            "new_event_id": delivery.new_event_id,
            "running": self._controls is None or self._controls.running,
        }

    def queue(self) -> list[dict[str, Any]] | None:
        """The waiting and running generations; ``None`` where nobody can tell."""
        return self._controls.queue() if self._controls else None

    def turn(self, switch: str, fields: Mapping[str, Any]) -> None:
        """Turns one switch.

        Raises:
            KeyError: there is no such switch or fault, or a field is missing.
            ValueError: a field is out of range.
        """
        match switch:
            case "fault":
                times = _whole(fields.get("times", 1), least=1)
                seconds = _seconds(fields["seconds"]) if "seconds" in fields else None
                on = fields.get("on")
                arm(fields["name"], feishu=self._feishu, glm=self._glm, on=on, times=times, seconds=seconds)
            case "clear":
                self._glm.disarm()
                self._feishu.faults.disarm()
            case "seconds":
                self._glm.seconds = _seconds(fields["seconds"])
            case "delivery":
                self._feishu.delivery = replace(
                    self._feishu.delivery,
                    duplicates=_whole(fields["duplicates"], least=0),
                    new_event_id=bool(fields.get("new_event_id")),
                )
            case "kill" if self._controls:
                self._controls.kill()
            case "start" if self._controls:
                self._controls.start()
            case _:
                raise KeyError(switch)

    def _armed_glm(self) -> Iterator[dict[str, Any]]:
        for own, alike in groupby(self._glm.armed):
            yield {"name": named("glm", own), "on": None, "left": len(list(alike))}

    def _armed_feishu(self) -> Iterator[dict[str, Any]]:
        for one in self._feishu.faults.armed:
            yield {"name": named("feishu", one.name), "on": one.on, "left": one.left}

    @property
    def _real(self) -> bool:
        return self._controls is not None and self._controls.real_glm


@cache
def words() -> Mapping[str, tuple[str, str]]:
    """What the faults are called, in Chinese and in English; a code that also has a name in words stands under that."""
    tables = tomllib.loads(_WORDS.read_text("utf-8"))
    wire = tables.pop("wire")
    sides: tuple[Side, ...] = ("glm", "feishu")
    return {named(side, own): (said[0], said[1]) for side in sides for own, said in {**tables[side], **wire}.items()}


def _fault(name: str) -> dict[str, Any]:
    chinese, english = words()[name]
    return {
        "name": name,
        "side": "glm" if name in OF_GLM else "feishu",
        "zh": chinese,
        "en": english,
        "calls": fitting(name),
        "aim": aim(name),
    }


def _whole(value: Any, *, least: int) -> int:
    if not isinstance(value, int) or not least <= value <= MOST_TIMES:
        raise ValueError(f"a whole number from {least} to {MOST_TIMES} is expected")
    return value


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= SLOWEST:
        raise ValueError(f"seconds from 0 to {SLOWEST:g} are expected")
    return float(value)
