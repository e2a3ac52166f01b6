"""The command line, run as a process: one JSON object in every case."""

from __future__ import annotations

import os
import pty
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.glm.stand_in import GlmStandIn
from tests.clients.commands import GENERATE, generate, generate_anew, started

KEYS = ["ok", "model", "image_url", "prompt", "size", "quality", "created", "content_filter", "saved_file", "error"]
NOWHERE = "http://127.0.0.1:9"
REQUEST = {"prompt": "猫", "model": "glm-image", "size": "1280x1280", "quality": "hd"}
NOTHING: dict[str, Any] = dict.fromkeys(REQUEST)
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
KEY_PAGE = "https://bigmodel.cn/usercenter/proj-mgmt/apikeys"
NO_KEY = f"ZHIPU_API_KEY not configured. Get your API key at: {KEY_PAGE}"
BAD_SIZE = "Invalid size: 512x512 for model glm-image. Must be multiple of 32, 1024-2048px, max 2^22 pixels"
EMPTY = "Invalid prompt: it is empty. Describe the image in words"
NO_USER = "Invalid user_id: 0 characters. Must be 6-128 characters"
LOADED = f'{GENERATE}; import sys; print(*{{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr)'


def test_success_has_the_ten_keys_in_order(glm: GlmStandIn) -> None:
    result = generate("--prompt", "一只橘猫", "--size", "１６：９", "--user-id", "user_12345", origin=glm.origin)
    (call,) = glm.calls
    assert (result.code, result.stderr, list(result.answer)) == (0, "", KEYS)
    assert call.body["user_id"] == "user_12345"
    assert result.answer == {
        "ok": True,
        "model": "glm-image",
        "image_url": result.answer["image_url"],
        "prompt": "一只橘猫",
        "size": "1728x960",
        "quality": "hd",
        "created": int(call.at),
        "content_filter": [],
        "saved_file": None,
        "error": None,
    }


def test_every_flag_reaches_the_platform(glm: GlmStandIn) -> None:
    arguments = ("-p", "海报", "-m", "cogview-4", "-s", " 768×1344 ", "-q", "standard", "--no-watermark")
    assert generate(*arguments, origin=glm.origin).code == 0
    assert glm.calls[0].body == {
        "model": "cogview-4",
        "prompt": "海报",
        "quality": "standard",
        "size": "768x1344",
        "watermark_enabled": False,
    }


def test_a_call_loads_neither_flask_nor_lark_nor_a_database(glm: GlmStandIn) -> None:
    result = generate_anew("-p", "猫", env={"TEST_GLM_ORIGIN": glm.origin}, code=LOADED)
    assert result.code == 0
    assert not {"flask", "lark_oapi", "sqlalchemy", "alembic", "waitress", "pydantic"} & set(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "key", "code", "message"),
    [
        (("-p", "猫"), None, "MISSING_API_KEY", NO_KEY),
        (("-p", "猫"), "  ", "MISSING_API_KEY", NO_KEY),
        (("-p", "猫", "-s", "512x512"), "k", "INVALID_SIZE", BAD_SIZE),
        (("-p", "猫", "-q", "best"), "k", "INVALID_QUALITY", "Invalid quality: best. Must be hd or standard"),
        (("-p", ""), "k", "INVALID_PROMPT", EMPTY),
        (("-p", "\u3164\ufe0f"), "k", "INVALID_PROMPT", EMPTY),
        (("-p", "猫", "--user-id", ""), "k", "INVALID_USER_ID", NO_USER),
        (
            ("-p", "猫", "--save", "/dev/null/a.png"),
            "k",
            "DOWNLOAD_FAILED",
            "Failed to download image to /dev/null/a.png: Not a directory",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_before_anything_is_paid(
    glm: GlmStandIn, arguments: tuple[str, ...], key: str | None, code: str, message: str
) -> None:
    result = generate(*arguments, origin=glm.origin, env={"ZHIPU_API_KEY": key})
    assert (result.code, list(result.answer), glm.calls) == (1, KEYS, [])
    assert result.answer["error"] == {"code": code, "message": message}
    assert result.answer["model"] == "glm-image"


@pytest.mark.parametrize(
    ("arguments", "known", "message"),
    [
        ((), NOTHING, "the following arguments are required: -p/--prompt"),
        (("-s", "16:9", "-p", "-5度的冬天"), {**NOTHING, "size": "16:9"}, "write --prompt=… where it begins"),
        (("-p", "猫", "--frobnicate"), {**NOTHING, "prompt": "猫"}, "unrecognized arguments: --frobnicate"),
        (("-m", "dall-e", "-p", "猫"), {**REQUEST, "model": "dall-e"}, "there is no 'dall-e'; choose from glm-image, "),
        (("-p", "猫", "--save", ""), REQUEST, "argument --save: the file has no name"),
        (("-p", "猫", "--send", "群"), {**NOTHING, "prompt": "猫"}, "'群' is neither a chat (oc_...) nor a person"),
        (("-p", "-", "--frobnicate"), NOTHING, "unrecognized arguments: --frobnicate"),
    ],
)  # fmt: skip
def test_a_usage_error_contains_what_was_parsed(
    arguments: tuple[str, ...], known: dict[str, str | None], message: str
) -> None:
    result = generate(*arguments, origin=NOWHERE)
    assert (result.code, result.stderr, list(result.answer)) == (2, "", KEYS)
    assert result.answer["error"]["code"] == "invalid_request"
    assert message in result.answer["error"]["message"]
    assert {name: result.answer[name] for name in known} == known


@pytest.mark.parametrize("arguments", [("多余",), ("--send", "多余")])
def test_a_usage_error_in_an_ascii_locale_is_readable(arguments: tuple[str, ...]) -> None:
    """The surrogates that Python reads there are shown as the characters that were typed."""
    result = generate_anew("-p", "猫", *arguments, env={**ASCII, "TEST_GLM_ORIGIN": NOWHERE})
    assert (result.code, result.answer["prompt"]) == (2, "猫")
    assert "多余" in result.answer["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-p", "猫", "--user-id", "\udcffabcdef"), "INVALID_USER_ID"),
        (("-p", "猫\udcff"), "INVALID_PROMPT"),
        (("-p", "猫", "--save", "/dev/null/\udcff"), "DOWNLOAD_FAILED"),
    ],
)
def test_bytes_that_are_not_utf_8_are_rejected(arguments: tuple[str, ...], code: str) -> None:
    result = generate(*arguments, origin=NOWHERE)
    assert result.answer["error"]["code"] == code
    assert "\\ud" not in result.stdout.decode()


