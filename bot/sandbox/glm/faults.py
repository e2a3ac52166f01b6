"""What the GLM-Image API and its storage answer when something goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.sandbox.faults import GLM_CODES, PAGES, find_fault
from bot.sandbox.http import Response

ELSEWHERE = "elsewhere.example"
"""The host of the redirects; nobody should ever follow one there."""

CONTENT_FILTER = 1301
_HEADERS = {"Set-Cookie": "acw_tc=sandbox;path=/;HttpOnly;Max-Age=1800", "Server": "nginx", "Vary": "Origin"}
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


def replacement(name: str) -> Response | None:
    """The answer in place of a call's good one, or ``None`` for a fault that only changes the good one."""
    fault = find_fault("glm", name)
    if fault.code:
        return reject(fault.code)
    if name == "output_refused":
        return reject(CONTENT_FILTER, role="assistant", level=1)
    if name == "reset_before":
        return Response(wire_fault=name)
    return _answer(**fault.answer) if fault.answer else None


def download(name: str, image: Response) -> Response:
    if answer := find_fault("glm", name).answer:
        return _answer(**answer)
    match name:
        case "image_empty":
            return replace(image, body=b"")
        case "image_half":
            # A stream has no announced length.
            return replace(image, body=b"", stream=iter([image.body[: len(image.body) // 2]]))
        case "image_without_end":
            return replace(image, body=image.body[:-2])
    return replace(image, wire_fault=_IMAGE_WIRE[name])


def expired() -> Response:
    return _answer(status=403, page="expired")


def sent_status(response: Response) -> int | None:
    """The status that the client gets; ``None`` where a fault of the connection keeps it from getting one."""
    return _WIRE_STATUS.get(response.wire_fault or "", response.status)


def _answer(*, status: int = 200, page: str = "", body: str = "", charset: str = "utf-8", **headers: Any) -> Response:
    """An answer of faults.toml: a page by its name or a JSON body, with the location and the delay of its headers."""
    found: Mapping[str, str] = PAGES.get(page, {"type": "application/json", "text": body})
    type_ = f"{found['type']}; charset={charset}" if found["type"] == "text/html" else found["type"]
    more = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Response(status=status, headers={"Content-Type": type_, **more}, body=found["text"].encode(charset))
