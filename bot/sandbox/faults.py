"""The faults of the stand-ins, from faults.toml, and those that are armed."""

from __future__ import annotations

import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Side = Literal["glm", "feishu"]

ANY_CALL = "any"  # any call to Feishu except ``token``

_TABLES: Mapping[str, Mapping[str, Any]] = tomllib.loads(Path(__file__).with_name("faults.toml").read_text("utf-8"))
_GROUPS: Mapping[str, tuple[str, ...]] = {name: tuple(calls.split()) for name, calls in _TABLES["groups"].items()}
CALL_NAMES = _GROUPS["all"]  # the calls to Feishu, by the names that faults and records use
PAGES: Mapping[str, Mapping[str, str]] = _TABLES["pages"]
"""Bodies that several faults answer with, by their names, each with its ``type`` and ``text``."""
WIRE_FAULTS = tuple(_TABLES["wire"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault, by a name that no other has; ``calls`` can fail by it.

    Only a fault that is a code of the platform has a ``code``, a ``status`` and a ``text``. ``answer`` is what GLM or
    its storage answers without a code, ``wire`` how the connection fails.
    """

    side: Side
    name: str
    zh: str
    en: str
    code: int = 0
    status: int = 400
    text: str = ""
    calls: tuple[str, ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)
    wire: str | None = None

    @property
    def default_call(self) -> str:
        """The call that fails where none is named: a reply, if that can."""
        return "reply" if "reply" in self.calls else self.calls[0]


def _read(side: Side, *, usual: str, of_wire: str) -> Iterator[Fault]:
    wire = {f"{side}_{name}": {**entry, "calls": of_wire, "wire": name} for name, entry in _TABLES["wire"].items()}
    for name, entry in {**_TABLES[side], **wire}.items():
        calls = [call for group in entry.get("calls", usual).split() for call in _GROUPS.get(group, (group,))]
        yield Fault(**{**entry, "side": side, "name": name, "calls": tuple(calls)})


_FAULTS = (*_read("glm", usual="call", of_wire="call"), *_read("feishu", usual="with_token", of_wire="all"))
FAULTS: Mapping[str, Fault] = {
    **{fault.name: fault for fault in _FAULTS},
    **{f"feishu_{fault.code}": fault for fault in _FAULTS if fault.code and fault.side == "feishu"},
}
"""All faults by their names, in the order of the page; a code of Feishu is also named by its number."""


def find_fault(side: Side, name: str) -> Fault:
    """A fault of one side, which may be left out of the name; raises ``ValueError``."""
    fault = FAULTS.get(f"{side}_{name}") or FAULTS.get(name)
    if fault is None or fault.side != side:
        known = ", ".join(fault.name for fault in _FAULTS if fault.side == side)
        raise ValueError(f"no fault is named {name!r}; there are: {known}")
    return fault


@dataclass(slots=True, kw_only=True)
class ArmedFault:
    """A fault that waits for ``left`` calls named ``on``, for all when ``None``, until ``ends_at`` (monotonic)."""

    fault: Fault
    on: str
    left: int | None
    ends_at: float | None = None


class ArmedFaults:
    """The armed faults of one stand-in, first armed, first met; thread-safe."""

    def __init__(self, side: Side) -> None:
        self._side: Side = side
        self._lock = threading.RLock()
        self._armed: list[ArmedFault] = []

    def arm(self, name: str, *, on: str | None = None, times: int | None = 1, seconds: float | None = None) -> None:
        """Makes ``times`` calls fail, all with ``None``, by default any to Feishu; with ``seconds`` all for so long.

        Raises:
            ValueError: there is no such fault or no such call.
        """
        fault = find_fault(self._side, name)
        on = on or (ANY_CALL if self._side == "feishu" else fault.calls[0])
        if on not in (*CALL_NAMES, ANY_CALL, *fault.calls):
            raise ValueError(f"no call is named {on!r}; there are: {', '.join(CALL_NAMES)}, {ANY_CALL}")
        left, ends_at = (times, None) if seconds is None else (None, time.monotonic() + seconds)
        with self._lock:
            self._armed.append(ArmedFault(fault=fault, on=on, left=left, ends_at=ends_at))

    def disarm(self) -> None:
        with self._lock:
            self._armed.clear()

    @property
    def armed(self) -> list[ArmedFault]:
        with self._lock:
            now = time.monotonic()
            self._armed = [one for one in self._armed if one.left != 0 and (one.ends_at is None or one.ends_at > now)]
            return list(self._armed)

    def take(self, call: str) -> Fault | None:
        """The fault that this call meets, counted down."""
        names = (call,) if call == "token" else (call, ANY_CALL)
        with self._lock:
            met = next((armed for armed in self.armed if armed.on in names), None)
            if met is not None and met.left is not None:
                met.left -= 1
        return met.fault if met else None


def arm(name: str, *, feishu: ArmedFaults, glm: ArmedFaults, on: str | None = None, **length: Any) -> None:
    """Arms a fault of either side, on the call ``on`` to Feishu or the one that it usually meets.

    Raises:
        KeyError: there is no such fault.
        ValueError: there is no such call.
    """
    fault = FAULTS[name]
    side, call = (glm, fault.calls[0]) if fault.side == "glm" else (feishu, on or fault.default_call)
    side.arm(name, on=call, **length)
