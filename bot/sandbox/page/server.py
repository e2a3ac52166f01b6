"""The server of the chat page: its files, its stream, and what its visitor does."""

from __future__ import annotations

from typing import Self

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.page.acts import PageActs
from bot.sandbox.page.controls import Controls
from bot.sandbox.page.files import Files
from bot.sandbox.page.guard import guarded
from bot.sandbox.page.stream import Stream
from bot.sandbox.page.switches import Switches
from bot.sandbox.server import Answer, Call, LoopbackServer, Route


class Page:
    """The page on 127.0.0.1; a context manager that serves while it is entered.

    It answers this machine's browser only, and there the page itself only. It keeps nothing: what it shows is what
    the stand-ins hold.

    Args:
        feishu: the stand-in whose chats it shows.
        glm: the stand-in whose calls and faults it shows.
        port: 0 takes a free one.
        controls: the bot's process and queue; without them the page has no such switches.
    """

    def __init__(
        self, *, feishu: FeishuStandIn, glm: GlmStandIn, port: int = 0, controls: Controls | None = None
    ) -> None:
        self._feishu = feishu
        self._glm = glm
        self._switches = Switches(feishu=feishu, glm=glm, controls=controls)
        self._server = LoopbackServer(port=port)
        files = Files(feishu=feishu, glm=glm)
        acts = PageActs(feishu=feishu, switches=self._switches)
        self._route("GET", "/", files.index)
        self._route("GET", "/static/:name", files.static)
        self._route("GET", "/uploads/:key", files.upload)
        self._route("GET", "/originals/:name", files.original)
        self._route("GET", "/stream", self._stream)
        self._route("POST", "/do/:act", acts.act)
        self._route("GET", "/*rest", files.nothing)
        self._route("POST", "/*rest", files.nothing)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    @property
    def origin(self) -> str:
        """The page's address: ``http://127.0.0.1:PORT``."""
        return self._server.origin

    def _route(self, method: str, path: str, route: Route) -> None:
        hosts = (f"127.0.0.1:{self._server.port}", f"localhost:{self._server.port}")
        self._server.route(method, path, guarded(route, hosts=hosts))

    def _stream(self, _: Call) -> Answer:
        stream = Stream(feishu=self._feishu, glm=self._glm, switches=self._switches, closing=self._server.closing)
        return Answer(headers={"Content-Type": "text/event-stream; charset=utf-8"}, stream=stream.parts())
