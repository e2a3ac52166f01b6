"""The calls that upload and fetch images and files.

https://open.feishu.cn/document/server-docs/im-v1/file/create
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

from PIL import Image

from bot.sandbox.feishu.gateway import Rejection, parse_form
from bot.sandbox.feishu.state import FeishuState, Upload, new_id
from bot.sandbox.http import Request, Response

_FILE_TYPES = ("opus", "mp4", "pdf", "doc", "xls", "ppt", "stream")
_NO_SUCH_IMAGE = 234005
_SIGNATURES: tuple[tuple[str, int, tuple[bytes, ...]], ...] = (
    ("png", 0, (b"\x89PNG\r\n\x1a\n",)),
    ("jpeg", 0, (b"\xff\xd8\xff",)),
    ("gif", 0, (b"GIF87a", b"GIF89a")),
    ("webp", 8, (b"WEBP",)),
    ("bmp", 0, (b"BM",)),
    ("tiff", 0, (b"II*\x00", b"MM\x00*")),
    ("ico", 0, (b"\x00\x00\x01\x00",)),
    ("heic", 4, (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")),
)
"""What each format begins with at an offset: https://open.feishu.cn/document/server-docs/im-v1/image/create."""


def image_format(content: bytes) -> str | None:
    """The format of an image, or ``None`` when it is none that Feishu accepts."""
    return next((name for name, at, signs in _SIGNATURES if content.startswith(signs, at)), None)


def _size(content: bytes) -> tuple[int, int]:
    try:
        with Image.open(BytesIO(content)) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 0, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    state: FeishuState

    def upload_image(self, request: Request) -> Mapping[str, Any]:
        """Uploads an image: 10 MB, 12,000 pixels per side (a GIF 2,000)."""
        name, content = self._file(request, "image", required={"image_type": ("message", "avatar")})
        limits = self.state.limits
        if (kind := image_format(content)) is None:
            raise Rejection("image_format")
        if max(_size(content)) > (limits.gif_pixels if kind == "gif" else limits.image_pixels):
            raise Rejection("image_px")
        return {"image_key": self.store(content, name=name, kind="image", owner=self.state.app_id).key}

    def upload_file(self, request: Request) -> Mapping[str, Any]:
        name, content = self._file(request, "file", required={"file_type": _FILE_TYPES, "file_name": ()})
        return {"file_key": self.store(content, name=name, kind="file", owner=self.state.app_id).key}

    def get_image(self, request: Request) -> Response:
        """An image that the app uploaded: https://open.feishu.cn/document/server-docs/im-v1/image/get."""
        upload = self.state.uploads.get(request.values["image_key"])
        if upload is None or upload.kind != "image" or upload.owner != self.state.app_id:
            raise Rejection(_NO_SUCH_IMAGE)
        return Response(headers={"Content-Type": upload.content_type}, body=upload.content)

    def store(self, content: bytes, *, name: str, kind: Literal["image", "file"], owner: str) -> Upload:
        type_ = f"image/{format_}" if (format_ := image_format(content)) else "application/octet-stream"
        key, (width, height) = new_id("img_v3" if kind == "image" else "file_v3"), _size(content)
        upload = Upload(key, kind, name, content, type_, owner, width, height)
        with self.state.lock:
            self.state.uploads[key] = upload
        return upload

    def _file(
        self, request: Request, name: Literal["image", "file"], *, required: Mapping[str, tuple[str, ...]]
    ) -> tuple[str, bytes]:
        fields, files = parse_form(request.body, request.headers.get("content-type", ""))
        for field, values in required.items():
            if not fields.get(field) or (values and fields[field] not in values):
                raise Rejection("image_param")
        # Without a file name the platform takes the part for a text field and finds the file missing.
        if name not in files or not files[name].filename:
            raise Rejection("field_validation")
        content = files[name].read()
        if not content:
            raise Rejection("image_empty")
        if len(content) > (self.state.limits.image_bytes if name == "image" else self.state.limits.file_bytes):
            raise Rejection("image_size")
        return fields.get("file_name") or files[name].filename or "", content
