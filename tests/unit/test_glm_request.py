"""What is refused before a call is paid for, and what a call sends."""

from __future__ import annotations

import pytest

from bot.errors import GlmError, InvalidPrompt, InvalidQuality, InvalidSize, InvalidUserId, MissingApiKey
from bot.glm.api import call_body, validate_key, validate_prompt, validate_user_id
from bot.options import Options


def test_a_missing_or_impossible_key_is_refused_without_being_shown() -> None:
    documented = "ZHIPU_API_KEY not configured. Get your API key at: https://bigmodel.cn/usercenter/proj-mgmt/apikeys"
    for key in (None, "", "  \n"):
        with pytest.raises(MissingApiKey) as caught:
            validate_key(key)
        assert caught.value.message == documented
    for key in ("fake\nkey", "fake key", "假密钥", "fake\x00key", "“fake-key”"):
        with pytest.raises(MissingApiKey) as caught:
            validate_key(key)
        assert key not in str(caught.value)
    # A key is often pasted with a line break at its end.
    assert validate_key(" fake-key.fake \n") == "fake-key.fake"


def test_a_prompt_that_says_nothing_is_refused() -> None:
    for prompt in ("", " \t\n", "　", "猫\udcff", "\u3164", "\ufe0f", "\u2800\u200b"):
        with pytest.raises(InvalidPrompt):
            validate_prompt(prompt)


def test_a_user_id_has_6_to_128_characters_and_says_something() -> None:
    for length in (6, 128):
        assert validate_user_id("u" * length)
    reasons = {"      ": "it is blank", "　" * 6: "it is blank", "user_1\udcff": "it is not UTF-8 text"}
    for user_id in ("", "u" * 5, "u" * 129, *reasons):
        with pytest.raises(InvalidUserId) as caught:
            validate_user_id(user_id)
        if user_id in reasons:
            assert caught.value.message == f"Invalid user_id: {reasons[user_id]}. Must be 6-128 characters"


def test_a_body_holds_the_documented_fields_alone() -> None:
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
    ("options", "error"), [(Options(size="512x512"), InvalidSize), (Options(quality="best"), InvalidQuality)]
)
def test_faulty_options_make_no_body(options: Options, error: type[GlmError]) -> None:
    with pytest.raises(error):
        call_body("猫", options=options, user_id=None)
