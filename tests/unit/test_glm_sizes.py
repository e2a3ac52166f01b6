"""What can be typed as a size, and what each model makes of it."""

from __future__ import annotations

import pytest

from bot.errors import InvalidSize, RequestRejected
from bot.sizes import DEFAULT_SIZE, MODELS, RATIOS, RECOMMENDED, nearest, ratio_name, resolve, rule


@pytest.mark.parametrize(
    ("wish", "size"),
    [
        ("1568x1056", "1568x1056"),
        ("1568×1056", "1568x1056"),
        ("1568X1056", "1568x1056"),
        ("1568*1056", "1568x1056"),
        ("１５６８＊１０５６", "1568x1056"),
        ("１５６８Ｘ１０５６", "1568x1056"),
        (" 1728 x 960 ", "1728x960"),
        ("01024x1024", "1024x1024"),
        ("2048x2048", "2048x2048"),
        ("16:9", "1728x960"),
        ("１６：９", "1728x960"),
        ("3∶2", "1568x1056"),
        ("4:3", "1472x1088"),
        ("1:1", "1280x1280"),
        ("3:4", "1088x1472"),
        ("2:3", "1056x1568"),
        ("9:16", "960x1728"),
        ("方形", "1280x1280"),
        ("横版", "1568x1056"),
        ("横屏", "1568x1056"),
        ("竖版", "1056x1568"),
        ("竖屏", "1056x1568"),
        ("宽屏", "1728x960"),
        ("手机", "960x1728"),
        ("Square", "1280x1280"),
        ("landscape", "1568x1056"),
        ("PORTRAIT", "1056x1568"),
        ("wide", "1728x960"),
        ("phone", "960x1728"),
    ],
)
def test_a_wish_becomes_a_size(wish: str, size: str) -> None:
    """Each way of typing a size ends as the platform's ``WxH`` with an ASCII x."""
    assert resolve("glm-image", wish) == size


@pytest.mark.parametrize(
    "wish", ["512x512", "992x1024", "2080x1024", "1030x1024", "1_280x1280", "١٢٨٠x1280", "21:9", "huge", "", "1280"]
)
def test_what_the_model_does_not_make_is_refused(wish: str) -> None:
    """A size outside the rule, or text that is none, is refused with the allowed sizes beside it."""
    with pytest.raises(InvalidSize) as caught:
        resolve("glm-image", wish)
    assert caught.value.values["model"] == "glm-image"
    assert "1728x960" in caught.value.values["allowed"]


@pytest.mark.parametrize(
    ("model", "wish", "message"),
    [
        (
            "glm-image",
            "512×512",
            "Invalid size: 512x512 for model glm-image. Must be multiple of 32, 1024-2048px, max 2^22 pixels",
        ),
        (
            "cogview-4",
            "2048x2048",
            "Invalid size: 2048x2048 for model cogview-4. Must be multiple of 16, 512-2048px, max 2^21 pixels",
        ),
    ],
)
def test_the_refusal_is_worded_as_documented(model: str, wish: str, message: str) -> None:
    """Callers of the command line match on these words."""
    with pytest.raises(InvalidSize) as caught:
        resolve(model, wish)
    assert caught.value.message == message


@pytest.mark.parametrize("model", MODELS)
def test_every_recommended_size_and_ratio_is_made(model: str) -> None:
    """The recommended sizes hold even where the rule says no, and every ratio leads to a size of the model."""
    assert [resolve(model, size) for size in RECOMMENDED[model]] == list(RECOMMENDED[model])
    assert resolve(model, DEFAULT_SIZE) == DEFAULT_SIZE
    for ratio in RATIOS:
        size = resolve(model, ratio)
        assert resolve(model, size) == size
        assert ratio_name(size).removeprefix("≈") == ratio


def test_the_rule_of_a_model_can_be_told() -> None:
    """The card of the sizes shows the same numbers that the check uses."""
    glm, cogview = rule("glm-image"), rule("cogview-3-flash")
    assert (glm.minimum, glm.maximum, glm.multiple, glm.max_pixels) == (1024, 2048, 32, 4_194_304)
    assert (cogview.minimum, cogview.maximum, cogview.multiple, cogview.max_pixels) == (512, 2048, 16, 2_097_152)


def test_an_unknown_model_is_refused() -> None:
    """A model that does not exist has no sizes."""
    with pytest.raises(RequestRejected) as caught:
        resolve("glm-image-2", "16:9")
    assert caught.value.sentence == "failure.model"


@pytest.mark.parametrize(
    ("size", "name"),
    [("2048x1152", "16:9"), ("1728x960", "≈16:9"), ("1280x1280", "1:1"), ("1568x1056", "≈3:2"), ("1440x720", "2:1")],
)
def test_a_size_is_named_by_its_ratio(size: str, name: str) -> None:
    """A ratio that is only near says so."""
    assert ratio_name(size) == name


@pytest.mark.parametrize(
    ("model", "width", "height", "size"),
    [
        ("glm-image", 1920, 1080, "1920x1088"),
        ("glm-image", 1080, 1920, "1088x1920"),
        ("glm-image", 1000, 1000, "1024x1024"),
        ("glm-image", 512, 512, "1024x1024"),
        ("glm-image", 800, 600, "1376x1024"),
        ("glm-image", 3840, 2160, "2048x1152"),
        ("glm-image", 4096, 4096, "2048x2048"),
        ("glm-image", 100, 5000, "1024x2048"),
        ("glm-image", 1728, 960, "1728x960"),
        ("glm-image", 0, 0, "1024x1024"),
        ("cogview-4", 1920, 1080, "1920x1088"),
        ("cogview-4", 1000, 1000, "1008x1008"),
        ("cogview-4", 4096, 4096, "1440x1440"),
        ("cogview-4", 768, 1344, "768x1344"),
    ],
)
def test_the_nearest_size(model: str, width: int, height: int, size: str) -> None:
    """A size that a model does not make becomes the nearest one, of the same ratio as far as the model allows."""
    assert nearest(model, width, height) == size


@pytest.mark.parametrize("model", MODELS)
def test_the_nearest_size_is_always_valid(model: str) -> None:
    """Whatever is typed, the nearest size is one that the model makes; valid sizes stay."""
    for width in range(1, 4000, 97):
        for height in range(1, 4000, 89):
            found = nearest(model, width, height)
            assert resolve(model, found) == found
    assert all(nearest(model, *map(int, size.split("x"))) == size for size in RECOMMENDED[model])


def test_the_nearest_size_of_an_unknown_model_is_refused() -> None:
    """There is no nearest size where there is no model."""
    with pytest.raises(RequestRejected):
        nearest("dall-e", 1024, 1024)
