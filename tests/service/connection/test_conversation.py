"""A bot without a public address: what people write and press reaches it over the connection that it opened."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import httpx

from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.service.connection.conftest import Start
from tests.support.bot_process import BotProcess
from tests.support.dsl import DEADLINE, card_actions, header_color, is_final, posts_of, wait_for


def ask(feishu: ConnectedStandIn, text: str = "一只橘猫") -> ChatMessage:
    """Somebody writes to the bot."""
    return feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=text)


def colours(feishu: ConnectedStandIn, said: ChatMessage) -> list[str | None]:
    """The colours of the cards under a message."""
    return [header_color(reply) for reply in feishu.replies(said.message_id)]


def readiness(node: BotProcess) -> tuple[int, str]:
    """What ``/readyz`` of a process says."""
    answer = httpx.get(f"http://127.0.0.1:{node.port}/readyz", trust_env=False, timeout=DEADLINE)
    return answer.status_code, answer.text.strip()


def test_a_prompt_and_a_press(feishu: ConnectedStandIn, glm: GlmStandIn, start: Start) -> None:
    """A prompt becomes a card, in parts if it is long, and a press on it is answered with a toast and a new card."""
    feishu.line.part_bytes = 200
    node = start()
    said = ask(feishu)
    wait_for(lambda: is_final(feishu, said))
    assert colours(feishu, said) == ["green"]
    card = feishu.replies(said.message_id)[0]
    action = next(one for one in card_actions(feishu, card.message_id) if one.tag == "button")
    pressed = feishu.press(card.message_id, "ou_lin", value=action.value)
    assert pressed.code is None
    assert pressed.toast is not None
    wait_for(lambda: len(posts_of(glm, said)) == 2)
    assert {attempt.outcome for attempt in feishu.attempts} == {"acknowledged"}
    wait_for(lambda: readiness(node) == (200, "ready"))
    assert (
        httpx.post(f"http://127.0.0.1:{node.port}/webhook/event", trust_env=False, timeout=DEADLINE).status_code == 404
    )


def test_copies_are_answered_once(feishu: ConnectedStandIn, glm: GlmStandIn, start: Start) -> None:
    """Three copies at once, and further ones under new event ids after a good answer, lead to one reply."""
    feishu.delivery = replace(feishu.delivery, in_parallel=3, duplicates=2, new_event_id=True)
    start()
    said = ask(feishu)
    wait_for(lambda: is_final(feishu, said))
    wait_for(lambda: len(feishu.attempts) >= 5)
    assert colours(feishu, said) == ["green"]
    assert len(posts_of(glm, said)) == 1


def test_silence_brings_the_message_again(feishu: ConnectedStandIn, glm: GlmStandIn, start: Start) -> None:
    """A bot that stands still and answers nothing in time gets the message again, and replies once."""
    feishu.delivery = replace(feishu.delivery, answer_seconds=0.2)
    node = start()
    assert node.process.pid is not None
    os.kill(node.process.pid, signal.SIGSTOP)
    said = ask(feishu)
    wait_for(lambda: len(feishu.attempts) >= 2)
    assert {attempt.outcome for attempt in feishu.attempts} == {"late"}
    feishu.delivery = replace(feishu.delivery, answer_seconds=DEADLINE)
    os.kill(node.process.pid, signal.SIGCONT)
    wait_for(lambda: is_final(feishu, said))
    assert colours(feishu, said) == ["green"]
    assert len(posts_of(glm, said)) == 1


def test_a_cut_connection_is_made_again(feishu: ConnectedStandIn, start: Start) -> None:
    """While there is none, ``/readyz`` says so; what was written meanwhile is delivered and answered afterwards."""
    node = start()
    wait_for(lambda: readiness(node)[0] == 200)
    feishu.line.away = True
    feishu.line.cut()
    wait_for(lambda: "the long connection to Feishu is down" in readiness(node)[1])
    assert readiness(node)[0] == 503
    said = ask(feishu)
    wait_for(lambda: bool(feishu.attempts))
    assert feishu.attempts[0].outcome == "unreachable"
    feishu.line.away = False
    wait_for(lambda: is_final(feishu, said))
    assert colours(feishu, said) == ["green"]
    wait_for(lambda: readiness(node)[0] == 200)


def test_a_killed_process_leaves_one_reply(
    feishu: ConnectedStandIn, glm: GlmStandIn, start: Start, database_url: str
) -> None:
    """Killed with SIGKILL during the paid call and started again, the bot ends with one reply to a prompt."""
    glm.seconds = 0.3
    node = start(DATABASE_URL=database_url)
    said = ask(feishu)
    wait_for(lambda: glm.working == 1 or len(glm.paid) == 1)
    node.kill()
    start(DATABASE_URL=database_url)
    wait_for(lambda: is_final(feishu, said))
    assert colours(feishu, said) == ["green"]
    assert 1 <= len(posts_of(glm, said)) <= 2
