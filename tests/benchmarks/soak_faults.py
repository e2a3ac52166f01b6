"""The faults of the soak: each on a call that it fits, and none after which nobody could be answered."""

from __future__ import annotations

from collections.abc import Mapping

from bot.errors import FeishuAction
from bot.feishu.error_codes import action_of
from bot.sandbox.faults import FAULTS, OF_GLM, fitting
from bot.sandbox.feishu.faults import ANY_CALL, ArmedFault
from bot.sandbox.server import WIRE_FAULTS

MADE = ("token", "reply", "image", "patch")
"""The calls that the bot makes for a prompt; a token only where the last one has ended."""

_ANSWERED = frozenset(
    {
        FeishuAction.RETRY,
        FeishuAction.SEND_WITHOUT_QUOTE,
        FeishuAction.SEND_WITHOUT_PROMPT,
        FeishuAction.SHORTEN,
        FeishuAction.SEND_PLAIN,
    }
)
"""What the bot does about a refusal of the first answer, or of the token, so that there still is one."""


def armed_faults() -> Mapping[str, tuple[str, ...]]:
    """The names of the faults, with the calls on which each is armed.

    Left out is what leaves no way to answer: a reply that Feishu refuses for good, as in a group without the bot.
    ``tests/service/test_actions.py`` holds those, code by code.
    """
    every = {
        name: (ANY_CALL,) if name in OF_GLM else tuple(call for call in MADE if _can_be_armed(name, call))
        for name in FAULTS
    }
    return {name: calls for name, calls in every.items() if calls}


def _can_be_armed(name: str, call: str) -> bool:
    if call not in fitting(name):
        return False
    if call not in ("token", "reply") or name.removeprefix("feishu_") in WIRE_FAULTS:
        return True
    refusal = ArmedFault(name=name, on=call, left=1).refusal()
    return action_of(refusal.code, status=refusal.status, call=call) in _ANSWERED
