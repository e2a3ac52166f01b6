"""The switches of the side panel: faults of both platforms, their pace, deliveries, and the bot's process."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bot.sandbox.feishu.faults import ANY_CALL, CALL_NAMES
from bot.sandbox.feishu.faults import FAULTS as FEISHU_FAULTS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.faults import FAULTS as GLM_FAULTS
from bot.sandbox.glm.stand_in import GlmStandIn
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
        """What can be switched: every fault by name with its words in both languages."""
        return {
            "glm_faults": [] if self._real else _listed("glm", GLM_FAULTS),
            "feishu_faults": _listed("feishu", FEISHU_FAULTS),
            "feishu_calls": [ANY_CALL, *CALL_NAMES],
            "process": self._controls is not None,
            "real_glm": self._real,
        }

    def state(self) -> dict[str, Any]:
        """How the switches stand now."""
        delivery = self._feishu.delivery
        return {
            "seconds": self._glm.seconds,
            "glm": self._glm.armed,
            "feishu": [{"name": one.name, "on": one.on, "left": one.left} for one in self._feishu.faults.armed],
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
            case "glm":
                self._glm.arm(fields["name"], times=_whole(fields.get("times", 1), least=1))
            case "feishu":
                times = _whole(fields.get("times", 1), least=1)
                self._feishu.faults.arm(fields["name"], on=fields.get("on", ANY_CALL), times=times)
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

    @property
    def _real(self) -> bool:
        return self._controls is not None and self._controls.real_glm


@cache
def words() -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """What the faults are called, by platform and name: in Chinese, then in English."""
    tables = tomllib.loads(_WORDS.read_text("utf-8"))
    wire = tables.pop("wire")
    return {
        platform: {name: (said[0], said[1]) for name, said in {**table, **wire}.items()}
        for platform, table in tables.items()
    }


def _listed(platform: str, faults: Mapping[str, str]) -> list[dict[str, str]]:
    known = words()[platform]
    return [
        {"name": name, "zh": known[name][0], "en": known[name][1], "detail": detail}
        for name, detail in faults.items()
        if name in known
    ]


def _whole(value: Any, *, least: int) -> int:
    if not isinstance(value, int) or not least <= value <= MOST_TIMES:
        raise ValueError(f"a whole number from {least} to {MOST_TIMES} is expected")
    return value


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= SLOWEST:
        raise ValueError(f"seconds from 0 to {SLOWEST:g} are expected")
    return float(value)
