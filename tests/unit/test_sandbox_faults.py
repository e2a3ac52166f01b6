"""The faults of the stand-ins: each knows which calls can fail by it."""

from __future__ import annotations

import pytest

from bot.sandbox.faults import FAULTS, OF_GLM, arm, fitting, named
from bot.sandbox.feishu.codes import NAMES
from bot.sandbox.feishu.faults import CALL_NAMES
from bot.sandbox.feishu.faults import FAULTS as FEISHU_FAULTS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.faults import FAULTS as GLM_FAULTS
from bot.sandbox.glm.stand_in import GlmStandIn


def test_a_fault_of_feishu_fits_some_call_and_one_of_glm_none() -> None:
    """Every fault belongs to one side, and what it fits are calls that the stand-in knows."""
    for name in FAULTS:
        assert bool(fitting(name)) == (name not in OF_GLM), name
        assert set(fitting(name)) <= set(CALL_NAMES)


def test_a_name_in_words_fits_what_its_code_fits() -> None:
    """A code and its name are one fault."""
    assert all(fitting(named("feishu", name)) == fitting(f"feishu_{code}") for name, code in NAMES.items())


def test_no_fault_of_one_side_hides_one_of_the_other() -> None:
    """Every fault of either stand-in has a name of its own, also where both know it by the same."""
    assert len(FAULTS) == len(GLM_FAULTS) + len(FEISHU_FAULTS)
    assert (named("glm", "image_empty"), named("feishu", "image_empty")) == ("glm_image_empty", "feishu_image_empty")
    assert named("glm", "glm_1302") == "glm_1302"


@pytest.mark.parametrize(
    ("fault", "call"),
    [
        ("patch_too_old", "patch"),
        ("card_bad", "reply"),
        ("rate_gateway", "reply"),
        ("feishu_hang", "reply"),
        ("feishu_image_empty", "image"),
        ("feishu_10014", "token"),
    ],
)
def test_a_fault_is_armed_for_a_call_that_can_fail_by_it(fault: str, call: str) -> None:
    """Where nobody says which call is meant, it is the reply or else one that the fault fits."""
    with FeishuStandIn() as feishu, GlmStandIn() as glm:
        arm(fault, feishu=feishu, glm=glm, times=2)
        assert [(one.on, one.left) for one in feishu.faults.armed] == [(call, 2)]
        assert glm.armed == []


def test_no_call_fails_by_a_fault_that_it_cannot_have() -> None:
    """A reply is never refused for the age of the card that it does not change."""
    with FeishuStandIn() as feishu, GlmStandIn() as glm:
        with pytest.raises(ValueError, match="these do: patch"):
            arm("patch_too_old", feishu=feishu, glm=glm, on="reply")
        arm("glm_hang", feishu=feishu, glm=glm, times=2)
        assert (feishu.faults.armed, glm.armed) == ([], ["hang", "hang"])


@pytest.mark.parametrize(
    ("fault", "fits", "fits_not"),
    [
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
    ],
)
def test_a_fault_fits_the_calls_that_its_documentation_names(fault: str, fits: str, fits_not: str) -> None:
    """A code of reactions is never a reply's, one of uploads never a card's, and a broken connection anybody's."""
    assert fits in fitting(fault)
    assert fits_not not in fitting(fault)