@pytest.mark.parametrize("settings", [ASCII, {"PYTHONIOENCODING": "ascii"}])
def test_a_chinese_prompt_works_in_an_ascii_locale(glm: GlmStandIn, settings: dict[str, str]) -> None:
    result = generate_anew("-p", "一只橘猫", env={**settings, "TEST_GLM_ORIGIN": glm.origin})
    assert (result.code, result.stdout.isascii()) == (0, True)
    assert result.answer["prompt"] == glm.calls[0].body["prompt"] == "一只橘猫"


def test_the_prompt_can_come_from_standard_input(glm: GlmStandIn) -> None:
    result = generate("-p", "-", origin=glm.origin, typed="\ufeff一只橘猫\n".encode())
    assert result.answer["prompt"] == glm.calls[0].body["prompt"] == "一只橘猫"
    assert generate("-p", "-", origin=glm.origin, typed=b"\xff").answer["error"]["code"] == "INVALID_PROMPT"


def test_errors_are_reported_before_the_prompt_is_read() -> None:
    with started("-p", "-", "-s", "512x512", env={"TEST_GLM_ORIGIN": NOWHERE}, stdin=-1) as process:
        assert process.stdout is not None
        # Standard input stays open all the while.
        assert b"INVALID_SIZE" in process.stdout.read()
        process.communicate(timeout=60)
    assert process.returncode == 1


def test_a_terminal_shows_the_seconds(glm: GlmStandIn) -> None:
    above, below = pty.openpty()
    glm.seconds = 1.2
    with started("-p", "猫", env={"TEST_GLM_ORIGIN": glm.origin}, stderr=below) as process:
        process.communicate(timeout=60)
    os.close(below)
    shown = os.read(above, 65536).decode()
    os.close(above)
    assert "Generating with glm-image: 0 s" in shown
    assert "Generating with glm-image: 1 s" in shown
    assert shown.endswith("\r\x1b[K")


def test_standard_quality_of_glm_image_is_passed_on_with_a_note(glm: GlmStandIn) -> None:
    result = generate("-p", "猫", "-q", "standard", origin=glm.origin)
    assert glm.calls[0].body["quality"] == result.answer["quality"] == "standard"
    assert "documents hd alone" in result.stderr


def test_warnings_of_the_filter_are_in_the_object(glm: GlmStandIn) -> None:
    glm.arm("level_3")
    answer = generate("-p", "猫", origin=glm.origin).answer
    assert (answer["ok"], answer["content_filter"]) == (True, [{"role": "assistant", "level": 3}])


@pytest.mark.parametrize(("given", "key"), [(None, "kept…"), ("", "kept…"), ('"given-key"', "give…")])
def test_the_key_comes_from_the_environment_or_dotenv(
    glm: GlmStandIn, tmp_path: Path, given: str | None, key: str
) -> None:
    (tmp_path / ".env").write_text("# 密钥\nZHIPU_API_KEY=kept-key\n", encoding="utf-8")
    result = generate("-p", "猫", origin=glm.origin, env={"ZHIPU_API_KEY": given}, folder=tmp_path)
    assert (result.code, [call.key for call in glm.calls]) == (0, [key])


def test_a_dotenv_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("# 密钥\nZHIPU_API_KEY=kept-key\n".encode("gbk"))
    result = generate("-p", "猫", origin=NOWHERE, env={"ZHIPU_API_KEY": None}, folder=tmp_path)
    message = "ZHIPU_API_KEY cannot be read: .env: is not UTF-8; save it as UTF-8 text"
    assert result.answer["error"] == {"code": "MISSING_API_KEY", "message": message}
