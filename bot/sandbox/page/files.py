"""The page's own files, which travel with the package, the pictures and files of the chats, and the originals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.page.guard import refused
from bot.sandbox.server import Answer, Call

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_NOT_FOUND = 404


class Files:
    """Serves files by name; no path from outside is ever joined to a folder.

    Args:
        feishu: whose uploads are served.
        glm: whose pictures are served, as their host on the network knows nothing of them.
    """

    def __init__(self, *, feishu: FeishuStandIn, glm: GlmStandIn) -> None:
        self._feishu = feishu
        self._glm = glm
        self._own: Mapping[str, Path] = {file.name: file for file in _FOLDER.iterdir() if file.suffix in _TYPES}

    def index(self, _: Call) -> Answer:
        """The page."""
        return self._file("index.html")

    def static(self, call: Call) -> Answer:
        """A file of the page."""
        return self._file(call.values["name"])

    def upload(self, call: Call) -> Answer:
        """A picture as it was uploaded; with ``?save`` it is offered for saving, as other files always are."""
        upload = self._feishu.uploads.get(call.values["key"])
        if upload is None:
            return refused(_NOT_FOUND, "there is no such upload")
        headers = {"Content-Type": upload.content_type}
        if "save" in call.query or not upload.content_type.startswith("image/"):
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(_name(upload.name, upload.key))}"
        return Answer(headers=headers, body=upload.content)

    def original(self, call: Call) -> Answer:
        """A picture under the link that a card leads to, for as long as the link holds."""
        return self._glm.original(call.values["name"], call.query)

    def nothing(self, _: Call) -> Answer:
        """What every other address gets."""
        return refused(_NOT_FOUND, "there is nothing here")

    def _file(self, name: str) -> Answer:
        file = self._own.get(name)
        if file is None:
            return refused(_NOT_FOUND, "the page has no such file")
        return Answer(headers={"Content-Type": _TYPES[file.suffix]}, body=file.read_bytes())


def _name(given: str, key: str) -> str:
    return Path(given).name or key
