"""What the admin does about a refusal of the Feishu Open Platform.

The codes: https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code and the page of each call.
The names in Chinese are those of the developer console and of the clients.
"""

from __future__ import annotations

import re

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.error_codes import TOKEN_REFUSED

SCOPE_MISSING = 99991672

PUBLISH = "then publish a version (版本管理与发布 Version Management & Release): nothing takes effect before"

_ABILITY = f"switch the bot on (添加应用能力 Add Features → 机器人 Bot), {PUBLISH}"
SWITCH_ON = (
    "have a Feishu administrator switch the app on: 管理后台 Admin Console → 工作台 Workplace → 应用管理 App Management"
)
RESTORE_FIELDS = "give the fields their names and types back, or make another table: python -m bot base create"
_NO_BASE = "check app_token and table_id of [base], or make another Base: python -m bot base create"
_NO_RIGHT = (
    "let the app edit the Base: open it, … → 更多 More → 添加文档应用 Add document app, as one who may manage it"
)
_SEND = f"grant im:message:send_as_bot (权限管理 Permissions & Scopes), {PUBLISH}"
_INSTALL = f"have the app installed in your organisation: {PUBLISH.removeprefix('then ')}"
_CREDENTIALS = "copy the App Secret anew into FEISHU_APP_SECRET (凭证与基础信息 Credentials & Basic Info)"
_RESTART = "restart the bot; if it goes on, check FEISHU_APP_ID and FEISHU_APP_SECRET, and whether the app is published"
_SETTINGS_OF_GROUP = "let the bot speak there: see the group's settings (群设置 → 群管理), or send to another chat"

_FIXES = {
    10003: (
        "check FEISHU_APP_ID (凭证与基础信息 Credentials & Basic Info); "
        "for an app made at open.larksuite.com set FEISHU_DOMAIN=lark, for one made at open.feishu.cn feishu"
    ),
    **dict.fromkeys((10005, 10012, 10013, 10014, 10015, 99991543), _CREDENTIALS),
    **dict.fromkeys((11205, 11240), _ABILITY),
    11207: SWITCH_ON,
    11223: _SEND,
    **dict.fromkeys((11209, 11210, 20009, 212100), _INSTALL),
    230001: (
        "check the id: an open_id (ou_…) is another one in every app, and a chat_id (oc_…) must be of a chat with "
        "the bot; send /id to the bot in that chat to learn both"
    ),
    230002: "add the bot to that group: 群设置 Settings → 群机器人 Bots → 添加机器人 Add Bot",
    230006: _ABILITY,
    230013: "let that person use the app: 版本管理与发布 Version Management & Release → 可用范围 Availability",
    230018: _SETTINGS_OF_GROUP,
    230020: "wait a second and try again: one chat takes five messages a second",
    230027: _SEND,
    230035: _SETTINGS_OF_GROUP,
    230038: "send to somebody of the organisation that the app belongs to",
    232009: "that group was dissolved: send to another chat",
    234002: f"grant im:resource (权限管理 Permissions & Scopes), {PUBLISH}",
    234007: _ABILITY,
    234041: "ask your Feishu administrator: the key that encrypts your organisation's files was deleted",
    234042: "ask your Feishu administrator: the storage that your organisation keeps itself is full or failing",
    91402: _NO_BASE,
    91403: _NO_RIGHT,
    1063001: "check the open_id (ou_…): it must be of somebody of your organisation who may use the app",
    1063002: _NO_RIGHT,
    1254003: _NO_BASE,
    1254004: _NO_BASE,
    1254015: RESTORE_FIELDS,
    1254040: _NO_BASE,
    1254041: _NO_BASE,
    1254045: RESTORE_FIELDS,
    1254103: "the table is full: make another one: python -m bot base create",
    1254302: _NO_RIGHT,
    1254304: _NO_RIGHT,
    1254306: _NO_RIGHT,
    99991401: "add this machine's address to the app's list: 安全设置 Security Settings → IP 白名单 IP Whitelist",
    99991403: "the month's calls of your Feishu plan are used up: wait for the next month or extend the plan",
    99991644: SWITCH_ON,
    99991662: SWITCH_ON,
    99991673: f"have an administrator approve the app, {PUBLISH}",
    99991676: f"grant the scopes of the app (权限管理 Permissions & Scopes), {PUBLISH}",
    **dict.fromkeys((*TOKEN_REFUSED, 99991681, 99991692), _RESTART),
}

_BRACKETED = re.compile(r"\[([^\]]+)\]")


def describe(error: FeishuError) -> str:
    """What the platform said, on one line: its code, its words, and the id of the call for its support."""
    words = _one_line(error.message).rstrip(".。")
    if isinstance(error, FeishuUnreachable):
        return f"no answer, or none of Feishu's ({words})"
    said = f"{words} (code {error.code}"
    return f"{said}, log id {error.log_id})" if error.log_id else f"{said})"


def suggest_fix(error: FeishuError, *, domain: str) -> str:
    """What to do about it.

    Args:
        error: the refusal.
        domain: the platform's origin that was asked.
    """
    if isinstance(error, FeishuUnreachable):
        return (
            f"see whether this machine reaches {domain} (DNS, firewall, HTTPS_PROXY) and whether FEISHU_DOMAIN is right"
        )
    if error.code == SCOPE_MISSING:
        scopes = ", ".join(_BRACKETED.findall(error.message)) or "the missing scope"
        where = error.help_url or "权限管理 Permissions & Scopes"
        return f"grant one of {scopes} at {where} , {PUBLISH}"
    if error.code in _FIXES:
        return _FIXES[error.code]
    if error.action is FeishuAction.RETRY:
        return "try again in a minute"
    return f"look the code up: {domain}/search?code={error.code}&from=openapi"


def _one_line(text: str) -> str:
    return " ".join(text.split())
