"""The one stream of the page: everything as it stands, then each change as it happens.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from bot.sandbox.feishu.changes import Change
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.page.switches import Switches
from bot.sandbox.page.views import (
    View,
    call_view,
    download_view,
    event_view,
    glm_view,
    message_view,
    people_view,
    toast_view,
)

_GLANCE = 0.1
_BEAT = 15.0
_MOST_WIRES = 200


class Stream:
    """What one open page is told; closing the iterator of :meth:`parts` ends it.

    Feishu's stand-in tells of its changes; calls to the GLM API, the queue and the switches are looked at ten times
    a second, as those who change them tell nobody.

    Args:
        feishu: the stand-in of Feishu.
        glm: the stand-in of the GLM API.
        switches: the switches of the panel.
        closing: set when the page goes down.
    """

    def __init__(self, *, feishu: FeishuStandIn, glm: GlmStandIn, switches: Switches, closing: threading.Event) -> None:
        self._feishu = feishu
        self._glm = glm
        self._switches = switches
        self._closing = closing
        self._seen: dict[str, Any] = {}

    def parts(self) -> Iterator[bytes]:
        """The bytes of the stream."""
        with self._feishu.listen() as changes:
            yield _event("snapshot", self._snapshot())
            beaten = time.monotonic()
            while not self._closing.is_set():
                change = changes.wait(_GLANCE)
                if change is not None:
                    yield from (_event(name, view) for name, view in self._told(change))
                yield from (_event(name, view) for name, view in self._noticed())
                if time.monotonic() - beaten > _BEAT:
                    # A write to a page that went away fails, which is how this end learns of it.
                    yield b": still here\n\n"
                    beaten = time.monotonic()

    def _snapshot(self) -> View:
        noticed = list(self._noticed())
        wires = [event_view(attempt) for attempt in self._feishu.attempts[-_MOST_WIRES:]]
        wires += [call_view(call, feishu=self._feishu) for call in self._feishu.calls[-_MOST_WIRES:]]
        wires += [view for name, view in noticed if name == "wire"]
        return {
            **people_view(self._feishu),
            "messages": [message_view(message, feishu=self._feishu) for message in self._feishu.messages],
            "wires": sorted(wires, key=lambda wire: wire["at"])[-_MOST_WIRES:],
            "choices": self._switches.choices(),
            "switches": self._seen["switches"],
            "queue": self._seen["queue"],
        }

    def _told(self, change: Change) -> Iterator[tuple[str, View]]:
        match change.kind:
            case "message" | "card" | "recall":
                yield self._message(change.subject)
            case "reaction":
                yield self._message(self._feishu.world.messages[change.subject.message_id])
            case "call":
                yield "wire", call_view(change.subject, feishu=self._feishu)
            case "delivery":
                yield "wire", event_view(change.subject)
            case "toast":
                yield "toast", toast_view(change.subject)

    def _message(self, message: ChatMessage) -> tuple[str, View]:
        return "message", message_view(message, feishu=self._feishu)

    def _noticed(self) -> Iterator[tuple[str, Any]]:
        for number, call in enumerate(self._glm.calls):
            if self._is_new(f"call {number}", call.over):
                yield "wire", glm_view(call, number=number)
        for number, download in enumerate(self._glm.fetched):
            if self._is_new(f"download {number}", download.over):
                yield "wire", download_view(download, number=number)
        for name, view in (("switches", self._switches.state()), ("queue", self._switches.queue())):
            if self._is_new(name, view):
                yield name, view

    def _is_new(self, name: str, view: Any) -> bool:
        if name in self._seen and self._seen[name] == view:
            return False
        self._seen[name] = view
        return True


def _event(name: str, view: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(view, ensure_ascii=False)}\n\n".encode()
