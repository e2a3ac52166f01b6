"""``glm-image --send``: the image also goes to a chat as the bot's card, and a refusal hides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.cli.json_result import KEYS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.clients.generate_process import DRIVER, Ran, ran
from tests.clients.glm_wire import FAKE_KEY

Env = Mapping[str, str | None]
"""Variables of a process; ``None`` is not set."""

LOADED = f"""
import sys
{DRIVER.replace("raise SystemExit(drive())", "code = drive()")}
print(" ".join(sorted(sys.modules)), file=sys.stderr)
raise SystemExit(code)
"""


def sent(
    glm: GlmStandIn,
    feishu: FeishuStandIn,
    *arguments: str,
    code: str = DRIVER,
    env: Env | None = None,
    folder: Path | None = None,
) -> Ran:
    """Runs the command line with the bot's variables."""
    variables = {
        "FEISHU_APP_ID": feishu.app_id,
        "FEISHU_APP_SECRET": feishu.app_secret,
        "FEISHU_DOMAIN": feishu.origin,
        **(env or {}),
    }
    return ran("-p", "一只橘猫", *arguments, origin=glm.origin, env=variables, code=code, folder=folder)


def elements(content: str) -> list[dict[str, Any]]:
    """The elements of a card."""
    found: list[dict[str, Any]] = json.loads(content)["body"]["elements"]
    return found


@pytest.mark.parametrize(("recipient", "chat_id"), [("oc_group", "oc_group"), ("ou_lin", "oc_direct_lin")])
def test_the_result_goes_to_the_chat_as_a_card(
    recipient: str, chat_id: str, glm: GlmStandIn, feishu: FeishuStandIn
) -> None:
    """The card shows the picture, the prompt and the parameters; the JSON is what it is without ``--send``."""
    result = sent(glm, feishu, "--size", "16:9", "--send", recipient)
    (message,) = feishu.messages
    (upload,) = feishu.uploads.values()
    assert (result.code, result.answer["error"], tuple(result.answer)) == (0, None, KEYS)
    assert (message.chat_id, message.msg_type, upload.width) == (chat_id, "interactive", 1728)
    assert elements(message.content)[0]["img_key"] == upload.key
    for shown in ("一只橘猫", "glm-image", "1728x960", "¥0.10", "图片已生成"):
        assert shown in message.content
    assert len(glm.calls) == 1


