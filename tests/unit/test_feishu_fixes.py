"""What an admin is told to do about each refusal of Feishu."""

from __future__ import annotations

import pytest

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.error_codes import ACTIONS, action_of
from bot.feishu.fixes import describe, suggest_fix

DOMAIN = "https://open.feishu.cn"

TABLE = {
    10003: "set FEISHU_DOMAIN=lark",
    **dict.fromkeys((10005, 10012, 10013, 10014, 10015, 99991543), "copy the App Secret anew"),
    **dict.fromkeys((11207, 99991644), "应用管理"),
    **dict.fromkeys((11209, 11210, 20009), "publish a version"),
    11223: "grant im:message:send_as_bot",
    11240: "机器人 Bot",
    **dict.fromkeys((20005, 99991661, 99991663, 99991664, 99991665, 99991668, 99991671, 99991677), "restart the bot"),
    **dict.fromkeys((99991681, 99991692), "restart the bot"),
    99991676: "grant the scopes",
    11205: "机器人 Bot",
    212100: "publish a version",
    230001: "send /id to the bot",
    230002: "群机器人",
    230006: "机器人 Bot",
    230013: "可用范围",
    230018: "群设置",
    230020: "wait a second",
    230027: "grant im:message:send_as_bot",
    230035: "群设置",
    230038: "of the organisation",
    232009: "dissolved",
    234002: "grant im:resource",
    234007: "机器人 Bot",
    234041: "was deleted",
    234042: "storage",
    91402: "check app_token and table_id",
    91403: "let the app edit the Base",
    1063001: "check the open_id",
    1063002: "let the app edit the Base",
    1254003: "check app_token and table_id",
    1254004: "check app_token and table_id",
    1254015: "names and types back",
    1254040: "check app_token and table_id",
    1254041: "check app_token and table_id",
    1254045: "names and types back",
    1254103: "the table is full",
    1254302: "let the app edit the Base",
    1254304: "let the app edit the Base",
    1254306: "let the app edit the Base",
    99991401: "IP 白名单",
    99991403: "month's calls",
    99991662: "应用管理",
    99991672: "grant one of the missing scope",
    99991673: "approve the app",
    1500: "try again in a minute",
    230099: "/search?code=230099&from=openapi",
    1234567: "/search?code=1234567&from=openapi",
}


def refused(code: int, message: str = "said so.") -> FeishuError:
    """A refusal of a call."""
    return FeishuError(message, call="reply", code=code, action=action_of(code, status=400), log_id="log-1")


@pytest.mark.parametrize("code", TABLE)
def test_a_refusal_has_its_remedy(code: int) -> None:
    """It names the place in the console or the setting, or at least where the code is explained."""
    assert TABLE[code] in suggest_fix(refused(code), domain=DOMAIN)


def test_what_an_admin_can_mend_is_in_the_table() -> None:
    """No refusal that is the admin's to mend is answered with "look the code up"."""
    admins = {code for code, action in ACTIONS.items() if action.name in {"TELL_ADMIN", "APP_REFUSED"}}
    assert admins <= TABLE.keys()
    assert [code for code in admins if "/search?" in suggest_fix(refused(code), domain=DOMAIN)] == []


def test_a_refusal_is_told_in_the_platforms_words() -> None:
    """Code and log id come along; the name of our call and the platform's full stop do not."""
    assert describe(refused(230002, "The bot can not be\noutside the group.")) == (
        "The bot can not be outside the group (code 230002, log id log-1)"
    )
    assert describe(FeishuError("odd", call="image", code=7, action=FeishuAction.REPORT)) == "odd (code 7)"


def test_no_answer_is_told_as_that() -> None:
    """The network and the domain are what can be looked at."""
    error = FeishuUnreachable("no answer within 10 s", call="token")
    assert describe(error) == "no answer, or none of Feishu's (no answer within 10 s)"
    assert "whether this machine reaches https://open.feishu.cn" in suggest_fix(error, domain=DOMAIN)
