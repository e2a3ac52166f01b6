"""The Feishu client: the exact request of each call, one token for all threads, and one kind of error, in time."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from typing import Any

import httpx
import pytest

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.bitable import FIELDS, BitableClient, Field, FieldType
from bot.feishu.client import BotInfo, FeishuClient, TenantToken
from bot.sandbox.faults import WIRE_FAULTS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import LoopbackServer, Response
from tests.clients.feishu_platform import APP, SECRET, Platform

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16
Ask = Callable[[FeishuClient], Any]
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


@pytest.mark.parametrize("name", JSON_CALLS)
def test_a_call_is_sent_exactly_so(served: Platform, client: FeishuClient, name: str) -> None:
    ask, line, body, result = JSON_CALLS[name]
    assert ask(client) == result
    (call,) = served.calls
    assert (call.method, call.path, call.query) == line
    assert call.headers["authorization"] == "Bearer t-not-real-1"
    assert call.json() == body
    assert b"\\u" not in call.body
    assert call.headers.get("content-type") == (None if body is None else "application/json; charset=utf-8")
    (token,) = served.tokens
    assert (token.method, token.path) == ("POST", "/open-apis/auth/v3/tenant_access_token/internal")
    assert token.json() == {"app_id": APP, "app_secret": SECRET}
    assert "authorization" not in token.headers


def test_files_are_sent_and_fetched_unchanged(served: Platform, client: FeishuClient) -> None:
    """A part has the file name that the platform demands, and the type that an image tells."""
    assert client.upload_image(PNG, filename="cat.png") == "img_new"
    assert client.upload_file(PNG, filename="glm-1.jpg") == "file_new"
    served.answers.append(Response(headers={"Content-Type": "image/png"}, body=PNG))
    assert client.download_own_image("img_1", largest=100) == PNG
    assert [(call.method, call.path) for call in served.calls] == [
        ("POST", "/open-apis/im/v1/images"),
        ("POST", "/open-apis/im/v1/files"),
        ("GET", "/open-apis/im/v1/images/img_1"),
    ]
    sent = []
    for call in served.calls[:2]:
        head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
        *fields, file = [part for part in message_from_bytes(head + call.body).walk() if not part.is_multipart()]
        named = {part.get_param("name", header="content-disposition"): part.get_payload() for part in fields}
        sent.append((named, file.get_filename(), file.get_content_type()))
        assert file.get_payload(decode=True) == PNG
    assert sent == [
        ({"image_type": "message"}, "cat.png", "image/png"),
        ({"file_type": "stream", "file_name": "glm-1.jpg"}, "glm-1.jpg", "image/jpeg"),
    ]


def test_an_id_stays_one_segment_and_half_a_surrogate_pair_stops_no_call(
    served: Platform, client: FeishuClient
) -> None:
    client.patch("om/../:message_id?a=b#c", content='{"text":"\ud83d"}')
    (call,) = served.calls
    assert (call.path, call.query) == ("/open-apis/im/v1/messages/om%2F..%2F%3Amessage_id%3Fa%3Db%23c", {})
    assert call.json()["content"] == '{"text":"?"}'


def test_every_call_is_measured_and_logged(served: Platform, caplog: pytest.LogCaptureFixture) -> None:
    """The figures and the log have name, code and seconds, the log its id too; neither secret nor token is in it."""
    caplog.set_level(logging.DEBUG)
    told: list[tuple[str, float, int | None]] = []
    client = served.client(on_call=lambda name, seconds, code: told.append((name, seconds, code)))
    served.answers += [Response(), Response.of_json({"code": 230001, "msg": "no"}, status=400)]
    served.answers.append(Response.of_json({"code": 0}, headers={"X-Tt-Logid": "log-1"}))
    for _ in range(2):
        with pytest.raises(FeishuError):
            client.patch("om_1", content="{}")
    client.patch("om_1", content="{}")
    client.close()
    assert [(name, code) for name, _, code in told] == [("token", 0), ("patch", None), ("patch", 230001), ("patch", 0)]
    assert all(seconds > 0 for _, seconds, _ in told)
    lines = [line.message for line in caplog.records if line.name == "bot.feishu.client"]
    assert [line.split(" ms=")[0] for line in (lines[0], lines[-1])] == [
        "Feishu called call=token code=0",
        "Feishu called call=patch code=0",
    ]
    assert lines[-1].endswith(" log_id=log-1")
    assert [secret for secret in ("t-not-real", SECRET) if secret in caplog.text] == []


def refuse_token(code: int, *, status: int = 400) -> Response:
    return Response.of_json({"code": code, "msg": "Invalid access token"}, status=status)


def test_a_refused_token_is_replaced_once_and_the_call_repeated(served: Platform, client: FeishuClient) -> None:
    """Missing, invalid or expired, under either status; a second refusal is an error."""
    for code, status in ((99991663, 200), (99991661, 400), (99991668, 400)):
        served.answers.append(refuse_token(code, status=status))
        client.patch("om_1", content="{}")
        first, second = served.calls[-2:]
        assert first.headers["authorization"] != second.headers["authorization"]
        assert first.body == second.body
    tokens, calls = len(served.tokens), len(served.calls)
    served.answers += [refuse_token(99991663), refuse_token(99991663)]
    with pytest.raises(FeishuError) as failed:
        client.patch("om_1", content="{}")
    assert (failed.value.code, failed.value.action) == (99991663, FeishuAction.APP_REFUSED)
    assert (len(served.tokens), len(served.calls)) == (tokens + 1, calls + 2)


def test_the_next_token_is_fetched_with_a_secret_that_was_replaced(served: Platform, client: FeishuClient) -> None:
    client.patch("om_1", content="{}")
    client.app_secret = "not-a-real-secret-either"
    served.answers.append(refuse_token(99991663))
    client.patch("om_1", content="{}")
    assert [token.json()["app_secret"] for token in served.tokens] == [SECRET, "not-a-real-secret-either"]


def test_twenty_threads_share_one_token(served: Platform, client: FeishuClient) -> None:
    start = threading.Barrier(20)

    def ask() -> str:
        start.wait(10)
        return client.bot_info().open_id

    with ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(ask) for _ in range(20)]
    assert [answer.result() for answer in answers] == ["ou_bot"] * 20
    assert len(served.tokens) == 1


def test_an_expired_token_is_replaced_once_for_all_threads(feishu: FeishuStandIn, feishu_client: FeishuClient) -> None:
    feishu_client.bot_info()
    feishu.expire_tokens()
    with ThreadPoolExecutor(10) as threads:
        for answer in [threads.submit(feishu_client.bot_info) for _ in range(10)]:
            assert answer.result().open_id == feishu.bot_open_id
    assert len(feishu.calls_named("token")) == 2


@pytest.mark.parametrize(("lifetime", "renewed_after"), [(7200, 6900), (1800, 1620), (60, 54)])
def test_a_token_is_renewed_before_it_ends(served: Platform, lifetime: int, renewed_after: int) -> None:
    now = [1_700_000_000.0]
    served.lifetime = lifetime
    timed = served.client(clock=lambda: now[0])
    for after, fetched in ((0, 1), (renewed_after - 1, 1), (renewed_after, 2)):
        now[0] = 1_700_000_000.0 + after
        timed.bot_info()
        assert len(served.tokens) == fetched
    timed.close()


def test_the_old_token_serves_while_a_new_one_cannot_be_had(served: Platform) -> None:
    now = [0.0]
    timed = served.client(clock=lambda: now[0])
    timed.bot_info()
    served.token_answers += [Response(status=502), Response(status=502)]
    now[0] = 7100.0
    assert timed.bot_info().open_id == "ou_bot"
    now[0] = 7200.0
    with pytest.raises(FeishuUnreachable, match="token"):
        timed.bot_info()
    timed.close()


def test_wrong_credentials_are_for_the_admin(served: Platform, client: FeishuClient) -> None:
    """The refusal comes as HTTP 200, and nothing else is called."""
    for code in (10003, 10014):
        served.token_answers.append(Response.of_json({"code": code, "msg": "app secret invalid"}))
        with pytest.raises(FeishuError) as failed:
            client.bot_info()
        assert (failed.value.code, failed.value.action) == (code, FeishuAction.APP_REFUSED)
    assert served.calls == []


WRONG_RECORDS: list[tuple[dict[str, object], int]] = [
    ({"没有": "x"}, 1254045),
    ({"编号 ID": 1}, 1254060),
    ({"费用 Yuan": "0.1"}, 1254061),
    ({"结果 Result": ""}, 1254062),
    ({"时间 Time": "2026-11-01"}, 1254064),
    ({"人员 Person": [{"id": "ou_of_nobody"}]}, 1254066),
    ({"人员 Person": "ou_lin"}, 1254066),
]


def test_the_stand_in_refuses_what_a_base_refuses(feishu_client: FeishuClient, feishu: FeishuStandIn) -> None:
    """Values that do not fit, another Base or table, a token that is no UUID, and one that stood for something else."""
    bases = BitableClient(feishu_client.call)
    app_token, table_id = feishu.bases.add({field.name: int(field.kind) for field in FIELDS})

    def code(base: str, table: str, token: str, *records: dict[str, object]) -> int | None:
        with pytest.raises(FeishuError) as refused:
            bases.add(base, table, [{"编号 ID": "g2"}, *records], client_token=token)
        return refused.value.code

    for record, expected in WRONG_RECORDS:
        assert code(app_token, table_id, str(uuid.uuid4()), record) == expected
    assert feishu.bases.records == []
    bases.add(app_token, table_id, [{"编号 ID": "g1"}], client_token=TOKEN)
    wrong = [("bas0", table_id, TOKEN), (app_token, "tbl0", TOKEN), (app_token, table_id, "x")]
    assert [code(*one) for one in [*wrong, (app_token, table_id, TOKEN)]] == [91402, 1254041, 1254037, 1255006]


def test_a_newer_token_survives_a_late_refusal() -> None:
    values = iter(["t-1", "t-2", "t-3"])
    token = TenantToken(lambda: (next(values), 7200), clock=lambda: 0.0)
    first = token.get()
    token.invalidate(first)
    assert token.get() == "t-2"
    token.invalidate(first)
    assert token.get() == "t-2"


def failure(served: Platform, answer: Response, **settings: Any) -> FeishuError:
    """The error of a call that gets this answer."""
    client = served.client(**settings)
    served.answers.append(answer)
    with pytest.raises(FeishuError) as failed:
        client.patch("om_1", content="{}")
    client.close()
    return failed.value


def reply(client: FeishuClient, message_id: str) -> str:
    return client.reply(message_id, msg_type="text", content='{"text":"好"}', uuid="u-1", in_thread=False)


@pytest.mark.parametrize("fault", sorted(WIRE_FAULTS))
def test_a_fault_of_the_connection_is_unreachable(fault: str, feishu: FeishuStandIn) -> None:
    short: dict[str, Any] = {"timeout": httpx.Timeout(1), "deadline": 0.5} if fault in ("hang", "trickle") else {}
    client = FeishuClient(domain=feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret, **short)
    said = feishu.say(chat_id="oc_group", sender="ou_lin", text="一只猫")
    feishu.faults.arm(fault, on="reply")
    with pytest.raises(FeishuUnreachable) as failed:
        reply(client, said.message_id)
    client.close()
    assert (failed.value.action, len(feishu.calls_named("reply"))) == (FeishuAction.RETRY, 1)


NO_ANSWERS = [
    *(Response(status=502, body=b"<html>502</html>"), Response(body=b"<html>login</html>"), Response(body=b"")),
    *(Response(body=b"[]"), Response(body=b'{"code": 0'), Response(body=b"\xff\xfe\x00")),
    *(Response.of_json({"message": "hello"}), Response.of_json({"code": False})),
    *(Response.of_json({"code": 0}, status=500), Response(status=307, headers={"Location": "/elsewhere"})),
]


def test_a_repeated_send_after_a_lost_answer_is_one_message(feishu: FeishuStandIn, feishu_client: FeishuClient) -> None:
    said = feishu.say(chat_id="oc_group", sender="ou_lin", text="一只猫")
    feishu.faults.arm("reset_after", on="reply")
    with pytest.raises(FeishuUnreachable):
        reply(feishu_client, said.message_id)
    sent = reply(feishu_client, said.message_id)
    assert [answer.message_id for answer in feishu.replies(said.message_id)] == [sent]


def test_an_answer_that_is_not_the_platforms_is_unreachable(served: Platform) -> None:
    """HTML, nothing, other JSON, success under an error's status; and a redirect, which is not followed."""
    for answer in NO_ANSWERS:
        error = failure(served, answer)
        assert isinstance(error, FeishuUnreachable)
        assert (error.status, error.code) == (answer.status, None), answer
    assert {call.path for call in served.calls} == {"/open-apis/im/v1/messages/om_1"}
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


