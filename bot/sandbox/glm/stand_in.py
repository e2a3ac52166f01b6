"""The GLM-Image API on loopback: its checks, slots, images, and faults on demand.

The rules: https://docs.bigmodel.cn/api-reference/模型-api/图像生成.
"""

from __future__ import annotations

import random
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import httpx

from bot.sandbox.faults import FAULTS, PAGES, ArmedFaults, Fault
from bot.sandbox.glm.images import render
from bot.sandbox.http import LoopbackServer, Request, Response, shared_tls

API_HOST = "open.bigmodel.cn"
IMAGE_HOST = "maas-watermark-prod-new.cn-wlcb.ufileos.com"
PATH = "/api/paas/v4/images/generations"

ELSEWHERE = "elsewhere.example"  # the host of the redirects

LINK_SECONDS = 7 * 24 * 3600  # public samples of 2026 are for seven days, not the documented thirty

REAL_SECONDS = (20.0, 50.0)  # how long the platform takes for an image

CONCURRENCY: Mapping[str, int] = {"glm-image": 1, "cogview-4": 5, "cogview-4-250304": 5, "cogview-3-flash": 5}
"""Simultaneous calls of a basic account."""

_FIELDS = {"model", "prompt", "quality", "size", "watermark_enabled", "user_id"}
# The guide's seven; two of them break the reference's rule for other sizes.
_GLM_SIZES = {(1280, 1280), (1568, 1056), (1056, 1568), (1472, 1088), (1088, 1472), (1728, 960), (960, 1728)}
_SIZE = re.compile(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})")
_BEARER = re.compile(r"Bearer ([!-~]+)")
# Undocumented; 2,761 characters were seen to pass.
_MAX_PROMPT = 4000
_CONTENT_FILTER = 1301
_HEADERS = {"Set-Cookie": "acw_tc=sandbox;path=/;HttpOnly;Max-Age=1800", "Server": "nginx", "Vary": "Origin"}


@dataclass(slots=True, kw_only=True)
class GlmCall:
    """A call, or the download of the image ``name``; what became of it is filled in later.

    ``at`` is in seconds since 1970; ``status`` is ``None`` while there is no answer or when there is none; ``over``
    means that nothing more will come. Of a call, ``key`` is the key's beginning, ``answer`` the body even where a fault
    kept it from arriving whole. ``paid`` means that an image was made and would be billed, whether or not the caller
    learnt of it.
    """

    at: float
    name: str = ""
    fault: str | None = None
    status: int | None = None
    seconds: float | None = None
    size: int = 0
    over: bool = False
    key: str | None = None
    body: Any = None
    paid: bool = False
    answer: str = ""

    def finish(self, response: Response) -> Response:
        self.status, self.size, self.over = response.sent_status, len(response.body), True
        return response


class LoopbackTransport(httpx.BaseTransport):
    """Redirects https requests to the origin that ``routes`` gives for their host; other hosts are unreachable.

    The path of an origin goes before the request's own; ``inner`` makes the connections.
    """

    def __init__(self, routes: Mapping[str, str], *, inner: httpx.BaseTransport | None = None) -> None:
        self._routes = {host: httpx.URL(origin) for host, origin in routes.items()}
        self._inner = inner or httpx.HTTPTransport(trust_env=False, verify=shared_tls())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        origin = self._routes.get(request.url.host)
        if origin is None or request.url.scheme != "https":
            raise httpx.ConnectError(f"the sandbox does not know {request.url.scheme}://{request.url.host}")
        path = origin.raw_path.rstrip(b"/") + request.url.raw_path
        url = request.url.copy_with(scheme=origin.scheme, host=origin.host, port=origin.port, raw_path=path)
        request = httpx.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def loopback(origin: str, *, inner: httpx.BaseTransport | None = None) -> LoopbackTransport:
    """A transport that redirects the platform's hosts to the stand-in at ``origin``."""
    routes = {API_HOST: "", IMAGE_HOST: "/images", ELSEWHERE: "/elsewhere"}
    return LoopbackTransport({host: origin + path for host, path in routes.items()}, inner=inner)


