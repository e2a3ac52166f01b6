"""The stand-ins answer as the platforms are documented and were recorded, and each fault meets the calls it can meet.

The facts are data in ``tests/facts``, each with the page that they are from. They are compared with the stand-ins
only, so that a wrong belief of the bot cannot pass for a fact. Feishu's own SDK reads the answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from bot.feishu import sdk
from bot.sandbox.faults import CALL_NAMES, FAULTS, ArmedFaults, arm
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.images import render
from bot.sandbox.glm.stand_in import API_HOST, IMAGE_HOST, LINK_SECONDS, PATH, GlmStandIn
from tests.clients.feishu_wire import Wire, png
from tests.support.waiting import wait_until

sdk.stub("lark_oapi", "lark_oapi.api", "lark_oapi.api.im")
im: Any = import_module("lark_oapi.api.im.v1")
JSON: Any = import_module("lark_oapi.core").JSON

FACTS = Path(__file__).parents[1] / "facts"
FEISHU: dict[str, Any] = json.loads((FACTS / "feishu.json").read_text(encoding="utf-8"))
GLM: dict[str, Any] = json.loads((FACTS / "glm.json").read_text(encoding="utf-8"))


@pytest.fixture
def wire() -> Iterator[Wire]:
    with FeishuStandIn() as stand_in:
        wire = Wire(stand_in).log_in()
        yield wire
        wire.close()


def shape(value: Any) -> Any:
    """The names and kinds of a JSON value."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value[:1]] if isinstance(value, list) else type(value).__name__


def test_a_feishu_error_has_its_documented_status_and_fields(wire: Wire) -> None:
    """Status, code, the beginning of the message, the fields of the body and the special headers are the platform's."""
    for fact in FEISHU["errors"].values():
        wire.stand_in.faults.arm(f"feishu_{fact['code']}", on="create")
        answer = wire.create("oc_group", {"text": "hi"})
        body = answer.json()
        assert (answer.status_code, body["code"]) == (fact["status"], fact["code"])
        assert body["msg"][:16] == fact["message"][:16]
        assert (set(fact["fields"]) - set(body), set(fact["headers"]) - set(answer.headers)) == (set(), set())


GOOD_CALL: dict[str, Any] = {"model": "glm-image", "prompt": "猫", "size": "1280x1280"}


def test_a_glm_error_has_its_documented_status(glm: GlmStandIn) -> None:
    """The code comes as a string; what was recorded from the platform is answered word for word."""
    for code, documented in GLM["statuses"].items():
        answer = posted(glm, fault=f"glm_{code}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (documented, code)
        assert shape(answer.json()["error"]) == {"code": "str", "message": "str"}
    for fact in GLM["bodies"]:
        answer = posted(glm, fault=f"glm_{fact['body']['error']['code']}")
        assert (answer.status_code, answer.json()) == (fact["status"], fact["body"])


def test_feishus_own_sdk_reads_the_answers(wire: Wire) -> None:
    """The SDK finds every documented field of a sent message, of the documented kind, and the key of an upload."""
    said = wire.stand_in.say(chat_id="oc_group", sender="ou_lin", text="一只猫")
    body = wire.reply(said.message_id, {"text": "好"}).json()
    message = JSON.unmarshal(json.dumps(body["data"]), im.ReplyMessageResponseBody)
    assert message.parent_id == message.root_id == said.message_id
    assert (message.chat_id, message.deleted, message.updated) == ("oc_group", False, False)
    assert message.create_time.isdecimal()
    assert message.sender.id == wire.stand_in.app_id
    assert set(FEISHU["calls"]["reply"]["answer"]["data"]) <= set(body["data"])
    body = wire.upload_image(png(1, 1)).json()
    assert JSON.unmarshal(json.dumps(body["data"]), im.CreateImageResponseBody).image_key.startswith("img_")
    assert shape(body) == shape(FEISHU["calls"]["image"]["answer"])


def posted(
    stand_in: GlmStandIn, body: Any = None, *, fault: str | None = None, key: str = "fake-key"
) -> httpx.Response:
    """The answer to a call, which may meet a fault."""
    if fault:
        stand_in.arm(fault)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(transport=stand_in.transport()) as client:
        return client.post(f"https://{API_HOST}{PATH}", json=body or GOOD_CALL, headers=headers)


def test_feishus_own_sdk_reads_a_message_event(wire: Wire) -> None:
    """The SDK finds sender, chat, kind and content, and every field that the recorded event has is there."""
    for chat_id, chat_type, fact in (("oc_direct_lin", "p2p", "p2p_text"), ("oc_group", "group", "group_text")):
        said = wire.stand_in.say(chat_id=chat_id, sender="ou_lin", text="一只猫")
        event = wire.stand_in.event_of(said)
        read = JSON.unmarshal(json.dumps(event), im.P2ImMessageReceiveV1).event
        assert read.sender.sender_id.open_id == "ou_lin"
        sent = (read.message.message_id, read.message.chat_id, read.message.chat_type)
        assert sent == (said.message_id, chat_id, chat_type)
        recorded = FEISHU["events"][fact]
        assert set(recorded["header"]) == set(event["header"])
        optional = {"update_time", "user_agent", "root_id", "parent_id", "thread_id"}
        assert set(recorded["event"]["message"]) - set(event["event"]["message"]) <= optional


NOW = 1_795_382_776.0


@pytest.fixture
def stand_in() -> Iterator[GlmStandIn]:
    with GlmStandIn(clock=lambda: NOW) as stand_in:
        yield stand_in


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"model": "dall-e"}, "1211"),
    ({"prompt": ""}, "1213"),
    ({"prompt": None}, "1213"),
    ({"prompt": "猫" * 4001}, "1261"),
    ({"size": "512x512"}, "1214"),
    ({"size": "1280×1280"}, "1214"),
    ({"quality": "best"}, "1210"),
    ({"watermark_enabled": "false"}, "1210"),
    ({"user_id": "short"}, "1210"),
    ({"seed": 7}, "1210"),
]


