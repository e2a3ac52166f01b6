"""When a link ends."""

from __future__ import annotations

import pytest

from bot.glm.client import link_expires_at


@pytest.mark.parametrize(
    ("url", "end"),
    [
        ("https://pictures.example/a.png?Signature=x%3D&Expires=1786990028", 1786990028.0),
        ("https://pictures.example/a.png?Expires=1762327333&Signature=x", 1762327333.0),
        ("https://aigc-files.bigmodel.cn/api/cogview/a_0.png", None),
        ("https://pictures.example/a.png?Expires=soon", None),
        ("https://pictures.example/a.png?Expires=-1", None),
        ("https://pictures.example/a.png?Expires=99999999999999999999", None),
        ("https://[broken/a.png?Expires=1786990028", None),
        ("", None),
    ],
)
def test_a_signed_link_tells_its_end(url: str, end: float | None) -> None:
    """``Expires=`` is the end of a signed link; anything that is not a time is no end."""
    assert link_expires_at(url) == end
