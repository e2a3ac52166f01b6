"""A new option is one declaration: a trial option is added to a copy of the program, and everything knows it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bot.options import NAMES, OPTIONS

BOT = Path(__file__).parents[2] / "bot"

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
from dataclasses import asdict, replace
from io import StringIO
from bot.chat.cards.command_cards import render_changed, render_settings
from bot.chat.cards.elements import text_of
from bot.chat.cards.form_card import render_form
from bot.chat.cards.help_cards import render_help
from bot.chat.cards.request_card import render_request
from bot.chat.parsing.parser import parse
from bot.cli.generate import main
from bot.cli.export import COLUMNS
from bot.glm.api import call_body
from bot.models import GenerationView, RequestView, State
from bot.options import Options, PartialOptions, form_options, repeat_options, resolve_options
from bot.settings import Images
from tests.unit.card_samples import cards, tagged

def resolved(text, **defaults):
    typed = parse(text).options
    return resolve_options(typed, defaults=Options(**defaults), may_drop_watermark=False, styles=())

assert parse("cat /seed 7").options.given == {"seed": 7}
assert parse("cat /seed many").sentence == "misread.seed"
assert parse("cat /seed").sentence == "misread.seed_missing"
assert parse("cat /sead 7").values["suggestion"] == "/seed"
assert parse("/set seed 7").options.given == parse("/again 种子 7").options.given == {"seed": 7}
assert (resolved("cat", seed=5).seed, resolved("cat /seed 7", seed=5).seed) == (5, 7)
assert resolved("cat /seed none", seed=5).seed is None
made = resolved("cat /seed 7")
assert repeat_options(asdict(made), PartialOptions()).given["seed"] == 7
assert repeat_options(asdict(made), PartialOptions(seed=8)).given["seed"] == 8
assert repeat_options(asdict(Options()), PartialOptions()).given["seed"] == ""
image = GenerationView(generation_id="g", state=State.DONE, image_key="img_v3_1")
view = RequestView(request_id="r", prompt="cat", options=made, images=(image,))
assert "Seed 7" in text_of(render_request(cards(), view), "en")
assert "Seed 7" in text_of(render_changed(cards(), {"seed": 7}, for_chat=False), "en")
unset = {"language": None, "chat": ()}
assert "Seed 7 · set by you" in text_of(render_settings(cards(), options=made, own=("seed",), **unset), "en")
assert "No seed · default" in text_of(render_settings(cards(), options=Options(), own=(), **unset), "en")
assert "`/seed 7`" in text_of(render_help(cards()), "en")
selects = tagged(render_form(cards(), request_id="r", prompt="cat", options=made), "select_static")
seed = next(select for select in selects if select["name"] == "seed")
assert ([one["value"] for one in seed["options"]], seed["initial_option"]) == (["none", "7", "1", "2", "3"], "7")
assert form_options({"prompt": "cat", "seed": "2"}, asdict(made)).given == {"seed": 2}
assert form_options({"seed": "none"}, asdict(made)).given == {"seed": ""}
assert form_options({"seed": "7"}, asdict(made)).given == {}
assert call_body("cat", options=made, user_id=None)["seed"] == 7
assert "seed" not in call_body("cat", options=Options(), user_id=None)
assert Images(seed=5).defaults.seed == 5
assert Images().defaults.seed is None
with redirect_stdout(StringIO()) as usage, suppress(SystemExit):
    main(["--help"])
assert "--seed SEED" in usage.getvalue()
assert "seed" in COLUMNS
assert Options.from_stored({"seed": 7, "of_another_version": 1}).seed == 7
"""


def test_trial_option_is_known_everywhere(tmp_path: Path) -> None:
    root = BOT.parent
    ignored = shutil.ignore_patterns("__pycache__", "static")
    for name in ("bot", "config", "tests"):
        shutil.copytree(root / name, tmp_path / name, ignore=ignored)
    module = tmp_path / "bot/options.py"
    source = module.read_text(encoding="utf-8")
    module.write_text(
        source.replace("\n    @property\n    def width", DECLARATION + "\n    @property\n    def width", 1)
    )
    for language in ("zh", "en"):
        lines = "".join(f'"{key}" = {text!r}\n' for key, text in SENTENCES.items())
        with (tmp_path / f"config/messages.{language}.toml").open("a", encoding="utf-8") as file:
            file.write(lines)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", CHECK]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)


def test_names_of_options_are_unambiguous() -> None:
    assert len(NAMES) == sum(len(option.words) + len(option.flags) for option in OPTIONS.values())
