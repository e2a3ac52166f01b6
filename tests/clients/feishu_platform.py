"""A platform that answers what a test tells it to, and keeps each request as it came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.feishu.client import FeishuClient
from bot.sandbox.http import LoopbackServer, Request, Response

APP = "cli_sandbox"
SECRET = "not-a-real-secret"
GOOD = {
    "code": 0,
    "msg": "success",
    "data": {"message_id": "om_new", "image_key": "img_new", "file_key": "file_new", "table_id": "tbl_new"},
    "bot": {"activate_status": 2, "app_name": "画图", "open_id": "ou_bot"},
}


@dataclass(kw_only=True)
class Platform:
    """The server, what it was asked, and what it answers next; with nothing to answer it agrees to everything."""

    server: LoopbackServer = field(default_factory=LoopbackServer)
    tokens: list[Request] = field(default_factory=list)
    calls: list[Request] = field(default_factory=list)
    token_answers: deque[Response] = field(default_factory=deque)
    answers: deque[Response] = field(default_factory=deque)
    lifetime: float = 7200

    def give_token(self, call: Request) -> Response:
        self.tokens.append(call)
        if self.token_answers:
            return self.token_answers.popleft()
        token = f"t-not-real-{len(self.tokens)}"
        return Response.of_json({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": self.lifetime})

    def answer(self, call: Request) -> Response:
        self.calls.append(call)
        return self.answers.popleft() if self.answers else Response.of_json(GOOD)

    def client(self, **settings: Any) -> FeishuClient:
        return FeishuClient(domain=self.server.origin, app_id=APP, app_secret=SECRET, **settings)


@contextmanager
def platform() -> Iterator[Platform]:
    served = Platform()
    served.server.route("POST", "/open-apis/auth/v3/tenant_access_token/internal", served.give_token)
    for method in ("GET", "POST", "PATCH", "DELETE"):
        served.server.route(method, "/*rest", served.answer)
    with served.server:
        yield served
