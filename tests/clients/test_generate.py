"""The command line ``glm-image``: one JSON object in every case, whatever the platform, the disk or the streams do."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import Response
from tests.clients.commands import BOT, GENERATE, Variables, app_variables, generate, generate_anew, in_shell, started
from tests.clients.servers import FAKE_KEY, RecordingServer
from tests.support.dsl import wait_for
from tests.support.forkserver import CommandResult
from tests.unit.card_samples import elements

KEYS = ["ok", "model", "image_url", "prompt", "size", "quality", "created", "content_filter", "saved_file", "error"]
NOWHERE = "http://127.0.0.1:9"
REQUEST = {"prompt": "猫", "model": "glm-image", "size": "1280x1280", "quality": "hd"}
NOTHING: dict[str, Any] = dict.fromkeys(REQUEST)
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NO_KEY = "ZHIPU_API_KEY not configured. Get your API key at: https://bigmodel.cn/usercenter/proj-mgmt/apikeys"
BAD_SIZE = "Invalid size: 512x512 for model glm-image. Must be multiple of 32, 1024-2048px, max 2^22 pixels"
EMPTY = "Invalid prompt: it is empty. Describe the image in words"
NO_USER = "Invalid user_id: 0 characters. Must be 6-128 characters"
LOADED = f"{GENERATE}; import sys; print(*sorted(sys.modules), file=sys.stderr)"
WRONG: list[tuple[tuple[str, ...], str, str]] = [
    (("-p", "猫", "-s", "512x512"), "INVALID_SIZE", BAD_SIZE),
    (("-p", "猫", "-q", "best"), "INVALID_QUALITY", "Invalid quality: best. Must be hd or standard"),
    (("-p", ""), "INVALID_PROMPT", EMPTY),
    (("-p", "\u3164\ufe0f"), "INVALID_PROMPT", EMPTY),
    (("-p", "猫\udcff"), "INVALID_PROMPT", "Invalid prompt: "),
    (("-p", "猫", "--user-id", ""), "INVALID_USER_ID", NO_USER),
    (("-p", "猫", "--user-id", "\udcffabcdef"), "INVALID_USER_ID", "Invalid user_id: "),
    (("-p", "猫", "--save", "/dev/null/\udcff"), "DOWNLOAD_FAILED", "Failed to download image to /dev/null/"),
    (("-p", "猫", "--save", "/dev/null/a.png"), "DOWNLOAD_FAILED", "Failed to download image to /dev/null/a.png: "),
]


def test_the_request_comes_back_resolved_in_ten_keys(glm: GlmStandIn) -> None:
    """In this order, with every flag as the platform spells it; nothing but the object is on standard output."""
    result = generate("--prompt", "一只橘猫", "--size", "１６：９", "--user-id", "user_12345", origin=glm.origin)
    assert (result.code, result.stderr, list(result.answer)) == (0, "", KEYS)
    assert result.answer == {
        "ok": True,
        "model": "glm-image",
        "image_url": result.answer["image_url"],
        "prompt": "一只橘猫",
        "size": "1728x960",
        "quality": "hd",
        "created": int(glm.calls[0].at),
        "content_filter": [],
        "saved_file": None,
        "error": None,
    }
    arguments = ("-p", "海报", "-m", "cogview-4", "-s", " 768×1344 ", "-q", "standard", "--no-watermark")
    assert generate(*arguments, origin=glm.origin).code == 0
    sent = {"model": "cogview-4", "prompt": "海报", "quality": "standard", "size": "768x1344"}
    assert glm.calls[1].body == {**sent, "watermark_enabled": False}
    assert glm.calls[0].body["user_id"] == "user_12345"


def test_chinese_works_in_an_ascii_locale_and_from_standard_input(glm: GlmStandIn) -> None:
    """It is sent as typed, and the object is in ASCII; the input is UTF-8, with or without a byte order mark.

    The surrogates that Python reads for arguments there are shown as the characters that were typed.
    """
    for settings in (ASCII, {"PYTHONIOENCODING": "ascii"}):
        result = generate_anew("-p", "一只橘猫", env={**settings, "TEST_GLM_ORIGIN": glm.origin})
        assert (result.code, result.stdout.isascii(), result.answer["prompt"]) == (0, True, "一只橘猫")
    result = generate("-p", "-", origin=glm.origin, typed="\ufeff一只橘猫\n".encode())
    assert result.answer["prompt"] == "一只橘猫"
    assert {call.body["prompt"] for call in glm.calls} == {"一只橘猫"}
    assert generate("-p", "-", origin=glm.origin, typed=b"\xff").answer["error"]["code"] == "INVALID_PROMPT"
    result = generate_anew("-p", "猫", "多余", env={**ASCII, "TEST_GLM_ORIGIN": NOWHERE})
    assert (result.code, result.answer["prompt"], "多余" in result.answer["error"]["message"]) == (2, "猫", True)


def test_what_is_wrong_is_reported_before_anything_is_paid(glm: GlmStandIn) -> None:
    """In the documented words; nothing that is no UTF-8 reaches the object."""
    for key in (None, "  "):
        missing = generate("-p", "猫", origin=glm.origin, env={"ZHIPU_API_KEY": key}).answer["error"]
        assert missing == {"code": "MISSING_API_KEY", "message": NO_KEY}
    for arguments, code, message in WRONG:
        result = generate(*arguments, origin=glm.origin)
        assert (result.code, list(result.answer), result.answer["model"]) == (1, KEYS, "glm-image"), arguments
        assert (result.answer["error"]["code"], "\\ud" in result.text) == (code, False)
        assert result.answer["error"]["message"].startswith(message)
    assert glm.calls == []


NO_RECIPIENT = "is neither a chat (oc_...) nor a person"
USAGE: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    ((), NOTHING, "the following arguments are required: -p/--prompt"),
    (("-s", "16:9", "-p", "-5度的冬天"), {**NOTHING, "size": "16:9"}, "write --prompt=… where it begins"),
    (("-p", "猫", "--frobnicate"), {**NOTHING, "prompt": "猫"}, "unrecognized arguments: --frobnicate"),
    (("-m", "dall-e", "-p", "猫"), {**REQUEST, "model": "dall-e"}, "there is no 'dall-e'; choose from glm-image, "),
    (("-p", "猫", "--save", ""), REQUEST, "argument --save: the file has no name"),
    (("-p", "-", "--frobnicate"), NOTHING, "unrecognized arguments: --frobnicate"),
    *(
        (("-p", "猫", "--send", whom), {**NOTHING, "prompt": "猫"}, NO_RECIPIENT)
        for whom in ("", "oc_", "oc_group/../x")
    ),
]


def test_a_usage_error_contains_what_was_parsed() -> None:
    """A script that misspells a flag still reads one object; the exit code is 2."""
    for arguments, known, message in USAGE:
        result = generate(*arguments, origin=NOWHERE)
        assert (result.code, result.stderr, list(result.answer)) == (2, "", KEYS)
        assert result.answer["error"]["code"] == "invalid_request"
        assert message in result.answer["error"]["message"], arguments
        assert {name: result.answer[name] for name in known} == known


def test_only_what_a_call_needs_is_loaded(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    """Neither Flask nor a database; the Feishu client and the settings only with ``--send``."""
    env = {**app_variables(feishu), "TEST_GLM_ORIGIN": glm.origin}
    calling = set(generate_anew("-p", "猫", env=env, code=LOADED).stderr.split())
    sending = set(generate_anew("-p", "猫", "--send", "oc_group", env=env, code=LOADED).stderr.split())
    assert not {"flask", "waitress", "sqlalchemy", "alembic", "lark_oapi"} & (calling | sending)
    assert not {"pydantic", "bot.feishu.client", "bot.settings", "bot.cli.send"} & calling
    assert "bot.feishu.client" in sending


def test_errors_are_reported_before_the_prompt_is_read() -> None:
    with started("-p", "-", "-s", "512x512", env={"TEST_GLM_ORIGIN": NOWHERE}, stdin=-1) as process:
        assert process.stdout is not None
        # Standard input stays open all the while.
        assert b"INVALID_SIZE" in process.stdout.read()
        process.communicate(timeout=60)
    assert process.returncode == 1


def test_a_terminal_shows_the_seconds(glm: GlmStandIn) -> None:
    """A line on standard error counts them, and is cleared at the end."""
    above, below = pty.openpty()
    glm.seconds = 1.2
    with started("-p", "猫", env={"TEST_GLM_ORIGIN": glm.origin}, stderr=below) as process:
        os.close(below)
        stdout, _ = process.communicate(timeout=60)
    shown = os.read(above, 65536)
    os.close(above)
    assert (process.returncode, json.loads(stdout)["ok"]) == (0, True)
    assert [seconds for seconds in (0, 1) if f"Generating with glm-image: {seconds} s" not in shown.decode()] == []
    assert shown.endswith(b"\r\x1b[K")


def test_the_key_comes_from_the_environment_or_dotenv(glm: GlmStandIn, tmp_path: Path) -> None:
    """As for the bot, the environment takes precedence, and an empty variable is not set."""
    dotenv = "# 密钥\nZHIPU_API_KEY=kept-key\n"
    (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
    for given in (None, "", '"given-key"'):
        assert generate("-p", "猫", origin=glm.origin, env={"ZHIPU_API_KEY": given}, folder=tmp_path).code == 0
    assert [call.key for call in glm.calls] == ["kept…", "kept…", "give…"]
    (tmp_path / ".env").write_bytes(dotenv.encode("gbk"))
    result = generate("-p", "猫", origin=NOWHERE, env={"ZHIPU_API_KEY": None}, folder=tmp_path)
    message = "ZHIPU_API_KEY cannot be read: .env: is not UTF-8; save it as UTF-8 text"
    assert result.answer["error"] == {"code": "MISSING_API_KEY", "message": message}


def test_a_saved_image_is_downloaded_until_it_comes(glm: GlmStandIn, tmp_path: Path) -> None:
    """A link may be seconds older than its image; ``~`` expands, folders are made, and a note says what suffix fits."""
    saved = tmp_path / "a" / "b" / "图.png"
    for fault in ("image_404", "image_half"):
        before = len(glm.downloads)
        glm.arm(fault, times=3)
        result = generate("-p", "猫", "--save", "~/a/b/图.png", origin=glm.origin, env={"HOME": str(tmp_path)})
        assert (result.code, result.answer["saved_file"], len(glm.downloads) - before) == (0, str(saved), 4)
        Image.open(saved).load()
        assert "holds JPEG data, whose suffix is .jpg" in result.stderr
    assert list(saved.parent.iterdir()) == [saved]


def test_an_image_may_come_with_a_warning_and_a_note(glm: GlmStandIn) -> None:
    glm.arm("level_3")
    result = generate("-p", "猫", "-q", "standard", origin=glm.origin)
    assert (result.answer["ok"], result.answer["content_filter"]) == (True, [{"role": "assistant", "level": 3}])
    assert glm.calls[0].body["quality"] == result.answer["quality"] == "standard"
    assert "documents hd alone" in result.stderr


NO_BALANCE = "余额不足或无可用资源包,请充值。"
FIREWALL = "网站防火墙 您的请求已被拦截 Access denied by the firewall"
FAILURES: dict[str, dict[str, object]] = {
    "redirect": {"code": "server_error", "status": 302},
    "level_0": {"code": "content_filter_violation"},
    "glm_1301": {"code": "content_filter_violation", "provider_code": "1301"},
    "hang": {"code": "TIMEOUT"},
    "reset_after": {"code": "NETWORK_ERROR"},
    "glm_1113": {"code": "insufficient_balance", "message": NO_BALANCE, "status": 429, "provider_code": "1113"},
    # A firewall's answer is not the platform's.
    "html_403": {"code": "server_error", "status": 403},
}
FILTERED = {"level_0": [{"role": "assistant", "level": 0}], "glm_1301": [{"role": "user", "level": 2}]}


def test_each_failure_has_its_code_and_is_paid_at_most_once(glm: GlmStandIn) -> None:
    """The error names the platform's code and message, or that the platform did not answer; no call is repeated."""
    for calls, (fault, error) in enumerate(FAILURES.items(), start=1):
        glm.arm(fault)
        result = generate("-p", "猫", origin=glm.origin, env={"TEST_HASTY": "1"} if fault == "hang" else {})
        answer, found = result.answer, result.answer["error"]
        assert (result.code, answer["ok"], answer["image_url"], len(glm.calls)) == (1, False, None, calls), fault
        assert answer["content_filter"] == FILTERED.get(fault, [])
        expected = {"provider_code": None, **error}
        assert {name: found.get(name) for name in expected} == expected
        assert fault != "html_403" or found["message"].endswith(FIREWALL)
    assert glm.strays == []


