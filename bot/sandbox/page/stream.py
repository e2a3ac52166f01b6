"""The event stream of the page: the present state, then each change; times in seconds since 1970.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from bot.sandbox.faults import FAULTS, find_fault
from bot.sandbox.feishu.delivery import Attempt
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import Change, ChatMessage
from bot.sandbox.glm.stand_in import IMAGE_HOST, GlmCall, GlmStandIn

View = dict[str, Any]

_POLL_SECONDS, _HEARTBEAT_SECONDS = 0.1, 15.0
_MAX_WIRES = 200
_EXCERPT = 40_000
_UPLOAD_KEY = re.compile(r"\b(?:img|file)_v3_[0-9a-f]+")


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
    """What one open page receives.

    Feishu's stand-in publishes its changes; calls to the GLM API, the queue and the switches are polled.
    """

    sandbox: Controls
    closing: threading.Event
    _seen: View = field(default_factory=dict)

    def parts(self) -> Iterator[bytes]:
        with self.sandbox.feishu.state.subscribe() as changes:
            yield _event("snapshot", self._snapshot())
            last_beat = time.monotonic()
            while not self.closing.is_set():
                change = changes.wait(_POLL_SECONDS)
                if change is not None:
                    yield _event(*self._change_view(change))
                for name, view in self._polled():
                    yield _event(name, view)
                if time.monotonic() - last_beat > _HEARTBEAT_SECONDS:
                    # A write to a page that went away fails, which ends the stream.
                    yield b": still here\n\n"
                    last_beat = time.monotonic()

    def _snapshot(self) -> View:
        feishu = self.sandbox.feishu
        wires = [_event_view(attempt) for attempt in feishu.attempts] + [_call_view(call) for call in feishu.calls]
        wires += [view for name, view in self._polled() if name == "wire"]
        return {
            "bot": {"id": feishu.app_id, "open_id": feishu.bot_open_id, "name": feishu.bot_name},
            "people": [{**asdict(person), "id": person.open_id} for person in feishu.people],
            "chats": [{**asdict(chat), "id": chat.chat_id} for chat in list(feishu.state.chats.values())],
            "messages": [self._message_view(message) for message in feishu.messages],
            "wires": sorted(wires, key=lambda wire: wire["at"])[-_MAX_WIRES:],
            "choices": choices(real_glm=self.sandbox.real_glm),
            "switches": self._seen["switches"],
            "queue": self._seen["queue"],
        }

    def _change_view(self, change: Change) -> tuple[str, View]:
        match change.kind:
            case "call":
                return "wire", _call_view(change.subject)
            case "delivery":
                return "wire", _event_view(change.subject)
            case "toast":
                return "toast", asdict(change.subject)
        return "message", self._message_view(self.sandbox.feishu.state.messages[change.subject.message_id])

    def _polled(self) -> Iterator[tuple[str, Any]]:
        for record in [*self.sandbox.glm.calls, *self.sandbox.glm.downloads]:
            if self._is_new(f"glm/{id(record)}", record.over):
                yield "wire", _glm_view(record)
        for name, view in (("switches", self._switches()), ("queue", self.sandbox.queue())):
            if self._is_new(name, view):
                yield name, view

    def _is_new(self, name: str, view: Any) -> bool:
        if name in self._seen and self._seen[name] == view:
            return False
        self._seen[name] = view
        return True

    def _switches(self) -> View:
        feishu, glm, offset = self.sandbox.feishu, self.sandbox.glm, time.time() - time.monotonic()
        return {
            "seconds": "real" if glm.real_speed else glm.seconds,
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

    def _message_view(self, message: ChatMessage) -> View:
        state = self.sandbox.feishu.state
        with state.lock:
            reactions = [asdict(one) for one in state.reactions.values() if one.message_id == message.message_id]
            uploads = {key: state.uploads[key] for key in _UPLOAD_KEY.findall(message.content) if key in state.uploads}
        return {
            **asdict(replace(message, versions=())),
            "id": message.message_id,
            "content": None if message.recalled else json.loads(message.content),
            "reactions": reactions,
            "uploads": {
                key: {"name": one.name, "bytes": len(one.content), "width": one.width, "height": one.height}
                for key, one in uploads.items()
            },
        }


def choices(*, real_glm: bool) -> View:
    """The faults that can be armed; the page itself answers for image links of ``image_host``."""
    faults = [
        {"name": name, "side": one.side, "zh": one.zh, "en": one.en, "calls": one.calls, "aim": one.default_call}
        for name, one in FAULTS.items()
        if name == one.name and not (real_glm and one.side == "glm")
    ]
    return {"faults": faults, "real_glm": real_glm, "image_host": None if real_glm else IMAGE_HOST}


def _event(name: str, view: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(view, ensure_ascii=False)}\n\n".encode()


def _event_view(attempt: Attempt) -> View:
    return {
        **asdict(replace(attempt, event={})),
        "id": f"{attempt.event_id}/{attempt.number}/{attempt.at}",
        "way": "event",
        "name": attempt.event_type,
        "good": attempt.outcome == "acknowledged",
        "over": True,
        "body": json.dumps(attempt.event, ensure_ascii=False)[:_EXCERPT],
        "answer": attempt.body.decode("utf-8", "replace")[:_EXCERPT],
    }


def _call_view(call: ApiCall) -> View:
    return {
        **asdict(call),
        "id": call.log_id,
        "way": "feishu",
        "target": f"{call.method} {call.path}",
        "over": True,
        "good": call.status is not None and not call.code and call.status < 400,  # noqa: PLR2004 - the first error
        "fault": call.fault and find_fault("feishu", call.fault).name,
    }


def _glm_view(record: GlmCall) -> View:
    """A call or a download; ``status`` is ``None`` while there is no answer, and where none came."""
    view = {
        **asdict(record),
        "id": f"glm/{id(record)}",
        "way": "glm",
        "good": not record.over or record.status == 200,  # noqa: PLR2004 - HTTP's success
        "fault": record.fault and find_fault("glm", record.fault).name,
    }
    if record.name:
        answer = f"<{record.size} bytes>" if record.status is not None else ""
        return {**view, "name": "picture", "target": f"GET https://{IMAGE_HOST}/{record.name}", "answer": answer}
    outcome = "under_way" if not record.over else "paid" if record.paid else "not_paid"
    body = json.dumps(record.body, ensure_ascii=False)[:_EXCERPT]
    return {**view, "name": "images/generations", "outcome": outcome, "body": body, "answer": record.answer[:_EXCERPT]}
