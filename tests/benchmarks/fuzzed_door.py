"""What the fuzzer tries its inputs on: the door without its server, and the understanding of what it lets in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Flask

from bot.chat.parsing.events import understand
from bot.chat.parsing.mention_masking import named
from bot.chat.parsing.parser import parse
from bot.models import Event, Message
from bot.sandbox.feishu.crypto import encrypt
from bot.web.verification import Verifier
from bot.web.webhook import webhook
from tests.service.door_client import APP, KEY, NOW, TOKEN, challenge, event, signature

EVENT_TYPES = (
    "im.message.receive_v1",
    "im.message.recalled_v1",
    "im.chat.access_event.bot_p2p_chat_entered_v1",
    "im.chat.member.bot.added_v1",
    "application.bot.menu_v6",
    "card.action.trigger",
)
ANSWERS = {400: {"error": "bad_request"}, 401: {"error": "unauthorized"}, 413: {"error": "too_large"}}
KINDS = 5
"""The ways in which an input comes: see :class:`Fuzzed`."""

TYPED = ("@_user_1 一只猫 /size 16:9 —n 2", "画：“a /b c” /风格 水彩", "/set size 1:1 --chat")
SEEDS = [
    *(json.dumps(content, ensure_ascii=False).encode() for content in (event(), challenge(), {"encrypt": "AAAA"})),
    *(text.encode() for text in TYPED),
]


class Fuzzed:
    """The door without its server; counts what it answered."""

    def __init__(self) -> None:
        app = Flask("door")
        verifier = Verifier(app_id=APP, encrypt_key=KEY, verification_token=TOKEN, clock=lambda: NOW)
        app.register_blueprint(webhook(verifier=verifier, take=self._take))
        # A fault is to end the run, not to become an answer.
        app.testing = True
        self._http = app.test_client()
        self.answers: Counter[str] = Counter()

    def __call__(self, data: bytes) -> None:
        """Tries one input: its first byte says as what it comes, the rest is the content."""
        if not data:
            return
        kind, content = data[0] % KINDS, data[1:]
        match kind:
            case 0:
                self._post(content, {})
            case 1:
                self._post(content, signature(content))
            case 2:
                self._post(_wrapped(content), {})
            case 3:
                self._post(_wrapped(content), signature(_wrapped(content)))
            case _:
                self._understand(content)

    def _post(self, body: bytes, headers: Mapping[str, str]) -> None:
        answer = self._http.post("/webhook/event", data=body, headers=dict(headers))
        if answer.status_code != 200 and answer.get_json() != ANSWERS[answer.status_code]:
            raise AssertionError(answer.data)
        self.answers[f"{answer.status_code} {'signed' if headers else 'unsigned'}"] += 1

    def _understand(self, content: bytes) -> None:
        """An authentic event whose body is of any shape."""
        text = content.decode("utf-8", "replace")
        try:
            body: Any = json.loads(text)
        except (ValueError, RecursionError):
            body = _message(text)
        for event_type in EVENT_TYPES:
            heard = self._take(Event(event_id="e", event_type=event_type, created_at=NOW, body=body))
        self.answers["understood" if heard == {} else "answered"] += 1

    @staticmethod
    def _take(event: Event) -> Mapping[str, object]:
        heard = understand(event, bot_open_id="ou_bot")
        if isinstance(heard, Message):
            named(parse(heard.text), heard.names)
        return {}


def _wrapped(content: bytes) -> bytes:
    # Always with the same vector, so that an input is the same on every run.
    return json.dumps({"encrypt": encrypt(KEY, content, iv=bytes(16))}).encode()


def _message(text: str) -> dict[str, Any]:
    words = {"message_id": "om_1", "chat_id": "oc_1", "chat_type": "p2p", "message_type": "text"}
    sender = {"sender_type": "user", "sender_id": {"open_id": "ou_1"}}
    return {"sender": sender, "message": {**words, "content": json.dumps({"text": text})}}
