"""Every error code of the platform, once through HTTP against the stand-in, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from bot.errors import FeishuAction, FeishuError
from bot.feishu import responses as answers
from bot.feishu.client import FeishuClient
from bot.feishu.error_codes import ACTIONS, TOKEN_REFUSED, action_of
from bot.sandbox.faults import FEISHU_CODES
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import Response
from tests.clients.feishu_platform import platform

EXPECTED = {
    FeishuAction.RETRY: {
        *(1500, 2200, 5000, 9499, 11232, 11233, 11247, 18121, 230020, 230049, 232096, 99991400),
        *(1254002, 1254036, 1254290, 1254291, 1254607, 1254608, 1255001, 1255002, 1255040),
    },
    FeishuAction.APP_REFUSED: {
        *(10003, 10005, 10012, 10013, 10014, 10015, 11205, 11207, 11209, 11210, 11223, 11240, 20009, 212100),
        *(230006, 230027, 234002, 234007, 234041, 234042),
        *(99991401, 99991403, 99991543, 99991644, 99991662, 99991672, 99991673, 99991676, 99991681, 99991692),
        *(20005, 99991661, 99991663, 99991664, 99991665, 99991668, 99991671, 99991677),
    },
    FeishuAction.TELL_ADMIN: {
        *(91402, 91403, 1063002, 1254003, 1254004, 1254015, 1254040, 1254041, 1254045, 1254103),
        *(1254302, 1254304, 1254306),
    },
    FeishuAction.GIVE_UP: {
        *(230002, 230013, 230018, 230035, 230038, 230050, 230054, 230055, 230075, 230111, 232009),
        *(234003, 234005, 234043, 99992354),
    },
    FeishuAction.SEND_WITHOUT_QUOTE: {230011, 230110, 231003},
    FeishuAction.SEND_OUTSIDE_TOPIC: {230019, 230071, 230072},
    FeishuAction.SEND_WITHOUT_PROMPT: {230022, 230028},
    FeishuAction.SHORTEN: {230025},
    FeishuAction.SEND_NEW: {230031},
    FeishuAction.SEND_PLAIN: {230099},
    FeishuAction.SHRINK_IMAGE: {234001, 234006, 234010, 234011, 234039},
    FeishuAction.IGNORE: {231001, 231002, *range(231004, 231022)},
    FeishuAction.REPORT: {230001, 230017, 99992402},
}
ARMABLE = sorted(FEISHU_CODES)


@dataclass(frozen=True, slots=True)
class Scene:
    """A stand-in, a client of it, and a message and a card to call about."""

    feishu: FeishuStandIn
    client: FeishuClient
    message_id: str


@pytest.fixture(name="scene", scope="module")
def scene_() -> Iterator[Scene]:
    """A client that talks with a stand-in."""
    with FeishuStandIn() as feishu:
        client = FeishuClient(domain=feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret)
        said = feishu.say(chat_id="oc_group", sender="ou_lin", text="一只猫")
        yield Scene(feishu, client, said.message_id)
        client.close()


def reply(scene: Scene) -> None:
    """Calls about the message."""
    scene.client.reply(scene.message_id, msg_type="text", content="{}", uuid="u-1", in_thread=False)


def patch(scene: Scene) -> None:
    """Calls about a card."""
    scene.client.patch(scene.message_id, content="{}")


def refusal(scene: Scene, fault: str, call: Callable[[Scene], None] = reply) -> FeishuError:
    """The error of a call that meets a fault, once or as often as it is made."""
    scene.feishu.faults.arm(fault, times=None)
    try:
        with pytest.raises(FeishuError) as failed:
            call(scene)
    finally:
        scene.feishu.faults.disarm(fault)
    return failed.value


def test_the_table_is_the_documented_one() -> None:
    """Every known code has the action that is listed here, and no other code has one."""
    assert {action: {code for code, one in ACTIONS.items() if one is action} for action in FeishuAction} == EXPECTED


def test_every_code_with_an_action_can_be_met() -> None:
    """The stand-in can answer each code of the table, so that none has an action that was never seen at work."""
    assert set(ACTIONS) <= set(ARMABLE)


@pytest.mark.parametrize("code", ARMABLE)
def test_a_code_leads_to_its_action(scene: Scene, code: int) -> None:
    """Each code that the stand-in can answer arrives with its action, message, status and log id."""
    before = len(scene.feishu.calls_named("reply"))
    error = refusal(scene, f"feishu_{code}")
    record = scene.feishu.calls_named("reply")[-1]
    assert error.code == code
    assert error.action is ACTIONS.get(code, FeishuAction.REPORT)
    assert (error.status, error.log_id) == (record.status, record.log_id)
    assert len(scene.feishu.calls_named("reply")) - before == (2 if code in TOKEN_REFUSED else 1)


@pytest.mark.parametrize("code", [230011, 230110, 231003, 99992354])
def test_a_card_that_is_gone_is_sent_anew(scene: Scene, code: int) -> None:
    """For a PATCH these codes speak of the bot's own card, so the answer is a new message."""
    assert refusal(scene, f"feishu_{code}", patch).action is FeishuAction.SEND_NEW


