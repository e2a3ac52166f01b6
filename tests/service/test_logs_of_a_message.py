"""The log of a whole bot: one grep follows one message, and nobody's words stand in it unless that is asked for."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.errors import DatabaseUnavailable
from bot.logs import Form, formatter
from bot.models import Event
from bot.web.routes import EventEndpoint
from tests.support.dsl import BotUnderTest, card_actions, plain_text, wait_for


@contextmanager
def written(form: Form = "text") -> Iterator[io.StringIO]:
    """What the bot logs within the block, at every level."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter(form))
    shared_bot = logging.getLogger("bot")
    level = shared_bot.level
    shared_bot.addHandler(handler)
    shared_bot.setLevel(logging.DEBUG)
    try:
        yield out
    finally:
        shared_bot.setLevel(level)
        shared_bot.removeHandler(handler)


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot for all conversations."""
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot")) as bot:
        yield bot


def step(line: str) -> str:
    """The words of a line, without its time, level, module and values."""
    return " ".join(word for word in line.split()[3:] if "=" not in word)


def test_one_grep_for_the_message_finds_every_step(bot: BotUnderTest) -> None:
    """From the acceptance to the result each line carries the message's id, those of the clients too."""
    with written() as out:
        user = bot.new_user()
        said = user.send()
        user.wait_for_end(said)
        bot.wait_until_idle()
    lines = [line for line in out.getvalue().splitlines() if said.message_id in line]
    steps = [step(line) for line in lines]
    for one in ("request", "generation call", "GLM answered", "generation made", "generation done"):
        assert steps.count(one) == 1, steps
    assert steps[:2] == ["intent", "request"]
    assert sum("Feishu called" in line and "call=" in line for line in lines) >= 3
    assert "state=result" in lines[-1]
    assert len({word for line in lines for word in line.split() if word.startswith("request=")}) == 1


def test_as_json_each_line_of_a_generation_names_it(bot: BotUnderTest) -> None:
    """Programs find message, request and generation by their names on one line."""
    with written("json") as out:
        user = bot.new_user()
        said = user.send()
        user.wait_for_end(said)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    of_message = [line for line in lines if line.get("message_id") == said.message_id]
    made = [line for line in of_message if str(line["event"]).startswith(("generation", "GLM"))]
    assert len(made) >= 4
    assert all(line["request"] and line["generation"] for line in made)
    assert len({line["generation"] for line in made}) == 1


def test_a_refused_call_is_found_the_same_way(bot: BotUnderTest) -> None:
    """Why there was no image stands on a line with the message's id, as a warning."""
    with written() as out:
        user = bot.new_user()
        bot.glm.arm("glm_1113")
        said = user.send()
        user.wait_for_end(said)
    (line,) = [line for line in out.getvalue().splitlines() if "generation failed" in line]
    assert " WARNING " in line
    assert f"message_id={said.message_id}" in line
    assert "provider_code=1113" in line


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"message": {"message_id": "om_1"}}, "message_id=om_1"),
        ({"message_id": "om_1", "chat_id": "oc_1"}, "message_id=om_1"),
        ({"context": {"open_message_id": "om_card"}, "action": {}}, "card=om_card"),
        ({"message": "om_1", "context": None, "message_id": 1}, "event_id=e1"),
    ],
)
def test_an_event_that_is_not_acted_on_names_its_message(body: dict[str, object], named: str) -> None:
    """Too old, or not to be stored: the line has the event's id and that of the message or card, where there is one."""
    event = Event(event_id="e1", event_type="any", created_at=0.0, body=body)

    def refuse(_: Event) -> dict[str, object]:
        raise DatabaseUnavailable("away")

    with written() as out:
        EventEndpoint(handle=refuse, clock=lambda: 9 * 3600.0).answer(lambda: event)
        EventEndpoint(handle=refuse, clock=lambda: 0.0).answer(lambda: event)
    dropped, not_stored = [line for line in out.getvalue().splitlines() if "event_id=e1" in line]
    assert (step(dropped), step(not_stored)) == ("event dropped", "event not stored")
    for line in (dropped, not_stored):
        assert named in line.split()
        assert "None" not in line


def test_silence_towards_a_message_has_its_reason_in_the_log(bot: BotUnderTest) -> None:
    """Why there was no answer is found by the message's id: not sent by a person, or answered just now."""
    user = bot.new_user()
    file: dict[str, Any] = {"chat_id": user.chat_id, "sender": user.person, "content": b"1", "name": "a.txt"}
    bot.feishu.send_file(**file)
    wait_for(lambda: user.answers)
    header = {"event_id": "e2", "event_type": "im.message.receive_v1", "app_id": bot.feishu.app_id}
    body = {"sender": {"sender_type": "app"}, "message": {"message_id": "om_of_a_bot"}}
    with written() as out:
        second = bot.feishu.send_file(**file)
        bot.app.handle_pushed_event(
            json.dumps(
                {"schema": "2.0", "header": {**header, "create_time": str(int(time.time() * 1000))}, "event": body}
            ).encode()
        )
        wait_for(lambda: "message ignored" in out.getvalue())
    lines = out.getvalue().splitlines()
    (ignored,) = [line for line in lines if "message_id=om_of_a_bot" in line]
    assert 'reason="not sent by a person"' in ignored
    (left,) = [line for line in lines if f"message_id={second.message_id}" in line]
    assert 'reason="answered lately: unreadable"' in left


def test_a_press_leads_back_to_the_message_of_its_card(bot: BotUnderTest) -> None:
    """One grep for the first message finds who pressed again on its card, and the request that came of it."""
    user = bot.new_user()
    said = user.send()
    user.wait_for_end(said)
    values = [action.value or {} for action in card_actions(bot.feishu, user.answers[0].message_id)]
    (first,) = {value["r"] for value in values if "r" in value}
    with written() as out:
        bot.feishu.press(user.answers[0].message_id, user.person, value={"a": "again", "r": first})
        wait_for(lambda: len(user.answers) == 2 and bot.idle)
    pressed, accepted = [line for line in out.getvalue().splitlines() if f"pressed={first}" in line]
    assert (step(pressed), step(accepted)) == ("card action", "request")
    for line in (pressed, accepted):
        assert {f"message_id={said.message_id}", f"card={user.answers[0].message_id}"} <= set(line.split())
    (new,) = [word for word in accepted.split() if word.startswith("request=")]
    assert sum(new in line for line in out.getvalue().splitlines()) > 3


def test_no_prompt_is_logged_unless_that_is_asked_for(bot: BotUnderTest, tmp_path: Path) -> None:
    """What people type stays out of the log at every level; `[log] prompts` lets it in, on one line a message."""
    with written() as out:
        user = bot.new_user()
        said = user.send()
        user.wait_for_end(said)
    assert plain_text(said) not in out.getvalue()
    with BotUnderTest(folder=tmp_path, variables={"BOT_LOG_PROMPTS": "true"}) as telling, written() as out:
        user = telling.new_user()
        said = user.send()
        user.wait_for_end(said)
    (line,) = [line for line in out.getvalue().splitlines() if plain_text(said) in line]
    assert f"message_id={said.message_id}" in line
