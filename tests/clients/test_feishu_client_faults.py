"""The Feishu client when the connection or the answer is at fault: one kind of error, in bounded time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.client import FeishuClient
from bot.sandbox.faults import WIRE_FAULTS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import Response
from tests.clients.feishu_platform import Platform, platform

SOON = httpx.Timeout(1)


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
    short: dict[str, Any] = {"timeout": SOON, "deadline": 0.5} if fault in ("hang", "trickle") else {}
    client = FeishuClient(domain=feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret, **short)
    said = feishu.say(chat_id="oc_group", sender="ou_lin", text="一只猫")
    feishu.faults.arm(fault, on="reply")
    with pytest.raises(FeishuUnreachable) as failed:
        reply(client, said.message_id)
    client.close()
    assert failed.value.action is FeishuAction.RETRY
    assert len(feishu.calls_named("reply")) == 1


def test_a_repeated_send_after_a_lost_answer_is_one_message(feishu: FeishuStandIn, feishu_client: FeishuClient) -> None:
    said = feishu.say(chat_id="oc_group", sender="ou_lin", text="一只猫")
    feishu.faults.arm("reset_after", on="reply")
    with pytest.raises(FeishuUnreachable):
        reply(feishu_client, said.message_id)
    sent = reply(feishu_client, said.message_id)
    assert [answer.message_id for answer in feishu.replies(said.message_id)] == [sent]


@pytest.mark.parametrize(
    "answer",
    [
        Response(status=502, body=b"<html>502</html>"),
        Response(status=200, body=b"<html>login</html>"),
        Response(status=200, body=b""),
        Response(status=200, body=b"[]"),
        Response(status=200, body=b'{"code": 0'),
        Response(status=200, body=b"\xff\xfe\x00"),
        Response.of_json({"message": "hello"}),
        Response.of_json({"code": False}),
        Response.of_json({"code": 0}, status=500),
    ],
)
def test_an_answer_that_is_not_the_platforms_is_unreachable(served: Platform, answer: Response) -> None:
    error = failure(served, answer)
    assert isinstance(error, FeishuUnreachable)
    assert (error.status, error.code) == (answer.status, None)


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


@pytest.mark.parametrize(
    ("header", "seconds"), [("0.5", 0.5), ("-1", None), ("nan", None), ("inf", None), ("soon", None)]
)
def test_only_a_sensible_wait_is_kept(served: Platform, header: str, seconds: float | None) -> None:
    headers = {"x-ogw-ratelimit-reset": header}
    answer = Response.of_json({"code": 99991400, "msg": "limit"}, status=429, headers=headers)
    assert failure(served, answer).retry_after == seconds


@pytest.mark.parametrize(
    "details", [None, [], "x", {"helps": {}}, {"helps": [7]}, {"helps": [{"url": 7}], "log_id": 7}]
)
def test_details_of_another_shape_are_omitted(served: Platform, details: object) -> None:
    body = {"code": 99991672, "msg": "a\ud800b\0c", "error": details}
    error = failure(served, Response(status=400, body=json.dumps(body).encode()))
    assert (error.code, error.help_url, error.log_id, error.message) == (99991672, None, None, "a\ufffdbc")


def test_a_redirect_is_not_followed(served: Platform) -> None:
    error = failure(served, Response(status=307, headers={"Location": "/elsewhere"}))
    assert isinstance(error, FeishuUnreachable)
    assert [call.path for call in served.calls] == ["/open-apis/im/v1/messages/om_1"]


def test_nobody_listening_is_unreachable() -> None:
    with platform() as served:
        client = served.client()
    with pytest.raises(FeishuUnreachable, match="token: ConnectError"):
        client.bot_info()
    client.close()


def test_a_huge_answer_is_not_read_to_its_end(served: Platform) -> None:
    assert failure(served, Response(body=b" " * (1024 * 1024 + 1))).action is FeishuAction.REPORT


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Response(headers={"Content-Type": "image/png"}, body=b"x" * 101), FeishuError),
        (Response(headers={"Content-Type": "image/png"}, body=b""), FeishuUnreachable),
        (Response.of_json({"code": 0, "msg": "no file"}), FeishuUnreachable),
        (Response.of_json({"code": 234003, "msg": "File not in message."}), FeishuError),
        (Response(status=502, body=b"<html>"), FeishuUnreachable),
    ],
)
def test_a_download_is_bytes_or_an_error(
    served: Platform, client: FeishuClient, answer: Response, kind: type[FeishuError]
) -> None:
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


@pytest.mark.parametrize("domain", ["https://open..feishu.cn", f"https://{'a' * 64}.feishu.cn"])
def test_a_host_name_that_cannot_be_one_is_unreachable(domain: str) -> None:
    """Python's own error about the name is told as a platform that is not there."""
    client = FeishuClient(domain=domain, app_id="cli_test", app_secret="not-a-real-secret")
    with pytest.raises(FeishuUnreachable, match="UnicodeError"):
        client.bot_info()
    client.close()
