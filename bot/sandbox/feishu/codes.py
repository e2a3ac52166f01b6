"""The error codes of the platform that the stand-in answers with, by the words of its documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

_OK = 200
_BAD_REQUEST = 400

MESSAGES: Mapping[int, str] = {
    1500: "internal error",
    2200: "Internal Error",
    5000: "internal error",
    9499: "too many requests",
    10003: "invalid param",
    10005: "app id unauthorized",
    10012: "get app access token fail",
    10013: "get tenant access token fail",
    10015: "wrong app secret",
    11207: "app is not usage",
    11209: "app not exist",
    11210: "app usage info not exist",
    11223: "do not have im write permission",
    11232: "create message service trigger rate limit",
    11233: "create message chat trigger rate limit",
    11240: "Robot not turned on",
    11247: "internal send message trigger rate limit",
    18121: "create request is being processed",
    20005: "invalid access_token",
    20009: "tenant app not installed",
    212100: "The app is not installed in the tenant.",
    91402: "NOTEXIST",
    91403: "Forbidden",
    1063001: "Invalid parameter",
    1063002: "Permission denied.",
    1254000: "WrongRequestJson",
    1254001: "WrongRequestBody",
    1254002: "Fail",
    1254003: "WrongBaseToken",
    1254004: "WrongTableId",
    1254015: "Field types do not match.",
    1254036: "Bitable is copying, please try again later.",
    1254037: "Invalid client token, make sure that it complies with the specification.",
    1254040: "BaseTokenNotFound",
    1254041: "TableIdNotFound",
    1254045: "FieldNameNotFound",
    1254060: "TextFieldConvFail",
    1254061: "NumberFieldConvFail",
    1254062: "SingleSelectFieldConvFail",
    1254064: "DatetimeFieldConvFail",
    1254066: "UserFieldConvFail",
    1254103: "RecordExceedLimit",
    1254104: "RecordAddOnceExceedLimit",
    1254290: "TooManyRequest",
    1254291: "Write conflict",
    1254302: "Permission denied.",
    1254304: "Permission denied.",
    1254306: "The tenant or base owner is subject to base plan limits.",
    1254607: "Data not ready, please try again later",
    1254608: "Same API requests are submitted repeatedly.",
    1255001: "InternalError",
    1255002: "RpcError",
    1255006: "Client token conflict, please generate a new client token and try again.",
    1255040: "Request timed out, please try again later",
    10014: "app secret invalid",
    11205: "app do not have bot",
    230001: "Your request contains an invalid request parameter.",
    230002: "The bot can not be outside the group.",
    230006: "Bot ability is not activated.",
    230011: "The message is recalled.",
    230013: "Bot has NO availability to this user.",
    230017: "Bot is NOT the owner of the resource.",
    230018: "These operations are NOT allowed at current group settings.",
    230019: "The topic does NOT exist.",
    230020: "This operation triggers the frequency limit., ext=chat rate limit",
    230022: "The content of the message contains sensitive information.",
    230025: "The length of the message content reaches its limit.",
    230026: "No permission to recall this message.",
    230027: "Lack of necessary permissions.",
    230028: "The messages do NOT pass the audit.",
    230031: "Message can only be modified within 14 days after sending.",
    230035: "Send Message Permission deny.",
    230038: "Cross tenant p2p chat operate forbid.",
    230049: "The message is being sent.",
    230050: "The message is invisible to the operator.",
    230054: "This operation is not supported for this message type.",
    230055: "The type of file upload does not match the type of message being sent.",
    230071: "The group to which the message belongs does not support reply in thread.",
    230072: "Aggregated messages do not support reply in thread.",
    230075: "Sending encrypted messages is not supported.",
    230099: (
        "Failed to create card content, ext=ErrCode: 200570; ErrPath: ROOT -> elements -> [0](tag: img); "
        "ErrMsg: invalid image keys; "
    ),
    230110: "Action unavailable as the message has been deleted.",
    230111: "Action unavailable as the message will self-destruct soon.",
    231001: "reaction type is invalid.",
    231002: "The operator has no permission to react on the specific message.",
    231003: "The message is not found, maybe not exist or deleted.",
    231004: "The chat in which the message exists is not found, maybe not exist, deleted or archived.",
    231005: "The thread has been no-trace removed, cannot put reaction.",
    231006: "The operator_id is invalid.",
    231007: "The operator has no permission to delete this reaction.",
    231008: "The operator has no access to the message.",
    # Of the reactions' range, but on no page: the text is ours, as that of 231016.
    231009: "Act on reaction failed.",
    231010: "The reaction does not belong to the message.",
    231011: "The request has an invalid reaction_id.",
    231012: "The request has an invalid pageToken.",
    231013: "The request has an invalid AuthType.",
    231014: "user_id_type is invalid.",
    231015: "Act on reaction failed, repeated request is processing.",
    231016: "Act on reaction failed.",
    231017: "This operation is not supported for this message type.",
    231018: "The message is invisible to the operator.",
    231019: "Due to the settings of this user, you are temporarily unable to perform this operation.",
    231020: (
        "Due to the configuration of the tenant administrator, you cannot perform this operation on the target user "
        "temporarily."
    ),
    231021: "No permission to operate external chats.",
    232009: "Your request specifies a chat which has already been dissolved.",
    232096: "Meta writing has stopped, please try again later.",
    234001: "Invalid request param.",
    234002: "Unauthorized.",
    234003: "File not in message.",
    234005: "Image has been deleted",
    234006: "The file size exceed the max value.",
    234007: "App does not enable bot feature.",
    234010: "File's size can't be 0.",
    234011: "Can't regonnize the image format.",
    234039: "Image resolution exceeds limit.",
    234041: "Tenant master key has been deleted, please contact the tenant administrator.",
    234042: "Hybrid deployment tenant storage error, such as full storage space, please contact tenant administrator.",
    234043: "Unsupported message type.",
    99991400: "request trigger frequency limit",
    99991401: "ip is not allowed by the app's ip white list",
    99991403: "This month's API call quota has been exceeded",
    99991543: "login_user invalid",
    99991644: "auth open invalid config",
    99991676: "token no permission",
    99991677: "token expire",
    99991681: "auth fail",
    99991692: "auth fail",
    99991661: "Missing access token for authorization. Please make a request with token attached.",
    99991662: "app is disabled",
    99991663: "Invalid access token for authorization. Please make a test attempt with the correct token.",
    99991664: "invalid app access token",
    99991665: "invalid tenant access token",
    99991668: "Invalid access token for authorization. Please make a test attempt with the correct token.",
    99991671: "Invalid access token: it has to start with t- or u-.",
    99991672: "Access denied. One of the following scopes is required: [im:resource, im:resource:upload].",
    99991673: "app is not authorized",
    99992354: "The request you send is not a valid {open_message_id} or not exists\nInvalid ids: [om_bad]",
    99992402: "field validation failed",
}
"""Every code with its text; match on the code, as the texts change.