class GlmStandIn(LoopbackServer):
    """The stand-in of the API and of the storage that its links lead to; it accepts any key.

    An image takes ``seconds``, with ``None`` as long as on the platform. More than ``concurrency`` simultaneous calls
    per key and model get 429 and 1302. ``clock`` gives seconds since 1970, and ``draw`` the image of a call. ``strays``
    is what reached the host of the redirects, as nothing should.
    """

    def __init__(
        self,
        *,
        seconds: float | None = 0.0,
        concurrency: Mapping[str, int] = CONCURRENCY,
        clock: Callable[[], float] = time.time,
        draw: Callable[..., bytes] = render,
    ) -> None:
        super().__init__()
        self.seconds = seconds
        self._draw = draw
        self.calls: list[GlmCall] = []
        self.downloads: list[GlmCall] = []
        self.strays: list[Request] = []
        self.faults = ArmedFaults("glm")
        self.arm, self.disarm = self.faults.arm, self.faults.disarm
        self._concurrency = dict(concurrency)
        self._clock = clock
        self._working: Counter[tuple[str, str]] = Counter()
        self._images: dict[str, tuple[GlmCall, Mapping[str, str]]] = {}
        self._lock = threading.Lock()
        self.route("POST", PATH, self._generate)
        self.route("GET", "/images/*name", self._download)
        for method in ("GET", "POST"):
            self.route(method, "/elsewhere/*path", self._stray)

    @property
    def paid(self) -> list[GlmCall]:
        return [call for call in self.calls if call.paid]

    @property
    def working(self) -> int:
        with self._lock:
            return self._working.total()

    def transport(self, *, inner: httpx.BaseTransport | None = None) -> LoopbackTransport:
        return loopback(self.origin, inner=inner)

    def original(self, request: Request) -> Response:
        """An image as its link gives it, which may meet a fault but is no download by the bot."""
        return self._stored(request, self.faults.take("download"))

    def _generate(self, request: Request) -> Response:
        match = _BEARER.fullmatch(request.headers.get("authorization", ""))
        key = match[1] if match else ""
        with self._lock:
            fault = self.faults.take("call")
            record = GlmCall(at=self._clock(), body=request.json(), fault=fault.name if fault else None)
            record.key = f"{key[:4]}…" if key else None
            self.calls.append(record)
        response = _replacement(fault) if fault else None
        if response is None:
            code = _rejection_code(record.body) if key else 1001
            response = _reject(code) if code else self._make(key, record)
            if fault and record.paid:
                response = replace(response, wire_fault=fault.wire)
        record.answer = response.body.decode("utf-8", "replace")
        return record.finish(response)

    def _make(self, key: str, record: GlmCall) -> Response:
        slot = key, record.body["model"]
        with self._lock:
            if self._working[slot] >= self._concurrency.get(slot[1], 1):
                return _reject(1302)
            self._working[slot] += 1
        began = time.monotonic()
        seconds = random.uniform(*REAL_SECONDS) if self.seconds is None else self.seconds  # noqa: S311 - no secret
        self.closing.wait(seconds)
        with self._lock:
            self._working[slot] -= 1
        record.seconds = time.monotonic() - began
        record.paid = True
        body: dict[str, Any] = {"created": int(record.at), "data": [{"url": self._link(record)}]}
        if record.fault and record.fault.startswith("level_"):
            body["content_filter"] = [{"role": "assistant", "level": int(record.fault[-1])}]
        return Response.of_json(body)

    def _link(self, record: GlmCall) -> str:
        now = self._clock()
        # The platform names an image by the time in Beijing and a random part.
        name = f"{time.strftime('%Y%m%d%H%M%S', time.gmtime(now + 8 * 3600))}{secrets.token_hex(8)}_watermark.png"
        signature, expires = f"{secrets.token_hex(13)}=", str(int(now) + LINK_SECONDS)
        query = {"UCloudPublicKey": "TOKEN_sandbox", "Signature": signature, "Expires": expires}
        self._images[name] = record, query
        return f"https://{IMAGE_HOST}/{name}?{urlencode(query)}"

    def _download(self, request: Request) -> Response:
        began, fault = time.monotonic(), self.faults.take("download")
        record = GlmCall(at=self._clock(), name=request.values["name"], fault=fault.name if fault else None)
        self.downloads.append(record)
        response = self._stored(request, fault)
        record.seconds = time.monotonic() - began
        return record.finish(response)

    def _stored(self, request: Request, fault: Fault | None) -> Response:
        name = request.values["name"]
        call, signed = self._images.get(name, (None, {}))
        if call is None or request.query != signed or int(signed["Expires"]) < self._clock():
            return _answer(status=403, page="expired")
        width, _, height = call.body.get("size", "1280x1280").partition("x")
        content = self._draw(
            call.body["prompt"],
            width=int(width),
            height=int(height),
            image_id=name.partition("_")[0],
            watermark=call.body.get("watermark_enabled", True),
        )
        # The platform's storage serves JPEG bytes under a .png name and this type.
        image = Response(headers={"Content-Type": "application/octet-stream"}, body=content)
        return _spoiled(image, fault) if fault else image

    def _stray(self, request: Request) -> Response:
        self.strays.append(request)
        return Response.of_json({"created": 1, "data": [{"url": f"https://{ELSEWHERE}/picture.png"}]})


