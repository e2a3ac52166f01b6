"""Who may talk to the page's server, and what its answers carry."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST, PATH, GlmStandIn
from bot.sandbox.page.control_panel import Unable
from bot.sandbox.page.server import Page
from tests.page import scripted_cards
from tests.page.conftest import ScriptedControls


@pytest.fixture
def feishu() -> Iterator[FeishuStandIn]:
    """A stand-in without a bot."""
    with FeishuStandIn() as feishu:
        yield feishu


class Busy(ScriptedControls):
    """Controls of a bot that is being started."""

    def kill(self) -> None:
        """Refuses."""
        raise Unable("it is being started", sentence="being_switched")


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """A stand-in that makes its pictures at once."""
    with GlmStandIn() as glm:
        yield glm


@pytest.fixture
def client(feishu: FeishuStandIn, glm: GlmStandIn) -> Iterator[httpx.Client]:
    """A client of the page."""
    with Page(feishu=feishu, glm=glm) as page, httpx.Client(base_url=page.origin) as client:
        yield client


def say(client: httpx.Client, **headers: str) -> httpx.Response:
    """Posts a message as the page does, but for the headers given."""
    given = {"Origin": str(client.base_url).rstrip("/"), "Content-Type": "application/json", **headers}
    body = {"chat": "oc_direct_lin", "sender": "ou_lin", "text": "一只猫"}
    return client.post("/do/say", content=json.dumps(body), headers=given)


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/static/page.css", "/nothing"])
def test_every_answer_carries_the_policy(client: httpx.Client, path: str) -> None:
    """Nothing is loaded from elsewhere, nothing runs inline, and nothing guesses types."""
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_no_other_machine_reaches_the_page(client: httpx.Client) -> None:
    """It listens on 127.0.0.1 alone: at this machine's other addresses, even other loopback ones, nobody answers."""
    port = client.base_url.port
    socket.create_connection(("127.0.0.1", port), 5).close()
    with pytest.raises(OSError, match=r"refused|assign|timed out"):
        socket.create_connection(("127.0.0.2", port), 5)


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 200),
    ({"Host": "evil.example"}, 421),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Content-Type": "text/plain"}, 415),
])  # fmt: skip
def test_only_the_page_itself_may_act(
    client: httpx.Client, feishu: FeishuStandIn, headers: dict[str, str], status: int
) -> None:
    """Another page's request, by another name or origin or as a plain form, does nothing."""
    assert say(client, **headers).status_code == status
    assert len(feishu.messages) == (status == 200)


def test_a_page_that_has_ended_takes_nothing_more(feishu: FeishuStandIn, glm: GlmStandIn) -> None:
    """Not over a connection that was open before, either."""
    with httpx.Client() as client:
        with Page(feishu=feishu, glm=glm) as page:
            client.base_url = page.origin
            assert say(client).status_code == 200
        with pytest.raises(httpx.TransportError):
            say(client)
    assert len(feishu.messages) == 1


@pytest.mark.parametrize(
    "path", ["/static/../server.py", "/static/%2e%2e%2fserver.py", "/uploads/..%2fx", "/etc/passwd"]
)
def test_no_other_file_is_served(client: httpx.Client, path: str) -> None:
    """Only the page's own files and the uploads by their keys have an address."""
    assert client.get(path).status_code == 404


