"""The server of the chat page: its files, its event stream, what its visitor does, and who may talk to it."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from bot.sandbox.faults import arm
from bot.sandbox.feishu.state import inspect_image
from bot.sandbox.feishu.user_actions import EVERYBODY, mention_pattern
from bot.sandbox.http import LoopbackServer, Request, Response
from bot.sandbox.page.stream import Controls, EventStream

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
# Nothing but the page's own files is loaded, and no text becomes markup.
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# No path from outside is ever joined to a folder.
_FILES = {file.name: file for file in (Path(__file__).parent / "static").iterdir()}

_VOICE = b"OggS"  # the content of a voice message, which nobody plays


class Unable(Exception):
    """What the visitor asked for is not possible now; ``sentence`` is a key of the page's texts."""

    def __init__(self, message: str, *, sentence: str) -> None:
        super().__init__(message)
        self.sentence = sentence


class Page(LoopbackServer):
    """The page; it answers this machine's browser only, and there the page itself only."""

    def __init__(self, sandbox: Controls, *, port: int = 0) -> None:
        super().__init__(port=port)
        feishu, glm = sandbox.feishu, sandbox.glm
        self._sandbox, self._feishu, self._glm = sandbox, feishu, glm
        self._actions: Mapping[str, Callable[..., object]] = {
            "say": self._say,
            "react": feishu.react,
            "recall": feishu.recall,
            "press": feishu.press,
            "enter": feishu.enter_p2p,
            "fault": partial(arm, feishu=feishu.faults, glm=glm.faults),
            "clear": self._disarm,
            "seconds": self._set_seconds,
            "delivery": self._set_delivery,
            "kill": sandbox.kill,
            "start": sandbox.start,
        }
        self.route("GET", "/", _static)
        self.route("GET", "/static/:name", _static)
        self.route("GET", "/uploads/:key", self._upload)
        self.route("GET", "/originals/:name", sandbox.glm.original)
        self.route("GET", "/stream", self._stream)
        self.route("POST", "/do/:action", self._act)

    def answer(self, request: Request) -> Response:
        response = self._rejection(request) or super().answer(request)
        return replace(response, headers={**_HEADERS, **response.headers})

    def _rejection(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        # A page elsewhere that had its name resolved to this machine (DNS rebinding) comes with its own Host.
        if host not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return _failure(HTTPStatus.MISDIRECTED_REQUEST, "this page is reached by its loopback address only")
        # A link or bookmark may open the page ("none"); what another site's page asks for may not be answered.
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and request.path != "/":
            return _failure(HTTPStatus.FORBIDDEN, "the request comes from another site")
        if request.method == "GET":
            return None
        if request.headers.get("origin") != f"http://{host}":
            return _failure(HTTPStatus.FORBIDDEN, "the request comes from another origin")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _failure(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON is expected")
        return None

    def _upload(self, request: Request) -> Response:
        """An upload; with ``?save``, and always when it is no image, it is offered for saving."""
        upload = self._feishu.uploads.get(request.values["key"])
        if upload is None:
            return _failure(HTTPStatus.NOT_FOUND, "there is no such upload")
        headers = {"Content-Type": upload.content_type}
        if "save" in request.query or not upload.content_type.startswith("image/"):
            name = quote(Path(upload.name).name or upload.key)
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        return Response(headers=headers, body=upload.content)

    def _stream(self, _: Request) -> Response:
        stream = EventStream(sandbox=self._sandbox, closing=self.closing)
        return Response(headers={"Content-Type": "text/event-stream; charset=utf-8"}, stream=stream.parts())

    def _act(self, request: Request) -> Response:
        fields = request.json()
        action = self._actions.get(request.values["action"])
        if action is None or not isinstance(fields, dict):
            return _failure(HTTPStatus.BAD_REQUEST, "there is no such action, or no object")
        try:
            action(**fields)
        except Unable as unable:
            return _failure(HTTPStatus.BAD_REQUEST, str(unable), sentence=unable.sentence)
        except (KeyError, ValueError, TypeError) as error:
            return _failure(HTTPStatus.BAD_REQUEST, f"this cannot be done: {error}")
        return Response.of_json({"ok": True})

    def _say(
        self,
        *,
        chat: str,
        sender: str,
        text: str = "",
        bot: str = "",
        everybody: str = "",
        rich: bool = False,
        quote: str | None = None,
        voice: int | None = None,
        file: str | None = None,
        name: str = "file",
    ) -> None:
        """Says words, with an image or not; a voice message or another file goes by itself, before the words.

        ``bot`` and ``everybody`` are what the text calls them, ``voice`` is in seconds, ``file`` is base64.
        """
        feishu = self._feishu
        for own, called in ((feishu.bot_name, bot), (EVERYBODY.removeprefix("@"), everybody)):
            if called:
                text = mention_pattern(called).sub(f"@{own}", text)
        where: dict[str, Any] = {"chat_id": chat, "sender": sender, "quote": quote}
        content = None if file is None else base64.b64decode(file, validate=True)
        is_image = content is not None and inspect_image(content) is not None
        if voice is not None:
            feishu.send_file(**where, content=_VOICE, name="voice.opus", seconds=voice)
        elif content is not None and not is_image:
            feishu.send_file(**where, content=content, name=name)
        if text or is_image or (voice is None and file is None):
            members = [who for who in feishu.state.chats[chat].members if who != sender]
            mentions = [who for who in members if mention_pattern(feishu.state.people[who].name).search(text)]
            feishu.say(
                **where,
                text=text,
                mention_bot=bool(mention_pattern(feishu.bot_name).search(text)),
                mentions=mentions,
                as_post=rich,
                image=content if is_image else None,
            )

    def _disarm(self) -> None:
        self._glm.faults.disarm()
        self._feishu.faults.disarm()

    def _set_seconds(self, *, seconds: float | Literal["real"]) -> None:
        self._glm.seconds = None if seconds == "real" else max(0.0, float(seconds))

    def _set_delivery(self, *, duplicates: int, new_event_id: bool = False) -> None:
        self._feishu.delivery = replace(self._feishu.delivery, duplicates=int(duplicates), new_event_id=new_event_id)


def _static(request: Request) -> Response:
    if (file := _FILES.get(request.values.get("name", "index.html"))) is None:
        return _failure(HTTPStatus.NOT_FOUND, "the page has no such file")
    headers, body = {"Content-Type": str(guess_type(file.name)[0])}, file.read_bytes()
    # Over a slow tunnel the first words come in a third of the time.
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"], body = "gzip", gzip.compress(body)
    return Response(headers=headers, body=body)


def _failure(status: HTTPStatus, why: str, *, sentence: str | None = None) -> Response:
    """Why nothing was done, in English; ``sentence`` is a key of the page's texts."""
    return Response.of_json({"error": why, "sentence": sentence}, status=int(status))