def _rejection_code(body: Any) -> int | None:
    """The code for what is wrong with a call; undocumented fields are, so that nobody comes to rely on them."""
    if not isinstance(body, dict) or not set(body) <= _FIELDS:
        return 1210
    prompt, user_id = body.get("prompt"), body.get("user_id", "nobody")
    text = prompt.strip() if isinstance(prompt, str) else ""
    valid = {
        1211: body.get("model") in tuple(CONCURRENCY),
        1213: bool(text),
        1261: len(text) <= _MAX_PROMPT,
        1214: _is_size(body.get("model"), body.get("size", "1280x1280")),
        1210: body.get("quality", "hd") in ("hd", "standard")
        and isinstance(body.get("watermark_enabled", True), bool)
        and isinstance(user_id, str)
        and 6 <= len(user_id) <= 128,  # noqa: PLR2004 - the documented length
    }
    return next((code for code, holds in valid.items() if not holds), None)


def _is_size(model: Any, size: Any) -> bool:
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if match is None:
        return False
    sides = int(match[1]), int(match[2])
    low, step, most = (1024, 32, 2**22) if model == "glm-image" else (512, 16, 2**21)
    fits = all(low <= side <= 2048 and side % step == 0 for side in sides)  # noqa: PLR2004 - documented
    return (model == "glm-image" and sides in _GLM_SIZES) or (fits and sides[0] * sides[1] <= most)


def _reject(code: int) -> Response:
    fault = FAULTS[f"glm_{code}"]
    body: dict[str, object] = {"error": {"code": str(code), "message": fault.text}}
    if code == _CONTENT_FILTER:
        # Public reports show level 2 rejected as well as level 1: the level does not decide, the error does.
        body["contentFilter"] = [{"level": 2, "role": "user"}]
    return Response.of_json(body, status=fault.status, headers=_HEADERS)


def _replacement(fault: Fault) -> Response | None:
    """The answer in place of a call's good one, or ``None`` for a fault that only changes that."""
    if fault.code:
        return _reject(fault.code)
    if fault.wire == "reset_before":
        return Response(wire_fault=fault.wire)
    return _answer(**fault.answer) if fault.answer else None


def _spoiled(image: Response, fault: Fault) -> Response:
    match fault.name:
        case "glm_image_empty":
            return replace(image, body=b"")
        case "image_half":
            # A stream has no announced length.
            return replace(image, body=b"", stream=iter([image.body[: len(image.body) // 2]]))
        case "image_without_end":
            return replace(image, body=image.body[:-2])
    return _answer(**fault.answer) if fault.answer else replace(image, wire_fault=fault.wire)


def _answer(*, status: int = 200, page: str = "", body: str = "", charset: str = "utf-8", **headers: Any) -> Response:
    """An answer of faults.toml: a page by its name or a JSON body, with the other headers that are given."""
    found: Mapping[str, str] = PAGES.get(page, {"type": "application/json", "text": body})
    type_ = f"{found['type']}; charset={charset}" if found["type"] == "text/html" else found["type"]
    more = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Response(status=status, headers={"Content-Type": type_, **more}, body=found["text"].encode(charset))
