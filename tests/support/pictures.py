"""Images that cost the stand-in of the GLM API nothing, where no test looks at what is on them."""

from __future__ import annotations

from functools import cache

from bot.sandbox.glm.images import render


def draw_once(prompt: str, *, width: int, height: int, image_id: str, **_: object) -> bytes:
    """The same picture of a size for every call, with a comment of its own; drawing is a fifth of a prompt's work."""
    picture, comment = _picture(width, height), f"{image_id} {prompt}".encode()
    return picture[:2] + b"\xff\xfe" + (2 + len(comment)).to_bytes(2) + comment + picture[2:]


@cache
def _picture(width: int, height: int) -> bytes:
    return render("一只橘猫", width=width, height=height, image_id="", watermark=True)
