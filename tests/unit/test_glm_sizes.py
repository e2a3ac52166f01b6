"""What can be typed as a size, and what each model makes of it."""

from __future__ import annotations

import pytest

from bot.errors import InvalidSize, RequestRejected
from bot.sizes import DEFAULT_SIZE, MODELS, RATIOS, RECOMMENDED, nearest, ratio_name, resolve, rule

TYPED = {
    "1568x1056": "1568x1056|1568×1056|1568X1056|1568*1056|１５６８＊１０５６|１５６８Ｘ１０５６|3∶2|横版|横屏",
    "1728x960": " 1728 x 960 |16:9|１６：９|宽屏|wide",
    "1024x1024": "01024x1024",
    "2048x2048": "2048x2048",
    "1280x1280": "1:1|方形|Square",
    "1056x1568": "2:3|竖版|竖屏|PORTRAIT",
    "960x1728": "9:16|手机|phone",
    "1472x1088": "4:3",
    "1088x1472": "3:4",
}


def test_typed_size_becomes_pixels() -> None:
    assert {size: {resolve("glm-image", one) for one in typed.split("|")} for size, typed in TYPED.items()} == {
        size: {size} for size in TYPED
    }


def test_invalid_size_is_rejected() -> None:
    for typed in (
        "512x512",
        "992x1024",
        "2080x1024",
        "1030x1024",
        "1_280x1280",
        "١٢٨٠x1280",
        "21:9",
        "huge",
        "",
        "1280",
    ):
        with pytest.raises(InvalidSize) as caught:
            resolve("glm-image", typed)
        assert caught.value.values["model"] == "glm-image"
        assert "1728x960" in caught.value.values["allowed"]


@pytest.mark.parametrize(
    ("model", "size", "rule"),
    [
        ("glm-image", "512x512", "multiple of 32, 1024-2048px, max 2^22 pixels"),
        ("cogview-4", "2048x2048", "multiple of 16, 512-2048px, max 2^21 pixels"),
    ],
)
def test_error_is_worded_as_documented(model: str, size: str, rule: str) -> None:
    with pytest.raises(InvalidSize) as caught:
        resolve(model, size)
    assert caught.value.message == f"Invalid size: {size} for model {model}. Must be {rule}"


def test_recommended_sizes_and_ratios_are_valid() -> None:
    for model in MODELS:
        for size in (*RECOMMENDED[model], DEFAULT_SIZE):
            assert resolve(model, size) == size
        for ratio in RATIOS:
            size = resolve(model, ratio)
            assert resolve(model, size) == size
            assert ratio_name(size).removeprefix("≈") == ratio


def test_rules_are_the_documented_ones() -> None:
    glm, cogview = rule("glm-image"), rule("cogview-3-flash")
    assert (glm.minimum, glm.maximum, glm.multiple, glm.max_pixels) == (1024, 2048, 32, 4_194_304)
    assert (cogview.minimum, cogview.maximum, cogview.multiple, cogview.max_pixels) == (512, 2048, 16, 2_097_152)


def test_unknown_model_is_rejected() -> None:
    with pytest.raises(RequestRejected) as caught:
        resolve("glm-image-2", "16:9")
    assert caught.value.sentence == "failure.model"
    with pytest.raises(RequestRejected):
        nearest("dall-e", 1024, 1024)


NAMES = {"2048x1152": "16:9", "1728x960": "≈16:9", "1280x1280": "1:1", "1568x1056": "≈3:2", "1440x720": "2:1"}


def test_size_is_named_by_its_ratio() -> None:
    assert {size: ratio_name(size) for size in NAMES} == NAMES


NEAREST = {
    "glm-image": (
        "1920x1080 1920x1088, 1080x1920 1088x1920, 1000x1000 1024x1024, 512x512 1024x1024, 800x600 1376x1024, "
        "3840x2160 2048x1152, 4096x4096 2048x2048, 100x5000 1024x2048, 1728x960 1728x960, 0x0 1024x1024"
    ),
    "cogview-4": "1920x1080 1920x1088, 1000x1000 1008x1008, 4096x4096 1440x1440, 768x1344 768x1344",
}


def test_nearest_size() -> None:
    for model, pairs in NEAREST.items():
        for typed, size in map(str.split, pairs.split(", ")):
            assert nearest(model, *map(int, typed.split("x"))) == size


@pytest.mark.parametrize("model", MODELS)
def test_nearest_size_is_always_valid(model: str) -> None:
    for width in range(1, 4000, 97):
        for height in range(1, 4000, 89):
            found = nearest(model, width, height)
            assert resolve(model, found) == found
    assert all(nearest(model, *map(int, size.split("x"))) == size for size in RECOMMENDED[model])
