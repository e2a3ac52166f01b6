"""What the bot, and an admin, does about each error code of Feishu, and how little of its SDK is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.error_codes import CODES, action_of, describe, suggest_fix

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
    "set FEISHU_DOMAIN=lark": (10003,),
    "copy the App Secret into FEISHU_APP_SECRET again": (10005, 10012, 10013, 10014, 10015, 99991543),
    "应用管理": (11207, 99991644, 99991662),
    "have the app installed": (11209, 11210, 20009, 212100),
    "grant im:message:send_as_bot": (11223, 230027),
    "机器人 Bot": (11205, 11240, 230006, 234007),
    "restart the bot": (
        *(20005, 99991661, 99991663, 99991664, 99991665, 99991668, 99991671, 99991677),
        *(99991681, 99991692),
    ),
    "grant the scopes": (99991676,),
    "grant one of the missing scope": (99991672,),
    "approve the app": (99991673,),
    "send /id to the bot": (230001,),
    "群机器人": (230002,),
    "可用范围": (230013,),
    "群设置": (230018, 230035),
    "wait a second": (230020,),
    "of the organisation": (230038,),
    "dissolved": (232009,),
    "grant im:resource": (234002,),
    "was deleted": (234041,),
    "storage": (234042,),
    "check app_token and table_id": (91402, 1254003, 1254004, 1254040, 1254041),
    "let the app edit the Base": (91403, 1063002, 1254302, 1254304, 1254306),
    "check the open_id": (1063001,),
    "names and types back": (1254015, 1254045),
    "the table is full": (1254103,),
    "IP 白名单": (99991401,),
    "month's calls": (99991403,),
    "try again in a minute": (1500,),
    "/search?code=230099&from=openapi": (230099,),
    "/search?code=1234567&from=openapi": (1234567,),
}


def refused(code: int, message: str = "said so.") -> FeishuError:
    return FeishuError(message, call="reply", code=code, action=action_of(code, status=400), log_id="log-1")


OF_A_CALL = [
    *(("patch", code, "SEND_NEW") for code in (230011, 230110, 231003, 99992354)),
    *(("endpoint", code, "RETRY") for code in (1, 1000040343, 1000040345, 1000040350)),
    *(("endpoint", code, "TELL_ADMIN") for code in (1000040344, 1000040351)),
    ("token", 987654, "APP_REFUSED"),
]


def test_every_code_has_its_documented_action() -> None:
    """A PATCH names the bot's own card, and the endpoint of the long connection has codes of its own."""
    expected = {code: FeishuAction[action] for action, codes in ACTIONS.items() for code in codes}
    assert {code: known.action for code, known in CODES.items()} == expected
    for call, code, action in OF_A_CALL:
        assert action_of(code, status=400, call=call) is FeishuAction[action]
        assert action_of(code, status=400, call="reply") is not FeishuAction[action]


OF_A_STATUS = [
    *((987654, status, "REPORT") for status in (400, 200)),
    *((987654, status, "RETRY") for status in (429, 500, 503)),
    *((987654, status, "APP_REFUSED") for status in (401, 403)),
    (230001, 500, "REPORT"),
    *((code, status, "RETRY") for code in (9499, 11232) for status in (200, 400, 429)),
]


def test_the_status_decides_about_unknown_codes_only() -> None:
    """The page of a proxy that refuses every call is told from an answer that did not arrive."""
    for code, status, action in OF_A_STATUS:
        assert action_of(code, status=status, call="patch") is FeishuAction[action], (code, status)
    refusals = {401, 403, 407}
    for answered in (*refusals, 404, 502, None):
        expected = FeishuAction.APP_REFUSED if answered in refusals else FeishuAction.RETRY
        assert FeishuUnreachable("no JSON", call="reply", status=answered).action is expected, answered


def test_a_refusal_has_its_fix() -> None:
    """The place in the console, the setting, or at least where the code is explained; for an admin more than that."""
    asked = [(code, fix) for fix, codes in FIXES.items() for code in codes]
    assert [(code, fix) for code, fix in asked if fix not in suggest_fix(refused(code), domain=DOMAIN)] == []
    admins = (*ACTIONS["TELL_ADMIN"], *ACTIONS["APP_REFUSED"])
    assert [code for code in admins if "/search?" in suggest_fix(refused(code), domain=DOMAIN)] == []
    error = FeishuUnreachable("no answer within 10 s", call="token")
    assert describe(error) == "no answer, or none of Feishu's (no answer within 10 s)"
    assert "whether this machine reaches https://open.feishu.cn" in suggest_fix(error, domain=DOMAIN)


def test_a_description_quotes_the_platform() -> None:
    assert describe(refused(230002, "The bot can not be\noutside the group.")) == (
        "The bot can not be outside the group (code 230002, log id log-1)"
    )
    assert describe(FeishuError("odd", call="image", code=7, action=FeishuAction.REPORT)) == "odd (code 7)"


ROOT = Path(__file__).parents[2]
REPORT = """
import asyncio, json, logging, sys
loops = []
class Policy(asyncio.DefaultEventLoopPolicy):
    def set_event_loop(self, loop):
        loops.append(loop)
asyncio.set_event_loop_policy(Policy())
from bot.feishu import sdk
before = len(sys.modules)
Frame, const = sdk.load_frames()
report = {"more": len(sys.modules) - before, "loops": len(loops)}
report["handlers"] = len(logging.getLogger("Lark").handlers) + len(logging.getLogger().handlers)
report["frame"] = [Frame.DESCRIPTOR.full_name, const.HEADER_TYPE, const.FORBIDDEN]
print(json.dumps(report))
"""
OTHER_LAYOUT = {
    "__init__.py": "NEEDED = 'other'\n",
    "ws/__init__.py": "",
    "ws/const.py": "HEADER_TYPE = 'kind'\nFORBIDDEN = 7\n",
    "ws/pb/__init__.py": "",
    "ws/pb/pbbp2_pb2.py": (
        "from lark_oapi import NEEDED\nclass Frame:\n    class DESCRIPTOR:\n        full_name = NEEDED\n"
    ),
}
"""A release whose parts need what only its parent package defines."""


def report(*path: Path) -> Any:
    """What a new interpreter reports after it imported the SDK."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    command = [sys.executable, "-W", "ignore", "-c", REPORT]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_only_the_frames_are_loaded_and_without_side_effects() -> None:
    """The stubs work: under 200 modules where all of the SDK would be 11,000, no event loop and no log handler.

    A new minor release has to be checked before the cap is raised.
    """
    assert version("lark-oapi").startswith("1.7.")
    found = report()
    assert found.pop("more") < 200
    assert found == {"loops": 0, "handlers": 0, "frame": ["pbbp2.Frame", "type", 403]}


def test_another_layout_is_imported_plainly(tmp_path: Path) -> None:
    for name, source in OTHER_LAYOUT.items():
        path = tmp_path / "lark_oapi" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    assert report(tmp_path)["frame"] == ["other", "kind", 7]