def test_another_site_may_not_show_the_pictures(client: httpx.Client, feishu: FeishuStandIn) -> None:
    """A picture is answered to the page, and refused where a browser says that another site asks."""
    message = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", mention_bot=False, image=b"GIF89a\x01\x00\x01\x00")
    path = f"/uploads/{json.loads(message.content)['image_key']}"
    assert client.get(path).headers["content-type"] == "image/gif"
    assert client.get(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_an_original_is_served_as_its_link_promises(client: httpx.Client, glm: GlmStandIn) -> None:
    """Under the link's own signature, with the faults that wait, and to nobody who changed it."""
    with httpx.Client(transport=glm.transport()) as bot:
        body = {"model": "glm-image", "prompt": "猫", "size": "1280x1280"}
        made = bot.post(f"https://{API_HOST}{PATH}", json=body, headers={"Authorization": "Bearer not-a-real-key"})
    address = made.json()["data"][0]["url"].replace(f"https://{IMAGE_HOST}", "/originals")
    picture = client.get(address)
    assert (picture.status_code, picture.content[:3]) == (200, b"\xff\xd8\xff")
    glm.arm("image_403")
    assert [client.get(address).status_code for _ in range(2)] == [403, 200]
    assert client.get(address.replace("Expires=", "Expires=9")).status_code == 403
    assert glm.downloads == []


@pytest.mark.parametrize(("act", "fields"), [
    ("say", {}),
    ("say", {"chat": "oc_nowhere", "sender": "ou_lin", "text": "x"}),
    ("say", {"chat": "oc_group", "sender": "ou_lin", "file": "not base64!"}),
    ("react", {"message": "om_nowhere", "by": "ou_lin"}),
    ("say", {"chat": "oc_group", "sender": "ou_lin", "text": "x", "quote": "om_nowhere"}),
    ("press", {"message": "om_nowhere", "presser": "ou_lin", "tag": "button"}),
    ("switch", {"switch": "fault", "name": "no_such_fault"}),
    ("switch", {"switch": "fault", "name": "patch_too_old", "on": "reply"}),
    ("switch", {"switch": "seconds", "seconds": -1}),
    ("switch", {"switch": "fault", "name": "quota", "times": 10_000}),
    ("switch", {"switch": "kill"}),
    ("nothing", {}),
    ("say", []),
])  # fmt: skip
def test_what_cannot_be_done_is_refused(client: httpx.Client, act: str, fields: Any) -> None:
    """A request with a fault in it gets 400 and a sentence."""
    answer = client.post(f"/do/{act}", json=fields, headers={"Origin": str(client.base_url).rstrip("/")})
    assert answer.status_code == 400
    assert answer.json()["error"]


MENTIONS = [
    ("@画图 一只猫", ["画图"]),
    ("请@画图，画一只猫", ["画图"]),
    ("（@Alex）和@陈晨 看看", ["陈晨", "Alex"]),
    ("@Painter a cat", ["画图"]),
    ("@画图机 在吗", []),
    ("@Alexander is a king", []),
    ("mail me@Alex.com please", []),
    ("write to bob@all.example", []),
    ("@allan please look", []),
    ("@Alex.com", []),
    ("@林小雨 我自己", []),
]
"""What 林小雨 types in a group, and whom it mentions."""


@pytest.mark.parametrize(("text", "names"), MENTIONS)
def test_a_mention_is_a_word_of_its_own(
    client: httpx.Client, feishu: FeishuStandIn, text: str, names: list[str]
) -> None:
    """A name counts where nothing continues it and no address surrounds it, the bot's also as the page shows it."""
    fields = {"chat": "oc_group", "sender": "ou_lin", "text": text, "bot": "Painter", "all": "all"}
    client.post("/do/say", json=fields, headers={"Origin": str(client.base_url).rstrip("/")}).raise_for_status()
    [message] = feishu.messages
    assert [entry["name"] for entry in message.mentions] == names
    assert ("@_user_1" in message.content) == bool(names)
    assert "@_all" not in message.content


def test_everybody_is_mentioned_by_the_readers_word(client: httpx.Client, feishu: FeishuStandIn) -> None:
    """Also with a picture, which then reaches the bot as rich text."""
    fields = {"chat": "oc_group", "sender": "ou_lin", "text": "@所有人 看", "bot": "画图", "all": "所有人"}
    picture = base64.b64encode(scripted_cards.PIXEL).decode()
    for more in ({}, {"file": picture}):
        given = {"Origin": str(client.base_url).rstrip("/")}
        client.post("/do/say", json={**fields, **more}, headers=given).raise_for_status()
    assert ["@_all 看" in message.content for message in feishu.messages] == [True, True]
    assert [message.msg_type for message in feishu.messages] == ["text", "post"]


def test_a_switch_that_cannot_be_turned_now_says_why(feishu: FeishuStandIn, glm: GlmStandIn) -> None:
    """While the bot is just being started, whoever kills it is answered, with a sentence in their language."""
    with Page(feishu=feishu, glm=glm, controls=Busy()) as page:
        answer = httpx.post(f"{page.origin}/do/switch", json={"switch": "kill"}, headers={"Origin": page.origin})
    assert (answer.status_code, answer.json()["sentence"]) == (400, "being_switched")


def test_the_stream_begins_with_everything(client: httpx.Client, feishu: FeishuStandIn) -> None:
    """Whoever connects, or connects again, is told the whole state first."""
    message = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只猫")
    with client.stream("GET", "/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: snapshot"
        snapshot = json.loads(next(lines).removeprefix("data: "))
    assert [one["id"] for one in snapshot["messages"]] == [message.message_id]
    assert [chat["kind"] for chat in snapshot["chats"]] == ["p2p", "p2p", "p2p", "group", "topic"]
    assert snapshot["queue"] is None
