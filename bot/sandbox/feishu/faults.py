"""Faults on demand: which call fails next, and how."""

from __future__ import annotations

import threading
import time
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
    """A fault that waits for a call; ``left`` is how many calls it will meet, ``None`` for all until it ends.

    ``ends_at`` is in seconds of the monotonic clock, ``None`` for one that stays until it is disarmed.
    """

    name: str
    on: str
    left: int | None
    ends_at: float | None = None

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

    def arm(self, name: str, *, on: str = ANY_CALL, times: int | None = 1, seconds: float | None = None) -> None:
        """Lets calls meet a fault.

        Args:
            name: the fault.
            on: the name of the calls, or :data:`ANY_CALL`.
            times: how many of them, ``None`` for all until the fault ends.
            seconds: after which it ends, ``None`` for never.

        Raises:
            ValueError: there is no such fault or no such call.
        """
        if name not in FAULTS:
            raise ValueError(f"no fault is named {name!r}; there are: {', '.join(FAULTS)}")
        if on not in (*CALL_NAMES, ANY_CALL):
            raise ValueError(f"no call is named {on!r}; there are: {', '.join(CALL_NAMES)}, {ANY_CALL}")
        with self._lock:
            ends_at = None if seconds is None else time.monotonic() + seconds
            self._armed.append(ArmedFault(name=name, on=on, left=times, ends_at=ends_at))

    def disarm(self, name: str | None = None) -> None:
        """Forgets the faults of that name, or all."""
        with self._lock:
            self._armed = [fault for fault in self._armed if name not in (None, fault.name)]

    @property
    def armed(self) -> list[ArmedFault]:
        """What is still to be met."""
        with self._lock:
            self._forget_ended()
            return list(self._armed)

    def take(self, call: str) -> ArmedFault | None:
        """The fault that this call meets, counted down."""
        with self._lock:
            self._forget_ended()
            for place, fault in enumerate(self._armed):
                if fault.on == call or (fault.on == ANY_CALL and call != "token"):
                    if fault.left is not None:
                        left = fault.left - 1
                        self._armed[place : place + 1] = [replace(fault, left=left)] if left else []
                    return fault
        return None

    def _forget_ended(self) -> None:
        now = time.monotonic()
        self._armed = [fault for fault in self._armed if fault.ends_at is None or fault.ends_at > now]
