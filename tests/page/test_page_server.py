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
from bot.sandbox.http import shared_tls
from bot.sandbox.page.server import Page, Unable
from tests.clients.feishu_wire import png
from tests.page.conftest import ScriptedControls


class Busy(ScriptedControls):
    """Controls of a bot that is being started."""

    def kill(self) -> None:
        raise Unable("it is being started", sentence="being_switched")


@pytest.fixture
def feishu() -> Iterator[FeishuStandIn]:
    with FeishuStandIn() as feishu:
        yield feishu


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    with GlmStandIn() as glm:
        yield glm


@pytest.fixture
def client(feishu: FeishuStandIn, glm: GlmStandIn) -> Iterator[httpx.Client]:
    """A client of the page, whose bot is just being started."""
    page = Page(Busy(feishu, glm))
    with page, httpx.Client(base_url=page.origin, verify=shared_tls(), headers={"Origin": page.origin}) as client:
        yield client


def say(client: httpx.Client, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    """Posts a message to the group as the page does, but for the headers given."""
    given = {"Content-Type": "application/json", **(headers or {})}
    body = {"chat": "oc_group", "sender": "ou_lin", "text": "一只猫", **fields}
    return client.post("/do/say", content=json.dumps(body), headers=given)


def test_every_answer_carries_the_policy(client: httpx.Client) -> None:
    """Nothing is loaded from elsewhere, nothing runs inline, nothing guesses types, and no other file is served."""
    for path in ("/", "/static/main.js", "/static/page.css", "/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
            assert part in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    for path in ("/static/../server.py", "/static/%2e%2e%2fserver.py", "/uploads/..%2fx", "/etc/passwd"):
        assert client.get(path).status_code == 404


def test_no_other_machine_reaches_the_page(client: httpx.Client) -> None:
    """It listens on 127.0.0.1 alone: at this machine's other addresses, even other loopback ones, nobody answers."""
    port = client.base_url.port
    socket.create_connection(("127.0.0.1", port), 5).close()
    with pytest.raises(OSError, match=r"refused|assign|timed out"):
        socket.create_connection(("127.0.0.2", port), 5)


def test_only_the_page_itself_may_act(client: httpx.Client, feishu: FeishuStandIn) -> None:
    """Another page's request, by another name or origin or as a plain form, does nothing and sees nothing."""
    for headers, status in (
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ):
        assert say(client, headers=headers).status_code == status
        assert feishu.messages == []
    message = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", mention_bot=False, image=png(1, 1))
    path = f"/uploads/{json.loads(message.content)['image_key']}"
    assert client.get(path).headers["content-type"] == "image/png"
    assert client.get(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_page_that_has_ended_takes_nothing_more(feishu: FeishuStandIn, glm: GlmStandIn) -> None:
    """Not over a connection that was open before, either."""
    with httpx.Client() as client:
        with Page(ScriptedControls(feishu, glm)) as page:
            client.base_url, client.headers["Origin"] = httpx.URL(page.origin), page.origin
            assert say(client).status_code == 200
        with pytest.raises(httpx.TransportError):
            say(client)
    assert len(feishu.messages) == 1


def test_original_is_served_as_its_link_promises(client: httpx.Client, glm: GlmStandIn) -> None:
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


def test_what_cannot_be_done_is_rejected(client: httpx.Client) -> None:
    """A request with an error in it gets 400 and a sentence; a switch that cannot be turned now has one of its own."""
    for act, fields in (
        ("say", {}),
        ("say", {"chat": "oc_nowhere", "sender": "ou_lin", "text": "x"}),
        ("say", {"chat": "oc_group", "sender": "ou_lin", "file": "not base64!"}),
        ("say", {"chat": "oc_group", "sender": "ou_lin", "text": "x", "quote": "om_nowhere"}),
        ("react", {"message": "om_nowhere", "by": "ou_lin"}),
        ("press", {"message": "om_nowhere", "presser": "ou_lin", "tag": "button"}),
        ("switch", {"switch": "fault", "name": "no_such_fault"}),
        ("switch", {"switch": "fault", "name": "patch_too_old", "on": "reply"}),
        ("switch", {"switch": "seconds", "seconds": -1}),
        ("switch", {"switch": "fault", "name": "quota", "times": 10_000}),
        ("switch", {"switch": "no_such_switch"}),
        ("nothing", {}),
        ("say", []),
    ):
        answer = client.post(f"/do/{act}", json=fields)
        assert answer.status_code == 400, (act, fields)
        assert answer.json()["error"]
    assert client.post("/do/switch", json={"switch": "kill"}).json()["sentence"] == "being_switched"


def test_mention_is_a_word_of_its_own(client: httpx.Client, feishu: FeishuStandIn) -> None:
    """A name counts where nothing continues it and no address surrounds it, the bot's also as the page shows it."""
    for text, names in (
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
    ):
        say(client, text=text, bot="Painter", all="all").raise_for_status()
        message = feishu.messages[-1]
        assert [entry["name"] for entry in message.mentions] == names, text
        assert ("@_user_1" in message.content) == bool(names)
        assert "@_all" not in message.content


def test_everybody_is_mentioned_by_the_readers_word(client: httpx.Client, feishu: FeishuStandIn) -> None:
    """Also with an image, which then reaches the bot as rich text."""
    image: dict[str, Any] = {"file": base64.b64encode(png(1, 1)).decode()}
    for more in ({}, image):
        say(client, text="@所有人 看", bot="画图", all="所有人", **more).raise_for_status()
    assert ["@_all 看" in message.content for message in feishu.messages] == [True, True]
    assert [message.msg_type for message in feishu.messages] == ["text", "post"]


def test_stream_begins_with_everything(client: httpx.Client, feishu: FeishuStandIn) -> None:
    """Whoever connects, or connects again, is told the whole state first."""
    message = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只猫")
    with client.stream("GET", "/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: snapshot"
        snapshot = json.loads(next(lines).removeprefix("data: "))
    assert [one["id"] for one in snapshot["messages"]] == [message.message_id]
    assert [chat["kind"] for chat in snapshot["chats"]] == ["p2p", "p2p", "p2p", "group", "topic"]
    assert snapshot["queue"] == []
