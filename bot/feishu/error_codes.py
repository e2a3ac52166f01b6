"""What to do about each error code of the Feishu Open Platform.

The codes of messages: https://open.feishu.cn/document/server-docs/im-v1/message/reply
The codes of images: https://open.feishu.cn/document/server-docs/im-v1/image/create
The codes of a Base: https://open.feishu.cn/document/server-docs/docs/bitable-v1/app-table-record/batch_create
The codes of all calls: https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from bot.errors import FeishuAction

TOKEN_REFUSED = frozenset({20005, 99991661, 99991663, 99991664, 99991665, 99991668, 99991671, 99991677})
"""The token was missing, invalid or expired: a new one is fetched once and the call made once more."""

IMAGE_TOO_LARGE = frozenset({234006, 234039})
"""The picture has more than 10 MB, or more than 12,000 by 12,000 pixels."""

FOR_NOW = frozenset({FeishuAction.RETRY, FeishuAction.APP_REFUSED})
"""Refusals after which the same call is made again later."""

_CODES: dict[FeishuAction, tuple[int, ...]] = {
    FeishuAction.RETRY: (
        1500,  # internal
        2200,  # internal
        5000,  # internal
        9499,  # too many requests; the general list calls it a bad request, but it passes by itself
        11232,  # the limits of messages, as the next two
        11233,
        11247,
        18121,  # the same message is being created
        230020,  # five messages a second to one chat
        230049,  # the message is still being sent
        232096,  # the upload has to be repeated later
        99991400,  # the gateway's limit
        1254002,  # a Base: it failed, mostly in passing
        1254036,  # a Base is being copied
        1254290,  # too many requests to a Base
        1254291,  # another write to the same table
        1254607,  # a table is not ready
        1254608,  # the same call once more, too soon
        1255001,  # internal, as the next two
        1255002,
        1255040,
    ),
    FeishuAction.APP_REFUSED: (
        *TOKEN_REFUSED,  # a fresh token was refused, too
        10003,  # App ID unknown here; also the sign of Feishu's address for a Lark app
        10005,  # the app or the tenant is not authorised
        10012,  # no app token is given
        10013,  # no tenant token is given
        10014,  # App Secret wrong, or the app is switched off
        10015,  # App Secret wrong
        11205,  # the bot ability is off
        11207,  # the app cannot be used in this tenant
        11209,  # no such app
        11210,  # the app is not installed
        11223,  # the permission to send is missing
        11240,  # the bot ability is off
        20009,  # the app is not installed
        212100,  # the app is not installed
        230006,  # the bot ability is off
        230027,  # a permission is missing
        234002,  # not authorised to upload
        234007,  # the bot ability is off
        234041,  # the tenant's master key was deleted
        234042,  # the tenant's own storage fails
        99991401,  # our address is not on the list of allowed ones
        99991403,  # the month's calls are used up
        99991543,  # no such app, or its secret is wrong
        99991644,  # the app's settings cannot be read
        99991662,  # the app is switched off
        99991672,  # a scope is missing
        99991673,  # the app is not authorised
        99991676,  # the token has no such permission
        99991681,  # authentication failed, as the next
        99991692,
    ),
    FeishuAction.TELL_ADMIN: (
        91402,  # no such Base
        91403,  # the app may not write to it
        1063002,  # the app may not share the document
        1254003,  # not the token of a Base
        1254004,  # not the id of a table
        1254015,  # a field of the table has another type
        1254040,  # no such Base
        1254041,  # no such table
        1254045,  # no such field
        1254103,  # the table is full
        1254302,  # the Base's own permissions forbid it, as do the next two
        1254304,
        1254306,
    ),
    FeishuAction.GIVE_UP: (
        230002,  # the bot is not in the group
        230013,  # the person is outside the app's availability range
        230018,  # the group's settings forbid it
        230035,  # muted or blocked
        230038,  # a person of another tenant
        230050,  # invisible
        230054,  # the chat's type does not support it
        230055,  # the file's type does not fit the message's
        230075,  # an encrypted chat
        230111,  # the message destroyed itself
        232009,  # the group was dissolved
        234003,  # the message does not hold this file
        234005,  # the picture was deleted
        234043,  # the message's type holds no file
        99992354,  # no such message
    ),
    FeishuAction.SEND_WITHOUT_QUOTE: (
        230011,  # recalled
        230110,  # deleted
        231003,  # not found
    ),
    FeishuAction.SEND_OUTSIDE_TOPIC: (230019, 230071, 230072),
    FeishuAction.SEND_WITHOUT_PROMPT: (
        230022,  # sensitive words
        230028,  # the tenant's audit
    ),
    FeishuAction.SHORTEN: (230025,),
    FeishuAction.SEND_NEW: (230031,),
    FeishuAction.SEND_PLAIN: (230099,),
    FeishuAction.SHRINK_IMAGE: (
        234001,  # a parameter: seen for images that it cannot read
        234010,  # empty
        234011,  # not a format that it knows
        *IMAGE_TOO_LARGE,
    ),
    FeishuAction.IGNORE: (231001, 231002, *range(231004, 231022)),  # reactions, of which none is made here
    FeishuAction.REPORT: (
        230001,  # a parameter
        230017,  # the resource is another app's
        99992402,  # a field, or an upload without a file name
    ),
}

ACTIONS: Mapping[int, FeishuAction] = MappingProxyType(
    {code: action for action, codes in _CODES.items() for code in codes}
)
"""The action of every known code, whatever the call."""

_PATCH = {
    # What a PATCH names is the bot's own card, so a card that is gone is no reason to leave out the quotation.
    230011: FeishuAction.SEND_NEW,
    230110: FeishuAction.SEND_NEW,
    231003: FeishuAction.SEND_NEW,
    99992354: FeishuAction.SEND_NEW,
}

_ENDPOINT = {
    # Who tells where to make the long connection has codes of its own.
    1: FeishuAction.RETRY,  # busy
    1000040343: FeishuAction.RETRY,  # internal
    1000040345: FeishuAction.RETRY,  # busy
    1000040350: FeishuAction.RETRY,  # too many connections; also while one that died is still counted
    1000040344: FeishuAction.TELL_ADMIN,  # no credentials
    1000040351: FeishuAction.TELL_ADMIN,  # Feishu's address for a Lark app, or the other way round
}


def action_of(code: int, *, status: int, call: str = "") -> FeishuAction:
    """The action for one answer.

    Args:
        code: the ``code`` of the answer's body; never 0.
        status: the HTTP status, which decides about unknown codes: 429 and 5xx are repeated, 401 and 403 refuse the
            app, others are reported.
        call: the name of the call; a few codes mean something else for ``patch`` and for ``endpoint``. An unknown
            refusal of ``token`` refuses the app, since no other call can be made without one.
    """
    if call == "endpoint" and code in _ENDPOINT:
        return _ENDPOINT[code]
    if call == "patch" and code in _PATCH:
        return _PATCH[code]
    if code in ACTIONS:
        return ACTIONS[code]
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FeishuAction.RETRY
    if call == "token" or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return FeishuAction.APP_REFUSED
    return FeishuAction.REPORT