def test_the_id_of_a_failed_call_is_reported() -> None:
    """Where nothing can be reached, that is."""
    body = {"error": {"code": "1234", "message": "x"}, "request_id": "20261129000000aa"}
    with RecordingServer(Response.of_json(body, status=500)) as server:
        assert generate("-p", "猫", origin=server.origin).answer["error"]["request_id"] == "20261129000000aa"
    error = generate("-p", "猫", origin=server.origin).answer["error"]
    assert (error["code"], error["message"][:15]) == ("NETWORK_ERROR", "Network error: ")


def test_a_broken_download_leaves_the_old_file_and_reports_the_link(glm: GlmStandIn, tmp_path: Path) -> None:
    target = tmp_path / "image.png"
    target.write_bytes(b"the old picture")
    for fault in ("image_403", "image_html", "image_truncated"):
        glm.arm(fault, times=1000)
        result = generate("-p", "猫", "--save", str(target), origin=glm.origin, env={"TEST_RETRY_SECONDS": "0.2"})
        glm.disarm()
        assert (result.code, result.answer["error"]["code"]) == (1, "DOWNLOAD_FAILED")
        assert (result.answer["image_url"][:8], result.answer["saved_file"]) == ("https://", None)
        assert (target.read_bytes(), list(tmp_path.iterdir())) == (b"the old picture", [target])