https://open.feishu.cn/document/server-docs/im-v1/message/reply and the pages of the other calls.
"""

NAMES: Mapping[str, int] = {
    "rate_gateway": 99991400,
    "rate_chat": 230020,
    "not_in_group": 230002,
    "recalled": 230011,
    "no_availability": 230013,
    "sensitive": 230022,
    "too_long": 230025,
    "muted": 230035,
    "card_bad": 230099,
    "no_topic_reply": 230071,
    "deleted": 230110,
    "patch_too_old": 230031,
    "bad_message_id": 99992354,
    "field_validation": 99992402,
    "image_param": 234001,
    "image_unauth": 234002,
    "image_size": 234006,
    "image_empty": 234010,
    "image_format": 234011,
    "image_px": 234039,
    "reaction_bad": 231001,
    "token_missing": 99991661,
    "token_bad": 99991663,
    "scope": 99991672,
    "quota": 99991403,
    "base_gone": 91402,
    "base_forbidden": 91403,
    "base_busy": 1254290,
    "base_conflict": 1254291,
    "base_not_ready": 1254607,
    "base_person": 1254066,
}
"""Codes that also have a name in words."""

_STATUS: Mapping[int, int] = {
    **dict.fromkeys((10003, 10005, 10012, 10013, 10014, 10015), _OK),
    **dict.fromkeys((1500, 2200), 500),
    **dict.fromkeys((91403, 1063002, 1254302, 1254304, 1254306, 1254608), 403),
    # A Base answers most of its refusals with 200.
    **dict.fromkeys((1254000, 1254001, 1254002, 1254003, 1254004, 1254040, 1254041, 1254045), _OK),
    **dict.fromkeys((1254060, 1254061, 1254062, 1254064, 1254066, 1254103, 1254104), _OK),
    **dict.fromkeys((1254290, 1254291, 1255001, 1255002), _OK),
    91402: 404,
    234002: 401,
    1255040: 504,
    99991400: 429,
}


@dataclass(eq=False)
class Refusal(Exception):
    """The platform's refusal of a call; nothing was applied.

    ``message`` replaces the documented text; ``retry_in`` is the number of seconds in ``x-ogw-ratelimit-reset``.
    """

    code: int
    message: str | None = None
    retry_in: int = 1
    limit: int = 100

    @property
    def status(self) -> int:
        """The HTTP status: 400 but for a few."""
        return _STATUS.get(self.code, _BAD_REQUEST)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that only a refusal at the gateway's limit has."""
        if self.code != NAMES["rate_gateway"]:
            return {}
        return {"x-ogw-ratelimit-limit": str(self.limit), "x-ogw-ratelimit-reset": str(self.retry_in)}

    def body(self, *, log_id: str, app_id: str) -> dict[str, Any]:
        """The JSON of the answer, with the log id that the header also has."""
        body: dict[str, Any] = {"code": self.code, "msg": self.message or MESSAGES[self.code]}
        if self.code == NAMES["rate_gateway"] or self.status == _OK:
            return body
        asked = urlencode({"from": "openapi", "log_id": log_id, "code": self.code})
        body["error"] = {
            "log_id": log_id,
            "troubleshooter": f"排查建议查看（Troubleshooting suggestions）： https://open.feishu.cn/search?{asked}",
            **(_scope_help(app_id) if self.code == NAMES["scope"] else {}),
        }
        return body


def _scope_help(app_id: str) -> dict[str, Any]:
    page = f"https://open.feishu.cn/app/{app_id}/auth?q=im:resource:upload&op_from=openapi&token_type=tenant"
    return {
        "permission_violations": [{"type": "action_scope_required", "subject": "im:resource:upload"}],
        "helps": [{"url": page, "description": "点击链接申请并开通任一权限即可"}],
    }
