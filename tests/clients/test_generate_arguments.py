"""Arguments that the command line cannot read: one JSON object, with what is known of the request."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cli.json_result import KEYS
from tests.clients.generate_process import ran, started

NOWHERE = "http://127.0.0.1:9"

REQUEST = {"prompt": "猫", "model": "glm-image", "size": "1280x1280", "quality": "hd"}
NOTHING: dict[str, Any] = dict.fromkeys(REQUEST)


@pytest.mark.parametrize(
    ("arguments", "known", "message"),
    [
        ((), NOTHING, "the following arguments are required: -p/--prompt"),
        (("--prompt",), NOTHING, "argument -p/--prompt: expected one argument; write --prompt=… where it begins"),
        (
            ("-s", "16:9", "-p", "-5度的冬天"),
            {**NOTHING, "size": "16:9"},
            "write --prompt=… where it begins with a dash",
        ),
        (("-p", "猫", "--frobnicate"), {**NOTHING, "prompt": "猫"}, "unrecognized arguments: --frobnicate"),
        (("-p", "猫", "多余"), {**NOTHING, "prompt": "猫"}, "unrecognized arguments: 多余"),
        (("-m", "dall-e", "-p", "猫"), {**REQUEST, "model": "dall-e"}, "there is no 'dall-e'; choose from glm-image, "),
        (("-p", "猫", "--save", ""), REQUEST, "argument --save: the file has no name"),
        (("-p", "猫", "--send", "群"), {**NOTHING, "prompt": "猫"}, "'群' is neither a chat (oc_...) nor a person"),
        (("-p", "-", "--frobnicate"), NOTHING, "unrecognized arguments: --frobnicate"),
    ],
)
def test_a_usage_error_tells_what_was_read(
    arguments: tuple[str, ...], known: dict[str, str | None], message: str
) -> None:
    """A script that misspells a flag still reads one object, and exit code 2 tells it apart."""
    result = ran(*arguments, origin=NOWHERE)
    assert (result.code, result.stderr, tuple(result.answer)) == (2, "", KEYS)
    assert result.answer["error"]["code"] == "invalid_request"
    assert message in result.answer["error"]["message"]
    assert {name: result.answer[name] for name in known} == known


@pytest.mark.parametrize("arguments", [("多余",), ("--send", "多余"), ("--no-watermark=多余",), ("-m", "多余")])
def test_a_usage_error_of_an_ascii_locale_is_readable(arguments: tuple[str, ...]) -> None:
    """Python's stand-ins for bytes that ASCII has not are put back into the characters that were typed."""
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = ran("-p", "猫", *arguments, origin=NOWHERE, env=locale)
    assert result.code == 2
    assert "多余" in result.answer["error"]["message"]
    assert result.answer["prompt"] == "猫"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-p", "猫", "--user-id", "\udcffabcdef"), "INVALID_USER_ID"),
        (("-p", "猫\udcff"), "INVALID_PROMPT"),
        (("-p", "猫", "-s", "\udcff"), "INVALID_SIZE"),
        (("-p", "猫", "--save", "/dev/null/\udcff"), "DOWNLOAD_FAILED"),
    ],
)
def test_what_is_no_text_is_refused_in_text(arguments: tuple[str, ...], code: str) -> None:
    """Bytes that are not UTF-8 are found before anything is paid, and none of them reaches the object."""
    result = ran(*arguments, origin=NOWHERE)
    assert result.answer["error"]["code"] == code
    assert "\\ud" not in result.stdout.decode()


def test_a_fault_is_told_before_the_prompt_is_read() -> None:
    """Who is asked for the prompt on standard input has not typed it in vain."""
    with started("-p", "-", "-s", "512x512", env={"TEST_GLM_ORIGIN": NOWHERE}, stdin=-1) as process:
        assert process.stdout is not None
        # Standard input stays open all the while.
        said = process.stdout.read()
        process.communicate(timeout=20)
    assert b"INVALID_SIZE" in said
    assert process.returncode == 1
