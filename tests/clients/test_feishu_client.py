"""The calls of the Feishu client: the exact request of each, and what it makes of the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest

from bot.errors import FeishuUnreachable
from bot.feishu.bitable import BitableClient, Field, FieldType
from bot.feishu.client import BotInfo, FeishuClient
from bot.sandbox.http import Request, Response
from tests.clients.feishu_platform import APP, SECRET, Platform

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16
Ask = Callable[[FeishuClient], Any]


def parts(call: Request) -> dict[str, Message]:
    """The parts of a multipart body by name."""
    head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
    return {
        str(part.get_param("name", header="content-disposition")): part
        for part in message_from_bytes(head + call.body).walk()
        if not part.is_multipart()
    }


REPLY = "/open-apis/im/v1/messages/om_1/reply"
TEXT: dict[str, Any] = {"msg_type": "text", "content": '{"text":"猫"}', "uuid": "u-1"}
SEND = "/open-apis/im/v1/messages"
TABLES = "/open-apis/bitable/v1/apps/bas1/tables"
COLUMNS = [
    Field(name="编号", kind=FieldType.TEXT),
    Field(name="时间", kind=FieldType.TIME, form="yyyy/MM/dd HH:mm"),
    Field(name="费用", kind=FieldType.NUMBER, form="0.00"),
]
RECORDS: list[dict[str, Any]] = [{"编号": "g1", "人员": [{"id": "ou_1"}]}, {"费用": 0.1}]

JSON_CALLS: dict[str, tuple[Ask, tuple[str, str, dict[str, str]], dict[str, Any] | None, object]] = {
    "reply": (
        lambda client: client.reply("om_1", **TEXT, in_thread=False),
        ("POST", REPLY, {}),
        {**TEXT, "reply_in_thread": False},
        "om_new",
    ),
    "reply in a topic": (
        lambda client: client.reply("om_1", **TEXT, in_thread=True),
        ("POST", REPLY, {}),
        {**TEXT, "reply_in_thread": True},
        "om_new",
    ),
    "send to a person": (
        lambda client: client.send("ou_1", receive_id_type="open_id", **TEXT),
        ("POST", SEND, {"receive_id_type": "open_id"}),
        {**TEXT, "receive_id": "ou_1"},
        "om_new",
    ),
    "patch": (
        lambda client: client.patch("om_1", content='{"schema":"2.0"}'),
        ("PATCH", f"{SEND}/om_1", {}),
        {"content": '{"schema":"2.0"}'},
        None,
    ),
    "recall": (lambda client: client.recall("om_1"), ("DELETE", f"{SEND}/om_1", {}), None, None),
    "table of a Base": (
        lambda client: BitableClient(client.call).create_table("bas1", "Log", COLUMNS),
        ("POST", TABLES, {}),
        {
            "table": {
                "name": "Log",
                "fields": [
                    {"field_name": "编号", "type": 1},
                    {"field_name": "时间", "type": 5, "property": {"date_formatter": "yyyy/MM/dd HH:mm"}},
                    {"field_name": "费用", "type": 2, "property": {"formatter": "0.00"}},
                ],
            }
        },
        "tbl_new",
    ),
    "records of a Base": (
        lambda client: BitableClient(client.call).add("bas1", "tbl1", RECORDS, client_token="t-1"),
        ("POST", f"{TABLES}/tbl1/records/batch_create", {"user_id_type": "open_id", "client_token": "t-1"}),
        {"records": [{"fields": fields} for fields in RECORDS]},
        None,
    ),
    "share of a Base": (
        lambda client: BitableClient(client.call).share("bas1", "ou_1"),
        ("POST", "/open-apis/drive/v1/permissions/bas1/members", {"type": "bitable"}),
        {"member_type": "openid", "member_id": "ou_1", "perm": "full_access", "type": "user"},
        None,
    ),
    "bot info": (
        lambda client: client.bot_info(),
        ("GET", "/open-apis/bot/v3/info", {}),
        None,
        BotInfo(open_id="ou_bot", name="画图", active=True),
    ),
}


@pytest.mark.parametrize(("ask", "line", "body", "result"), JSON_CALLS.values(), ids=list(JSON_CALLS))
def test_a_call_is_sent_exactly_so(
    *, served: Platform, client: FeishuClient, ask: Ask, line: object, body: object, result: object
) -> None:
    assert ask(client) == result
    (call,) = served.calls
    assert (call.method, call.path, call.query) == line
    assert call.headers["authorization"] == "Bearer t-not-real-1"
    assert call.json() == body
    assert b"\\u" not in call.body
    assert call.headers.get("content-type") == (None if body is None else "application/json; charset=utf-8")


def test_the_token_is_asked_for_with_the_credentials(served: Platform, client: FeishuClient) -> None:
    client.bot_info()
    (call,) = served.tokens
    assert (call.method, call.path) == ("POST", "/open-apis/auth/v3/tenant_access_token/internal")
    assert call.json() == {"app_id": APP, "app_secret": SECRET}
    assert "authorization" not in call.headers


def test_a_picture_is_uploaded_with_its_name_and_type(served: Platform, client: FeishuClient) -> None:
    assert client.upload_image(PNG, filename="cat.png") == "img_new"
    (call,) = served.calls
    assert (call.method, call.path) == ("POST", "/open-apis/im/v1/images")
    sent = parts(call)
    assert list(sent) == ["image_type", "image"]
    assert sent["image_type"].get_payload() == "message"
    assert (sent["image"].get_filename(), sent["image"].get_content_type()) == ("cat.png", "image/png")
    assert sent["image"].get_payload(decode=True) == PNG


def test_a_file_is_uploaded_as_a_stream(served: Platform, client: FeishuClient) -> None:
    assert client.upload_file(b"\xff\xd8\xff original", filename="glm-1.jpg") == "file_new"
    (call,) = served.calls
    assert (call.method, call.path) == ("POST", "/open-apis/im/v1/files")
    sent = parts(call)
    assert {name: sent[name].get_payload() for name in ("file_type", "file_name")} == {
        "file_type": "stream",
        "file_name": "glm-1.jpg",
    }
    assert sent["file"].get_filename() == "glm-1.jpg"
    assert sent["file"].get_payload(decode=True) == b"\xff\xd8\xff original"


def test_a_download_gives_the_bytes(served: Platform, client: FeishuClient) -> None:
    served.answers.append(Response(headers={"Content-Type": "image/png"}, body=PNG))
    assert client.download_own_image("img_1", largest=100) == PNG
    (call,) = served.calls
    assert (call.method, call.path, call.query) == ("GET", "/open-apis/im/v1/images/img_1", {})


def test_ids_cannot_change_the_path(served: Platform, client: FeishuClient) -> None:
    client.patch("om/../:message_id?a=b#c", content="{}")
    assert served.calls[0].path == "/open-apis/im/v1/messages/om%2F..%2F%3Amessage_id%3Fa%3Db%23c"
    assert served.calls[0].query == {}


def test_half_a_surrogate_pair_is_sent_as_a_question_mark(served: Platform, client: FeishuClient) -> None:
    client.reply("om_1", msg_type="text", content='{"text":"\ud83d"}', uuid="u-1", in_thread=False)
    assert served.calls[0].json()["content"] == '{"text":"?"}'


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": {"message_id": 7}}, {"data": {}}])
def test_a_good_answer_without_its_id_is_none(served: Platform, client: FeishuClient, body: dict[str, Any]) -> None:
    served.answers.append(Response.of_json({"code": 0, **body}))
    with pytest.raises(FeishuUnreachable, match=r"no data\.message_id"):
        client.reply("om_1", msg_type="text", content="{}", uuid="u-1", in_thread=False)


def test_every_call_is_told(served: Platform) -> None:
    told: list[tuple[str, float, int | None]] = []
    client = served.client(on_call=lambda name, seconds, code: told.append((name, seconds, code)))
    served.answers += [Response(), Response.of_json({"code": 230001, "msg": "no"}, status=400)]
    for _ in range(2):
        with pytest.raises(Exception, match="patch"):
            client.patch("om_1", content="{}")
    client.patch("om_1", content="{}")
    client.close()
    assert [(name, code) for name, _, code in told] == [
        ("token", 0),
        ("patch", None),
        ("patch", 230001),
        ("patch", 0),
    ]
    assert all(seconds > 0 for _, seconds, _ in told)


def test_a_call_is_one_line_in_the_log(
    served: Platform, client: FeishuClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    served.answers.append(Response.of_json({"code": 0}, headers={"X-Tt-Logid": "log-1"}))
    client.patch("om_1", content="{}")
    lines = [line.message for line in caplog.records if line.name == "bot.feishu.client"]
    assert [line.split(" ms=")[0] for line in lines] == [
        "Feishu called call=token code=0",
        "Feishu called call=patch code=0",
    ]
    assert lines[1].endswith(" log_id=log-1")
    assert "t-not-real" not in caplog.text
    assert SECRET not in caplog.text
