"""The stand-in takes the pictures and files that Feishu takes, and gives them back."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from bot.sandbox.feishu.gateway import Limits
from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.clients.feishu_wire import Wire, card, image, png, words

LIMITS = Limits(image_bytes=2000, file_bytes=3000)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A logged-in client of a stand-in with small limits."""
    with FeishuStandIn(limits=LIMITS) as stand_in:
        wire = Wire(stand_in).log_in()
        yield wire
        wire.close()


def code_of(answer: httpx.Response) -> tuple[int, int]:
    """The HTTP status and the platform's code."""
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(
    ("content", "kind", "size"),
    [
        (png(12000, 1), "image/png", (12000, 1)),
        (image("JPEG", 128, 72), "image/jpeg", (128, 72)),
        (image("GIF", 2000, 1), "image/gif", (2000, 1)),
        (image("WEBP", 64, 48), "image/webp", (64, 48)),
        (image("BMP", 7, 5), "image/bmp", (7, 5)),
        (b"II*\x00" + bytes(20), "image/tiff", (0, 0)),
        (b"\x00\x00\x01\x00" + bytes(20), "image/ico", (0, 0)),
        (bytes(4) + b"ftypheic" + bytes(20), "image/heic", (0, 0)),
    ],
)
def test_pictures_of_the_documented_formats_are_taken(
    wire: Wire, content: bytes, kind: str, size: tuple[int, int]
) -> None:
    """A picture is known by its bytes, whatever its name says."""
    answer = wire.upload_image(content, filename="图.png")
    upload = wire.stand_in.uploads[answer.json()["data"]["image_key"]]
    assert code_of(answer) == (200, 0)
    assert (upload.content_type, upload.width, upload.height) == (kind, *size)
    assert (upload.content, upload.name) == (content, "图.png")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", 234010),
        (b"<html>not a picture</html>", 234011),
        (png(1, 1) + bytes(2000), 234006),
        (png(12001, 1), 234039),
        (image("GIF", 2001, 1), 234039),
        (image("WEBP", 1, 12001), 234039),
    ],
)
def test_other_pictures_are_refused_with_their_code(wire: Wire, content: bytes, code: int) -> None:
    """Empty, unknown, too large in bytes and too large in pixels have codes of their own."""
    assert code_of(wire.upload_image(content)) == (400, code)
    assert wire.stand_in.uploads == {}


def test_a_picture_without_a_file_name_is_refused(wire: Wire) -> None:
    """A part without a file name is a text field to the platform, which then misses the picture."""
    assert code_of(wire.upload_image(png(1, 1), filename=None)) == (400, 99992402)


def test_a_picture_needs_its_type(wire: Wire) -> None:
    """Without ``image_type`` the request is invalid."""
    answer = wire.http.post("/open-apis/im/v1/images", files={"image": ("a.png", png(1, 1), "image/png")})
    assert code_of(answer) == (400, 234001)


@pytest.mark.parametrize(("content", "code"), [(bytes(3000), 0), (bytes(3001), 234006), (b"", 234010)])
def test_files_are_taken_up_to_their_limit(wire: Wire, content: bytes, code: int) -> None:
    """A file may have exactly as many bytes as the limit says."""
    assert wire.upload_file(content).json()["code"] == code


def test_the_resource_of_a_persons_message_can_be_fetched(wire: Wire) -> None:
    """The bot reads a picture that somebody sent by the message's id and the picture's key."""
    message = wire.stand_in.send_picture(chat_id="oc_direct_lin", sender="ou_lin", content=png(3, 3))
    (key,) = wire.stand_in.uploads
    path = f"/open-apis/im/v1/messages/{message.message_id}/resources"
    answer = wire.http.get(f"{path}/{key}", params={"type": "image"})
    assert (answer.content, answer.headers["Content-Type"]) == (png(3, 3), "image/png")
    assert code_of(wire.http.get(f"{path}/{key}", params={"type": "file"})) == (400, 234003)
    assert code_of(wire.http.get(f"{path}/{wire.image_key()}", params={"type": "image"})) == (400, 234003)
    assert code_of(wire.http.get(f"{path}/{key}")) == (400, 234001)


def test_the_pictures_of_a_card_are_no_resources(wire: Wire) -> None:
    """A card's picture is fetched by its key alone, as the platform gives no resources of cards."""
    key = wire.image_key()
    sent = wire.sent_card(card({"tag": "img", "img_key": key, "alt": words("")}))
    answer = wire.http.get(f"/open-apis/im/v1/messages/{sent}/resources/{key}", params={"type": "image"})
    assert code_of(answer) == (400, 234043)
    assert wire.http.get(f"/open-apis/im/v1/images/{key}").content == png(4, 3)


def test_a_recalled_messages_resource_is_gone(wire: Wire) -> None:
    """Nothing can be fetched of a message that was taken back."""
    message = wire.stand_in.send_file(chat_id="oc_direct_lin", sender="ou_lin", content=b"x", name="a.txt")
    (key,) = wire.stand_in.uploads
    wire.stand_in.recall(message.message_id, by="ou_lin")
    path = f"/open-apis/im/v1/messages/{message.message_id}/resources/{key}"
    assert code_of(wire.http.get(path, params={"type": "file"})) == (400, 230110)
