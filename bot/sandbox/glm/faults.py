"""What can go wrong with the GLM-Image API and with the download of its pictures, by name.

The bodies are those of the platform's table (https://docs.bigmodel.cn/cn/faq/api-code) and of public reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from bot.sandbox.glm.transport import ELSEWHERE
from bot.sandbox.server import WIRE_FAULTS, Answer

CODES: Mapping[str, tuple[int, str]] = {
    "500": (500, "Handler dispatch failed; nested exception is java.lang.StackOverflowError"),
    "1000": (401, "身份验证失败"),
    "1001": (401, "Header 中未收到 Authentication 参数，无法进行身份验证"),
    "1002": (401, "Authentication Token 非法，请确认 Authentication Token 正确传递"),
    "1003": (401, "令牌已过期或验证不正确"),
    "1004": (401, "通过提供的 Authentication Token 的验证失败"),
    "1005": (401, "请先完成二次验证登录"),
    "1110": (429, "您的账户当前处于非活动状态。请检查账户信息"),
    "1111": (429, "您的账户不存在"),
    "1112": (429, "您的账户已被锁定，请联系客服解锁"),
    "1113": (429, "余额不足或无可用资源包,请充值。"),
    "1120": (429, "无法成功访问您的账户，请稍后重试"),
    "1121": (429, "账户存在违规行为，账户已被锁定"),
    "1200": (500, "API 调用失败"),
    "1210": (400, "API 调用参数有误，请检查文档"),
    "1211": (400, "模型不存在，请检查模型代码"),
    "1212": (400, "当前模型不支持 images 调用方式"),
    "1213": (400, "未正常接收到prompt参数"),
    "1214": (400, "size 参数非法。请检查文档"),
    "1215": (400, "size 与 quality 不能同时设置，请检查文档"),
    "1220": (403, "您无权访问 glm-image"),
    "1221": (400, "API images/generations 已下线"),
    "1222": (400, "API images/generations 不存在"),
    "1230": (500, "API 调用流程出错"),
    "1231": (400, "您已有请求：20261122000000aa1b5b3fbb4342d0"),
    "1234": (500, "网络错误，错误id：20261122000000aa1b5b3fbb4342d0，请联系客服"),
    "1261": (400, "Prompt 超长"),
    "1300": (400, "API 调用被策略阻止"),
    "1301": (
        400,
        "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合。",
    ),
    "1302": (429, "您的账户已达到速率限制，请您控制请求频率"),
    "1303": (429, "该 API 的使用频率过高，请降低频率"),
    "1304": (429, "该 API 已达今日调用次数限额，如有更多需求请联系客服"),
    "1305": (429, "该模型当前访问量过大，请您稍后再试"),
    "1308": (429, "已达到 100 次 的使用上限。您的限额将在 2026-11-23 00:00:00 重置"),
    "1309": (429, "您的套餐已到期，暂无法使用，可前往官网续订"),
    "1310": (429, "已达到每周/每月使用上限。您的限额将在 2026-11-30 00:00:00 重置"),
    "1311": (429, "当前订阅套餐暂未开放 glm-image 权限"),
    "1312": (429, "该模型当前访问量过大，请您稍后再试"),
    "1313": (429, "您当前的使用不符合公平使用策略，请求频率受到限制"),
    "1314": (429, "该企业套餐已到期"),
    "1315": (429, "该密钥属于企业编程套餐，不能用于此接口"),
    "1316": (429, "已达到 5 小时的使用上限，且没有可用余额。您的限额将在 2026-11-23 00:00:00 重置"),
    "1317": (429, "已达到 7 天的使用上限，且没有可用余额。您的限额将在 2026-11-30 00:00:00 重置"),
    "1318": (429, "子账号已达到每月消费上限"),
    "1319": (429, "子账号已达到每月消费上限"),
    "1320": (429, "企业已达到每月消费上限"),
    "1321": (429, "企业已达到每月消费上限"),
}
"""The HTTP status and the message of each code of the platform."""

LEVELS = range(4)

FOREIGN_STATUSES = (401, 403, 404, 413, 429, 503)

CALL_FAULTS: Mapping[str, str] = {
    **{f"glm_{code}": f"{status} with code {code}: {message}" for code, (status, message) in CODES.items()},
    **WIRE_FAULTS,
    **{f"level_{level}": f"200 with a finding of level {level} (0 is the worst)" for level in LEVELS},
    "no_data": "200 without a picture",
    "no_url": "200 without a picture's link",
    "file_url": "200 with a link to a file of the machine itself",
    "http_url": "200 with a link that is not https",
    "ok_with_error": "200 with an error in place of a picture",
    "output_refused": "400 with code 1301 for the picture that was made, not for the prompt",
    "not_json": "200 with text that is not JSON",
    "html_504": "a gateway answers 504 with HTML, as the platform was too slow",
    "redirect": f"302 to another host, {ELSEWHERE}",
    **{f"html_{status}": f"something in between answers {status} with HTML" for status in FOREIGN_STATUSES},
    "gbk_451": "something in between answers 451 with HTML in GBK",
    "json_403": "an API gateway in between answers 403 with JSON of its own",
    "no_code_429": "429 with an error that has no code",
    "retry_after_503": "503 with HTML and Retry-After: 0",
}
"""Faults of the paid call, by name, with what happens."""

STORAGE_STATUSES = (202, 204, 206, 404, 409, 410, 416, 423, 505, 520, 530)

IMAGE_FAULTS: Mapping[str, str] = {
    "image_403": "the link has ended",
    **{f"image_{status}": f"{status} with JSON of the storage" for status in STORAGE_STATUSES},
    "image_json": "JSON of the storage comes in place of the picture",
    "image_half": "half of the picture comes, and its length is not announced",
    "image_without_end": "the last two bytes of the picture are missing",
    "image_truncated": "the picture ends before its announced length",
    "image_html": "a web page comes in place of the picture",
    "image_empty": "nothing comes in place of the picture",
    "image_slow": "the picture comes one byte at a time",
    "image_redirect": f"302 to another host, {ELSEWHERE}",
    "image_reset": "the connection is reset in place of the picture",
    "image_hang": "the picture never comes",
}
"""Faults of the download, by name, with what happens."""

FAULTS: Mapping[str, str] = {**CALL_FAULTS, **IMAGE_FAULTS}

_CREATED = 1795382776
_HEADERS = {"Set-Cookie": "acw_tc=sandbox;path=/;HttpOnly;Max-Age=1800", "Server": "nginx", "Vary": "Origin"}
_BLOCKED_PAGE = (
    "<html><head><title>网站防火墙</title><style>p {color: red}</style></head>"
    "<body><h1>您的请求已被拦截</h1>\n<p>Access denied by the firewall</p></body></html>"
)
# UCloud's storage answers so while it does not have a new file: github.com/OpenGradient/tee-gateway/pull/139
_NOT_THERE = b'{"RetCode":-148654,"ErrMsg":"file not exist"}'
_GATEWAY_PAGE = b"<html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>"
_EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
_IMAGE_WIRE = {
    "image_truncated": "truncated",
    "image_slow": "trickle",
    "image_reset": "reset_after",
    "image_hang": "hang",
}


def refusal(code: str, *, role: str = "user", level: int = 2) -> Answer:
    """The platform's answer with an error code; ``role`` and ``level`` are what its content filter found (1301).

    Public reports show level 2 refused as well as level 1: the level does not decide, the error does.
    """
    status, message = CODES[code]
    body: dict[str, object] = {"error": {"code": code, "message": message}}
    if code == "1301":
        body = {"contentFilter": [{"level": level, "role": role}], **body}
    return Answer.of_json(body, status=status, headers=_HEADERS)


def replacing(fault: str) -> Answer | None:
    """The answer that comes in place of a call's good one, or ``None`` where the fault only changes the good one."""
    return refusal(fault.removeprefix("glm_")) if fault.startswith("glm_") else _REPLACING.get(fault)