def test_feishus_own_sdk_reads_a_recall(wire: Wire) -> None:
    stand_in = wire.stand_in
    said = stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只猫")
    stand_in.recall(said.message_id, by="ou_lin")
    assert wait_until(lambda: any("recalled" in one.event_type for one in stand_in.attempts))
    (event,) = [one.event for one in stand_in.attempts if "recalled" in one.event_type]
    read = JSON.unmarshal(json.dumps(event), im.P2ImMessageRecalledV1)
    assert (read.event.message_id, read.event.recall_type) == (said.message_id, "message_owner")
    assert set(FEISHU["events"]["recalled"]["event"]) == set(event["event"])


def test_a_wrong_field_is_refused_with_its_code(stand_in: GlmStandIn) -> None:
    """The stand-in is as strict as the documentation, so that a wrong call cannot pass a test.

    A refusal comes from nginx, with the cookie of the platform's firewall and no delay to wait for.
    """
    for change, code in WRONG_FIELDS:
        answer = posted(stand_in, {**GOOD_CALL, **change})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), change
    headers = posted(stand_in, key="").headers
    assert (headers["content-type"][:16], headers["set-cookie"][:7]) == ("application/json", "acw_tc=")
    assert (headers["server"], headers["vary"], "retry-after" in headers) == ("nginx", "Origin", False)
    assert stand_in.paid == []
    # The recommended sizes hold even where the rule for others says no.
    for size in ("960x1728", "2048x2048"):
        assert posted(stand_in, {**GOOD_CALL, "size": size}).status_code == 200


def test_the_link_has_the_platforms_shape_and_life() -> None:
    """The name begins with the time in Beijing; the signature ends in an escaped equals sign; it holds seven days."""
    now = [NOW]
    with GlmStandIn(clock=lambda: now[0]) as stand_in:
        answer = posted(stand_in).json()
        assert set(answer) == {"created", "data"}
        url = answer["data"][0]["url"]
        pattern = rf"https://{IMAGE_HOST}/20261123052616[0-9a-f]{{16}}_watermark\.png\?"
        match = re.fullmatch(pattern + r"UCloudPublicKey=TOKEN_\w+&Signature=\w+%3D&Expires=(\d+)", url)
        assert match
        assert int(match[1]) == NOW + LINK_SECONDS
        with httpx.Client(transport=stand_in.transport()) as client:
            image = client.get(url)
            assert (image.status_code, image.headers["content-type"]) == (200, "application/octet-stream")
            others = [client.get(posted(stand_in).json()["data"][0]["url"]).content for _ in range(3)]
            assert len({image.content, *others}) == 4
            now[0] += LINK_SECONDS + 1
            assert client.get(url).status_code == 403


