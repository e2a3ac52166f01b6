"""The stand-in of GLM answers as the platform is documented and was recorded.

The facts are data in ``tests/facts``, each with the page that they are from, and compared with the stand-in only.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST, PATH, GlmStandIn
from tests.support.waiting import wait_until

FACTS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "facts" / "glm.json").read_text(encoding="utf-8"))
NOW = 1_795_382_776.0
DAYS_7 = 7 * 24 * 3600
GOOD_CALL: dict[str, Any] = {"model": "glm-image", "prompt": "猫", "size": "1280x1280"}


@pytest.fixture
def stand_in() -> Iterator[GlmStandIn]:
    with GlmStandIn(clock=lambda: NOW) as stand_in:
        yield stand_in


def posted(
    stand_in: GlmStandIn, body: Any = None, *, fault: str | None = None, key: str = "fake-key"
) -> httpx.Response:
    """The answer to a call, which may meet a fault."""
    if fault:
        stand_in.arm(fault)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(transport=stand_in.transport()) as client:
        return client.post(f"https://{API_HOST}{PATH}", json=body or GOOD_CALL, headers=headers)


def test_an_error_has_its_documented_status(stand_in: GlmStandIn) -> None:
    """The code comes as a string; what was recorded from the platform is answered word for word."""
    for code, documented in FACTS["statuses"].items():
        answer = posted(stand_in, fault=f"glm_{code}")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], {*error}) == (documented, code, {"code", "message"})
    for fact in FACTS["bodies"]:
        answer = posted(stand_in, fault=f"glm_{fact['body']['error']['code']}")
        assert (answer.status_code, answer.json()) == (fact["status"], fact["body"])


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"model": "dall-e"}, "1211"),
    ({"prompt": ""}, "1213"),
    ({"prompt": "猫" * 4001}, "1261"),
    ({"size": "512x512"}, "1214"),
    ({"size": "1280×1280"}, "1214"),
    ({"quality": "best"}, "1210"),
    ({"user_id": "short"}, "1210"),
    ({"seed": 7}, "1210"),
]


def test_a_wrong_field_is_refused_with_its_code(stand_in: GlmStandIn) -> None:
    """The stand-in is as strict as the documentation, so that a wrong call cannot pass a test.

    A refusal comes from nginx, with the cookie of the platform's firewall and no delay to wait for.
    """
    for change, code in WRONG_FIELDS:
        answer = posted(stand_in, {**GOOD_CALL, **change})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), change
    headers = posted(stand_in, key="").headers
    assert (headers["content-type"][:16], headers["set-cookie"][:7]) == ("application/json", "acw_tc=")
    assert (headers["server"], headers["vary"], "retry-after" in headers) == ("nginx", "Origin", False)
    assert stand_in.paid == []
    # The recommended sizes hold even where the rule for others says no.
    for size in ("960x1728", "2048x2048"):
        assert posted(stand_in, {**GOOD_CALL, "size": size}).status_code == 200


def test_a_second_call_at_a_time_is_refused_before_any_work(stand_in: GlmStandIn) -> None:
    """A basic account has one slot for glm-image."""
    stand_in.seconds = 1.0
    first = threading.Thread(target=posted, args=(stand_in,))
    first.start()
    assert wait_until(lambda: stand_in.working == 1, seconds=30)
    assert posted(stand_in).json()["error"]["code"] == "1302"
    first.join(30)
    assert len(stand_in.paid) == 1


def test_the_link_has_the_platforms_shape_and_life() -> None:
    """The name begins with the time in Beijing; the signature ends in an escaped equals sign; it holds seven days."""
    now = [NOW]
    with GlmStandIn(clock=lambda: now[0]) as stand_in:
        answer = posted(stand_in).json()
        assert set(answer) == {"created", "data"}
        url = answer["data"][0]["url"]
        pattern = rf"https://{IMAGE_HOST}/20261123052616[0-9a-f]{{16}}_watermark\.png\?"
        match = re.fullmatch(pattern + r"UCloudPublicKey=TOKEN_\w+&Signature=\w+%3D&Expires=(\d+)", url)
        assert match
        assert int(match[1]) == NOW + DAYS_7
        with httpx.Client(transport=stand_in.transport()) as client:
            image = client.get(url)
            assert (image.status_code, image.headers["content-type"]) == (200, "application/octet-stream")
            now[0] += DAYS_7 + 1
            assert client.get(url).status_code == 403
