"""The stand-in refuses what the platform refuses, and its pictures are like the platform's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from bot.sandbox.glm.images import render
from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST, LINK_SECONDS, PATH, GlmStandIn

GOOD: dict[str, Any] = {"model": "glm-image", "prompt": "猫", "size": "1280x1280"}
NOW = 1_795_382_776.0


@pytest.fixture
def stand_in() -> Iterator[GlmStandIn]:
    with GlmStandIn(clock=lambda: NOW) as stand_in:
        yield stand_in


def posted(stand_in: GlmStandIn, body: Any, *, key: str | None = "fake-key") -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    with httpx.Client(transport=stand_in.transport()) as client:
        return client.post(f"https://{API_HOST}{PATH}", json=body, headers=headers)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"model": "dall-e"}, "1211"),
        ({"prompt": ""}, "1213"),
        ({"prompt": None}, "1213"),
        ({"prompt": "猫" * 4001}, "1261"),
        ({"size": "512x512"}, "1214"),
        ({"size": "1280×1280"}, "1214"),
        ({"quality": "best"}, "1210"),
        ({"watermark_enabled": "false"}, "1210"),
        ({"user_id": "short"}, "1210"),
        ({"seed": 7}, "1210"),
    ],
)
def test_a_wrong_field_is_refused_with_its_code(stand_in: GlmStandIn, change: dict[str, Any], code: str) -> None:
    """The stand-in is as strict as the documentation, so that a wrong call cannot pass a test."""
    answer = posted(stand_in, {**GOOD, **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert stand_in.paid == []


def test_a_refusal_has_the_documented_headers(stand_in: GlmStandIn) -> None:
    headers = posted(stand_in, GOOD, key=None).headers
    assert headers["content-type"].startswith("application/json")
    assert headers["set-cookie"].startswith("acw_tc=")
    assert (headers["server"], headers["vary"]) == ("nginx", "Origin")
    assert "retry-after" not in headers


@pytest.mark.parametrize("size", ["960x1728", "2048x2048"])
def test_every_documented_size_is_made(stand_in: GlmStandIn, size: str) -> None:
    """The recommended sizes hold even where the rule for others says no."""
    assert posted(stand_in, {**GOOD, "size": size}).status_code == 200


def test_the_link_has_the_platforms_shape_and_life(stand_in: GlmStandIn) -> None:
    answer = posted(stand_in, GOOD).json()
    assert set(answer) == {"created", "data"}
    (entry,) = answer["data"]
    pattern = rf"https://{IMAGE_HOST}/20261123052616[0-9a-f]{{16}}_watermark\.png\?"
    pattern += r"UCloudPublicKey=TOKEN_\w+&Signature=\w+%3D&Expires=(\d+)"
    match = re.fullmatch(pattern, entry["url"])
    assert match
    assert int(match[1]) == NOW + LINK_SECONDS


def test_a_link_ends() -> None:
    now = [NOW]
    with GlmStandIn(clock=lambda: now[0]) as stand_in:
        url = posted(stand_in, GOOD).json()["data"][0]["url"]
        with httpx.Client(transport=stand_in.transport()) as client:
            picture = client.get(url)
            assert (picture.status_code, picture.headers["content-type"]) == (200, "application/octet-stream")
            assert picture.content.startswith(b"\xff\xd8\xff")
            now[0] += LINK_SECONDS + 1
            assert client.get(url).status_code == 403


def test_image_is_marked_and_of_the_requested_size() -> None:
    settings: dict[str, Any] = {"width": 1728, "height": 960, "image_id": "2026", "watermark": True}
    scenes = [render("一只橘猫", **settings, number=number) for number in range(6)]
    picture = Image.open(BytesIO(scenes[0]))
    assert (picture.format, picture.size) == ("JPEG", (1728, 960))
    assert '"ProduceID": "2026"' in picture.getexif()[0x010E]
    assert len(set(scenes)) == 6
    assert scenes[0] == render("一只橘猫", **settings)
    assert scenes[0] != render("一只橘猫", **{**settings, "watermark": False})


def test_images_of_one_prompt_differ(stand_in: GlmStandIn) -> None:
    urls = [posted(stand_in, GOOD).json()["data"][0]["url"] for _ in range(4)]
    with httpx.Client(transport=stand_in.transport()) as client:
        images = [client.get(url).content for url in (*urls, urls[0])]
    assert len(set(images)) == 4
    assert images[0] == images[-1]


def test_faults_wait_in_line(stand_in: GlmStandIn) -> None:
    stand_in.arm("glm_1302", times=2)
    stand_in.arm("glm_1305")
    codes = [posted(stand_in, GOOD).json().get("error", {}).get("code") for _ in range(4)]
    assert codes == ["1302", "1302", "1305", None]
    assert [call.fault for call in stand_in.calls] == ["glm_1302", "glm_1302", "glm_1305", None]


def test_an_unknown_fault_is_refused(stand_in: GlmStandIn) -> None:
    """A misspelt fault would make a test pass for nothing."""
    with pytest.raises(ValueError, match="no fault is named"):
        stand_in.arm("glm_9999")


@pytest.mark.parametrize(("fault", "paid"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_is_before_or_after_the_work(stand_in: GlmStandIn, fault: str, paid: int) -> None:
    stand_in.arm(fault)
    with pytest.raises(httpx.NetworkError):
        posted(stand_in, GOOD)
    assert (len(stand_in.calls), len(stand_in.paid)) == (1, paid)


def test_the_transport_redirects_only_known_hosts_by_https(stand_in: GlmStandIn) -> None:
    """What would not reach the platform does not reach the stand-in either."""
    with httpx.Client(transport=stand_in.transport()) as client:
        for url in (f"http://{API_HOST}{PATH}", "https://open.bigmodel.cn.example/"):
            with pytest.raises(httpx.ConnectError):
                client.get(url)
    assert stand_in.calls == []
