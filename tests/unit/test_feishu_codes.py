"""What the bot, and an admin, does about each error code of Feishu, and how little of its SDK is loaded."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.error_codes import CODES, action_of, suggest_fix

DOMAIN = "https://open.feishu.cn"
ACTIONS = {
    "RETRY": (
        *(1500, 2200, 5000, 9499, 11232, 11233, 11247, 18121, 230020, 230049, 232096, 99991400),
        *(1254002, 1254036, 1254290, 1254291, 1254607, 1254608, 1255001, 1255002, 1255040),
    ),
    "APP_REFUSED": (
        *(10003, 10005, 10012, 10013, 10014, 10015, 11205, 11207, 11209, 11210, 11223, 11240, 20009, 212100),
        *(230006, 230027, 234002, 234007, 234041, 234042),
        *(99991401, 99991403, 99991543, 99991644, 99991662, 99991672, 99991673, 99991676, 99991681, 99991692),
        *(20005, 99991661, 99991663, 99991664, 99991665, 99991668, 99991671, 99991677),
    ),
    "TELL_ADMIN": (
        *(91402, 91403, 1063002, 1254003, 1254004, 1254015, 1254040, 1254041, 1254045, 1254103),
        *(1254302, 1254304, 1254306),
    ),
    "GIVE_UP": (
        *(230002, 230013, 230018, 230035, 230038, 230050, 230054, 230055, 230075, 230111, 232009),
        *(234003, 234005, 234043, 99992354),
    ),
    "SEND_WITHOUT_QUOTE": (230011, 230110, 231003),
    "SEND_OUTSIDE_TOPIC": (230019, 230071, 230072),
    "SEND_WITHOUT_PROMPT": (230022, 230028),
    "SHORTEN": (230025,),
    "SEND_NEW": (230031,),
    "SEND_PLAIN": (230099,),
    "SHRINK_IMAGE": (234001, 234006, 234010, 234011, 234039),
    "REPORT": (230001, 230017, 1063001, 99992402),
}
FIXES = {
    91403: "let the app edit the Base",
    230013: "可用范围",
    1063001: "check the open_id",
    1254045: "names and types back",
    99991401: "IP 白名单",
    99991403: "month's calls",
    1234567: "/search?code=1234567&from=openapi",
}
"""For some codes, what an admin reads; further ones are in clients/test_check.py."""


def refused(code: int) -> FeishuError:
    return FeishuError("said so.", call="reply", code=code, action=action_of(code, status=400))


OTHERS = [
    # A PATCH names the bot's own card, and the endpoint of the long connection has codes of its own.
    *(("patch", code, 400, "SEND_NEW") for code in (230011, 230110, 231003, 99992354)),
    *(("endpoint", code, 400, "RETRY") for code in (1, 1000040343, 1000040345, 1000040350)),
    *(("endpoint", code, 400, "TELL_ADMIN") for code in (1000040344, 1000040351)),
    # The status decides about unknown codes only.
    ("token", 987654, 400, "APP_REFUSED"),
    *(("reply", 987654, status, "REPORT") for status in (400, 200)),
    *(("reply", 987654, status, "RETRY") for status in (429, 500, 503)),
    *(("reply", 987654, status, "APP_REFUSED") for status in (401, 403)),
    ("reply", 230001, 500, "REPORT"),
    *(("reply", code, status, "RETRY") for code in (9499, 11232) for status in (200, 400, 429)),
]


def test_every_code_has_its_documented_action() -> None:
    """The page of a proxy that refuses every call is told from an answer that did not arrive."""
    expected = {code: FeishuAction[action] for action, codes in ACTIONS.items() for code in codes}
    assert {code: known.action for code, known in CODES.items()} == expected
    for call, code, status, action in OTHERS:
        assert action_of(code, status=status, call=call) is FeishuAction[action], (call, code, status)
    for answered in (401, 403, 407, 404, 502, None):
        action = "APP_REFUSED" if answered in (401, 403, 407) else "RETRY"
        assert FeishuUnreachable("no JSON", call="reply", status=answered).action is FeishuAction[action], answered


def test_a_refusal_has_its_fix() -> None:
    """The place in the console or the setting for what an admin can mend, otherwise where the code is explained."""
    assert {code for code, fix in FIXES.items() if fix in suggest_fix(refused(code), domain=DOMAIN)} == FIXES.keys()
    admins = (*ACTIONS["TELL_ADMIN"], *ACTIONS["APP_REFUSED"])
    assert [code for code in admins if "/search?" in suggest_fix(refused(code), domain=DOMAIN)] == []


ROOT = Path(__file__).parents[2]
COUNT = """
import sys
from bot.feishu import sdk
before = len(sys.modules)
Frame, const = sdk.load_frames()
print(Frame.DESCRIPTOR.full_name, const.FORBIDDEN, len(sys.modules) - before)
"""


def test_only_the_frames_of_the_sdk_are_loaded() -> None:
    """The stubs work: under 200 modules where all of the SDK would be 11,000.

    A new minor release has to be checked before the cap is raised.
    """
    assert version("lark-oapi").startswith("1.7.")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", COUNT], cwd=ROOT, capture_output=True, check=True)
    name, forbidden, modules = done.stdout.decode().split()
    assert (name, forbidden, int(modules) < 200) == ("pbbp2.Frame", "403", True)
