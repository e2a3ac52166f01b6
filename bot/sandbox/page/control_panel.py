"""The side panel: faults of both platforms, their pace, deliveries, and the bot's process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bot.sandbox.faults import FAULTS, arm
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import IMAGE_HOST, GlmStandIn

MAX_SECONDS = 120.0
"""The longest time that an image can be made to take."""

MAX_TIMES = 20
"""How many calls in a row a fault can be armed for, and how many copies of an event can be pushed."""


class Unable(Exception):
    """What the visitor asked for is not possible now; ``sentence`` is a key of the page's texts."""

    def __init__(self, message: str, *, sentence: str) -> None:
        super().__init__(message)
        self.sentence = sentence


class Controls(Protocol):
    """The bot's process and its queue; see ``bot.sandbox.start.Sandbox``."""

    @property
    def real_glm(self) -> bool: ...
    @property
    def running(self) -> bool: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...
    def queue(self) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPanel:
    """Sets the switches and returns their state; without ``controls`` it has none of the bot's process."""

    feishu: FeishuStandIn
    glm: GlmStandIn
    controls: Controls | None

    def choices(self) -> dict[str, Any]:
        """What can be switched: every fault with its names and the calls that can fail by it.

        ``image_host`` is the host of the image links that the page itself answers for.
        """
        real = self.controls is not None and self.controls.real_glm
        faults = [
            {"name": name, "side": one.side, "zh": one.zh, "en": one.en, "calls": one.calls, "aim": one.default_call}
            for name, one in FAULTS.items()
            if name == one.name and not (real and one.side == "glm")
        ]
        process = self.controls is not None
        return {"faults": faults, "process": process, "real_glm": real, "image_host": None if real else IMAGE_HOST}

    def state(self) -> dict[str, Any]:
        """The present state of the switches; ``ends_at`` of an armed fault is in seconds since 1970."""
        delivery, offset = self.feishu.delivery, time.time() - time.monotonic()
        return {
            "seconds": "real" if self.glm.real_speed else self.glm.seconds,
            "armed": [
                {
                    "name": armed.fault.name,
                    "on": armed.on if side is self.feishu.faults else None,
                    "left": armed.left,
                    "ends_at": armed.ends_at and round(armed.ends_at + offset),
                }
                for side in (self.glm.faults, self.feishu.faults)
                for armed in side.armed
            ],
            "duplicates": delivery.duplicates,
            "new_event_id": delivery.new_event_id,
            "running": self.controls is None or self.controls.running,
        }

    def queue(self) -> list[dict[str, Any]] | None:
        return self.controls.queue() if self.controls else None

    def switch(self, name: str, fields: Mapping[str, Any]) -> None:
        """Sets a switch; raises ``KeyError`` or ``ValueError`` for what does not exist or is out of range."""
        match name:
            case "fault":
                times = _integer(fields.get("times", 1), least=1)
                seconds = _seconds(fields["seconds"]) if "seconds" in fields else None
                faults = {"feishu": self.feishu.faults, "glm": self.glm.faults}
                arm(fields["name"], **faults, on=fields.get("on"), times=times, seconds=seconds)
            case "clear":
                self.glm.faults.disarm()
                self.feishu.faults.disarm()
            case "seconds":
                self.glm.real_speed = fields["seconds"] == "real"
                if not self.glm.real_speed:
                    self.glm.seconds = _seconds(fields["seconds"])
            case "delivery":
                duplicates = _integer(fields["duplicates"], least=0)
                new_id = bool(fields.get("new_event_id"))
                self.feishu.delivery = replace(self.feishu.delivery, duplicates=duplicates, new_event_id=new_id)
            case "kill" if self.controls:
                self.controls.kill()
            case "start" if self.controls:
                self.controls.start()
            case _:
                raise KeyError(name)


def _integer(value: Any, *, least: int) -> int:
    if not isinstance(value, int) or not least <= value <= MAX_TIMES:
        raise ValueError(f"a whole number from {least} to {MAX_TIMES} is expected")
    return value


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
        raise ValueError(f"seconds from 0 to {MAX_SECONDS:g} are expected")
    return float(value)