def of_download(fault: str, picture: Answer) -> Answer:
    """The answer to a download with a fault of ``IMAGE_FAULTS``."""
    if answer := _NO_PICTURE.get(fault):
        return answer
    match fault:
        case "image_empty":
            return Answer(headers=picture.headers)
        case "image_half":
            # A stream has no announced length.
            return Answer(headers=picture.headers, stream=iter([picture.body[: len(picture.body) // 2]]))
        case "image_without_end":
            return Answer(headers=picture.headers, body=picture.body[:-2])
    return Answer(headers=picture.headers, body=picture.body, wire_fault=_IMAGE_WIRE[fault])


def expired() -> Answer:
    """The storage's answer to a link that has ended."""
    return Answer(status=403, headers={"Content-Type": "application/xml"}, body=_EXPIRED)


def _storage(status: int) -> Answer:
    body = b"" if status == HTTPStatus.NO_CONTENT else _NOT_THERE
    return Answer(status=status, headers={"Content-Type": "application/json"}, body=body)


def _foreign(status: int, *, headers: Mapping[str, str] | None = None, charset: str = "utf-8") -> Answer:
    type_ = {"Content-Type": f"text/html; charset={charset}", "Server": "waf"}
    return Answer(status=status, headers={**type_, **(headers or {})}, body=_BLOCKED_PAGE.encode(charset))


def _linking(url: str) -> Answer:
    return Answer.of_json({"created": _CREATED, "data": [{"url": url}]})


def _redirect(path: str) -> Answer:
    return Answer(status=302, headers={"Location": f"https://{ELSEWHERE}{path}"})


_NO_PICTURE: Mapping[str, Answer] = {
    "image_403": expired(),
    "image_html": Answer(headers={"Content-Type": "text/html"}, body=b"<!doctype html><title>Sign in</title>"),
    "image_redirect": _redirect("/picture.png"),
    "image_json": _storage(200),
    **{f"image_{status}": _storage(status) for status in STORAGE_STATUSES},
}

_REPLACING: Mapping[str, Answer] = {
    "no_data": Answer.of_json({"created": _CREATED, "data": []}),
    "output_refused": refusal("1301", role="assistant", level=1),
    "html_504": Answer(status=504, headers={"Content-Type": "text/html", "Server": "nginx"}, body=_GATEWAY_PAGE),
    "no_url": Answer.of_json({"created": _CREATED, "data": [{}]}),
    "file_url": _linking("file:///etc/hostname"),
    "http_url": _linking(f"http://{ELSEWHERE}/picture.png"),
    "ok_with_error": Answer.of_json({"error": {"code": "1234", "message": CODES["1234"][1]}}),
    "not_json": Answer(headers={"Content-Type": "application/json"}, body=b"upstream connect error"),
    "redirect": _redirect("/api/paas/v4/images/generations"),
    **{f"html_{status}": _foreign(status) for status in FOREIGN_STATUSES},
    "gbk_451": _foreign(451, charset="gbk"),
    "json_403": Answer.of_json({"message": "Forbidden"}, status=403),
    "no_code_429": Answer.of_json({"error": {"message": "Too Many Requests"}}, status=429),
    "retry_after_503": _foreign(503, headers={"Retry-After": "0"}),
}