def test_nobody_listening_is_unreachable() -> None:
    """Python's own error about a name that cannot be one is told in the same way."""
    with LoopbackServer() as gone:
        origin = gone.origin
    refused = {origin: "token: ConnectError"}
    for domain in ("https://open..feishu.cn", f"https://{'a' * 64}.feishu.cn"):
        refused[domain] = "UnicodeError"
    for domain, reason in refused.items():
        client = FeishuClient(domain=domain, app_id="cli_test", app_secret="not-a-real-secret")
        with pytest.raises(FeishuUnreachable, match=reason):
            client.bot_info()
        client.close()


def test_a_refusal_comes_with_what_helps_to_act(feishu: FeishuStandIn, feishu_client: FeishuClient) -> None:
    said = feishu.say(chat_id="oc_group", sender="ou_lin", text="一只猫")
    errors = {}
    for fault in ("feishu_230002", "scope", "rate_gateway", "rate_chat"):
        feishu.faults.arm(fault, on="reply")
        with pytest.raises(FeishuError) as refused:
            reply(feishu_client, said.message_id)
        errors[fault] = refused.value
    record, outside = feishu.calls_named("reply")[0], errors["feishu_230002"]
    assert (outside.code, outside.action) == (230002, FeishuAction.GIVE_UP)
    assert (outside.status, outside.log_id) == (record.status, record.log_id)
    assert outside.message
    assert str(outside) == f"reply: {outside.message}"
    assert (errors["scope"].help_url or "").startswith(f"https://open.feishu.cn/app/{feishu.app_id}/auth?")
    assert (errors["rate_gateway"].retry_after, errors["rate_chat"].retry_after) == (1, None)


