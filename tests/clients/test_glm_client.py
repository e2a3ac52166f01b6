"""One paid call: what is sent, what comes back, and what never happens twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bot.errors import CallTimedOut, GlmError, MissingApiKey, NetworkFailed, RateLimited, RequestRejected, ServerFailed
from bot.glm.client import ENDPOINT, GlmClient, call_seconds
from bot.glm.transport import GuardedTransport
from bot.options import Options
from bot.sandbox.glm.stand_in import API_HOST, GlmStandIn, LoopbackTransport
from bot.sandbox.http import LoopbackServer, Response
from tests.clients.glm_wire import FAKE_KEY, sipping_server
from tests.support.waiting import wait_until


def client_of(glm: GlmStandIn, *, deadline: float = 60.0) -> GlmClient:
    transport = glm.transport(inner=GuardedTransport())
    return GlmClient(api_key=f" {FAKE_KEY}\n", transport=transport, deadline=deadline)


def test_a_call_sends_the_documented_fields_once(glm: GlmStandIn) -> None:
    options = Options(size="16:9", watermark=False)
    with client_of(glm) as client:
        image = client.generate("一只橘猫", options=options, user_id="user_12345")
    (call,) = glm.calls
    assert call.body == {
        "model": "glm-image",
        "prompt": "一只橘猫",
        "quality": "hd",
        "size": "1728x960",
        "watermark_enabled": False,
        "user_id": "user_12345",
    }
    assert (call.key, call.status, call.paid) == ("fake…", 200, True)
    assert image.url.startswith("https://maas-watermark-prod-new.cn-wlcb.ufileos.com/")
    assert image.created == int(call.at)


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_the_deadline_ends_a_call_that_never_ends(glm: GlmStandIn, fault: str) -> None:
    glm.arm(fault)
    with client_of(glm, deadline=2.0) as client, pytest.raises(CallTimedOut) as caught:
        client.generate("猫", options=Options())
    assert caught.value.sentence == "failure.timeout"
    assert len(glm.calls) == 1


def test_the_deadline_ends_a_call_that_is_taken_in_slowly() -> None:
    sipped = threading.Event()
    with sipping_server(sipped) as port:
        transport = LoopbackTransport({API_HOST: f"http://127.0.0.1:{port}"}, inner=GuardedTransport())
        client = GlmClient(api_key=FAKE_KEY, transport=transport, clock=lambda: 180.0 if sipped.is_set() else 0.0)
        with client, pytest.raises(CallTimedOut, match="within 180 s"):
            client.generate("猫" * 3_000_000, options=Options())


def test_an_answer_that_does_not_end_is_left() -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield b" " * 65536

    with LoopbackServer() as server:
        server.route("POST", "/*path", lambda _call: Response(stream=endless()))
        transport = LoopbackTransport({API_HOST: server.origin})
        with GlmClient(api_key=FAKE_KEY, transport=transport) as client, pytest.raises(ServerFailed, match="be read"):
            client.generate("猫", options=Options())
    # What the buffers of the connection hold is sent beyond the limit, and no more.
    assert 1024 * 1024 <= sent < 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset_after", NetworkFailed),
        ("truncated", NetworkFailed),
        ("html_502", ServerFailed),
        ("empty_body", ServerFailed),
        ("glm_1302", RateLimited),
    ],
)
def test_no_call_is_ever_repeated(glm: GlmStandIn, fault: str, error: type[GlmError]) -> None:
    glm.arm(fault)
    with client_of(glm) as client, pytest.raises(error):
        client.generate("猫", options=Options())
    assert len(glm.calls) == 1


@pytest.mark.parametrize("key", ["", "假密钥"])
def test_without_a_usable_key_nothing_is_sent(glm: GlmStandIn, key: str) -> None:
    with GlmClient(api_key=key, transport=glm.transport()) as client, pytest.raises(MissingApiKey):
        client.generate("猫", options=Options())
    assert glm.calls == []


def test_a_prompt_of_any_length_goes_whole(glm: GlmStandIn) -> None:
    with client_of(glm) as client:
        client.generate("猫" * 2761, options=Options())
        with pytest.raises(RequestRejected) as caught:
            client.generate("猫" * 5000, options=Options())
    assert caught.value.sentence == "failure.prompt_too_long"
    assert [len(call.body["prompt"]) for call in glm.calls] == [2761, 5000]


def test_a_second_call_at_a_time_is_refused_before_any_work(glm: GlmStandIn) -> None:
    glm.seconds = 1.0
    with client_of(glm) as client:
        first = threading.Thread(target=client.generate, args=("猫",), kwargs={"options": Options()})
        first.start()
        assert wait_until(lambda: glm.working == 1, seconds=30)
        with pytest.raises(RateLimited) as caught:
            client.generate("狗", options=Options())
        first.join(5)
    assert caught.value.waits
    assert [call.body["prompt"] for call in glm.paid] == ["猫"]


def test_large_pictures_have_longer() -> None:
    """A 2K picture takes the platform several times as long as a small one."""
    assert call_seconds(Options(size="1280x1280")) == 180
    assert call_seconds(Options(size="2048x2048")) == 300


def test_nothing_can_be_reached_is_a_network_failure() -> None:
    with GlmStandIn() as gone:
        transport = gone.transport()
    with GlmClient(api_key=FAKE_KEY, transport=transport) as client, pytest.raises(NetworkFailed) as caught:
        client.generate("猫", options=Options())
    assert caught.value.message.startswith("Network error: ")


def test_the_endpoint_is_the_documented_one() -> None:
    assert ENDPOINT == "https://open.bigmodel.cn/api/paas/v4/images/generations"
