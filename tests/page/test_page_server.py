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
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import shared_tls
from bot.sandbox.page.server import Page
from tests.clients.feishu_wire import png
from tests.page.conftest import ScriptedControls


@pytest.fixture
def client(feishu: FeishuStandIn, glm: GlmStandIn) -> Iterator[httpx.Client]:
    """A client of the page, whose bot runs already."""
    page = Page(ScriptedControls(feishu, glm))
    with page, httpx.Client(base_url=page.origin, verify=shared_tls(), headers={"Origin": page.origin}) as client:
        yield client


def say(client: httpx.Client, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    """Posts a message to the group as the page does, but for the headers given."""
    given = {"Content-Type": "application/json", **(headers or {})}
    body = {"chat": "oc_group", "sender": "ou_lin", "text": "一只猫", **fields}
    return client.post("/do/say", content=json.dumps(body), headers=given)


def test_every_answer_carries_the_policy(client: httpx.Client) -> None:
    """Nothing is loaded from elsewhere, nothing runs inline, nothing guesses types, and no other file is served.

    Without JavaScript the page says what to do instead.
    """
    for path in ("/", "/static/main.js", "/static/page.css", "/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
            assert part in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    first = client.get("/")
    assert ("<noscript>" in first.text, first.headers["content-encoding"]) == (True, "gzip")
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


def test_what_cannot_be_done_is_rejected(client: httpx.Client) -> None:
    """A request with an error in it gets 400 and a sentence; a switch that cannot be turned now has one of its own."""
    for act, fields in (
        ("say", {}),
        ("say", {"chat": "oc_nowhere", "sender": "ou_lin", "text": "x"}),
        ("say", {"chat": "oc_group", "sender": "ou_lin", "file": "not base64!"}),
        ("react", {"message_id": "om_nowhere", "emoji_type": "OK", "by": "ou_lin"}),
        ("press", {"message_id": "om_nowhere", "presser": "ou_lin", "tag": "button"}),
        ("fault", {"name": "no_such_fault"}),
        ("seconds", {"seconds": "soon"}),
        ("kill", {"no_such": "field"}),
        ("nothing", {}),
        ("say", []),
    ):
        answer = client.post(f"/do/{act}", json=fields)
        assert answer.status_code == 400, (act, fields)
        assert answer.json()["error"]
    assert client.post("/do/start", json={}).json()["sentence"] == "runs_already"


def test_mention_is_a_word_of_its_own(client: httpx.Client, feishu: FeishuStandIn) -> None:
    """A name counts where nothing continues it and no address surrounds it, the bot's also as the page shows it.

    So does the reader's word for everybody, also with an image, which then reaches the bot as rich text.
    """
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
        ("@林小雨 我自己", []),
    ):
        say(client, text=text, bot="Painter", everybody="all").raise_for_status()
        message = feishu.messages[-1]
        assert [entry["name"] for entry in message.mentions] == names, text
        assert ("@_user_1" in message.content) == bool(names)
        assert "@_all" not in message.content
    say(client, text="@所有人 看", everybody="所有人", file=base64.b64encode(png(1, 1)).decode()).raise_for_status()
    assert (feishu.messages[-1].msg_type, "@_all 看" in feishu.messages[-1].content) == ("post", True)
