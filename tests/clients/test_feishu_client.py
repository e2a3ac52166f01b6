"""The Feishu client: the exact request of each call, one token for all threads, and one kind of error, in time."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.bitable import BitableClient, Field, FieldType
from bot.feishu.client import BotInfo, FeishuClient
from bot.sandbox.faults import WIRE_FAULTS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import Response
from tests.clients.feishu_platform import APP, SECRET, Platform
from tests.clients.feishu_wire import png

MESSAGES = "/open-apis/im/v1/messages"
TABLES = "/open-apis/bitable/v1/apps/bas1/tables"
TEXT: dict[str, Any] = {"msg_type": "text", "content": '{"text":"猫"}', "uuid": "u-1"}
COLUMNS = [
    Field(name="编号", kind=FieldType.TEXT),
    Field(name="时间", kind=FieldType.TIME, form="yyyy/MM/dd HH:mm"),
    Field(name="费用", kind=FieldType.NUMBER, form="0.00"),
]
LISTED_COLUMNS = [
    {"field_name": "编号", "type": 1},
    {"field_name": "时间", "type": 5, "property": {"date_formatter": "yyyy/MM/dd HH:mm"}},
    {"field_name": "费用", "type": 2, "property": {"formatter": "0.00"}},
]
RECORDS: list[dict[str, Any]] = [{"编号": "g1", "人员": [{"id": "ou_1"}]}, {"费用": 0.1}]
CALLS: list[tuple[Callable[[FeishuClient], object], str, object, object]] = [
    (
        lambda client: client.reply("om_1", **TEXT, in_thread=True),
        f"POST {MESSAGES}/om_1/reply",
        {**TEXT, "reply_in_thread": True},
        "om_new",
    ),
    (
        lambda client: client.send("ou_1", **TEXT),
        f"POST {MESSAGES}?receive_id_type=open_id",
        {**TEXT, "receive_id": "ou_1"},
        "om_new",
    ),
    (
        lambda client: client.patch("om_1", content='{"schema":"2.0"}'),
        f"PATCH {MESSAGES}/om_1",
        {"content": '{"schema":"2.0"}'},
        None,
    ),
    (lambda client: client.recall("om_1"), f"DELETE {MESSAGES}/om_1", None, None),
    (
        lambda client: BitableClient(client.call).create_table("bas1", "Log", COLUMNS),
        f"POST {TABLES}",
        {"table": {"name": "Log", "fields": LISTED_COLUMNS}},
        "tbl_new",
    ),
    (
        lambda client: BitableClient(client.call).add("bas1", "tbl1", RECORDS, client_token="t-1"),
        f"POST {TABLES}/tbl1/records/batch_create?user_id_type=open_id&client_token=t-1",
        {"records": [{"fields": fields} for fields in RECORDS]},
        None,
    ),
    (
        lambda client: client.bot_info(),
        "GET /open-apis/bot/v3/info",
        None,
        BotInfo(open_id="ou_bot", name="画图", active=True),
    ),
    # An id stays one segment, and half a surrogate pair stops no call.
    (
        lambda client: client.patch("om/../:message_id?a=b#c", content='{"text":"\ud83d"}'),
        f"PATCH {MESSAGES}/om%2F..%2F%3Amessage_id%3Fa%3Db%23c",
        {"content": '{"text":"?"}'},
        None,
    ),
]


def test_each_call_is_sent_exactly_so(served: Platform, client: FeishuClient) -> None:
    for ask, line, body, result in CALLS:
        assert ask(client) == result, line
        call = served.calls[-1]
        assert f"{call.method} {call.path}{'?' if call.query else ''}{urlencode(call.query)}" == line
        assert call.headers["authorization"] == "Bearer t-not-real-1"
        assert call.json() == body
        assert b"\\u" not in call.body
        assert call.headers.get("content-type") == (None if body is None else "application/json; charset=utf-8")
    (token,) = served.tokens
    assert (token.method, token.json()) == ("POST", {"app_id": APP, "app_secret": SECRET})
    assert "authorization" not in token.headers


def test_files_are_sent_and_fetched_unchanged(feishu: FeishuStandIn, feishu_client: FeishuClient) -> None:
    """A part has the file name that the platform demands, and the type that an image tells."""
    picture = png(4, 3)
    image_key = feishu_client.upload_image(picture, filename="cat.png")
    file_key = feishu_client.upload_file(picture, filename="glm-1.jpg")
    assert feishu.uploads[image_key].content == feishu.uploads[file_key].content == picture
    assert feishu_client.download_own_image(image_key, largest=1000) == picture
    assert [call.body for call in feishu.calls[1:3]] == [
        f"image_type=message; image=<cat.png, image/png, {len(picture)} bytes>",
        f"file_type=stream; file_name=glm-1.jpg; file=<glm-1.jpg, image/jpeg, {len(picture)} bytes>",
    ]


def refuse_token(code: int, *, status: int = 400) -> Response:
    return Response.of_json({"code": code, "msg": "Invalid access token"}, status=status)


def test_a_refused_token_is_replaced_once_and_the_call_repeated(served: Platform, client: FeishuClient) -> None:
    """Missing, invalid or expired, under either status; a second refusal is an error.

    The next token is fetched with the secret of that moment.
    """
    for code, status in ((99991663, 200), (99991661, 400), (99991668, 400)):
        served.answers.append(refuse_token(code, status=status))
        client.patch("om_1", content="{}")
        first, second = served.calls[-2:]
        assert first.headers["authorization"] != second.headers["authorization"]
        assert first.body == second.body
    tokens, calls = len(served.tokens), len(served.calls)
    client.app_secret = "not-a-real-secret-either"
    served.answers += [refuse_token(99991663), refuse_token(99991663)]
    with pytest.raises(FeishuError) as failed:
        client.patch("om_1", content="{}")
    assert (failed.value.code, failed.value.action) == (99991663, FeishuAction.APP_REFUSED)
    assert (len(served.tokens), len(served.calls)) == (tokens + 1, calls + 2)
    assert [token.json()["app_secret"] for token in served.tokens[-2:]] == [SECRET, "not-a-real-secret-either"]


def test_threads_share_one_token(feishu: FeishuStandIn, feishu_client: FeishuClient) -> None:
    """It is fetched once for all of them, and again when it has expired."""
    for fetched in (1, 2):
        with ThreadPoolExecutor(10) as threads:
            for answer in [threads.submit(feishu_client.bot_info) for _ in range(10)]:
                assert answer.result().open_id == feishu.bot_open_id
        assert len(feishu.calls_named("token")) == fetched
        feishu.expire_tokens()


@pytest.mark.parametrize(("lifetime", "renewed_after"), [(7200, 6900), (1800, 1620), (60, 54)])
def test_a_token_is_renewed_before_it_ends(served: Platform, lifetime: int, renewed_after: int) -> None:
    """The old one serves to its end while no new one can be had."""
    now = [1_700_000_000.0]
    served.lifetime = lifetime
    timed = served.client(clock=lambda: now[0])
    for after, fetched in ((0, 1), (renewed_after - 1, 1), (renewed_after, 2)):
        now[0] = 1_700_000_000.0 + after
        timed.bot_info()
        assert len(served.tokens) == fetched
    served.token_answers += [Response(status=502), Response(status=502)]
    now[0] += lifetime - 1
    assert timed.bot_info().open_id == "ou_bot"
    now[0] += 1
    with pytest.raises(FeishuUnreachable, match="token"):
        timed.bot_info()
    timed.close()


def failure(served: Platform, answer: Response) -> FeishuError:
    """The error of a call that gets this answer."""
    client = served.client()
    served.answers.append(answer)
    with pytest.raises(FeishuError) as failed:
        client.patch("om_1", content="{}")
    client.close()
    return failed.value


def reply(client: FeishuClient, message_id: str) -> str:
    return client.reply(message_id, msg_type="text", content='{"text":"好"}', uuid="u-1", in_thread=False)


@pytest.mark.parametrize("fault", sorted(WIRE_FAULTS))
def test_a_fault_of_the_connection_is_unreachable(fault: str, feishu: FeishuStandIn) -> None:
    """Applied or not, nothing is repeated but by the caller, whose second send adds no second message."""
    short: dict[str, Any] = {"timeout": httpx.Timeout(1), "deadline": 0.5} if fault in ("hang", "trickle") else {}
    client = FeishuClient(domain=feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret, **short)
    said = feishu.say(chat_id="oc_group", sender="ou_lin", text="一只猫")
    feishu.faults.arm(fault, on="reply")
    with pytest.raises(FeishuUnreachable) as failed:
        reply(client, said.message_id)
    assert (failed.value.action, len(feishu.calls_named("reply"))) == (FeishuAction.RETRY, 1)
    assert ("did not end in time" in failed.value.message) == (fault == "trickle")
    assert len(feishu.replies(said.message_id)) == (fault not in ("hang", "reset_before", "html_502"))
    sent = reply(client, said.message_id)
    assert [answer.message_id for answer in feishu.replies(said.message_id)] == [sent]
    client.close()


NO_ANSWERS = [
    *(Response(status=502, body=b"<html>502</html>"), Response(body=b"<html>login</html>"), Response(body=b"")),
    *(Response(body=b"[]"), Response(body=b'{"code": 0'), Response(body=b"\xff\xfe\x00")),
    *(Response.of_json({"message": "hello"}), Response.of_json({"code": False})),
    *(Response.of_json({"code": 0}, status=500), Response(status=307, headers={"Location": "/elsewhere"})),
]


def test_an_answer_that_is_not_the_platforms_is_unreachable(served: Platform) -> None:
    """HTML, nothing, other JSON, success under an error's status; and a redirect, which is not followed."""
    for answer in NO_ANSWERS:
        error = failure(served, answer)
        assert isinstance(error, FeishuUnreachable)
        assert (error.status, error.code) == (answer.status, None), answer
    assert {call.path for call in served.calls} == {f"{MESSAGES}/om_1"}
    # An answer above its limit is not read to its end, and the call not repeated.
    assert failure(served, Response(body=b" " * (1024 * 1024 + 1))).action is FeishuAction.REPORT


