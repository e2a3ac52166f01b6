"""The stand-ins answer as the platforms are documented and were recorded.

The facts are data in ``tests/facts``, each with the page that they are from. They are compared with the stand-ins
only, so that a wrong belief of the bot cannot pass for a fact. Feishu's own SDK reads the answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.feishu import sdk
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import API_HOST, PATH, GlmStandIn
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


@pytest.mark.parametrize("name", FEISHU["errors"])
def test_a_feishu_error_has_its_documented_status_and_fields(wire: Wire, name: str) -> None:
    fact = FEISHU["errors"][name]
    wire.stand_in.faults.arm(f"feishu_{fact['code']}", on="create")
    answer = wire.create("oc_group", {"text": "hi"})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (fact["status"], fact["code"])
    assert body["msg"][:16] == fact["message"][:16]
    assert set(fact["fields"]) <= set(body)
    assert set(fact["headers"]) <= set(answer.headers)


@pytest.mark.parametrize("code", GLM["statuses"])
def test_a_glm_error_has_its_documented_status(glm: GlmStandIn, code: str) -> None:
    answer = posted(glm, f"glm_{code}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (GLM["statuses"][code], code)
    assert shape(answer.json()["error"]) == {"code": "str", "message": "str"}


@pytest.mark.parametrize("fact", GLM["bodies"], ids=lambda fact: fact["body"]["error"]["code"])
def test_a_recorded_glm_error_comes_word_for_word(glm: GlmStandIn, fact: dict[str, Any]) -> None:
    answer = posted(glm, f"glm_{fact['body']['error']['code']}")
    assert (answer.status_code, answer.json()) == (fact["status"], fact["body"])


def posted(glm: GlmStandIn, fault: str) -> httpx.Response:
    glm.arm(fault)
    body = {"model": "glm-image", "prompt": "猫", "size": "1280x1280"}
    with httpx.Client(transport=glm.transport()) as client:
        return client.post(f"https://{API_HOST}{PATH}", json=body, headers={"Authorization": "Bearer fake-key"})


def test_feishus_own_sdk_reads_an_answer_to_a_reply(wire: Wire) -> None:
    said = wire.stand_in.say(chat_id="oc_group", sender="ou_lin", text="一只猫")
    body = wire.reply(said.message_id, {"text": "好"}).json()
    message = JSON.unmarshal(json.dumps(body["data"]), im.ReplyMessageResponseBody)
    assert message.parent_id == message.root_id == said.message_id
    assert (message.chat_id, message.deleted, message.updated) == ("oc_group", False, False)
    assert message.create_time.isdecimal()
    assert message.sender.id == wire.stand_in.app_id
    assert set(FEISHU["calls"]["reply"]["answer"]["data"]) <= set(body["data"])


def test_feishus_own_sdk_reads_an_answer_to_an_upload(wire: Wire) -> None:
    body = wire.upload_image(png(1, 1)).json()
    assert JSON.unmarshal(json.dumps(body["data"]), im.CreateImageResponseBody).image_key.startswith("img_")
    assert shape(body) == shape(FEISHU["calls"]["image"]["answer"])


@pytest.mark.parametrize(("chat_id", "fact"), [("oc_direct_lin", "p2p_text"), ("oc_group", "group_text")])
def test_feishus_own_sdk_reads_a_message_event(wire: Wire, chat_id: str, fact: str) -> None:
    said = wire.stand_in.say(chat_id=chat_id, sender="ou_lin", text="一只猫")
    event = wire.stand_in.event_of(said)
    read = JSON.unmarshal(json.dumps(event), im.P2ImMessageReceiveV1)
    assert read.event.sender.sender_id.open_id == "ou_lin"
    assert (read.event.message.message_id, read.event.message.chat_id) == (said.message_id, chat_id)
    assert read.event.message.chat_type == ("group" if chat_id == "oc_group" else "p2p")
    recorded = FEISHU["events"][fact]
    assert set(recorded["header"]) == set(event["header"])
    optional = {"update_time", "user_agent", "root_id", "parent_id", "thread_id"}
    assert set(recorded["event"]["message"]) - set(event["event"]["message"]) <= optional


def test_feishus_own_sdk_reads_a_recall(wire: Wire) -> None:
    stand_in = wire.stand_in
    said = stand_in.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只猫")
    stand_in.recall(said.message_id, by="ou_lin")
    assert wait_until(lambda: any("recalled" in one.event_type for one in stand_in.attempts))
    (event,) = [one.event for one in stand_in.attempts if "recalled" in one.event_type]
    read = JSON.unmarshal(json.dumps(event), im.P2ImMessageRecalledV1)
    assert (read.event.message_id, read.event.recall_type) == (said.message_id, "message_owner")
    assert set(FEISHU["events"]["recalled"]["event"]) == set(event["event"])
