"""A platform that answers what a test tells it to, and keeps each request as it came."""

from __future__ import annotations

from collections import deque
from typing import Any

from bot.feishu.client import FeishuClient
from bot.sandbox.http import Request, Response
from tests.clients.servers import RecordingServer

APP = "cli_sandbox"
SECRET = "not-a-real-secret"
TOKEN = "/open-apis/auth/v3/tenant_access_token/internal"
GOOD = {
    "code": 0,
    "msg": "success",
    "data": {"message_id": "om_new", "image_key": "img_new", "file_key": "file_new", "table_id": "tbl_new"},
    "bot": {"activate_status": 2, "app_name": "画图", "open_id": "ou_bot"},
}


class Platform(RecordingServer):
    """Gives the ``answers``, and for tokens the ``token_answers``; with none left it agrees to everything."""

    def __init__(self) -> None:
        super().__init__(self._next)
        self.token_answers: deque[Response] = deque()
        self.answers: deque[Response] = deque()
        self.lifetime: float = 7200

    @property
    def tokens(self) -> list[Request]:
        return [call for call in self.requests if call.path == TOKEN]

    @property
    def calls(self) -> list[Request]:
        return [call for call in self.requests if call.path != TOKEN]

    def _next(self, call: Request) -> Response:
        if call.path != TOKEN:
            return self.answers.popleft() if self.answers else Response.of_json(GOOD)
        if self.token_answers:
            return self.token_answers.popleft()
        token = f"t-not-real-{len(self.tokens)}"
        return Response.of_json({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": self.lifetime})

    def client(self, **settings: Any) -> FeishuClient:
        return FeishuClient(domain=self.origin, app_id=APP, app_secret=SECRET, **settings)