def test_the_message_is_the_platforms_own(scene: Scene) -> None:
    """What a person may be shown is the platform's ``msg`` alone; a log line also names the call."""
    error = refusal(scene, "feishu_230002")
    assert error.message == FEISHU_CODES[230002].text
    assert str(error) == f"reply: {error.message}"


def test_the_gateway_tells_how_long_to_wait(scene: Scene) -> None:
    """The seconds of ``x-ogw-ratelimit-reset`` come with the error; a chat's limit tells none."""
    assert refusal(scene, "rate_gateway").retry_after == 1
    assert refusal(scene, "rate_chat").retry_after is None


def test_a_missing_scope_comes_with_its_page(scene: Scene) -> None:
    """The address on which the admin grants the scope is taken out of the answer."""
    error = refusal(scene, "scope")
    assert error.help_url is not None
    assert error.help_url.startswith(f"https://open.feishu.cn/app/{scene.feishu.app_id}/auth?")


@pytest.mark.parametrize(
    ("code", "status", "action"),
    [
        (987654, 400, FeishuAction.REPORT),
        (987654, 200, FeishuAction.REPORT),
        (987654, 429, FeishuAction.RETRY),
        (987654, 500, FeishuAction.RETRY),
        (987654, 503, FeishuAction.RETRY),
        (987654, 401, FeishuAction.APP_REFUSED),
        (987654, 403, FeishuAction.APP_REFUSED),
        (230001, 500, FeishuAction.REPORT),
        # Limits pass by themselves, whatever their status.
        *((code, status, FeishuAction.RETRY) for code in (9499, 11232) for status in (200, 400, 429)),
    ],
)
def test_the_status_decides_about_unknown_codes(code: int, status: int, action: FeishuAction) -> None:
    """A passing fault of the platform is repeated, anything else reported; a known code goes before the status."""
    with platform() as served:
        client = served.client()
        served.answers.append(Response.of_json({"code": code, "msg": "new"}, status=status))
        with pytest.raises(FeishuError) as failed:
            client.patch("om_1", content="{}")
        client.close()
    assert failed.value.action is action_of(code, status=status, call="patch") is action


@pytest.mark.parametrize(
    ("header", "seconds"), [("52", 52.0), ("0.5", 0.5), ("-1", None), ("nan", None), ("inf", None), ("soon", None)]
)
def test_only_a_sensible_wait_is_passed_on(header: str, seconds: float | None) -> None:
    """What is no number of seconds is left out."""
    with platform() as served:
        client = served.client()
        headers = {"x-ogw-ratelimit-reset": header}
        served.answers.append(Response.of_json({"code": 99991400, "msg": "limit"}, status=429, headers=headers))
        with pytest.raises(FeishuError) as failed:
            client.patch("om_1", content="{}")
        client.close()
    assert failed.value.retry_after == seconds


@pytest.mark.parametrize(
    "details", [None, [], "x", {"helps": {}}, {"helps": [7]}, {"helps": [{"url": 7}], "log_id": 7}]
)
def test_details_of_another_shape_are_left_out(details: object) -> None:
    """An error whose details are not the documented ones is still that error."""
    with platform() as served:
        client = served.client()
        served.answers.append(Response.of_json({"code": 99991672, "msg": "scope", "error": details}, status=400))
        with pytest.raises(FeishuError) as failed:
            client.patch("om_1", content="{}")
        client.close()
    assert (failed.value.code, failed.value.help_url, failed.value.log_id) == (99991672, None, None)


def test_a_message_that_no_database_takes_is_mended() -> None:
    """What Feishu says of a refusal is kept for the card, half of a surrogate pair and NUL in it included."""
    refusal = answers.Answer(status=400, headers={}, content=rb'{"code": 234011, "msg": "a\ud800b\u0000c"}')
    with pytest.raises(FeishuError) as refused:
        answers.body_of(refusal, "image")
    assert refused.value.message == "a\ufffdbc"
