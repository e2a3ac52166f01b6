"""The GLM-Image API on loopback: its checks, its slots, its pictures, and its faults on demand."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from bot.sandbox.glm.checks import bearer, fault_code
from bot.sandbox.glm.faults import CALL_FAULTS, FAULTS, expired, of_download, refusal, replacing
from bot.sandbox.glm.pictures import render
from bot.sandbox.glm.transport import API_HOST, ELSEWHERE, IMAGE_HOST, LoopbackTransport
from bot.sandbox.server import Abort, Answer, Call, LoopbackServer

PATH = "/api/paas/v4/images/generations"

LINK_SECONDS = 7 * 24 * 3600
"""How long a link holds; public samples of 2026 hold seven days, not the documented thirty."""

CONCURRENCY: Mapping[str, int] = {"glm-image": 1, "cogview-4": 5, "cogview-4-250304": 5, "cogview-3-flash": 5}
"""Calls at a time that a basic account may have, a model."""

_WIRE_STATUS: Mapping[str, int | None] = {"hang": None, "reset_after": None, "html_502": 502}


@dataclass(slots=True, kw_only=True)
class GlmCall:
    """One call as the stand-in received it; what came of it is filled in later."""

    at: float
    """In seconds since 1970."""
    key: str | None
    """The first four characters of the key; the rest is not kept."""
    body: Any
    """The JSON body, or ``None`` when it was not JSON."""
    fault: str | None = None
    status: int | None = None
    """The HTTP status, or ``None`` while there is no answer or when there is none."""
    seconds: float | None = None
    """How long the call was worked on."""
    paid: bool = False
    """Whether a picture was made and would be billed, whether or not the caller learnt of it."""
    drawing: float = 0.0
    """How many seconds its picture took to be drawn, which is done when it is fetched."""
    answer: str = ""
    """The body of the answer, also where a fault kept it from arriving whole."""
    over: bool = False
    """Whether nothing more will come of it; a call that is never answered is over at once."""


@dataclass(slots=True, kw_only=True)
class Download:
    """One fetch of a picture; what came of it is filled in later."""

    at: float
    """In seconds since 1970."""
    name: str
    fault: str | None = None
    status: int | None = None
    """The HTTP status, or ``None`` while there is no answer or when there is none."""
    seconds: float | None = None
    size: int = 0
    """The bytes of the answer's body."""
    over: bool = False
    """As of a :class:`GlmCall`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    prompt: str
    width: int
    height: int
    watermark: bool
    call: GlmCall


def loopback(origin: str, *, inner: httpx.BaseTransport | None = None) -> LoopbackTransport:
    """A transport that leads the platform's hosts to the stand-in at ``origin``; ``inner`` makes the connections."""
    routes = {API_HOST: "", IMAGE_HOST: "/images", ELSEWHERE: "/elsewhere"}
    return LoopbackTransport({host: origin + path for host, path in routes.items()}, inner=inner)


