"""``glm-image --send``: the image also goes to a chat as the bot's card, and a refusal hides nothing."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.cli.json_result import KEYS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import IMAGE_HOST, PATH, GlmStandIn
from bot.sandbox.http import LoopbackServer, Response
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
    glm: GlmStandIn | LoopbackServer,
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
    """Behind the other buttons stands a request, which the command line does not store."""
    result = sent(glm, feishu, "--send", "oc_group")
    (message,) = feishu.messages
    behaviours = list(_all_of(json.loads(message.content), "behaviors"))
    assert behaviours == [[{"type": "open_url", "default_url": result.answer["image_url"]}]]


def test_the_picture_is_fetched_once_for_the_file_and_the_chat(
    glm: GlmStandIn, feishu: FeishuStandIn, tmp_path: Path
) -> None:
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
def test_a_refusal_is_told_and_the_image_stays(
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


def test_a_saved_file_is_kept_when_the_chat_refuses(glm: GlmStandIn, feishu: FeishuStandIn, tmp_path: Path) -> None:
    """The file comes first, so a refusal takes nothing away."""
    feishu.faults.arm("muted", on="create")
    result = sent(glm, feishu, "--save", str(tmp_path / "cat.jpg"), "--send", "oc_group")
    assert (result.code, result.answer["error"]["code"]) == (1, "SEND_FAILED")
    assert result.answer["saved_file"] == str(tmp_path / "cat.jpg")
    assert (tmp_path / "cat.jpg").stat().st_size > 0


def test_a_refused_card_goes_out_as_a_picture_and_text(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
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
def test_what_is_not_set_is_told_before_anything_is_paid(
    missing: Env, message: str, glm: GlmStandIn, feishu: FeishuStandIn
) -> None:
    """Without the bot's variables no card could be sent, so no image is made."""
    result = sent(glm, feishu, "--send", "oc_group", env=missing)
    assert (result.code, result.answer["error"]["code"]) == (1, "SEND_FAILED")
    assert message in result.answer["error"]["message"]
    assert result.answer["error"]["message"].endswith("No image was made")
    assert glm.calls == []


@pytest.mark.parametrize("recipient", ["", "oc_", "the group", "om_message", "oc_group/../x"])
def test_what_is_no_id_is_a_usage_error(recipient: str, glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """It is found before anything is paid, and told in JSON."""
    result = sent(glm, feishu, "--send", recipient)
    assert (result.code, result.answer["error"]["code"], glm.calls) == (2, "invalid_request", [])
    assert "--send" in result.answer["error"]["message"]


def test_a_picture_that_cannot_be_fetched_is_told(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
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


def test_what_is_not_set_is_told_without_loading_what_sends(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """The variables are looked at first, so the answer comes about as fast as for any other local fault."""
    loaded = sent(glm, feishu, "--send", "oc_group", code=LOADED, env={"FEISHU_APP_ID": None}).stderr.split()
    assert not {"pydantic", "lark_oapi", "bot.feishu.client", "bot.cli.generate_image"} & set(loaded)


def test_a_file_that_cannot_be_written_is_told_first(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """The path costs nothing to look at, and what sends takes seconds to load."""
    arguments = ("--save", "/dev/null/cat.jpg", "--send", "oc_group")
    result = sent(glm, feishu, *arguments, env={"FEISHU_APP_ID": None})
    message = "Failed to download image to /dev/null/cat.jpg: Not a directory"
    assert result.answer["error"] == {"code": "DOWNLOAD_FAILED", "message": message}


def test_settings_in_another_encoding_are_told(glm: GlmStandIn, feishu: FeishuStandIn, tmp_path: Path) -> None:
    """A ``.env`` that is not UTF-8 is named before anything is paid."""
    (tmp_path / ".env").write_bytes("# 密钥\n".encode("gbk"))
    result = sent(glm, feishu, "--send", "oc_group", folder=tmp_path)
    message = "Failed to send the image to oc_group: .env: is not UTF-8; save it as UTF-8 text. No image was made"
    assert result.answer["error"] == {"code": "SEND_FAILED", "message": message}
    assert glm.calls == []


def test_a_damaged_picture_is_neither_saved_nor_sent(feishu: FeishuStandIn, tmp_path: Path) -> None:
    """It is found when the picture is decoded; the link is there all the same."""
    with LoopbackServer() as server:
        url = f"https://{IMAGE_HOST}/large.png"
        server.route("POST", PATH, lambda _: Response.of_json({"created": 1, "data": [{"url": url}]}))
        server.route("GET", "/images/*name", lambda _: Response(body=damaged_png(11 * 1024 * 1024)))
        arguments = ("--save", str(tmp_path / "large.png"), "--send", "oc_group")
        result = sent(server, feishu, *arguments, env={"TEST_RETRY_SECONDS": "0.2"})
    message = f"Failed to download image to {tmp_path / 'large.png'}: the picture is damaged"
    assert result.answer["error"] == {"code": "DOWNLOAD_FAILED", "message": message}
    assert result.answer["saved_file"] is None
    assert list(tmp_path.iterdir()) == []
    assert feishu.messages == []
    assert result.answer["image_url"] == url


def damaged_png(length: int) -> bytes:
    """A PNG of that many bytes whose head is right, and whose picture is not."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 1280, 1280, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"x" * length) + chunk(b"IEND", b"")


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
