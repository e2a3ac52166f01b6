"""The event stream of the page: the present state, then each change; times in seconds since 1970.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

from bot.sandbox.feishu.delivery import Attempt
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import Change, ChatMessage
from bot.sandbox.feishu.user_actions import PressAnswer
from bot.sandbox.glm.stand_in import IMAGE_HOST, GlmCall, GlmStandIn, Record
from bot.sandbox.page.control_panel import ControlPanel, fault_name

View = dict[str, Any]

_POLL_SECONDS, _HEARTBEAT_SECONDS = 0.1, 15.0
_MAX_WIRES = 200
_EXCERPT = 40_000
_UPLOAD_KEY = re.compile(r"\b(?:img|file)_v3_[0-9a-f]+")
_MESSAGE_ID = re.compile(r"/messages/(om_\w+)")
_RECEIVER = re.compile(r'"receive_id"\s*:\s*"(\w+)"')
_CONTENT_CODES = frozenset({230001, 230022, 230025, 230028, 230055, 230099})
"""The codes for what is in a message; with others the bot may try again, and the chat shows nothing of them."""


class EventStream:
    """What one open page receives; closing the iterator of :meth:`parts` ends it.

    Feishu's stand-in publishes its changes; calls to the GLM API, the queue and the switches are polled.
    """

    def __init__(
        self, *, feishu: FeishuStandIn, glm: GlmStandIn, panel: ControlPanel, closing: threading.Event
    ) -> None:
        self._feishu = feishu
        self._glm = glm
        self._panel = panel
        self._closing = closing
        self._seen: View = {}

    def parts(self) -> Iterator[bytes]:
        """The bytes of the stream."""
        with self._feishu.state.subscribe() as changes:
            yield _event("snapshot", self._snapshot())
            last_beat = time.monotonic()
            while not self._closing.is_set():
                change = changes.wait(_POLL_SECONDS)
                if change is not None:
                    yield _event(*self._change_view(change))
                yield from (_event(name, view) for name, view in self._polled())
                if time.monotonic() - last_beat > _HEARTBEAT_SECONDS:
                    # A write to a page that went away fails, which ends the stream.
                    yield b": still here\n\n"
                    last_beat = time.monotonic()

    def _snapshot(self) -> View:
        feishu, polled = self._feishu, list(self._polled())
        wires = [_event_view(attempt) for attempt in feishu.attempts[-_MAX_WIRES:]]
        wires += [_call_view(call, feishu=feishu) for call in feishu.calls[-_MAX_WIRES:]]
        wires += [view for name, view in polled if name == "wire"]
        return {
            "bot": {"id": feishu.app_id, "open_id": feishu.bot_open_id, "name": feishu.bot_name},
            "people": [{"id": one.open_id, "name": one.name, "language": one.language} for one in feishu.people],
            "chats": [
                {"id": chat.chat_id, "kind": chat.kind, "name": chat.name, "members": list(chat.members)}
                for chat in feishu.chats
            ],
            "messages": [_message_view(message, feishu=feishu) for message in feishu.messages],
            "wires": sorted(wires, key=lambda wire: wire["at"])[-_MAX_WIRES:],
            "choices": self._panel.choices(),
            "switches": self._seen["switches"],
            "queue": self._seen["queue"],
        }

    def _change_view(self, change: Change) -> tuple[str, View]:
        match change.kind:
            case "call":
                return "wire", _call_view(change.subject, feishu=self._feishu)
            case "delivery":
                return "wire", _event_view(change.subject)
            case "toast":
                return "toast", toast_view(change.subject)
        message = change.subject
        if change.kind == "reaction":
            message = self._feishu.state.messages[message.message_id]
        return "message", _message_view(message, feishu=self._feishu)

    def _polled(self) -> Iterator[tuple[str, Any]]:
        for number, call in enumerate(self._glm.calls):
            if self._is_new(f"call {number}", call.over):
                yield "wire", _glm_call_view(call, number)
        for number, download in enumerate(self._glm.fetched):
            if self._is_new(f"download {number}", download.over):
                yield "wire", _download_view(download, number)
        for name, view in (("switches", self._panel.state()), ("queue", self._panel.queue())):
            if self._is_new(name, view):
                yield name, view

    def _is_new(self, name: str, view: Any) -> bool:
        if name in self._seen and self._seen[name] == view:
            return False
        self._seen[name] = view
        return True


def _event(name: str, view: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(view, ensure_ascii=False)}\n\n".encode()


def _message_view(message: ChatMessage, *, feishu: FeishuStandIn) -> View:
    with feishu.state.lock:
        reactions = [one.emoji_type for one in feishu.state.reactions.values() if one.message_id == message.message_id]
    uploads = {key: feishu.state.uploads.get(key) for key in _UPLOAD_KEY.findall(message.content)}
    gone = message.recalled or message.deleted
    return {
        "id": message.message_id,
        "chat": message.chat_id,
        "sender": message.sender,
        "type": message.msg_type,
        "content": None if gone else json.loads(message.content),
        "created": message.created,
        "updated": message.updated,
        "thread": message.thread_id,
        "root": message.root_id,
        "parent": message.parent_id,
        "gone": gone,
        "mentions": [{"key": entry["key"], "name": entry["name"]} for entry in message.mentions],
        "reactions": reactions,
        "uploads": {
            key: {"name": one.name, "bytes": len(one.content), "width": one.width, "height": one.height}
            for key, one in uploads.items()
            if one is not None
        },
    }


def _event_view(attempt: Attempt) -> View:
    return {
        "id": f"{attempt.event_id}/{attempt.number}/{attempt.at}",
        "way": "event",
        "at": attempt.at,
        "name": attempt.event_type,
        "outcome": attempt.outcome.replace(" ", "_"),
        "good": attempt.outcome == "acknowledged",
        "over": True,
        "status": attempt.status,
        "seconds": attempt.seconds,
        "number": attempt.number,
        "body": json.dumps(attempt.event, ensure_ascii=False)[:_EXCERPT],
        "answer": attempt.body.decode("utf-8", "replace")[:_EXCERPT],
    }


def _call_view(call: ApiCall, *, feishu: FeishuStandIn) -> View:
    return {
        "id": call.log_id,
        "way": "feishu",
        "at": call.at,
        "name": call.name,
        "target": f"{call.method} {call.path}",
        "over": True,
        "good": call.status is not None and not call.code and call.status < 400,  # noqa: PLR2004 - the first of the failures
        "status": call.status,
        "code": call.code,
        "seconds": call.seconds,
        "fault": fault_name("feishu", call.fault),
        "body": call.body,
        "answer": call.answer,
        "refused": _rejected_view(call, feishu) if call.code in _CONTENT_CODES else None,
    }


def _rejected_view(call: ApiCall, feishu: FeishuStandIn) -> View | None:
    """Where a message of rejected content would have been, and why it was rejected."""
    if call.name not in ("create", "reply", "patch"):
        return None
    messages, chats = feishu.state.messages, feishu.state.chats
    if (found := _MESSAGE_ID.search(call.path)) and (message := messages.get(found[1])):
        position = {"chat": message.chat_id, "thread": message.thread_id}
    elif (found := _RECEIVER.search(call.body)) and found[1] in chats:
        position = {"chat": found[1], "thread": None}
    else:
        return None
    try:
        text = str(json.loads(call.answer).get("msg", ""))
    except ValueError:
        text = call.answer
    return {**position, "code": call.code, "message": text, "call": call.name}


def _glm_call_view(call: GlmCall, number: int) -> View:
    return {
        **_record_view(call, f"glm/{number}"),
        "name": "images/generations",
        "outcome": "under_way" if not call.over else "paid" if call.paid else "not_paid",
        "body": json.dumps(call.body, ensure_ascii=False)[:_EXCERPT],
        "answer": call.answer[:_EXCERPT],
    }


def _download_view(download: Record, number: int) -> View:
    return {
        **_record_view(download, f"picture/{number}"),
        "name": "picture",
        "target": f"GET https://{IMAGE_HOST}/{download.name}",
        "body": "",
        "answer": f"<{download.size} bytes>" if download.status is not None else "",
    }


def _record_view(record: Record, wire_id: str) -> View:
    """``status`` is ``None`` while there is no answer, and where none came."""
    return {
        "id": wire_id,
        "way": "glm",
        "at": record.at,
        "over": record.over,
        "good": not record.over or record.status == 200,  # noqa: PLR2004 - HTTP's success
        "status": record.status,
        "seconds": record.seconds,
        "fault": fault_name("glm", record.fault),
    }


def toast_view(answer: PressAnswer) -> View:
    """What the presser sees after a press."""
    return {"presser": answer.presser, "message": answer.message_id, "code": answer.code, "toast": answer.toast}