def test_the_card_has_no_button_but_the_link(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """The other buttons need a stored request."""
    result = sent(glm, feishu, "--send", "oc_group")
    (message,) = feishu.messages
    behaviours = list(_all_of(json.loads(message.content), "behaviors"))
    assert behaviours == [[{"type": "open_url", "default_url": result.answer["image_url"]}]]


def test_the_image_is_downloaded_once_for_file_and_chat(glm: GlmStandIn, feishu: FeishuStandIn, tmp_path: Path) -> None:
    """What is saved and what is sent are the same bytes."""
    result = sent(glm, feishu, "--save", str(tmp_path / "cat.jpg"), "--send", "oc_group")
    (upload,) = feishu.uploads.values()
    assert result.answer["saved_file"] == str(tmp_path / "cat.jpg")
    assert (tmp_path / "cat.jpg").read_bytes() == upload.content


@pytest.mark.parametrize(
    ("fault", "call", "provider_code", "advice"),
    [
        ("not_in_group", "create", "230002", "群机器人"),
        ("no_availability", "create", "230013", "可用范围"),
        ("scope", "image", "99991672", "grant one of im:resource"),
        ("feishu_10014", "token", "10014", "FEISHU_APP_SECRET"),
        ("html_502", "create", None, "whether this machine reaches"),
    ],
)
def test_a_refusal_has_its_fix_and_the_link_stays(
    *, fault: str, call: str, provider_code: str | None, advice: str, glm: GlmStandIn, feishu: FeishuStandIn
) -> None:
    """``ok`` is false and the exit code 1, as after a failed download; the image's URL is in the JSON."""
    feishu.faults.arm(fault, on=call)
    result = sent(glm, feishu, "--send", "oc_group")
    error = result.answer["error"]
    assert (result.code, result.answer["ok"], error["code"]) == (1, False, "SEND_FAILED")
    assert error.get("provider_code") == provider_code
    reason, _, remedy = (
        error["message"].removeprefix("Failed to send the image to oc_group: ").partition(". What to do: ")
    )
    assert not reason.startswith(call)
    assert not reason.endswith(".")
    assert advice in remedy
    assert result.answer["image_url"].startswith("https://")
    assert feishu.messages == []


def test_a_saved_file_is_kept_when_feishu_refuses(glm: GlmStandIn, feishu: FeishuStandIn, tmp_path: Path) -> None:
    """The file is written first."""
    feishu.faults.arm("muted", on="create")
    result = sent(glm, feishu, "--save", str(tmp_path / "cat.jpg"), "--send", "oc_group")
    assert (result.code, result.answer["error"]["code"]) == (1, "SEND_FAILED")
    assert result.answer["saved_file"] == str(tmp_path / "cat.jpg")
    assert (tmp_path / "cat.jpg").stat().st_size > 0


def test_a_rejected_card_goes_out_as_image_and_text(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """The chat gets its image all the same, as it does from the bot."""
    feishu.faults.arm("card_bad", on="create")
    result = sent(glm, feishu, "--send", "oc_group")
    assert result.code == 0
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
    missing: Env, message: str, glm: GlmStandIn, feishu: FeishuStandIn
) -> None:
    """Without the bot's variables no card could be sent, so no image is made."""
    result = sent(glm, feishu, "--send", "oc_group", env=missing)
    assert (result.code, result.answer["error"]["code"]) == (1, "SEND_FAILED")
    assert message in result.answer["error"]["message"]
    assert result.answer["error"]["message"].endswith("No image was made")
    assert glm.calls == []


@pytest.mark.parametrize("recipient", ["", "oc_", "the group", "om_message", "oc_group/../x"])
def test_a_malformed_recipient_is_a_usage_error(recipient: str, glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """Nothing is paid, and the error is in the object."""
    result = sent(glm, feishu, "--send", recipient)
    assert (result.code, result.answer["error"]["code"], glm.calls) == (2, "invalid_request", [])
    assert "--send" in result.answer["error"]["message"]


def test_a_failed_download_is_reported(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """The failure is the download's, as with ``--save``, and nothing is sent."""
    glm.arm("image_403", times=1000)
    result = sent(glm, feishu, "--send", "oc_group", env={"TEST_RETRY_SECONDS": "0.2"})
    message = "Failed to download image for oc_group: the link answers HTTP 403"
    assert (result.code, result.answer["error"]["code"]) == (1, "DOWNLOAD_FAILED")
    assert result.answer["error"]["message"] == message
    assert result.answer["image_url"].startswith("https://")
    assert feishu.messages == []


def test_the_feishu_client_is_loaded_only_to_send(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """Without ``--send`` neither lark-oapi nor the settings are; with it still no database and no web server."""
    without = sent(glm, feishu, code=LOADED).stderr.split()
    sending = sent(glm, feishu, "--send", "oc_group", code=LOADED).stderr.split()
    assert not {"bot.feishu.client", "lark_oapi", "pydantic", "bot.settings", "bot.cli.send"} & set(without)
    assert {"bot.feishu.client", "lark_oapi"} <= set(sending)
    assert not {"sqlalchemy", "flask", "waitress"} & set(sending)


def test_the_key_of_glm_does_not_reach_feishu(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """Neither what is sent nor what is printed holds a secret."""
    result = sent(glm, feishu, "--send", "oc_group")
    told = result.stdout.decode() + result.stderr + "".join(call.body for call in feishu.calls)
    assert FAKE_KEY not in told
    assert feishu.app_secret not in told


def _all_of(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from _all_of(entry, name)