def test_code_0_without_what_it_should_bring_is_no_answer(served: Platform, client: FeishuClient) -> None:
    for body in ({"expire": 7200}, {"tenant_access_token": "t-1"}):
        served.token_answers.append(Response.of_json({"code": 0, **body}))
        with pytest.raises(FeishuUnreachable):
            client.bot_info()
    wrong: list[object] = [None, [], {"message_id": 7}, {}]
    for data in wrong:
        served.answers.append(Response.of_json({"code": 0, "data": data}))
        with pytest.raises(FeishuUnreachable, match=r"no data\.message_id"):
            reply(client, "om_1")
    for items in ({}, {"items": None}):
        served.answers.append(Response.of_json({"code": 0, "data": items}))
        with pytest.raises(FeishuUnreachable):
            BitableClient(client.call).fields("bas1", "tbl1")


def test_details_of_another_shape_are_omitted(served: Platform) -> None:
    """Only a sensible wait is kept, and the message can be stored: no NUL, no half of a surrogate pair."""
    for header, seconds in {"0.5": 0.5, "-1": None, "nan": None, "soon": None}.items():
        answer = Response.of_json({"code": 99991400}, status=429, headers={"x-ogw-ratelimit-reset": header})
        assert failure(served, answer).retry_after == seconds
    shapes: list[object] = [None, [], "x", {"helps": {}}, {"helps": [7]}, {"helps": [{"url": 7}], "log_id": 7}]
    for details in shapes:
        body = {"code": 99991672, "msg": "a\ud800b\0c", "error": details}
        error = failure(served, Response(status=400, body=json.dumps(body).encode()))
        assert (error.code, error.help_url, error.log_id, error.message) == (99991672, None, None, "a\ufffdbc")


def test_a_download_is_bytes_or_an_error(served: Platform, client: FeishuClient) -> None:
    """A file that is too large, empty, or JSON in its place is told from a good one."""
    image = {"Content-Type": "image/png"}
    for answer, kind in (
        (Response(headers=image, body=b"x" * 101), FeishuError),
        (Response(headers=image, body=b""), FeishuUnreachable),
        (Response.of_json({"code": 0, "msg": "no file"}), FeishuUnreachable),
        (Response.of_json({"code": 234003, "msg": "File not in message."}), FeishuError),
        (Response(status=502, body=b"<html>"), FeishuUnreachable),
    ):
        served.answers.append(answer)
        with pytest.raises(FeishuError) as failed:
            client.download_own_image("img_1", largest=100)
        assert type(failed.value) is kind


def test_calls_share_one_connection(served: Platform, client: FeishuClient) -> None:
    accepted: list[object] = []
    accept = served.get_request
    served.get_request = lambda: accepted.append(1) or accept()  # type: ignore[func-returns-value,method-assign]
    for _ in range(10):
        reply(client, "om_1")
    assert len(accepted) == 1
