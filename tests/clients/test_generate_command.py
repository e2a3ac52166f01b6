"""The command line, run as a process: one JSON object in every case."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator

import pytest

from bot.cli.json_result import KEYS
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.clients.generate_process import Ran, ran, started

LOADED = """
import sys
from bot.cli.generate import main
code = main()
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
raise SystemExit(code)
"""


@pytest.fixture
def stand_in() -> Iterator[GlmStandIn]:
    """A stand-in that answers at once."""
    with GlmStandIn() as stand_in:
        yield stand_in


def modules_of(result: Ran) -> set[str]:
    """The top-level modules that a run loaded."""
    return set(result.stderr.splitlines()[-1].split())


def test_success_has_the_ten_keys_in_order(stand_in: GlmStandIn) -> None:
    """What was asked comes back resolved, and nothing but the object is on standard output."""
    result = ran("--prompt", "一只橘猫", "--size", "１６：９", "--user-id", "user_12345", origin=stand_in.origin)
    assert (result.code, result.stderr) == (0, "")
    assert tuple(result.answer) == KEYS
    (call,) = stand_in.calls
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


def test_every_flag_reaches_the_platform(stand_in: GlmStandIn) -> None:
    """Short flags, another model and the watermark switch are sent as the platform spells them."""
    arguments = ("-p", "海报", "-m", "cogview-4", "-s", "768×1344", "-q", "standard", "--no-watermark")
    assert ran(*arguments, origin=stand_in.origin).code == 0
    assert stand_in.calls[0].body == {
        "model": "cogview-4",
        "prompt": "海报",
        "quality": "standard",
        "size": "768x1344",
        "watermark_enabled": False,
    }


@pytest.mark.parametrize(
    ("arguments", "key", "code", "message"),
    [
        (
            ("-p", "猫"),
            None,
            "MISSING_API_KEY",
            "ZHIPU_API_KEY not configured. Get your API key at: https://bigmodel.cn/usercenter/proj-mgmt/apikeys",
        ),
        (
            ("-p", "猫", "-s", "512x512"),
            "fake-key",
            "INVALID_SIZE",
            "Invalid size: 512x512 for model glm-image. Must be multiple of 32, 1024-2048px, max 2^22 pixels",
        ),
        (("-p", "猫", "-q", "best"), "fake-key", "INVALID_QUALITY", "Invalid quality: best. Must be hd or standard"),
        (("-p", " "), "fake-key", "INVALID_PROMPT", "Invalid prompt: it is empty. Describe the image in words"),
        (
            ("-p", "\u3164\ufe0f"),
            "fake-key",
            "INVALID_PROMPT",
            "Invalid prompt: it is empty. Describe the image in words",
        ),
        (
            ("-p", "猫", "--user-id", "me"),
            "fake-key",
            "INVALID_USER_ID",
            "Invalid user_id: 2 characters. Must be 6-128 characters",
        ),
    ],
)
def test_local_faults_are_found_before_httpx_is_loaded(
    arguments: tuple[str, ...], key: str | None, code: str, message: str
) -> None:
    """Each has its code and words, costs nothing, and loads neither the HTTP client nor the bot."""
    result = ran(*arguments, env={"ZHIPU_API_KEY": key}, code=LOADED)
    assert result.code == 1
    assert tuple(result.answer) == KEYS
    assert result.answer["error"] == {"code": code, "message": message}
    assert result.answer["model"] == "glm-image"
    assert not {"httpx", "flask", "lark_oapi", "sqlalchemy", "PIL"} & modules_of(result)


def test_a_path_that_cannot_be_written_is_found_before_httpx_is_loaded() -> None:
    """The path is tried before anything is paid, and the documented words come first."""
    result = ran("-p", "猫", "--save", "/dev/null/image.png", code=LOADED)
    message = "Failed to download image to /dev/null/image.png: Not a directory"
    assert result.answer["error"] == {"code": "DOWNLOAD_FAILED", "message": message}
    assert not {"httpx", "pathlib", "secrets", "dotenv"} & modules_of(result)


def test_a_call_loads_neither_flask_nor_lark_nor_a_database(stand_in: GlmStandIn) -> None:
    """The command line stands beside the bot, not on it."""
    code = LOADED.replace("main()", "drive()").replace(
        "bot.cli.generate import main", "tests.clients.generate_driver import drive"
    )
    result = ran("-p", "猫", origin=stand_in.origin, code=code)
    assert result.code == 0
    assert not {
        "flask",
        "lark_oapi",
        "sqlalchemy",
        "alembic",
        "psycopg",
        "waitress",
        "pydantic",
        "structlog",
    } & modules_of(result)


def test_the_prompt_can_come_from_standard_input(stand_in: GlmStandIn) -> None:
    """A dash reads it, as UTF-8, with or without the mark that Windows writes first."""
    result = ran("-p", "-", origin=stand_in.origin, typed="\ufeff一只橘猫\n".encode())
    assert result.answer["prompt"] == "一只橘猫"
    assert stand_in.calls[0].body["prompt"] == "一只橘猫"
    assert ran("-p", "-", origin=stand_in.origin, typed=b"\xff").answer["error"]["code"] == "INVALID_PROMPT"


@pytest.mark.parametrize(
    "settings", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_an_ascii_locale_changes_nothing(stand_in: GlmStandIn, settings: dict[str, str]) -> None:
    """A Chinese prompt is sent as typed, and the object is written in ASCII."""
    result = ran("-p", "一只橘猫", origin=stand_in.origin, env=settings)
    assert result.code == 0
    assert result.stdout.isascii()
    assert result.answer["prompt"] == stand_in.calls[0].body["prompt"] == "一只橘猫"


def test_a_terminal_sees_the_seconds(stand_in: GlmStandIn) -> None:
    """On a terminal a line counts the seconds on standard error, and is wiped at the end."""
    above, below = pty.openpty()
    stand_in.seconds = 1.2
    with started("-p", "猫", env={"TEST_GLM_ORIGIN": stand_in.origin}, stderr=below) as process:
        process.communicate(timeout=20)
    os.close(below)
    shown = os.read(above, 65536).decode()
    os.close(above)
    assert "Generating with glm-image: 0 s" in shown
    assert "Generating with glm-image: 1 s" in shown
    assert shown.endswith("\r\x1b[K")


def test_standard_quality_of_glm_image_is_passed_on_with_a_note(stand_in: GlmStandIn) -> None:
    """What was asked is sent; that the platform documents only hd stands on standard error."""
    result = ran("-p", "猫", "-q", "standard", origin=stand_in.origin)
    assert stand_in.calls[0].body["quality"] == result.answer["quality"] == "standard"
    assert "documents hd alone" in result.stderr


def test_warnings_of_the_filter_are_told(stand_in: GlmStandIn) -> None:
    """A picture may come with a warning; both are in the object."""
    stand_in.arm("level_3")
    answer = ran("-p", "猫", origin=stand_in.origin).answer
    assert answer["ok"]
    assert answer["content_filter"] == [{"role": "assistant", "level": 3}]
