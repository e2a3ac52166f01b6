"""What the GLM-Image API and its storage answer when something goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.sandbox.faults import GLM_CODES
from bot.sandbox.http import Response

ELSEWHERE = "elsewhere.example"
"""The host of the redirects; nobody should ever follow one there."""

CONTENT_FILTER = 1301
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
_WIRE_STATUS = {"hang": None, "reset_before": None, "reset_after": None, "html_502": 502}


def reject(code: int, *, role: str = "user", level: int = 2) -> Response:
    """The platform's answer with an error code; ``role`` and ``level`` are what its content filter found (1301).

    Public reports show level 2 rejected as well as level 1: the level does not decide, the error does.
    """
    fault = GLM_CODES[str(code)]
    body: dict[str, object] = {"error": {"code": str(code), "message": fault.text}}
    if code == CONTENT_FILTER:
        body = {"contentFilter": [{"level": level, "role": role}], **body}
    return Response.of_json(body, status=fault.status, headers=_HEADERS)


def replacement(fault: str) -> Response | None:
    """The answer in place of a call's good one, or ``None`` for a fault that only changes the good one."""
    if fault.startswith("glm_"):
        return reject(int(fault.removeprefix("glm_")))
    kind, _, number = fault.rpartition("_")
    if kind in ("html", "gbk") and fault not in ("html_502", "html_504"):
        return _foreign(int(number), charset="gbk" if kind == "gbk" else "utf-8")
    return _REPLACEMENTS.get(fault)


def download(fault: str, image: Response) -> Response:
    """The answer to a download that meets a fault."""
    if answer := _NO_IMAGE.get(fault):
        return answer
    match fault:
        case "image_empty":
            return replace(image, body=b"")
        case "image_half":
            # A stream has no announced length.
            return replace(image, body=b"", stream=iter([image.body[: len(image.body) // 2]]))
        case "image_without_end":
            return replace(image, body=image.body[:-2])
    if fault in _IMAGE_WIRE:
        return replace(image, wire_fault=_IMAGE_WIRE[fault])
    return _storage(int(fault.removeprefix("image_")))


def expired() -> Response:
    """The storage's answer to a link that has expired."""
    return Response(status=403, headers={"Content-Type": "application/xml"}, body=_EXPIRED)


def sent_status(response: Response) -> int | None:
    """The status that the client gets; ``None`` where a fault of the connection keeps it from getting one."""
    return _WIRE_STATUS.get(response.wire_fault or "", response.status)


def _storage(status: int) -> Response:
    body = b"" if status == 204 else _NOT_THERE  # noqa: PLR2004 - no content
    return Response(status=status, headers={"Content-Type": "application/json"}, body=body)


def _foreign(status: int, *, headers: Mapping[str, str] | None = None, charset: str = "utf-8") -> Response:
    type_ = {"Content-Type": f"text/html; charset={charset}", "Server": "waf"}
    return Response(status=status, headers={**type_, **(headers or {})}, body=_BLOCKED_PAGE.encode(charset))


def _data(*entries: Mapping[str, str]) -> Response:
    return Response.of_json({"created": _CREATED, "data": entries})


def _redirect(path: str) -> Response:
    return Response(status=302, headers={"Location": f"https://{ELSEWHERE}{path}"})


_NO_IMAGE: Mapping[str, Response] = {
    "image_403": expired(),
    "image_html": Response(headers={"Content-Type": "text/html"}, body=b"<!doctype html><title>Sign in</title>"),
    "image_redirect": _redirect("/picture.png"),
    "image_json": _storage(200),
}

_REPLACEMENTS: Mapping[str, Response] = {
    "no_data": _data(),
    "no_url": _data({}),
    "file_url": _data({"url": "file:///etc/hostname"}),
    "http_url": _data({"url": f"http://{ELSEWHERE}/picture.png"}),
    "output_refused": reject(CONTENT_FILTER, role="assistant", level=1),
    "html_504": Response(status=504, headers={"Content-Type": "text/html", "Server": "nginx"}, body=_GATEWAY_PAGE),
    "ok_with_error": Response.of_json({"error": {"code": "1234", "message": GLM_CODES["1234"].text}}),
    "not_json": Response(headers={"Content-Type": "application/json"}, body=b"upstream connect error"),
    "redirect": _redirect("/api/paas/v4/images/generations"),
    "json_403": Response.of_json({"message": "Forbidden"}, status=403),
    "no_code_429": Response.of_json({"error": {"message": "Too Many Requests"}}, status=429),
    "retry_after_503": _foreign(503, headers={"Retry-After": "0"}),
    "reset_before": Response(wire_fault="reset_before"),
}
