"""A plain HTTP client of the stand-in, and the cards and pictures that it sends."""

from __future__ import annotations

import json
from functools import partial
from io import BytesIO
from typing import Any, Self

import httpx
from PIL import Image

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import shared_tls

Json = dict[str, Any]


class HandClock:
    """A clock that a test moves."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Wire:
    """Sends requests as an app does, with a token that it fetched once."""

    def __init__(self, stand_in: FeishuStandIn) -> None:
        self.stand_in = stand_in
        self.http = httpx.Client(base_url=stand_in.origin, trust_env=False, verify=shared_tls(), timeout=30)

    def token(self, **fields: Any) -> httpx.Response:
        asked = {"app_id": self.stand_in.app_id, "app_secret": self.stand_in.app_secret, **fields}
        return self.http.post("/open-apis/auth/v3/tenant_access_token/internal", json=asked)

    def log_in(self) -> Self:
        self.http.headers["Authorization"] = f"Bearer {self.token().json()['tenant_access_token']}"
        return self

    def reply(self, message_id: str, content: Any, *, kind: str = "text", **fields: Any) -> httpx.Response:
        asked = {"msg_type": kind, "content": json.dumps(content, ensure_ascii=False), **fields}
        return self.http.post(f"/open-apis/im/v1/messages/{message_id}/reply", json=asked)

    def create(self, receive_id: str, content: Any, *, by: str = "chat_id", kind: str = "text") -> httpx.Response:
        asked = {"receive_id": receive_id, "msg_type": kind, "content": json.dumps(content, ensure_ascii=False)}
        return self.http.post("/open-apis/im/v1/messages", params={"receive_id_type": by}, json=asked)

    def patch(self, message_id: str, content: Any) -> httpx.Response:
        return self.http.patch(f"/open-apis/im/v1/messages/{message_id}", json={"content": json.dumps(content)})

    def upload_image(self, content: bytes, *, filename: str = "a.png") -> httpx.Response:
        files = {"image": (filename, content, "image/png")}
        return self.http.post("/open-apis/im/v1/images", data={"image_type": "message"}, files=files)

    def upload_file(self, content: bytes, *, name: str = "original.png") -> httpx.Response:
        fields = {"file_type": "stream", "file_name": name}
        return self.http.post("/open-apis/im/v1/files", data=fields, files={"file": (name, content, "image/png")})

    def image_key(self) -> str:
        """The key of a small picture, uploaded for it."""
        return str(self.upload_image(png(4, 3)).json()["data"]["image_key"])

    def sent_card(self, card: Json) -> str:
        """The id of a card, sent to the first direct chat."""
        return str(self.create("oc_direct_lin", card, kind="interactive").json()["data"]["message_id"])

    def close(self) -> None:
        self.http.close()


def image(kind: str, width: int, height: int) -> bytes:
    content = BytesIO()
    Image.new("L", (width, height)).save(content, kind)
    return content.getvalue()


png = partial(image, "PNG")


def card(*elements: Json, **fields: Any) -> Json:
    return {"schema": "2.0", "config": {"update_multi": True}, "body": {"elements": list(elements)}, **fields}


def words(content: str) -> Json:
    return {"tag": "plain_text", "content": content}


def button(label: str = "再来一张", **fields: Any) -> Json:
    """A button that calls the bot."""
    behaviour = {"type": "callback", "value": {"a": "again", "r": "r1"}}
    return {"tag": "button", "text": words(label), "behaviors": [behaviour], **fields}
