"""The verdict of the soak: what became of a message, and what grew."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.world import ChatMessage
from tests.benchmarks.soak_looks import Look, bounds
from tests.benchmarks.soak_outcomes import LEFT, NEW, ONE, PLAIN, outcomes

SAID = ChatMessage(message_id="om_1", chat_id="oc_1", sender="ou_ann", msg_type="text", content="{}", created=0.0)
STILL = Look(seconds=0.0, own=80.0, pss=84.0, files=30, threads=29, database=5.0, rows=300, originals=19.0)


def answer(kind: str, *, colour: str = "green") -> ChatMessage:
    """A message of the bot in the chat, of its kind; a card has a colour."""
    content = json.dumps({"header": {"template": colour}})
    return replace(SAID, message_id=f"om_{kind}", sender="cli_bot", msg_type=kind, content=content)


def refused(call: str, message_id: str) -> ApiCall:
    """A call about a message that Feishu refused."""
    return ApiCall(
        at=0.0,
        name=call,
        method="POST",
        path=f"/open-apis/im/v1/messages/{message_id}",
        status=400,
        code=230099,
        seconds=0.0,
        log_id="1",
        body="",
        answer="",
        fault="card_bad",
    )


CARD, WAITING = answer("interactive"), answer("interactive", colour="blue")
PLAINLY = [answer("image"), answer("text")]
PATCH, REPLY = refused("patch", CARD.message_id), refused("reply", SAID.message_id)


@pytest.mark.parametrize(
    ("answers", "met", "outcome"),
    [
        pytest.param([CARD], [], ONE, id="a card that came to its end"),
        pytest.param([CARD, *PLAINLY], [PATCH], NEW, id="a card that could not be changed"),
        pytest.param(PLAINLY, [REPLY], PLAIN, id="a card that was refused"),
        pytest.param([WAITING], [PATCH], LEFT, id="a card that nobody may change"),
    ],
)
def test_an_outcome_that_is_documented(answers: list[ChatMessage], met: list[ApiCall], outcome: str) -> None:
    """Each documented outcome is told apart, and only with the refusal that explains it."""
    assert outcomes([SAID], messages=[SAID, *answers], app_id="cli_bot", refused=met) == {outcome: 1}


@pytest.mark.parametrize(
    "answers",
    [[], [WAITING], [CARD, CARD], [CARD, *PLAINLY], PLAINLY, [CARD, answer("text")]],
    ids=["silence", "no end", "two cards", "too many", "no card", "a text too many"],
)
def test_anything_else_is_wrong(answers: list[ChatMessage]) -> None:
    """Silence, two answers and a card without an end are wrong where Feishu refused nothing."""
    (outcome,) = outcomes([SAID], messages=[SAID, *answers], app_id="cli_bot", refused=[])
    assert outcome.startswith("WRONG")


@pytest.mark.parametrize(
    ("growing", "bad"), [(None, 0), ("own", 1), ("files", 1), ("database", 1), ("rows", 1), ("originals", 1)]
)
def test_what_grows_without_end_is_found(growing: str | None, bad: int) -> None:
    """What stays within bounds is good; memory, files, rows or pictures that grow all the time are not."""
    looks = [replace(STILL, seconds=number) for number in range(120)]
    if growing:
        looks = [replace(look, **{growing: getattr(look, growing) * (1 + look.seconds / 40)}) for look in looks]
    findings = bounds(looks, interval=100, originals=20)
    assert [finding.good for finding in findings].count(False) == bad