def test_only_a_sensible_wait_is_kept(served: Platform) -> None:
    for header, seconds in {"0.5": 0.5, "-1": None, "nan": None, "inf": None, "soon": None}.items():
        headers = {"x-ogw-ratelimit-reset": header}
        answer = Response.of_json({"code": 99991400, "msg": "limit"}, status=429, headers=headers)
        assert failure(served, answer).retry_after == seconds


def test_details_of_another_shape_are_omitted(served: Platform) -> None:
    """The message can be stored: no NUL, no half of a surrogate pair."""
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


def test_an_endless_answer_ends_at_the_deadline(served: Platform) -> None:
    def drops() -> Iterator[bytes]:
        while not served.server.closing.wait(0.05):
            yield b" "

    error = failure(served, Response(stream=drops()), timeout=httpx.Timeout(30), deadline=0.5)
    assert "did not end in time" in error.message


def test_calls_share_one_connection(served: Platform, client: FeishuClient) -> None:
    accepted = 0
    accept = served.server.get_request

    def count() -> Any:
        nonlocal accepted
        accepted += 1
        return accept()

    served.server.get_request = count  # type: ignore[method-assign]
    for _ in range(10):
        reply(client, "om_1")
    assert accepted == 1


TOKEN = "fe599b60-450f-46ff-b2ef-9f6675625b97"


def test_a_base_from_its_making_to_its_records(feishu_client: FeishuClient, feishu: FeishuStandIn) -> None:
    """Made, given the log's table, cleared of the blank one, shared, and written to once however often it is asked."""
    bases = BitableClient(feishu_client.call)
    base = bases.create("记录", zone="Asia/Shanghai")
    table = bases.create_table(base.app_token, "Log", FIELDS)
    assert base.blank_table is not None
    bases.delete_table(base.app_token, base.blank_table)
    bases.share(base.app_token, "ou_lin")
    assert bases.fields(base.app_token, table) == {field.name: int(field.kind) for field in FIELDS}
    for _ in range(2):
        bases.add(base.app_token, table, [{FIELDS[0].name: "g1"}], client_token=TOKEN)
    assert feishu.bases.records == [{FIELDS[0].name: "g1"}]
    assert feishu.bases.bases[base.app_token].members == {"ou_lin": "full_access"}
