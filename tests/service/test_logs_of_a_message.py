"""The log of a whole bot: one grep follows one message, and nobody's words stand in it unless that is asked for."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.logs import Form, JsonLines, TextLines
from tests.support.world import DEADLINE, World, text_in


@contextmanager
def written(form: Form = "text") -> Iterator[io.StringIO]:
    """What the bot logs within the block, at every level."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    bot = logging.getLogger("bot")
    level = bot.level
    bot.addHandler(handler)
    bot.setLevel(logging.DEBUG)
    try:
        yield out
    finally:
        bot.setLevel(level)
        bot.removeHandler(handler)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One bot for all conversations."""
    with World(folder=tmp_path_factory.mktemp("bot")) as world:
        yield world


def step(line: str) -> str:
    """The words of a line, without its time, level, module and values."""
    return " ".join(word for word in line.split()[3:] if "=" not in word)


def test_one_grep_for_the_message_finds_every_step(world: World) -> None:
    """From the acceptance to the result each line carries the message's id, those of the clients too."""
    with written() as out:
        talk = world.somebody()
        said = talk.say()
        talk.wait_for_end(said)
        assert world.feishu.wait_for(lambda _: world.idle, seconds=DEADLINE)
    lines = [line for line in out.getvalue().splitlines() if said.message_id in line]
    steps = [step(line) for line in lines]
    for one in ("request accepted", "generation post", "glm answered", "generation made", "generation done"):
        assert steps.count(one) == 1, steps
    assert steps[0] == "request accepted"
    assert sum("feishu" in line and "call=" in line for line in lines) >= 3
    assert "face=result" in lines[-1]
    assert len({word for line in lines for word in line.split() if word.startswith("request=")}) == 1


def test_as_json_each_line_of_a_generation_names_it(world: World) -> None:
    """Programs find message, request and generation by their names on one line."""
    with written("json") as out:
        talk = world.somebody()
        said = talk.say()
        talk.wait_for_end(said)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    of_message = [line for line in lines if line.get("message_id") == said.message_id]
    made = [line for line in of_message if str(line["step"]).startswith(("generation", "glm"))]
    assert len(made) >= 4
    assert all(line["request"] and line["generation"] for line in made)
    assert len({line["generation"] for line in made}) == 1


def test_a_refused_call_is_found_the_same_way(world: World) -> None:
    """Why there was no image stands on a line with the message's id, as a warning."""
    with written() as out:
        talk = world.somebody()
        world.glm.arm("glm_1113")
        said = talk.say()
        talk.wait_for_end(said)
    (line,) = [line for line in out.getvalue().splitlines() if "generation refused" in line]
    assert " WARNING " in line
    assert f"message_id={said.message_id}" in line
    assert "provider_code=1113" in line


def test_no_prompt_is_logged_unless_that_is_asked_for(world: World, tmp_path: Path) -> None:
    """What people type stays out of the log at every level; `[log] prompts` lets it in, on one line a message."""
    with written() as out:
        talk = world.somebody()
        said = talk.say()
        talk.wait_for_end(said)
    assert text_in(said) not in out.getvalue()
    with World(folder=tmp_path, variables={"BOT_LOG_PROMPTS": "true"}) as telling, written() as out:
        talk = telling.somebody()
        said = talk.say()
        talk.wait_for_end(said)
    (line,) = [line for line in out.getvalue().splitlines() if text_in(said) in line]
    assert f"message_id={said.message_id}" in line
