"""Faults on demand: which call fails next, and how."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.sandbox.feishu.codes import MESSAGES, NAMES, Refusal
from bot.sandbox.server import WIRE_FAULTS

CALL_NAMES = (
    "token",
    "image",
    "file",
    "reply",
    "create",
    "patch",
    "recall",
    "react",
    "unreact",
    "bot_info",
    "resource",
    "own_image",
    "scopes",
    "base_create",
    "base_table",
    "base_delete_table",
    "base_share",
    "base_fields",
    "base_records",
)
"""The calls that the stand-in knows, by the names that faults and records use."""

ANY_CALL = "any"
"""The name that stands for each call but ``token``."""

FAULTS: Mapping[str, str] = {
    **{name: MESSAGES[code] for name, code in NAMES.items()},
    **{f"feishu_{code}": text for code, text in MESSAGES.items()},
    **WIRE_FAULTS,
}
"""Every fault by name, with what the platform says or what happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmedFault:
    """A fault that waits for a call; ``left`` is how many calls it will meet, ``None`` for all that come."""

    name: str
    on: str
    left: int | None

    @property
    def wire(self) -> bool:
        """Whether it is one of the connection, not a code."""
        return self.name in WIRE_FAULTS

    def refusal(self) -> Refusal:
        """What a fault with a code answers."""
        code = NAMES[self.name] if self.name in NAMES else int(self.name.removeprefix("feishu_"))
        return Refusal(code)


class Faults:
    """The armed faults, first armed first met; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[ArmedFault] = []

    def arm(self, name: str, *, on: str = ANY_CALL, times: int | None = 1) -> None:
        """Lets the next ``times`` calls named ``on`` meet the fault; ``None`` lets all of them.

        Raises:
            ValueError: there is no such fault or no such call.
        """
        if name not in FAULTS:
            raise ValueError(f"no fault is named {name!r}; there are: {', '.join(FAULTS)}")
        if on not in (*CALL_NAMES, ANY_CALL):
            raise ValueError(f"no call is named {on!r}; there are: {', '.join(CALL_NAMES)}, {ANY_CALL}")
        with self._lock:
            self._armed.append(ArmedFault(name=name, on=on, left=times))

    def disarm(self, name: str | None = None) -> None:
        """Forgets the faults of that name, or all."""
        with self._lock:
            self._armed = [fault for fault in self._armed if name not in (None, fault.name)]

    @property
    def armed(self) -> list[ArmedFault]:
        """What is still to be met."""
        with self._lock:
            return list(self._armed)

    def take(self, call: str) -> ArmedFault | None:
        """The fault that this call meets, counted down."""
        with self._lock:
            for place, fault in enumerate(self._armed):
                if fault.on == call or (fault.on == ANY_CALL and call != "token"):
                    if fault.left is not None:
                        left = fault.left - 1
                        self._armed[place : place + 1] = [replace(fault, left=left)] if left else []
                    return fault
        return None
