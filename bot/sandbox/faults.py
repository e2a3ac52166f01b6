"""Every fault of both stand-ins under one name each, for whoever lets somebody choose one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from bot.sandbox.feishu.codes import NAMES
from bot.sandbox.feishu.faults import ANY_CALL, CALL_NAMES
from bot.sandbox.feishu.faults import FAULTS as FEISHU_FAULTS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.faults import FAULTS as GLM_FAULTS
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.server import WIRE_FAULTS

Side = Literal["glm", "feishu"]

_SIDES: Mapping[Side, Mapping[str, str]] = {"glm": GLM_FAULTS, "feishu": FEISHU_FAULTS}
_ON_BOTH = GLM_FAULTS.keys() & FEISHU_FAULTS.keys()
_OWN: Mapping[str, tuple[Side, str]] = {
    f"{side}_{name}" if name in _ON_BOTH else name: (side, name) for side, faults in _SIDES.items() for name in faults
}
_NAMES = {own: name for name, own in _OWN.items()}

FAULTS: Mapping[str, str] = {name: _SIDES[side][own] for name, (side, own) in _OWN.items()}
"""The faults with what happens; those that both stand-ins have carry the side, such as ``glm_hang``."""

OF_GLM = frozenset(name for name, (side, _) in _OWN.items() if side == "glm")
"""The faults of the GLM API and of its downloads."""

_SENDS = ("reply", "create")
_MESSAGES = (*_SENDS, "patch", "recall")
_UPLOADS = ("image", "file")
_DOWNLOADS = ("resource", "own_image")
_BASE = tuple(name for name in CALL_NAMES if name.startswith("base_"))
_BEHIND_TOKEN = tuple(name for name in CALL_NAMES if name != "token")

_GROUPS: Mapping[int, tuple[str, ...]] = {
    10: ("token",),
    **dict.fromkeys((91, 1063, 1254, 1255), _BASE),
    230: _MESSAGES,
    231: ("react", "unreact"),
    232: _SENDS,
    234: (*_UPLOADS, *_DOWNLOADS),
}
"""The calls of a service, by what its codes begin with; all other codes are the gateway's, for any call."""

_NARROWER: Mapping[int, tuple[str, ...]] = {
    **dict.fromkeys((230019, 230071, 230072), ("reply",)),
    **dict.fromkeys((230013, 230018, 230035, 230038, 230049, 230055, 230075), _SENDS),
    **dict.fromkeys((230011, 230110), ("reply", "patch", "recall", "react", "resource")),
    230111: ("reply", "patch"),
    **dict.fromkeys((230022, 230025, 230028, 230099), (*_SENDS, "patch")),
    **dict.fromkeys((11223, 11232, 11233, 11247, 18121), _SENDS),
    230017: ("own_image", *_SENDS),
    230026: ("recall",),
    230031: ("patch",),
    231003: ("reply", "react", "unreact"),
    232096: _UPLOADS,
    **dict.fromkeys((234006, 234010, 234041), _UPLOADS),
    **dict.fromkeys((234011, 234039), ("image",)),
    **dict.fromkeys((234003, 234005, 234043), _DOWNLOADS),
    99992354: ("reply", "patch", "recall", "react", "unreact", "resource"),
}
"""The codes that only some calls of their service have, or a call of another one, as the pages of the calls say.

https://open.feishu.cn/document/server-docs/im-v1/message/reply and the pages of the others
"""


def fitting(name: str) -> tuple[str, ...]:
    """The calls to Feishu that can fail by a fault; none where it is a fault of the GLM API.

    Raises:
        KeyError: there is no such fault.
    """
    side, own = _OWN[name]
    if side == "glm":
        return ()
    if own in WIRE_FAULTS:
        return CALL_NAMES
    code = NAMES[own] if own in NAMES else int(own.removeprefix("feishu_"))
    return _NARROWER.get(code) or _GROUPS.get(code // 1000, _BEHIND_TOKEN)


def aim(name: str) -> str:
    """The call to Feishu that a fault meets where nobody says which: a reply, if that can fail by it.

    Raises:
        KeyError: there is no such fault.
    """
    calls = fitting(name)
    return "reply" if "reply" in calls else next(iter(calls), ANY_CALL)


def named(side: Side, own: str) -> str:
    """The name of a fault that a stand-in knows under its own.

    Raises:
        KeyError: the stand-in has no such fault.
    """
    return _NAMES[side, own]


def arm(
    name: str,
    *,
    feishu: FeishuStandIn,
    glm: GlmStandIn,
    on: str | None = None,
    times: int = 1,
    seconds: float | None = None,
) -> None:
    """Makes the next calls of the side that a fault belongs to fail by it.

    Args:
        name: the fault.
        feishu: the stand-in of Feishu.
        glm: the stand-in of the GLM API.
        on: which call to Feishu, one of :func:`fitting` or ``ANY_CALL``; what :func:`aim` tells when ``None``.
        times: how many calls.
        seconds: for how long all such calls to Feishu fail, instead of ``times``.

    Raises:
        KeyError: there is no such fault.
        ValueError: such a call to Feishu cannot fail by it.
    """
    side, own = _OWN[name]
    if side == "glm":
        glm.arm(own, times=times)
        return
    call = on or aim(name)
    if call not in (*fitting(name), ANY_CALL):
        raise ValueError(f"no call {call!r} fails by {name}; these do: {', '.join(fitting(name))}")
    feishu.faults.arm(own, on=call, times=times if seconds is None else None, seconds=seconds)