def send(glm: GlmStandIn, feishu: FeishuStandIn, *arguments: str, env: Variables | None = None) -> CommandResult:
    variables = {**app_variables(feishu), **(env or {})}
    arguments = arguments if "--send" in arguments else (*arguments, "--send", "oc_group")
    return generate("-p", "一只橘猫", *arguments, origin=glm.origin, env=variables)


def test_the_result_goes_to_the_chat_as_a_card(glm: GlmStandIn, feishu: FeishuStandIn, tmp_path: Path) -> None:
    """The image is downloaded once for file and chat, no button needs a stored request, and no secret is shown."""
    result = send(glm, feishu, "--size", "16:9", "--send", "ou_lin", "--save", str(tmp_path / "cat.jpg"))
    (message,) = feishu.messages
    (upload,) = feishu.uploads.values()
    assert (result.code, result.answer["error"], len(glm.calls), len(glm.downloads)) == (0, None, 1, 1)
    assert (message.chat_id, message.msg_type, upload.width) == ("oc_direct_lin", "interactive", 1728)
    card = json.loads(message.content)
    assert card["body"]["elements"][0]["img_key"] == upload.key
    facts = ("一只橘猫", "glm-image", "1728x960", "¥0.10", "图片已生成")
    assert [fact for fact in facts if fact not in message.content] == []
    behaviors = [element["behaviors"] for element in elements(card) if "behaviors" in element]
    assert behaviors == [[{"type": "open_url", "default_url": result.answer["image_url"]}]]
    assert (tmp_path / "cat.jpg").read_bytes() == upload.content
    shown = result.text + result.stderr + "".join(call.body for call in feishu.calls)
    assert [secret for secret in (FAKE_KEY, feishu.app_secret) if secret in shown] == []


