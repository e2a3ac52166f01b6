"""What is refused before a call is paid for, and what a call sends."""

from __future__ import annotations

import pytest

from bot.errors import GlmError, InvalidPrompt, InvalidQuality, InvalidSize, InvalidUserId, MissingApiKey
from bot.glm.api import call_body, validate_key, validate_prompt, validate_user_id
from bot.options import Options


@pytest.mark.parametrize("key", [None, "", "  \n"])
def test_a_missing_key_is_told_with_the_page_that_makes_one(key: str | None) -> None:
    """The sentence is the documented one, word for word."""
    with pytest.raises(MissingApiKey) as caught:
        validate_key(key)
    assert caught.value.message == (
        "ZHIPU_API_KEY not configured. Get your API key at: https://bigmodel.cn/usercenter/proj-mgmt/apikeys"
    )


@pytest.mark.parametrize("key", ["fake\nkey", "fake key", "假密钥", "fake\x00key", "“fake-key”"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    """A pasted line break or Chinese quotes are found before the call, and the key stays out of the message."""
    with pytest.raises(MissingApiKey) as caught:
        validate_key(key)
    assert key not in str(caught.value)


def test_blanks_round_a_key_do_not_matter() -> None:
    """A key is often pasted with a line break at its end."""
    assert validate_key(" fake-key.fake \n") == "fake-key.fake"


@pytest.mark.parametrize("prompt", ["", " \t\n", "　", "猫\udcff", "\u3164", "\ufe0f", "\u2800\u200b"])
def test_a_prompt_that_says_nothing_is_refused(prompt: str) -> None:
    """Blanks in any script are no prompt, and half a character is no text."""
    with pytest.raises(InvalidPrompt):
        validate_prompt(prompt)


@pytest.mark.parametrize(("length", "fits"), [(0, False), (5, False), (6, True), (128, True), (129, False)])
def test_a_user_id_has_6_to_128_characters(length: int, fits: bool) -> None:  # noqa: FBT001 - a table's column
    """The platform's bounds are checked before it is asked, and an empty id is not dropped silently."""
    if fits:
        assert validate_user_id("u" * length)
        return
    with pytest.raises(InvalidUserId):
        validate_user_id("u" * length)


@pytest.mark.parametrize(
    ("user_id", "reason"),
    [("      ", "it is blank"), ("　" * 6, "it is blank"), ("user_1\udcff", "it is not UTF-8 text")],
)
def test_a_user_id_says_something(user_id: str, reason: str) -> None:
    """Blanks stand for nobody, and half a character cannot be sent."""
    with pytest.raises(InvalidUserId) as caught:
        validate_user_id(user_id)
    assert caught.value.message == f"Invalid user_id: {reason}. Must be 6-128 characters"


def test_a_body_holds_the_documented_fields_alone() -> None:
    """Style and count are the bot's own and stay here; the watermark is a boolean, not a word."""
    options = Options(model="cogview-4", size="16:9", quality="HD", watermark=False, style="水墨", count=3)
    assert call_body(" 山水 ", options=options, user_id="user_12345") == {
        "model": "cogview-4",
        "prompt": "山水",
        "quality": "hd",
        "size": "1344x768",
        "watermark_enabled": False,
        "user_id": "user_12345",
    }


@pytest.mark.parametrize(
    ("options", "error"),
    [(Options(size="512x512"), InvalidSize), (Options(quality="best"), InvalidQuality)],
)
def test_faulty_options_make_no_body(options: Options, error: type[GlmError]) -> None:
    """What the platform would refuse is refused here, unpaid."""
    with pytest.raises(error):
        call_body("猫", options=options, user_id=None)
