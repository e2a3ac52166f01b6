"""``glm-image --send``: the image also goes to a chat as the bot's card, and a refusal hides nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.clients.commands import (
    GENERATE,
    CommandResult,
    Variables,
    app_variables,
    generate,
    generate_anew,
)
from tests.clients.glm_wire import FAKE_KEY

LOADED = f"{GENERATE}; import sys; print(*sorted(sys.modules), file=sys.stderr)"


def send(glm: GlmStandIn, feishu: FeishuStandIn, *arguments: str, env: Variables | None = None) -> CommandResult:
    variables = {**app_variables(feishu), **(env or {})}
    arguments = arguments if "--send" in arguments else (*arguments, "--send", "oc_group")
    return generate("-p", "一只橘猫", *arguments, origin=glm.origin, env=variables)


@pytest.mark.parametrize(("recipient", "chat_id"), [("oc_group", "oc_group"), ("ou_lin", "oc_direct_lin")])
def test_the_result_goes_to_the_chat_as_a_card(
    recipient: str, chat_id: str, glm: GlmStandIn, feishu: FeishuStandIn
) -> None:
    result = send(glm, feishu, "--size", "16:9", "--send", recipient)
    (message,) = feishu.messages
    (upload,) = feishu.uploads.values()
    assert (result.code, result.answer["error"], len(glm.calls)) == (0, None, 1)
    assert (message.chat_id, message.msg_type, upload.width) == (chat_id, "interactive", 1728)
    assert json.loads(message.content)["body"]["elements"][0]["img_key"] == upload.key
    for shown in ("一只橘猫", "glm-image", "1728x960", "¥0.10", "图片已生成"):
        assert shown in message.content
    link = [{"type": "open_url", "default_url": result.answer["image_url"]}]
    assert values_of(json.loads(message.content), "behaviors") == [link]


def test_the_image_is_downloaded_once_for_file_and_chat(glm: GlmStandIn, feishu: FeishuStandIn, tmp_path: Path) -> None:
    result = send(glm, feishu, "--save", str(tmp_path / "cat.jpg"))
    (upload,) = feishu.uploads.values()
    assert result.answer["saved_file"] == str(tmp_path / "cat.jpg")
    assert (tmp_path / "cat.jpg").read_bytes() == upload.content
    shown = result.text + result.stderr + "".join(call.body for call in feishu.calls)
    assert [secret for secret in (FAKE_KEY, feishu.app_secret) if secret in shown] == []


@pytest.mark.parametrize(
    ("fault", "call", "provider_code", "advice"),
    [
        ("not_in_group", "create", "230002", "群机器人"),
        ("scope", "image", "99991672", "grant one of im:resource"),
        ("feishu_10014", "token", "10014", "FEISHU_APP_SECRET"),
        ("html_502", "create", None, "whether this machine reaches"),
    ],
)
def test_a_refusal_has_its_fix_and_the_link_and_the_file_stay(
    *,
    fault: str,
    call: str,
    provider_code: str | None,
    advice: str,
    glm: GlmStandIn,
    feishu: FeishuStandIn,
    tmp_path: Path,
) -> None:
    feishu.faults.arm(fault, on=call)
    result = send(glm, feishu, "--save", str(tmp_path / "cat.jpg"))
    error = result.answer["error"]
    assert (result.code, result.answer["ok"], error["code"]) == (1, False, "SEND_FAILED")
    assert error.get("provider_code") == provider_code
    reason, _, remedy = error["message"].partition(". What to do: ")
    assert reason.startswith("Failed to send the image to oc_group: ")
    assert advice in remedy
    assert result.answer["image_url"].startswith("https://")
    assert result.answer["saved_file"] == str(tmp_path / "cat.jpg")
    assert (tmp_path / "cat.jpg").stat().st_size > 0
    assert feishu.messages == []


def test_a_rejected_card_goes_out_as_image_and_text(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    feishu.faults.arm("card_bad", on="create")
    assert send(glm, feishu).code == 0
    assert [message.msg_type for message in feishu.messages] == ["image", "text"]
    assert "一只橘猫" in feishu.messages[1].content


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ({"FEISHU_APP_ID": None}, "FEISHU_APP_ID: is not set, and --send needs it"),
        ({"FEISHU_APP_SECRET": ""}, "FEISHU_APP_SECRET: is not set, and --send needs it"),
        ({"FEISHU_DOMAIN": "http://example.com"}, "FEISHU_DOMAIN: must be feishu, lark, or an https origin"),
    ],
)
def test_missing_settings_are_reported_before_anything_is_paid(
    missing: Variables, message: str, glm: GlmStandIn, feishu: FeishuStandIn
) -> None:
    result = send(glm, feishu, env=missing)
    assert (result.code, result.answer["error"]["code"], glm.calls) == (1, "SEND_FAILED", [])
    assert message in result.answer["error"]["message"]
    assert result.answer["error"]["message"].endswith("No image was made")


@pytest.mark.parametrize("recipient", ["", "oc_", "om_message", "oc_group/../x"])
def test_a_malformed_recipient_is_a_usage_error(recipient: str, glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    result = send(glm, feishu, "--send", recipient)
    assert (result.code, result.answer["error"]["code"], glm.calls) == (2, "invalid_request", [])
    assert "--send" in result.answer["error"]["message"]


def test_a_failed_download_is_reported(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    glm.arm("image_403", times=1000)
    result = send(glm, feishu, env={"TEST_RETRY_SECONDS": "0.2"})
    error = result.answer["error"]
    assert (result.code, error["code"]) == (1, "DOWNLOAD_FAILED")
    assert error["message"] == "Failed to download image for oc_group: the link answers HTTP 403"
    assert result.answer["image_url"].startswith("https://")
    assert feishu.messages == []


def test_the_feishu_client_is_loaded_only_to_send(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    env = {**app_variables(feishu), "TEST_GLM_ORIGIN": glm.origin}
    without = generate_anew("-p", "猫", env=env, code=LOADED).stderr.split()
    sending = generate_anew("-p", "猫", "--send", "oc_group", env=env, code=LOADED).stderr.split()
    assert not {"bot.feishu.client", "pydantic", "bot.settings", "bot.cli.send"} & set(without)
    assert "bot.feishu.client" in sending
    assert not {"lark_oapi", "sqlalchemy", "flask", "waitress"} & set(sending)


def values_of(value: Any, name: str) -> list[Any]:
    """The values that a name has, anywhere in a card."""
    if isinstance(value, dict):
        return [value[name]] if name in value else values_of(list(value.values()), name)
    return [found for entry in value for found in values_of(entry, name)] if isinstance(value, list) else []