class GlmStandIn:
    """The stand-in; a context manager that serves on loopback from ``__enter__`` to ``__exit__``.

    Args:
        port: the port; 0 takes a free one.
        seconds: how long a picture takes.
        concurrency: calls at a time a key and model; what is beyond gets 429 and 1302.
        clock: the time in seconds since 1970.

    It forgets everything when it ends, and it takes any key for valid that an HTTP header can carry.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        seconds: float = 0.0,
        concurrency: Mapping[str, int] = CONCURRENCY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.seconds = seconds
        self.calls: list[GlmCall] = []
        self.fetched: list[Download] = []
        self.strays: list[Call] = []
        """What reached the host to which the redirects lead; it stays empty unless a client follows one."""
        self._concurrency = dict(concurrency)
        self._clock = clock
        self._armed: dict[str, deque[str]] = {"call": deque(), "image": deque()}
        self._working: Counter[tuple[str, str]] = Counter()
        self._pictures: dict[str, _Picture] = {}
        self._secret = secrets.token_bytes(16)
        self._lock = threading.Lock()
        self._server = LoopbackServer(port=port)
        self._server.route("POST", PATH, self._generate)
        self._server.route("GET", "/images/*name", self._image)
        for method in ("GET", "POST"):
            self._server.route(method, "/elsewhere/*path", self._stray)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self._server.origin

    @property
    def paid(self) -> list[GlmCall]:
        """The calls for which a picture was made."""
        return [call for call in self.calls if call.paid]

    @property
    def downloads(self) -> list[str]:
        """The names of the pictures that were fetched, in order."""
        return [download.name for download in self.fetched]

    @property
    def working(self) -> int:
        """How many pictures it is making now."""
        with self._lock:
            return self._working.total()

    def arm(self, name: str, *, times: int = 1) -> None:
        """Makes the next ``times`` calls or downloads fail by a fault of ``FAULTS``; faults wait in line.

        Raises:
            KeyError: there is no such fault.
        """
        if name not in FAULTS:
            raise KeyError(name)
        with self._lock:
            self._armed["call" if name in CALL_FAULTS else "image"].extend([name] * times)

    @property
    def armed(self) -> list[str]:
        """The faults that still wait, in line, those of the calls before those of the downloads."""
        with self._lock:
            return [*self._armed["call"], *self._armed["image"]]

    def disarm(self) -> None:
        """Drops the faults that still wait."""
        with self._lock:
            for waiting in self._armed.values():
                waiting.clear()

    def transport(self, *, inner: httpx.BaseTransport | None = None) -> LoopbackTransport:
        """A transport that leads the platform's hosts here; ``inner`` makes the connections."""
        return loopback(self.origin, inner=inner)

    def original(self, name: str, query: Mapping[str, str]) -> Answer:
        """A picture as whoever opens its link gets it; it meets the faults that wait, and is no fetch of the bot."""
        return self._stored(name, query, self._fault_of_image())

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *exit_facts: object) -> None:
        self._server.__exit__(*exit_facts)

    def _generate(self, call: Call) -> Answer:
        key = bearer(call.headers.get("authorization"))
        record = GlmCall(at=self._clock(), key=key and key[:4] + "…", body=call.json())
        with self._lock:
            record.fault = self._armed["call"].popleft() if self._armed["call"] else None
            self.calls.append(record)
        if record.fault == "reset_before":
            record.over = True
            raise Abort
        answer = replacing(record.fault) if record.fault else None
        if answer is None:
            answer = self._refused(key, record) or self._made(key or "", record)
        record.status = _WIRE_STATUS.get(answer.wire_fault or "", answer.status)
        record.answer = answer.body.decode("utf-8", "replace")
        record.over = True
        return answer

    def _refused(self, key: str | None, record: GlmCall) -> Answer | None:
        if key is None:
            return refusal("1001")
        code = fault_code(record.body)
        return refusal(code) if code else None

    def _made(self, key: str, record: GlmCall) -> Answer:
        slot = key, record.body["model"]
        with self._lock:
            if self._working[slot] >= self._concurrency.get(slot[1], 1):
                return refusal("1302")
            self._working[slot] += 1
        began = time.monotonic()
        try:
            self._server.closing.wait(self.seconds)
        finally:
            with self._lock:
                self._working[slot] -= 1
        record.seconds = time.monotonic() - began
        record.paid = True
        return self._success(record)

    def _success(self, record: GlmCall) -> Answer:
        body: dict[str, Any] = {"created": int(record.at), "data": [{"url": self._link(record)}]}
        if record.fault and record.fault.startswith("level_"):
            level = int(record.fault.removeprefix("level_"))
            body["content_filter"] = [{"role": "assistant", "level": level}]
            return Answer.of_json(body)
        good = Answer.of_json(body)
        return Answer(headers=good.headers, body=good.body, wire_fault=record.fault)

    def _link(self, record: GlmCall) -> str:
        asked: Mapping[str, Any] = record.body
        # The platform names a picture by the time in Beijing and a random part.
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(self._clock() + 8 * 3600))
        name = f"{stamp}{secrets.token_hex(8)}_watermark.png"
        width, _, height = asked.get("size", "1280x1280").partition("x")
        watermark = asked.get("watermark_enabled", True)
        self._pictures[name] = _Picture(
            prompt=asked["prompt"], width=int(width), height=int(height), watermark=watermark, call=record
        )
        expires = str(int(self._clock()) + LINK_SECONDS)
        signature = self._signature(name, expires)
        return f"https://{IMAGE_HOST}/{name}?UCloudPublicKey=TOKEN_sandbox&Signature={signature}%3D&Expires={expires}"

    def _signature(self, name: str, expires: str) -> str:
        return hmac.new(self._secret, f"{name}\n{expires}".encode(), hashlib.sha256).hexdigest()[:27]

    def _image(self, call: Call) -> Answer:
        began = time.monotonic()
        record = Download(at=self._clock(), name=call.values["name"], fault=self._fault_of_image())
        self.fetched.append(record)
        answer = self._stored(record.name, call.query, record.fault)
        record.status = _WIRE_STATUS.get(answer.wire_fault or "", answer.status)
        record.seconds, record.size, record.over = time.monotonic() - began, len(answer.body), True
        return answer

    def _fault_of_image(self) -> str | None:
        with self._lock:
            return self._armed["image"].popleft() if self._armed["image"] else None

    def _stored(self, name: str, query: Mapping[str, str], fault: str | None) -> Answer:
        known, expires = self._pictures.get(name), query.get("Expires", "")
        signed = query.get("Signature") == self._signature(name, expires) + "="
        if known is None or not signed or not expires.isdigit() or int(expires) < self._clock():
            return expired()
        began = time.monotonic()
        content = render(
            known.prompt,
            width=known.width,
            height=known.height,
            picture_id=name.partition("_")[0],
            watermark=known.watermark,
        )
        known.call.drawing = time.monotonic() - began
        # The platform's storage serves JPEG bytes under a .png name and this type.
        picture = Answer(headers={"Content-Type": "application/octet-stream"}, body=content)
        return of_download(fault, picture) if fault else picture

    def _stray(self, call: Call) -> Answer:
        self.strays.append(call)
        return Answer.of_json({"created": 1, "data": [{"url": f"https://{ELSEWHERE}/picture.png"}]})
