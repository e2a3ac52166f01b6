"""The faults of the stand-ins: each knows which calls can fail by it."""

from __future__ import annotations

import pytest

from bot.sandbox.faults import CALL_NAMES, FAULTS, ArmedFaults, arm


def test_each_fault_fits_calls_of_its_side() -> None:
    for name, fault in FAULTS.items():
        known = CALL_NAMES if fault.side == "feishu" else ("call", "download")
        assert fault.calls, name
        assert set(fault.calls) <= set(known), name
    assert FAULTS["feishu_230099"] is FAULTS["card_bad"]


def test_no_fault_of_one_side_hides_one_of_the_other() -> None:
    assert len({fault.name for fault in FAULTS.values()}) == len({(fault.side, fault.own) for fault in FAULTS.values()})
    assert {FAULTS[name].own for name in ("glm_image_empty", "feishu_image_empty")} == {"image_empty"}


DEFAULT_CALLS = {
    "patch_too_old": "patch",
    "card_bad": "reply",
    "rate_gateway": "reply",
    "feishu_hang": "reply",
    "feishu_image_empty": "image",
    "feishu_10014": "token",
}


def test_a_fault_is_armed_for_a_call_that_can_fail_by_it() -> None:
    for fault, call in DEFAULT_CALLS.items():
        feishu, glm = ArmedFaults("feishu"), ArmedFaults("glm")
        arm(fault, feishu=feishu, glm=glm, times=2)
        assert [(one.on, one.left) for one in feishu.armed] == [(call, 2)]
        assert glm.armed == []


def test_no_call_fails_by_a_fault_that_it_cannot_have() -> None:
    feishu, glm = ArmedFaults("feishu"), ArmedFaults("glm")
    with pytest.raises(ValueError, match="these do: patch"):
        arm("patch_too_old", feishu=feishu, glm=glm, on="reply")
    arm("glm_hang", feishu=feishu, glm=glm, times=2)
    assert (feishu.armed, [(one.name, one.left) for one in glm.armed]) == ([], [("hang", 2)])


FITTING = [
    ("feishu_231021", "react", "reply"),
    ("feishu_234006", "image", "reply"),
    ("feishu_234002", "file", "patch"),
    ("feishu_234005", "own_image", "image"),
    ("feishu_230071", "reply", "patch"),
    ("feishu_230031", "patch", "reply"),
    ("feishu_230099", "create", "image"),
    ("feishu_10014", "token", "reply"),
    ("feishu_99991672", "scopes", "token"),
    ("feishu_reset_after", "token", "none"),
]


def test_a_fault_fits_the_calls_that_its_documentation_names() -> None:
    for fault, fits, fits_not in FITTING:
        assert (fits in FAULTS[fault].calls, fits_not in FAULTS[fault].calls) == (True, False), fault
