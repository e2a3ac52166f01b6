"""The event stream of the page: the present state, then each change; times in seconds since 1970.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from bot.sandbox.faults import FAULTS
from bot.sandbox.feishu.delivery import Attempt
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage, Reaction, Upload
from bot.sandbox.glm.stand_in import IMAGE_HOST, GlmCall, GlmStandIn

View = dict[str, Any]

_POLL_SECONDS, _HEARTBEAT_SECONDS = 0.1, 15.0
_MAX_WIRES = 200


class Controls(Protocol):
    """The stand-ins, the bot's process and its queue; see ``bot.sandbox.start.Sandbox``."""

    feishu: FeishuStandIn
    glm: GlmStandIn
    real_glm: bool

    @property
    def running(self) -> bool: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...
    def queue(self) -> list[View]: ...


@dataclass(kw_only=True)
class EventStream:
    """What one open page receives; everything is polled, and what has been sent is remembered."""

    sandbox: Controls
    closing: threading.Event
    _sent: dict[str | int, Any] = field(default_factory=dict)

    def parts(self) -> Iterator[bytes]:
        yield _event("snapshot", self._snapshot())
        last_beat = time.monotonic()
        while not self.closing.wait(_POLL_SECONDS):
            for name, view in self._changes():
                yield _event(name, view)
            if time.monotonic() - last_beat > _HEARTBEAT_SECONDS:
                # A write to a page that went away fails, which ends the stream.
                yield b": still here\n\n"
                last_beat = time.monotonic()

    def _snapshot(self) -> View:
        feishu, real_glm, first = self.sandbox.feishu, self.sandbox.real_glm, list(self._changes())
        wires = [view for name, view in first if name == "wire"]
        faults = [
            {"name": name, "side": one.side, "zh": one.zh, "en": one.en, "calls": one.calls, "aim": one.default_call}
            for name, one in FAULTS.items()
            if name == one.name
        ]
        return {
            "bot": {"id": feishu.app_id, "open_id": feishu.bot_open_id, "name": feishu.bot_name},
            "people": [{**asdict(person), "id": person.open_id} for person in feishu.people],
            "chats": [{**asdict(chat), "id": chat.chat_id} for chat in list(feishu.state.chats.values())],
            "messages": [view for name, view in first if name == "message"],
            "wires": sorted(wires, key=lambda wire: wire["at"])[-_MAX_WIRES:],
            # The page itself answers for the links to the stand-in's images.
            "choices": {"faults": faults, "real_glm": real_glm, "image_host": None if real_glm else IMAGE_HOST},
            "switches": self._sent["switches"],
            "queue": self._sent["queue"],
        }

    def _changes(self) -> Iterator[tuple[str, Any]]:
        """What is new or has changed since the last call: the name of the event, and the view."""
        feishu, glm = self.sandbox.feishu, self.sandbox.glm
        reactions = list(feishu.state.reactions.values())
        for message in feishu.messages:
            own = [one for one in reactions if one.message_id == message.message_id]
            if self._is_new(message.message_id, (message, own)):
                yield "message", _message_view(message, own, feishu.uploads)
        records: list[Attempt | ApiCall | GlmCall] = [*feishu.attempts, *feishu.calls, *glm.calls, *glm.downloads]
        for record in records:
            if self._is_new(id(record), (record, record.over)):
                yield "wire", _VIEWS[type(record)](record)
        for answer in list(feishu.state.press_answers):
            if self._is_new(id(answer), answer):
                yield "toast", asdict(answer)
        for name, view in (("switches", self._switches()), ("queue", self.sandbox.queue())):
            if self._is_new(name, view):
                yield name, view

    def _is_new(self, key: str | int, value: Any) -> bool:
        is_new: bool = self._sent.get(key) != value
        self._sent[key] = value
        return is_new

    def _switches(self) -> View:
        feishu, glm, offset = self.sandbox.feishu, self.sandbox.glm, time.time() - time.monotonic()
        return {
            "seconds": "real" if glm.seconds is None else glm.seconds,
            "armed": [
                {
                    "name": armed.fault.name,
                    "on": armed.on if armed.fault.side == "feishu" else None,
                    "left": armed.left,
                    "ends_at": armed.ends_at and round(armed.ends_at + offset),
                }
                for armed in (*glm.faults.armed, *feishu.faults.armed)
            ],
            "duplicates": feishu.delivery.duplicates,
            "new_event_id": feishu.delivery.new_event_id,
            "running": self.sandbox.running,
        }


def _message_view(message: ChatMessage, reactions: Sequence[Reaction], uploads: Mapping[str, Upload]) -> View:
    return {
        **asdict(replace(message, versions=())),
        "id": message.message_id,
        "content": None if message.recalled else json.loads(message.content),
        "reactions": [asdict(one) for one in reactions],
        "uploads": {
            key: {"name": one.name, "bytes": len(one.content), "width": one.width, "height": one.height}
            for key, one in uploads.items()
            if key in message.content
        },
    }


def _event(name: str, view: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(view, ensure_ascii=False)}\n\n".encode()


def _event_view(attempt: Attempt) -> View:
    return {
        **asdict(replace(attempt, event={})),
        "id": f"{attempt.event_id}/{attempt.number}/{attempt.at}",
        "way": "event",
        "name": attempt.event_type,
        "good": attempt.outcome == "acknowledged",
        "body": json.dumps(attempt.event, ensure_ascii=False),
        "answer": attempt.body.decode("utf-8", "replace"),
    }


def _call_view(call: ApiCall) -> View:
    return {
        **asdict(call),
        "id": call.log_id,
        "way": "feishu",
        "target": f"{call.method} {call.path}",
        "good": call.status is not None and not call.code and call.status < 400,  # noqa: PLR2004 - the first error
    }


def _glm_view(record: GlmCall) -> View:
    """A call or a download; ``status`` is ``None`` while there is no answer, and where none came."""
    view = {
        **asdict(record),
        "id": f"glm/{id(record)}",
        "way": "glm",
        "good": not record.over or record.status == 200,  # noqa: PLR2004 - HTTP's success
    }
    if record.name:
        answer = f"<{record.size} bytes>" if record.status is not None else ""
        return {**view, "name": "picture", "target": f"GET https://{IMAGE_HOST}/{record.name}", "answer": answer}
    outcome = "under_way" if not record.over else "paid" if record.paid else "not_paid"
    body = json.dumps(record.body, ensure_ascii=False)
    return {**view, "name": "images/generations", "outcome": outcome, "body": body, "answer": record.answer}


_VIEWS: Mapping[type, Callable[[Any], View]] = {Attempt: _event_view, ApiCall: _call_view, GlmCall: _glm_view}
