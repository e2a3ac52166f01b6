"""The server of the chat page: its files, its event stream, what its visitor does, and who may talk to it."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
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
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# No path from outside is ever joined to a folder.
_FILES = {file.name: file for file in (Path(__file__).parent / "static").iterdir() if file.suffix in _TYPES}

_VOICE = b"OggS"
"""The content of a voice message, which nobody plays."""

MAX_SECONDS = 120.0
"""The longest time that an image can be made to take."""

MAX_TIMES = 20
"""How many calls in a row a fault can be armed for, and how many copies of an event can be pushed."""

Fields = Mapping[str, Any]


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
        self._actions: Mapping[str, Callable[[Fields], Mapping[str, Any] | None]] = {
            "say": self._say,
            "react": lambda fields: feishu.react(fields["message"], by=fields["by"], emoji_type="THUMBSUP"),
            "recall": lambda fields: {"id": feishu.recall(fields["message"], by=fields["by"])},
            "press": self._press,
            "enter": lambda fields: {"id": feishu.enter_p2p(fields["person"])},
            "switch": self._switch,
        }
        for method, path, route in (
            ("GET", "/", lambda request: _static("index.html", request)),
            ("GET", "/static/:name", lambda request: _static(request.values["name"], request)),
            ("GET", "/uploads/:key", self._upload),
            ("GET", "/originals/:name", lambda request: glm.original(request.values["name"], request.query)),
            ("GET", "/stream", self._stream),
            ("POST", "/do/:action", self._act),
        ):
            self.route(method, path, route)

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
            return Response.of_json({"ok": True, **(action(fields) or {})})
        except Unable as unable:
            return _failure(HTTPStatus.BAD_REQUEST, str(unable), sentence=unable.sentence)
        except (KeyError, ValueError, TypeError) as error:
            return _failure(HTTPStatus.BAD_REQUEST, f"this cannot be done: {error}")

    def _say(self, fields: Fields) -> Mapping[str, Any]:
        """Says words, with an image or not; a voice message or another file goes by itself, before the words."""
        text, mentioned = self._read(fields)
        feishu, bot = self._feishu, self._feishu.bot_open_id
        where = {"chat_id": fields["chat"], "sender": fields["sender"], "quote": fields.get("quote")}
        file, sent = base64.b64decode(fields["file"], validate=True) if "file" in fields else None, None
        if "voice" in fields:
            sent = feishu.send_file(**where, content=_VOICE, name="voice.opus", seconds=int(fields["voice"]))
        elif file is not None and inspect_image(file) is None:
            sent = feishu.send_file(**where, content=file, name=str(fields.get("name") or "file"))
            file = None
        if sent is None or text:
            others = [who for who in mentioned if who != bot]
            how: dict[str, Any] = {"as_post": bool(fields.get("rich")), "image": file}
            sent = feishu.say(**where, text=text, mention_bot=bot in mentioned, mentions=others, **how)
        return {"id": sent.message_id}

    def _read(self, fields: Fields) -> tuple[str, list[str]]:
        """The text with the bot and everybody under their own names, and whom of the chat it mentions."""
        feishu, text = self._feishu, str(fields.get("text", ""))
        for own, called in ((feishu.bot_name, fields.get("bot")), (EVERYBODY.removeprefix("@"), fields.get("all"))):
            if called:
                text = mention_pattern(str(called)).sub(f"@{own}", text)
        members = [who for who in feishu.state.chats[fields["chat"]].members if who != fields["sender"]]
        known = {feishu.bot_open_id: feishu.bot_name, **{who: feishu.state.people[who].name for who in members}}
        return text, [who for who, name in known.items() if mention_pattern(name).search(text)]

    def _press(self, fields: Fields) -> Mapping[str, Any]:
        more: dict[str, Any] = {name: fields.get(name) for name in ("value", "option", "form_value", "name")}
        return asdict(self._feishu.press(fields["message"], fields["presser"], tag=fields["tag"], **more))

    def _switch(self, fields: Fields) -> None:
        """Sets a switch; raises ``KeyError`` or ``ValueError`` for what does not exist or is out of range."""
        feishu, glm = self._feishu, self._glm
        match fields["switch"]:
            case "fault":
                length = {"times": _checked(fields.get("times", 1), int, least=1, most=MAX_TIMES)}
                if "seconds" in fields:
                    length["seconds"] = _checked(fields["seconds"], int | float, least=0, most=MAX_SECONDS)
                arm(fields["name"], feishu=feishu.faults, glm=glm.faults, on=fields.get("on"), **length)
            case "clear":
                glm.faults.disarm()
                feishu.faults.disarm()
            case "seconds":
                glm.real_speed = fields["seconds"] == "real"
                if not glm.real_speed:
                    glm.seconds = _checked(fields["seconds"], int | float, least=0, most=MAX_SECONDS)
            case "delivery":
                copies = _checked(fields["duplicates"], int, least=0, most=MAX_TIMES)
                new_id = bool(fields.get("new_event_id"))
                feishu.delivery = replace(feishu.delivery, duplicates=copies, new_event_id=new_id)
            case "kill":
                self._sandbox.kill()
            case "start":
                self._sandbox.start()
            case name:
                raise KeyError(name)


def _checked(value: Any, kind: Any, *, least: int, most: float) -> Any:
    if not isinstance(value, kind) or not least <= value <= most:
        raise ValueError(f"a number from {least} to {most:g} is expected")
    return value


def _static(name: str, request: Request) -> Response:
    if (file := _FILES.get(name)) is None:
        return _failure(HTTPStatus.NOT_FOUND, "the page has no such file")
    headers, body = {"Content-Type": _TYPES[file.suffix]}, file.read_bytes()
    # Over a slow tunnel the first words come in a third of the time.
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"], body = "gzip", gzip.compress(body)
    return Response(headers=headers, body=body)


def _failure(status: HTTPStatus, why: str, *, sentence: str | None = None) -> Response:
    """Why nothing was done, in English; ``sentence`` is a key of the page's texts."""
    return Response.of_json({"error": why, "sentence": sentence}, status=int(status))
