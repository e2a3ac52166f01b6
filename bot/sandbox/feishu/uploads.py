"""The calls that take and give pictures and files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from bot.sandbox.feishu.codes import NAMES, Refusal
from bot.sandbox.feishu.gateway import Gateway
from bot.sandbox.feishu.limits import Limits
from bot.sandbox.feishu.multipart import Part, parts_of
from bot.sandbox.feishu.pictures import facts_of
from bot.sandbox.feishu.world import Upload, World, new_id
from bot.sandbox.server import Answer, Call, LoopbackServer

_FILE_TYPES = ("opus", "mp4", "pdf", "doc", "xls", "ppt", "stream")
_NOT_IN_MESSAGE = 234003
_NO_SUCH_IMAGE = 234005
_KIND_WITHOUT_RESOURCES = 234043


class Uploads:
    """Images, files, and the resources of messages.

    https://open.feishu.cn/document/server-docs/im-v1/image/create
    https://open.feishu.cn/document/server-docs/im-v1/file/create
    """

    def __init__(self, *, world: World, limits: Limits, app_id: str) -> None:
        self._world = world
        self._limits = limits
        self._app_id = app_id

    def serve(self, server: LoopbackServer, gateway: Gateway) -> None:
        """Adds the routes."""
        gateway.route(server, "image", "POST", "/im/v1/images", self.take_image)
        gateway.route(server, "own_image", "GET", "/im/v1/images/:image_key", self.give_image)
        gateway.route(server, "file", "POST", "/im/v1/files", self.take_file)
        gateway.route(server, "resource", "GET", "/im/v1/messages/:message_id/resources/:key", self.give_resource)

    def take_image(self, call: Call) -> Mapping[str, Any]:
        """Uploads a picture: 10 MB, 12,000 pixels a side (a GIF 2,000), of the documented formats."""
        parts = parts_of(call.body, call.headers.get("content-type", ""))
        if parts.get("image_type", _NOTHING).text not in ("message", "avatar"):
            raise Refusal(NAMES["image_param"])
        part = _file(parts, "image", largest=self._limits.image_bytes)
        facts = facts_of(part.content)
        if facts is None:
            raise Refusal(NAMES["image_format"])
        if max(facts.width, facts.height) > (
            self._limits.gif_pixels if facts.format == "GIF" else self._limits.image_pixels
        ):
            raise Refusal(NAMES["image_px"])
        upload = self.store(part.content, name=part.filename or "", kind="image", owner=self._app_id)
        return {"code": 0, "data": {"image_key": upload.key}, "msg": "success"}

    def take_file(self, call: Call) -> Mapping[str, Any]:
        """Uploads a file of up to 30 MB."""
        parts = parts_of(call.body, call.headers.get("content-type", ""))
        if parts.get("file_type", _NOTHING).text not in _FILE_TYPES or not parts.get("file_name", _NOTHING).text:
            raise Refusal(NAMES["image_param"])
        part = _file(parts, "file", largest=self._limits.file_bytes)
        upload = self.store(part.content, name=parts["file_name"].text, kind="file", owner=self._app_id)
        return {"code": 0, "msg": "success", "data": {"file_key": upload.key}}

    def give_image(self, call: Call) -> Answer:
        """A picture that the app itself uploaded.

        https://open.feishu.cn/document/server-docs/im-v1/image/get
        """
        upload = self._world.uploads.get(call.values["image_key"])
        if upload is None or upload.kind != "image" or upload.owner != self._app_id:
            raise Refusal(_NO_SUCH_IMAGE)
        return Answer(headers={"Content-Type": upload.content_type}, body=upload.content)

    def give_resource(self, call: Call) -> Answer:
        """A picture or file of a message, but not of a card, whose pictures :meth:`give_image` gives.

        https://open.feishu.cn/document/server-docs/im-v1/message/get
        """
        message = self._world.messages.get(call.values["message_id"])
        if message is None or call.query.get("type") not in ("image", "file"):
            raise Refusal(NAMES["image_param"])
        if message.deleted or message.recalled:
            raise Refusal(NAMES["deleted"])
        if message.msg_type == "interactive":
            raise Refusal(_KIND_WITHOUT_RESOURCES)
        upload = self._world.uploads.get(call.values["key"])
        if upload is None or upload.kind != call.query["type"] or json.dumps(upload.key) not in message.content:
            raise Refusal(_NOT_IN_MESSAGE)
        return Answer(headers={"Content-Type": upload.content_type}, body=upload.content)

    def store(self, content: bytes, *, name: str, kind: Literal["image", "file"], owner: str) -> Upload:
        """Keeps a picture or file, whoever sent it."""
        facts = facts_of(content)
        return self._world.add_upload(
            Upload(
                key=new_id("img_v3" if kind == "image" else "file_v3"),
                kind=kind,
                name=name,
                content=content,
                content_type=f"image/{facts.format.lower()}" if facts else "application/octet-stream",
                owner=owner,
                width=facts.width if facts else 0,
                height=facts.height if facts else 0,
            )
        )


_NOTHING = Part(name="", filename=None, content_type=None, content=b"")


def _file(parts: Mapping[str, Part], name: str, *, largest: int) -> Part:
    part = parts.get(name)
    # Without a file name the platform takes the part for a text field and finds the file missing.
    if part is None or not part.filename:
        raise Refusal(NAMES["field_validation"])
    if not part.content:
        raise Refusal(NAMES["image_empty"])
    if len(part.content) > largest:
        raise Refusal(NAMES["image_size"])
    return part
