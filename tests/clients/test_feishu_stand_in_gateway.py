"""The stand-in's gateway: tokens, limits, faults by name, and the record of calls."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from bot.sandbox.faults import FEISHU_CODES, NAMES
from bot.sandbox.feishu.gateway import Limits
from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.clients.feishu_wire import HandClock, Wire, card, png


@pytest.fixture
def clock() -> HandClock:
    """The stand-in's time."""
    return HandClock()


@pytest.fixture
def wire(clock: HandClock) -> Iterator[Wire]:
    """A logged-in client."""
    with FeishuStandIn(clock=clock) as stand_in:
        wire = Wire(stand_in).log_in()
        yield wire
        wire.close()


def test_the_same_token_comes_while_half_an_hour_is_left(wire: Wire, clock: HandClock) -> None:
    """A renewed token appears only in the last half hour, and the old one then lives on to its end."""
    first = wire.token().json()
    clock.now += 5400
    again = wire.token().json()
    clock.now += 1
    renewed = wire.token().json()
    assert (first["expire"], again["expire"], renewed["expire"]) == (7200, 1800, 7200)
    assert first["tenant_access_token"] == again["tenant_access_token"] != renewed["tenant_access_token"]
    clock.now += 1798
    assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == 0
    clock.now += 1
    assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == 99991663


@pytest.mark.parametrize(
    ("fields", "code"), [({"app_id": "cli_other"}, 10003), ({"app_secret": "wrong"}, 10014), ({}, 0)]
)
def test_a_wrong_app_or_secret_is_refused_with_http_200(wire: Wire, fields: dict[str, str], code: int) -> None:
    """The token endpoint answers 200 whatever its code is."""
    answer = wire.token(**fields)
    assert (answer.status_code, answer.json()["code"]) == (200, code)


