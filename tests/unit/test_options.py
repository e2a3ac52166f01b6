"""Options: one declaration each, how they are resolved, and which sizes each model makes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from bot.errors import GlmError
from bot.options import NAMES, OPTIONS
from bot.sizes import DEFAULT_SIZE, MODELS, RATIOS, nearest, ratio_name, resolve, rule

TYPED = {
    "1568x1056": "1568x1056|1568×1056|1568X1056|1568*1056|１５６８＊１０５６|１５６８Ｘ１０５６|3∶2|横版|横屏",
    "1728x960": " 1728 x 960 |16:9|１６：９|宽屏|wide",
    "1024x1024": "01024x1024",
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


INVALID = ["512x512", "992x1024", "2080x1024", "1030x1024", "1_280x1280", "١٢٨٠x1280", "21:9", "huge", "", "1280"]


def test_invalid_size_is_rejected_with_the_allowed_ones() -> None:
    for typed in INVALID:
        with pytest.raises(GlmError, match="Invalid size") as caught:
            resolve("glm-image", typed)
        assert caught.value.values["model"] == "glm-image"
        assert "1728x960" in caught.value.values["allowed"]
    with pytest.raises(GlmError, match="Invalid size") as caught:
        resolve("cogview-4", "2048x2048")
    assert caught.value.message == (
        "Invalid size: 2048x2048 for model cogview-4. Must be multiple of 16, 512-2048px, max 2^21 pixels"
    )
    with pytest.raises(GlmError, match="Unknown model") as unknown:
        resolve("glm-image-2", "16:9")
    assert unknown.value.sentence == "failure.model"


RATIO_NAMES = {"2048x1152": "16:9", "1728x960": "≈16:9", "1280x1280": "1:1", "1568x1056": "≈3:2", "1440x720": "2:1"}


def test_recommended_sizes_and_ratios_are_valid() -> None:
    """By the documented rules, but that a recommended size counts even where they say no."""
    for model in MODELS:
        for size in (*rule(model).recommended, DEFAULT_SIZE):
            assert resolve(model, size) == size
        for ratio in RATIOS:
            size = resolve(model, ratio)
            assert resolve(model, size) == size
            assert ratio_name(size).removeprefix("≈") == ratio
    assert {size: ratio_name(size) for size in RATIO_NAMES} == RATIO_NAMES
    glm, cogview = rule("glm-image"), rule("cogview-3-flash")
    assert (glm.minimum, glm.maximum, glm.multiple, glm.max_pixels) == (1024, 2048, 32, 4_194_304)
    assert (cogview.minimum, cogview.maximum, cogview.multiple, cogview.max_pixels) == (512, 2048, 16, 2_097_152)


NEAREST = {
    "glm-image": (
        "1920x1080 1920x1088, 1080x1920 1088x1920, 1000x1000 1024x1024, 512x512 1024x1024, 800x600 1376x1024, "
        "3840x2160 2048x1152, 4096x4096 2048x2048, 100x5000 1024x2048, 1728x960 1728x960, 0x0 1024x1024"
    ),
    "cogview-4": "1920x1080 1920x1088, 1000x1000 1008x1008, 4096x4096 1440x1440, 768x1344 768x1344",
}


def test_nearest_size_is_valid_and_of_the_same_ratio() -> None:
    """As far as the model allows; a valid size stays as it is."""
    for model, pairs in NEAREST.items():
        for typed, size in map(str.split, pairs.split(", ")):
            assert nearest(model, *map(int, typed.split("x"))) == size
    for model in MODELS:
        for width, height in product(range(1, 4000, 97), range(1, 4000, 89)):
            found = nearest(model, width, height)
            assert resolve(model, found) == found
        assert all(nearest(model, *map(int, size.split("x"))) == size for size in rule(model).recommended)


DECLARATION = """
    seed: int | None = _declare(
        None,
        words=("seed", "种子"),
        kind=int,
        read=reader(r"[0-9]{1,9}(?![0-9])", lambda found: int(found[0])),
        off_words=frozenset({NONE}),
        form=lambda _: ("1", "2", "3"),
        setting=True,
        api_field="seed",
        cli=("--seed",),
        cli_help="a whole number",
    )
"""
SENTENCES = {
    "help.option.seed": "`/seed 7` Seed",
    "label.seed": "Seed {seed}",
    "settings.no_seed": "No seed",
    "form.seed": "Seed",
    "form.no_seed": "No seed",
    "misread.seed": "{value} is no seed",
    "misread.seed_missing": "{option} needs a number",
}
CHECK = """
from contextlib import redirect_stdout, suppress
from dataclasses import asdict
from io import StringIO
from bot.chat.cards.command_cards import render_help, render_settings
from bot.chat.cards.elements import text_of
from bot.chat.cards.form_card import render_form
from bot.chat.cards.request_card import render_request
from bot.chat.parsing.parser import parse
from bot.cli.generate import main
from bot.cli.export import COLUMNS
from bot.glm.api import call_body
from bot.models import State
from bot.options import Options, form_options, repeat_options, resolve_options
from bot.settings import Images
from tests.unit.card_samples import cards, generation, request, tagged

assert [parse(f"cat {typed}").sentence for typed in ("/seed many", "/seed")] == ["misread.seed", "misread.seed_missing"]
assert parse("/set seed 7").options == parse("/again 种子 7").options == {"seed": 7}
given = {"defaults": Options(seed=5), "may_drop_watermark": False, "styles": ()}
typed = [parse(text).options for text in ("cat", "cat /seed 7", "cat /seed none")]
assert [resolve_options(one, **given).seed for one in typed] == [5, 7, None]
made = Options(seed=7)
assert repeat_options(asdict(made), {})["seed"] == 7
assert "Seed 7" in text_of(render_request(cards(), request(generation(State.DONE), options=made)), "en")
settings = render_settings(cards(), options=Options(), own=(), language=None, chat=())
assert "No seed · default" in text_of(settings, "en")
assert "`/seed 7`" in text_of(render_help(cards()), "en")
(*_, seed) = tagged(render_form(cards(), request_id="r", prompt="cat", options=made), "select_static")
assert ([one["value"] for one in seed["options"]], seed["initial_option"]) == (["none", "7", "1", "2", "3"], "7")
assert [form_options({"seed": one}, asdict(made)) for one in ("none", "7")] == [{"seed": ""}, {}]
assert [call_body("cat", options=one, user_id=None).get("seed") for one in (made, Options())] == [7, None]
assert Images(seed=5).defaults.seed == 5
with redirect_stdout(StringIO()) as usage, suppress(SystemExit):
    main(["--help"])
assert "--seed SEED" in usage.getvalue()
assert "seed" in COLUMNS
"""


def test_trial_option_is_known_everywhere(tmp_path: Path) -> None:
    """One declaration and its sentences: it is parsed, resolved, repeated, shown, offered, sent and exported."""
    # No two options share a name that can be typed.
    assert len(NAMES) == sum(len(option.words) + len(option.flags) for option in OPTIONS.values())
    for name in ("bot", "config", "tests"):
        shutil.copytree(name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "static"))
    module = tmp_path / "bot/options.py"
    source = module.read_text(encoding="utf-8")
    place = "\n    @property\n    def width"
    module.write_text(source.replace(place, DECLARATION + place, 1), encoding="utf-8")
    for language in ("zh", "en"):
        lines = "".join(f'"{key}" = {text!r}\n' for key, text in SENTENCES.items())
        with (tmp_path / f"config/messages.{language}.toml").open("a", encoding="utf-8") as file:
            file.write(lines)
    command = [sys.executable, "-c", CHECK]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