REFUSED_SENDS = [
    ("not_in_group", "create", "230002", "群机器人"),
    ("scope", "image", "99991672", "grant one of im:resource"),
    ("feishu_10014", "token", "10014", "FEISHU_APP_SECRET"),
    ("html_502", "create", None, "whether this machine reaches"),
]


def test_a_refusal_has_its_fix_and_the_link_and_the_file_stay(
    glm: GlmStandIn, feishu: FeishuStandIn, tmp_path: Path
) -> None:
    for fault, call, provider_code, advice in REFUSED_SENDS:
        feishu.faults.arm(fault, on=call)
        target = tmp_path / f"{fault}.jpg"
        result = send(glm, feishu, "--save", str(target))
        error = result.answer["error"]
        assert (result.code, error["code"], error.get("provider_code")) == (1, "SEND_FAILED", provider_code)
        reason, _, remedy = error["message"].partition(". What to do: ")
        assert (reason.startswith("Failed to send the image to oc_group: "), advice in remedy) == (True, True)
        assert (result.answer["image_url"][:8], result.answer["saved_file"]) == ("https://", str(target))
        assert (target.stat().st_size > 0, feishu.messages) == (True, [])


def test_a_rejected_card_goes_out_as_image_and_text(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    feishu.faults.arm("card_bad", on="create")
    assert send(glm, feishu).code == 0
    assert [message.msg_type for message in feishu.messages] == ["image", "text"]
    assert {message.chat_id for message in feishu.messages} == {"oc_group"}
    assert "一只橘猫" in feishu.messages[1].content


MISSING: list[tuple[Variables, str]] = [
    ({"FEISHU_APP_ID": None}, "FEISHU_APP_ID: is not set, and --send needs it"),
    ({"FEISHU_APP_SECRET": ""}, "FEISHU_APP_SECRET: is not set, and --send needs it"),
    ({"FEISHU_DOMAIN": "http://example.com"}, "FEISHU_DOMAIN: must be feishu, lark, or an https origin"),
]


def test_missing_settings_are_reported_before_anything_is_paid(glm: GlmStandIn, feishu: FeishuStandIn) -> None:
    for missing, message in MISSING:
        result = send(glm, feishu, env=missing)
        assert (result.code, result.answer["error"]["code"], glm.calls) == (1, "SEND_FAILED", [])
        assert message in result.answer["error"]["message"]
        assert result.answer["error"]["message"].endswith("No image was made")


def generate_in_shell(redirection: str, *arguments: str, glm: GlmStandIn) -> CommandResult:
    """Runs ``generate`` with its streams as a shell leads them."""
    code = f"{GENERATE}; raise SystemExit(code)"
    return in_shell(redirection, BOT[0], "-c", code, *arguments, env={"TEST_GLM_ORIGIN": glm.origin})


def test_a_note_that_cannot_be_written_is_dropped(glm: GlmStandIn, tmp_path: Path) -> None:
    for redirection in ("2>&-", "2>/dev/full"):
        target = tmp_path / redirection.replace("/", "")
        result = generate_in_shell(redirection, "-p", "猫", "-q", "standard", "--save", str(target), glm=glm)
        assert (result.code, result.stderr, result.answer["saved_file"]) == (0, "", str(target))
        assert target.read_bytes().startswith(b"\xff\xd8\xff")


def test_an_object_that_standard_output_does_not_take_goes_to_standard_error(glm: GlmStandIn) -> None:
    """The image is paid for, so its URL has to be printed somewhere; the exit code is 1."""
    for calls, redirection in enumerate(("<&- >&-", ">/dev/full"), start=1):
        result = generate_in_shell(redirection, "-p", "猫", glm=glm)
        assert (result.code, result.stdout, len(glm.calls)) == (1, b"", calls)
        assert json.loads(result.stderr)["image_url"].startswith("https://")


def test_a_prompt_that_cannot_be_read_is_an_error(glm: GlmStandIn) -> None:
    for redirection, reason in {"<&-": "is closed", "0>/dev/null": "cannot be read: Bad file descriptor"}.items():
        result = generate_in_shell(redirection, "-p", "-", glm=glm)
        assert (result.code, glm.calls) == (1, [])
        message = f"Invalid prompt: standard input {reason}"
        assert result.answer["error"] == {"code": "INVALID_PROMPT", "message": message}


CALLED = "Interrupted; an image that was being made may be billed all the same"


@pytest.mark.parametrize(
    ("signals", "moment", "message"),
    [
        ((signal.SIGINT,), "call", CALLED),
        ((signal.SIGTERM, signal.SIGTERM), "call", CALLED),
        ((signal.SIGTERM,), "prompt", "Interrupted before an image was asked for; nothing is billed"),
        ((signal.SIGTERM,), "download", "Interrupted after the image was made"),
    ],
)
def test_an_interrupted_command_prints_one_object(
    signals: tuple[signal.Signals, ...], moment: str, message: str, glm: GlmStandIn, tmp_path: Path
) -> None:
    if moment != "prompt":
        glm.arm("hang" if moment == "call" else "image_hang")
    reached: dict[str, Callable[[], object]] = {
        "call": lambda: glm.calls,
        "download": lambda: glm.downloads,
        "prompt": lambda: any(tmp_path.iterdir()),
    }
    arguments = ("-p", "-" if moment == "prompt" else "猫", "--save", str(tmp_path / "image.png"))
    with started(*arguments, env={"TEST_GLM_ORIGIN": glm.origin}, stdin=subprocess.PIPE) as process:
        wait_for(reached[moment])
        for one in signals:
            process.send_signal(one)
        stdout, stderr = process.communicate(timeout=60)
    answer = json.loads(stdout)
    assert (process.returncode, stderr) == (1, b"")
    assert answer["error"] == {"code": "INTERRUPTED", "message": message}
    assert (answer["image_url"] is not None) is (moment == "download")
    assert (list(tmp_path.iterdir()), len(glm.calls)) == ([], int(moment != "prompt"))