@pytest.mark.parametrize(("header", "code"), [("", 99991661), ("Bearer t-wrong", 99991663), ("t-wrong", 99991661)])
def test_calls_need_a_good_token(wire: Wire, header: str, code: int) -> None:
    """A missing token and a wrong one have different codes."""
    answer = wire.http.get("/open-apis/bot/v3/info", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_expired_tokens_are_refused_until_a_new_one_is_fetched(wire: Wire) -> None:
    """After the tokens end, a new one is let in."""
    wire.stand_in.expire_tokens()
    assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == 99991663
    assert wire.log_in().http.get("/open-apis/bot/v3/info").json()["code"] == 0


def test_the_bot_is_told_at_the_top_level(wire: Wire) -> None:
    """The bot's own open id stands under ``bot``, not under ``data``."""
    answer = wire.http.get("/open-apis/bot/v3/info").json()
    assert answer["bot"]["open_id"] == wire.stand_in.bot_open_id
    assert answer["bot"]["activate_status"] == 2
    assert "data" not in answer


def test_every_answer_has_its_own_log_id_which_a_refusal_repeats(wire: Wire) -> None:
    """The header names the call, and an error names the same."""
    good = wire.http.get("/open-apis/bot/v3/info")
    bad = wire.reply("om_bad", {"text": "hi"})
    assert good.headers["X-Tt-Logid"] != bad.headers["X-Tt-Logid"]
    assert bad.json()["error"]["log_id"] == bad.headers["X-Tt-Logid"]
    assert "code=99992354" in bad.json()["error"]["troubleshooter"]


def test_the_gateway_lets_fifty_calls_a_second_through(wire: Wire, clock: HandClock) -> None:
    """The fifty-first within a second is refused with the seconds to wait, and then let through."""
    codes = {wire.http.get("/open-apis/bot/v3/info").json()["code"] for _ in range(50)}
    refused = wire.http.get("/open-apis/bot/v3/info")
    assert codes == {0}
    assert (refused.status_code, refused.json()["code"]) == (429, 99991400)
    assert (refused.headers["x-ogw-ratelimit-limit"], refused.headers["x-ogw-ratelimit-reset"]) == ("50", "1")
    clock.now += 1
    assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == 0


def test_the_gateway_counts_a_minute_too(clock: HandClock) -> None:
    """A thousand a minute is a limit of its own, here scaled to three."""
    with FeishuStandIn(clock=clock, limits=Limits(api_per_minute=3)) as stand_in:
        wire = Wire(stand_in).log_in()
        for _ in range(3):
            clock.now += 2
            assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == 0
        refused = wire.http.get("/open-apis/bot/v3/info")
        assert (refused.status_code, refused.headers["x-ogw-ratelimit-reset"]) == (429, "56")
        wire.close()


def test_a_chat_takes_five_messages_a_second(wire: Wire, clock: HandClock) -> None:
    """The sixth message into one chat is refused; another chat is not touched by that."""
    codes = [wire.create("oc_group", {"text": str(place)}).json()["code"] for place in range(6)]
    assert codes == [0, 0, 0, 0, 0, 230020]
    assert wire.create("oc_topics", {"text": "x"}).json()["code"] == 0
    clock.now += 1
    assert wire.create("oc_group", {"text": "x"}).json()["code"] == 0


def test_a_card_takes_five_updates_a_second(wire: Wire) -> None:
    """The sixth update of one message is refused."""
    sent = wire.sent_card(card())
    codes = [wire.patch(sent, card()).json()["code"] for _ in range(6)]
    assert codes == [0, 0, 0, 0, 0, 230020]


@pytest.mark.parametrize("code", sorted(set(FEISHU_CODES) - set(range(10003, 10016))))
def test_each_code_is_a_fault_by_name(wire: Wire, code: int) -> None:
    """An armed code is answered once, with its text, and applies nothing."""
    wire.stand_in.faults.arm(f"feishu_{code}", on="create")
    refused = wire.create("oc_group", {"text": "hi"})
    assert (refused.json()["code"], refused.json()["msg"]) == (code, FEISHU_CODES[code].text)
    assert refused.status_code >= 400 or code in range(1254000, 1256000), "a Base answers many of its refusals with 200"
    assert wire.stand_in.messages == []
    assert wire.create("oc_group", {"text": "hi"}).json()["code"] == 0


def test_the_names_in_words_mean_their_codes(wire: Wire) -> None:
    """``rate_chat`` and the like are faults too."""
    for name, code in NAMES.items():
        wire.stand_in.faults.arm(name, on="bot_info")
        assert wire.http.get("/open-apis/bot/v3/info").json()["code"] == code


def test_a_missing_scope_names_the_page_that_grants_it(wire: Wire) -> None:
    """The refusal of a call without its scope tells the admin where to go."""
    wire.stand_in.faults.arm("scope", on="image")
    error = wire.upload_image(png(1, 1)).json()["error"]
    assert error["permission_violations"] == [{"type": "action_scope_required", "subject": "im:resource:upload"}]
    assert wire.stand_in.app_id in error["helps"][0]["url"]


@pytest.mark.parametrize(
    ("fault", "applied"),
    [("reset_before", 0), ("html_502", 0), ("reset_after", 1), ("empty_body", 1), ("truncated", 1)],
)
def test_wire_faults_apply_the_call_or_do_not(wire: Wire, fault: str, applied: int) -> None:
    """A broken connection hides whether a message was sent: each fault says which."""
    wire.stand_in.faults.arm(fault, on="create")
    try:
        answer: httpx.Response | None = wire.create("oc_group", {"text": "hi"})
    except httpx.TransportError:
        answer = None
    assert len(wire.stand_in.messages) == applied
    assert (answer is None) == fault.startswith(("reset", "truncated"))
    assert wire.stand_in.calls[-1].fault == fault


def test_a_hanging_call_is_never_answered(wire: Wire) -> None:
    """The request is read, and the client's patience ends it."""
    wire.stand_in.faults.arm("hang", on="bot_info")
    with pytest.raises(httpx.ReadTimeout):
        wire.http.get("/open-apis/bot/v3/info", timeout=0.2)


def test_a_fault_meets_only_the_calls_and_times_it_is_armed_for(wire: Wire) -> None:
    """A fault for any call leaves the token alone, counts down, and can be disarmed."""
    faults = wire.stand_in.faults
    faults.arm("feishu_1500", times=2)
    faults.arm("quota", on="create", times=None)
    assert wire.token().json()["code"] == 0
    assert [wire.http.get("/open-apis/bot/v3/info").json()["code"] for _ in range(3)] == [1500, 1500, 0]
    assert [wire.create("oc_group", {"text": "x"}).json()["code"] for _ in range(2)] == [99991403, 99991403]
    faults.disarm("quota")
    assert wire.create("oc_group", {"text": "x"}).json()["code"] == 0
    assert faults.armed == []


@pytest.mark.parametrize(("name", "on"), [("no_such_fault", "create"), ("quota", "no_such_call")])
def test_an_unknown_fault_or_call_cannot_be_armed(wire: Wire, name: str, on: str) -> None:
    """The refusal lists what there is."""
    with pytest.raises(ValueError, match=r"there are: .*(hang|bot_info)"):
        wire.stand_in.faults.arm(name, on=on)


def test_calls_are_recorded_without_secrets(wire: Wire) -> None:
    """A record tells what was asked and answered, but neither the app's secret nor a token."""
    wire.upload_image(png(1, 1))
    wire.create("oc_nowhere", {"text": "hi"})
    calls = wire.stand_in.calls
    assert [(call.name, call.status, call.code) for call in calls] == [
        ("token", 200, 0),
        ("image", 200, 0),
        ("create", 400, 230001),
    ]
    assert calls[0].body == f'{{"app_id":"{wire.stand_in.app_id}","app_secret":"***"}}'
    assert '"tenant_access_token": "***"' in calls[0].answer
    assert calls[1].body == f"image_type=message; image=<a.png, image/png, {len(png(1, 1))} bytes>"
    assert calls[2].path == "/open-apis/im/v1/messages?receive_id_type=chat_id"
