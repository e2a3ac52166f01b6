"""Each error code of the Feishu Open Platform: what the bot does about it, and what an admin does.

The codes of messages: https://open.feishu.cn/document/server-docs/im-v1/message/reply
The codes of images: https://open.feishu.cn/document/server-docs/im-v1/image/create
The codes of a Base: https://open.feishu.cn/document/server-docs/docs/bitable-v1/app-table-record/batch_create
The codes of all calls: https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code
The Chinese names in the fixes are those of the developer console and of the clients.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable

PUBLISH = "then publish a version (版本管理与发布 Version Management & Release): nothing takes effect before"
SWITCH_ON = (
    "have a Feishu administrator switch the app on: 管理后台 Admin Console → 工作台 Workplace → 应用管理 App Management"
)
RESTORE_FIELDS = "give the fields their names and types back, or make another table: python -m bot base create"

_ABILITY = f"switch the bot on (添加应用能力 Add Features → 机器人 Bot), {PUBLISH}"
_NO_BASE = "check app_token and table_id of [base], or make another Base: python -m bot base create"
_NO_RIGHT = (
    "let the app edit the Base: open it, … → 更多 More → 添加文档应用 Add document app, as one who may manage it"
)
_INSTALL = f"have the app installed in your organisation: {PUBLISH.removeprefix('then ')}"
_CREDENTIALS = "copy the App Secret into FEISHU_APP_SECRET again (凭证与基础信息 Credentials & Basic Info)"
_RESTART = "restart the bot; if it goes on, check FEISHU_APP_ID and FEISHU_APP_SECRET, and whether the app is published"
_APP_ID = (
    "check FEISHU_APP_ID (凭证与基础信息 Credentials & Basic Info); "
    "for an app made at open.larksuite.com set FEISHU_DOMAIN=lark, for one made at open.feishu.cn feishu"
)
_ASK = "ask your Feishu administrator"
_ADDRESS = "add this machine's address to the app's list: 安全设置 Security Settings → IP 白名单 IP Whitelist"
_PLAN = "the month's calls of your Feishu plan are used up: wait for the next month or extend the plan"
_ADD_BOT = "add the bot to that group: 群设置 Settings → 群机器人 Bots → 添加机器人 Add Bot"
_AVAILABILITY = "let that person use the app: 版本管理与发布 Version Management & Release → 可用范围 Availability"
_ID = (
    "check the id: an open_id (ou_…) is another one in every app, and a chat_id (oc_…) must be of a chat with the bot; "
    "send /id to the bot in that chat to learn both"
)
_OPEN_ID = "check the open_id (ou_…): it must be of somebody of your organisation who may use the app"
_GROUP = "let the bot speak there: see the group's settings (群设置 → 群管理), or send to another chat"

TOKEN_REFUSED = frozenset({20005, 99991661, 99991663, 99991664, 99991665, 99991668, 99991671, 99991677})
"""The token was missing, invalid or expired: a new one is fetched once and the call made once more."""

IMAGE_TOO_LARGE = frozenset({234006, 234039})  # more than 10 MB, or more than 12,000 by 12,000 pixels
SCOPE_MISSING = 99991672
FOR_NOW = frozenset({FeishuAction.RETRY, FeishuAction.APP_REFUSED})  # the same call is made again later


def _grant(scopes: str) -> str:
    return f"grant {scopes} (权限管理 Permissions & Scopes), {PUBLISH}"


class ErrorCode(NamedTuple):
    """What the bot does about a code, and what an admin does where they can do something."""

    action: FeishuAction
    fix: str | None


CODES: Mapping[int, ErrorCode] = {
    code: ErrorCode(action, fix)
    for action, fix, codes in (
        (FeishuAction.RETRY, None, (1500, 2200, 5000, 1255001, 1255002, 1255040)),  # internal
        # Too many requests; the general list calls 9499 a bad request, but it passes by itself.
        (FeishuAction.RETRY, None, (9499, 11232, 11233, 11247, 99991400, 1254290)),
        # The same message is being created, a message is still being sent, an upload has to be repeated later.
        (FeishuAction.RETRY, None, (18121, 230049, 232096)),
        # A Base: failed in passing, is being copied, another write, a table is not ready, the same call too soon.
        (FeishuAction.RETRY, None, (1254002, 1254036, 1254291, 1254607, 1254608)),
        (FeishuAction.RETRY, "wait a second and try again: one chat takes five messages a second", (230020,)),
        (FeishuAction.APP_REFUSED, _RESTART, TOKEN_REFUSED),  # a fresh token was refused, too
        (FeishuAction.APP_REFUSED, _RESTART, (99991681, 99991692)),  # authentication failed
        (FeishuAction.APP_REFUSED, _APP_ID, (10003,)),  # also the sign of Feishu's address for a Lark app
        # Not authorised, no app token, no tenant token, App Secret wrong or app off, App Secret wrong, no such app.
        (FeishuAction.APP_REFUSED, _CREDENTIALS, (10005, 10012, 10013, 10014, 10015, 99991543)),
        (FeishuAction.APP_REFUSED, _ABILITY, (11205, 11240, 230006, 234007)),  # the bot ability is off
        (FeishuAction.APP_REFUSED, SWITCH_ON, (11207, 99991644, 99991662)),  # the app cannot be used, or is off
        (FeishuAction.APP_REFUSED, _INSTALL, (11209, 11210, 20009, 212100)),  # no such app, or not installed
        (FeishuAction.APP_REFUSED, _grant("im:message:send_as_bot"), (11223, 230027)),
        (FeishuAction.APP_REFUSED, _grant("im:resource"), (234002,)),  # not authorised to upload
        (FeishuAction.APP_REFUSED, f"{_ASK}: the key that encrypts your organisation's files was deleted", (234041,)),
        (FeishuAction.APP_REFUSED, f"{_ASK}: your organisation's own storage is full or failing", (234042,)),
        (FeishuAction.APP_REFUSED, _ADDRESS, (99991401,)),
        (FeishuAction.APP_REFUSED, _PLAN, (99991403,)),
        (FeishuAction.APP_REFUSED, None, (SCOPE_MISSING,)),
        (FeishuAction.APP_REFUSED, f"have an administrator approve the app, {PUBLISH}", (99991673,)),
        (FeishuAction.APP_REFUSED, _grant("the scopes of the app"), (99991676,)),
        (FeishuAction.TELL_ADMIN, _NO_BASE, (91402, 1254003, 1254004, 1254040, 1254041)),  # no such Base or table
        (FeishuAction.TELL_ADMIN, _NO_RIGHT, (91403, 1063002, 1254302, 1254304, 1254306)),
        (FeishuAction.TELL_ADMIN, RESTORE_FIELDS, (1254015, 1254045)),  # a field of another type, no such field
        (FeishuAction.TELL_ADMIN, "the table is full: make another one: python -m bot base create", (1254103,)),
        (FeishuAction.GIVE_UP, _ADD_BOT, (230002,)),
        (FeishuAction.GIVE_UP, _AVAILABILITY, (230013,)),
        (FeishuAction.GIVE_UP, _GROUP, (230018, 230035)),  # the group's settings forbid it; muted or blocked
        (FeishuAction.GIVE_UP, "send to somebody of the organisation that the app belongs to", (230038,)),
        (FeishuAction.GIVE_UP, "that group was dissolved: send to another chat", (232009,)),
        # Invisible; not for this type of chat; not for this type of file; an encrypted chat; destroyed itself.
        (FeishuAction.GIVE_UP, None, (230050, 230054, 230055, 230075, 230111)),
        # The message does not hold this file; the image was deleted; the message's type holds no file; no such message.
        (FeishuAction.GIVE_UP, None, (234003, 234005, 234043, 99992354)),
        (FeishuAction.SEND_WITHOUT_QUOTE, None, (230011, 230110, 231003)),  # recalled, deleted, not found
        (FeishuAction.SEND_OUTSIDE_TOPIC, None, (230019, 230071, 230072)),
        (FeishuAction.SEND_WITHOUT_PROMPT, None, (230022, 230028)),  # sensitive words, the tenant's audit
        (FeishuAction.SHORTEN, None, (230025,)),
        (FeishuAction.SEND_NEW, None, (230031,)),
        (FeishuAction.SEND_PLAIN, None, (230099,)),
        # 234001 is a parameter: seen for images that it cannot read. The others: empty, unknown format, too large.
        (FeishuAction.SHRINK_IMAGE, None, (234001, 234010, 234011, *IMAGE_TOO_LARGE)),
        (FeishuAction.REPORT, _ID, (230001,)),  # a parameter
        (FeishuAction.REPORT, _OPEN_ID, (1063001,)),
        (FeishuAction.REPORT, None, (230017, 99992402)),  # another app's resource; a field, or no file name
    )
    for code in codes
}
"""Every known code, whatever the call."""

_BY_CALL: Mapping[str, Mapping[int, FeishuAction]] = {
    # A PATCH names the bot's own card, so a card that is gone is no reason to omit the quotation.
    "patch": dict.fromkeys((230011, 230110, 231003, 99992354), FeishuAction.SEND_NEW),
    # Where to make the long connection: busy, internal, busy, and too many connections, which also counts one that
    # died; then no credentials, and Feishu's address for a Lark app or the other way round.
    "endpoint": dict.fromkeys((1, 1000040343, 1000040345, 1000040350), FeishuAction.RETRY)
    | dict.fromkeys((1000040344, 1000040351), FeishuAction.TELL_ADMIN),
}


def action_of(code: int, *, status: int, call: str = "") -> FeishuAction:
    """The action for the ``code`` (not 0) of an answer to a call.

    A few codes mean something else for ``patch`` and for ``endpoint``. The HTTP status decides about unknown codes: 429
    and 5xx are repeated, 401 and 403 refuse the app, others are reported. An unknown refusal of ``token`` refuses the
    app, since no other call can be made without one.
    """
    if action := _BY_CALL.get(call, {}).get(code):
        return action
    if code in CODES:
        return CODES[code].action
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FeishuAction.RETRY
    if call == "token" or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return FeishuAction.APP_REFUSED
    return FeishuAction.REPORT


def refusal_level(error: FeishuError) -> int:
    """The level at which a refusal is logged; an outage is logged when it begins and ends, not at every probe."""
    return logging.INFO if error.action is FeishuAction.APP_REFUSED else logging.WARNING


def describe(error: FeishuError) -> str:
    """What the platform said, on one line: its message, its code, and the log id for its support."""
    words = " ".join(error.message.split()).rstrip(".。")
    if isinstance(error, FeishuUnreachable):
        return f"no answer, or none of Feishu's ({words})"
    return f"{words} (code {error.code}{f', log id {error.log_id}' if error.log_id else ''})"


def suggest_fix(error: FeishuError, *, domain: str) -> str:
    """What an admin does about it; ``domain`` is the platform's origin that was asked."""
    if isinstance(error, FeishuUnreachable):
        return (
            f"see whether this machine reaches {domain} (DNS, firewall, HTTPS_PROXY) and whether FEISHU_DOMAIN is right"
        )
    if error.code == SCOPE_MISSING:
        scopes = ", ".join(re.findall(r"\[([^\]]+)\]", error.message)) or "the missing scope"
        where = error.help_url or "权限管理 Permissions & Scopes"
        return f"grant one of {scopes} at {where} , {PUBLISH}"
    known = CODES.get(error.code or 0)
    if known is not None and known.fix is not None:
        return known.fix
    if error.action is FeishuAction.RETRY:
        return "try again in a minute"
    return f"look the code up: {domain}/search?code={error.code}&from=openapi"
