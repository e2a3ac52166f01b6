"""The webhook on a real server, and a sender that may or may not be Feishu."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from flask import Flask

from bot.models import Event
from bot.sandbox.feishu.delivery import encrypt, sign
from bot.sandbox.http import shared_tls
from bot.settings import ServerSettings
from bot.web.routes import EventEndpoint, Handler
from bot.web.server import Server
from bot.web.verification import Verifier

APP = "cli_sandbox"
KEY = "not-a-real-encrypt-key"
TOKEN = "not-a-real-token"
NOW = 1_700_000_000.0


@dataclass(kw_only=True)
class WebhookClient:
    """Sends to a webhook whose clock is at ``NOW``; ``handled`` holds the events that were accepted."""

    http: httpx.Client
    port: int
    handled: list[Event] = field(default_factory=list)

    def post(
        self, body: bytes, headers: Mapping[str, str] | None = None, *, path: str = "/webhook/event"
    ) -> httpx.Response:
        return self.http.post(path, content=body, headers={"Content-Type": "application/json", **(headers or {})})

    def push(self, content: object, *, path: str = "/webhook/event") -> httpx.Response:
        body = sealed(content)
        return self.post(body, signature(body), path=path)


def verifier(*, key: str | None = KEY, token: str | None = TOKEN) -> Verifier:
    return Verifier(app_id=APP, encrypt_key=key, verification_token=token)


@contextmanager
def webhook_server(
    *, key: str | None = KEY, token: str | None = TOKEN, handle: Handler = lambda _: {}
) -> Iterator[WebhookClient]:
    handled: list[Event] = []

    def record(event: Event) -> Mapping[str, object]:
        handled.append(event)
        return handle(event)

    app = Flask("webhook")
    app.register_blueprint(EventEndpoint(handle=record, clock=lambda: NOW).webhook(verifier(key=key, token=token)))
    bounds = ServerSettings(host="127.0.0.1", threads=4, connections=100, idle_seconds=10)
    server = Server(app, port=0, bounds=bounds)
    server.start()
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{server.port}", trust_env=False, verify=shared_tls(), timeout=30
        ) as http:
            yield WebhookClient(http=http, port=server.port, handled=handled)
    finally:
        server.close()


def event(event_type: str = "im.message.receive_v1", **changes: Any) -> dict[str, Any]:
    """An event of this moment, with other values in its header; ``None`` takes one away."""
    header = {
        "event_id": "e-1",
        "event_type": event_type,
        "create_time": str(int(NOW * 1000)),
        "token": TOKEN,
        "app_id": APP,
        "tenant_key": "t-1",
        **changes,
    }
    kept = {name: value for name, value in header.items() if value is not None}
    return {"schema": "2.0", "header": kept, "event": {"message": {"message_id": "om_1", "content": "一只猫"}}}


def challenge(**changes: Any) -> dict[str, Any]:
    return {"type": "url_verification", "token": TOKEN, "challenge": "ajls384kdjx98XX", **changes}


def wrapped(plain: bytes) -> bytes:
    """A body with encrypted content, the same on every run because bodies name parametrized tests."""
    return json.dumps({"encrypt": encrypt(KEY, plain, iv=bytes(range(16)))}).encode()


def sealed(content: object) -> bytes:
    return wrapped(json.dumps(content, ensure_ascii=False).encode())


def signature(body: bytes, *, timestamp: str = "1700000000", nonce: str = "n-1") -> dict[str, str]:
    digest = sign(KEY, timestamp=timestamp, nonce=nonce, body=body)
    return {"X-Lark-Request-Timestamp": timestamp, "X-Lark-Request-Nonce": nonce, "X-Lark-Signature": digest}
