"""The tenant token: fetched once for everybody, renewed in time, replaced when it is refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.client import FeishuClient, TenantToken
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import Response
from tests.clients.feishu_platform import Platform


def refused(code: int, *, status: int = 400) -> Response:
    return Response.of_json({"code": code, "msg": "Invalid access token"}, status=status)


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


@pytest.mark.parametrize(("code", "status"), [(99991663, 200), (99991661, 400), (99991668, 400)])
def test_a_refused_token_is_replaced_and_the_call_repeated(
    served: Platform, client: FeishuClient, code: int, status: int
) -> None:
    served.answers.append(refused(code, status=status))
    client.patch("om_1", content="{}")
    assert [call.headers["authorization"] for call in served.calls] == ["Bearer t-not-real-1", "Bearer t-not-real-2"]
    assert served.calls[0].body == served.calls[1].body


def test_a_second_refusal_is_an_error(served: Platform, client: FeishuClient) -> None:
    served.answers += [refused(99991663), refused(99991663)]
    with pytest.raises(FeishuError) as failed:
        client.patch("om_1", content="{}")
    assert (failed.value.code, failed.value.action) == (99991663, FeishuAction.APP_REFUSED)
    assert (len(served.tokens), len(served.calls)) == (2, 2)


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


@pytest.mark.parametrize("code", [10003, 10014])
def test_wrong_credentials_are_for_the_admin(served: Platform, client: FeishuClient, code: int) -> None:
    served.token_answers.append(Response.of_json({"code": code, "msg": "app secret invalid"}))
    with pytest.raises(FeishuError) as failed:
        client.bot_info()
    assert (failed.value.code, failed.value.action) == (code, FeishuAction.APP_REFUSED)
    assert served.calls == []


@pytest.mark.parametrize("body", [{"expire": 7200}, {"tenant_access_token": "t-1"}])
def test_a_token_answer_without_its_parts_is_none(
    served: Platform, client: FeishuClient, body: dict[str, object]
) -> None:
    served.token_answers.append(Response.of_json({"code": 0, **body}))
    with pytest.raises(FeishuUnreachable):
        client.bot_info()


def test_a_newer_token_survives_a_late_refusal() -> None:
    values = iter(["t-1", "t-2", "t-3"])
    token = TenantToken(lambda: (next(values), 7200), clock=lambda: 0.0)
    first = token.get()
    token.invalidate(first)
    assert token.get() == "t-2"
    token.invalidate(first)
    assert token.get() == "t-2"