def test_image_is_marked_and_of_the_requested_size() -> None:
    settings: dict[str, Any] = {"width": 1728, "height": 960, "image_id": "2026", "watermark": True}
    scenes = [render("一只橘猫", **settings, number=number) for number in range(6)]
    picture = Image.open(BytesIO(scenes[0]))
    assert (picture.format, picture.size) == ("JPEG", (1728, 960))
    assert '"ProduceID": "2026"' in picture.getexif()[0x010E]
    assert len(set(scenes)) == 6
    assert scenes[0] == render("一只橘猫", **settings)
    assert scenes[0] != render("一只橘猫", **{**settings, "watermark": False})


def test_faults_wait_in_line(stand_in: GlmStandIn) -> None:
    """A fault armed twice meets two calls, the next one the call after; then all is well."""
    stand_in.arm("glm_1302", times=2)
    stand_in.arm("glm_1305")
    codes = [posted(stand_in).json().get("error", {}).get("code") for _ in range(4)]
    assert codes == ["1302", "1302", "1305", None]
    assert [call.fault for call in stand_in.calls] == ["glm_1302", "glm_1302", "glm_1305", None]
    # A misspelt fault would make a test pass for nothing.
    with pytest.raises(ValueError, match="no fault is named"):
        stand_in.arm("glm_9999")


def test_a_reset_is_before_or_after_the_work(stand_in: GlmStandIn) -> None:
    """Only the second of the two costs money, and the caller cannot tell them apart."""
    for calls, (fault, paid) in enumerate((("reset_before", 0), ("reset_after", 1)), 1):
        with pytest.raises(httpx.NetworkError):
            posted(stand_in, fault=fault)
        assert (len(stand_in.calls), len(stand_in.paid)) == (calls, paid)


def test_each_fault_has_one_name_and_fits_calls_of_its_side() -> None:
    """A code and its name are one fault."""
    for name, fault in FAULTS.items():
        known = CALL_NAMES if fault.side == "feishu" else ("call", "download")
        assert fault.calls, name
        assert set(fault.calls) <= set(known), name
    assert FAULTS["feishu_230099"] is FAULTS["card_bad"]
    assert len({fault.name for fault in FAULTS.values()}) == len({(fault.side, fault.own) for fault in FAULTS.values()})
    assert {FAULTS[name].own for name in ("glm_image_empty", "feishu_image_empty")} == {"image_empty"}


def test_the_transport_redirects_only_known_hosts_by_https(stand_in: GlmStandIn) -> None:
    """What would not reach the platform does not reach the stand-in either."""
    with httpx.Client(transport=stand_in.transport()) as client:
        for url in (f"http://{API_HOST}{PATH}", "https://open.bigmodel.cn.example/"):
            with pytest.raises(httpx.ConnectError):
                client.get(url)
    assert stand_in.calls == []


DEFAULT_CALLS = {
    "patch_too_old": "patch",
    "card_bad": "reply",
    "rate_gateway": "reply",
    "feishu_hang": "reply",
    "feishu_image_empty": "image",
    "feishu_10014": "token",
}


def test_a_fault_is_armed_for_a_call_that_can_fail_by_it() -> None:
    """By default it is the reply, or else one that the fault fits."""
    for fault, call in DEFAULT_CALLS.items():
        feishu, glm = ArmedFaults("feishu"), ArmedFaults("glm")
        arm(fault, feishu=feishu, glm=glm, times=2)
        assert ([(one.on, one.left) for one in feishu.armed], glm.armed) == ([(call, 2)], [])
    feishu, glm = ArmedFaults("feishu"), ArmedFaults("glm")
    # A reply is never rejected for the age of the card that it does not change.
    with pytest.raises(ValueError, match="these do: patch"):
        arm("patch_too_old", feishu=feishu, glm=glm, on="reply")
    arm("glm_hang", feishu=feishu, glm=glm, times=2)
    assert (feishu.armed, [(one.name, one.left) for one in glm.armed]) == ([], [("hang", 2)])


FITTING = [
    ("feishu_231021", "react", "reply"),
    ("feishu_234006", "image", "reply"),
    ("feishu_234002", "file", "patch"),
    ("feishu_234005", "own_image", "image"),
    ("feishu_230071", "reply", "patch"),
    ("feishu_230031", "patch", "reply"),
    ("feishu_230099", "create", "image"),
    ("feishu_10014", "token", "reply"),
    ("feishu_99991672", "scopes", "token"),
    ("feishu_reset_after", "token", "none"),
]


def test_a_fault_fits_the_calls_that_its_documentation_names() -> None:
    for fault, fits, fits_not in FITTING:
        assert (fits in FAULTS[fault].calls, fits_not in FAULTS[fault].calls) == (True, False), fault
