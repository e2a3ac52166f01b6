"""A bot killed at each side effect and each commit of its work ends every message with one answer.

The steps are found by walking: the conversation is held once undisturbed, and the bot tells what it does. A prompt is
killed before each step on SQLite and after each on PostgreSQL, since the state after one is the state before the next.
The other conversations are killed likewise at the steps that none before them has taken. Two commits are met in none
of them: ``show_again``, which only a process makes that has lost its lease (see ``test_stopped.py``), and ``refresh``,
which marks the cards of a line as behind and is made again at the next look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.service.crash.conversations import A_PROMPT, OTHERS, Dialogue
from tests.service.crash.scene import outcome_hidden, scene_of
from tests.support.bot_process import KillPoint, Side, Step
from tests.support.databases import postgres_database, sqlite_database

AT_ONCE = 4
"""Conversations that are held at the same time."""

SCHEMA_MADE = "commit schema.migrate"
"""The step before which a database is empty."""

EXPECTED = {
    "POST /open-apis/auth/v3/tenant_access_token/internal",
    "GET /open-apis/bot/v3/info",
    "POST /api/paas/v4/images/generations",
    "GET /:picture",
    "POST /open-apis/im/v1/images",
    "POST /open-apis/im/v1/files",
    "PATCH /open-apis/im/v1/messages/:id",
    "POST /open-apis/im/v1/messages interactive",
    *(f"POST /open-apis/im/v1/messages/:id/reply {kind}" for kind in ("interactive", "image", "text", "file")),
    *(f"commit generations.{name}" for name in ("claim_slot", "made", "claim_made", "keep", "done", "postpone")),
    *(f"commit generations.{name}" for name in ("push_back", "fail", "recover_lost_calls")),
    *(f"commit requests.{name}" for name in ("accept_prompts", "accept_command", "claim", "reserve", "change")),
    *(f"commit requests.{name}" for name in ("mark_published", "record_send", "give_up", "hold", "postpone")),
    "commit key_value.put",
    "commit cancellation.cancel_recalled",
    "commit card_actions.cancel",
    "commit originals.store_file_key",
}
"""The steps that the conversations must take together; one that is not seen any more is not tested any more."""

NewDatabase = Callable[..., AbstractContextManager[str]]
"""Makes a fresh database; one without its schema when ``empty``."""

SIDES: dict[str, Side] = {"sqlite": "before", "postgres": "after"}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return str(request.param)


@pytest.fixture
def new_database(engine: str, tmp_path: Path) -> Iterator[NewDatabase]:
    """Makes fresh databases of one engine."""
    if engine == "postgres":
        with postgres_database():
            yield postgres_database
        return
    numbers = iter(range(10_000))

    @contextmanager
    def one_more(*, empty: bool = False) -> Iterator[str]:
        folder = tmp_path / f"db{next(numbers)}"
        yield f"sqlite:///{folder / 'bot.db'}" if empty else sqlite_database(folder)

    yield one_more


def test_a_kill_at_any_step_leads_to_one_reply(engine: str, new_database: NewDatabase, tmp_path: Path) -> None:
    """Killed at any step of a prompt and started again, the bot replies once and pays at most once more."""
    steps = walk(A_PROMPT, new_database, tmp_path / "walk", empty=True)
    assert SCHEMA_MADE in {step.name for step in steps}
    assert (
        faults_of([(A_PROMPT, KillPoint(step=one, side=SIDES[engine])) for one in steps], new_database, tmp_path) == []
    )


def test_a_kill_in_any_other_conversation_leads_to_its_end(
    engine: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    """Killed in what is refused, waits, fails, is cancelled or only asked, the bot brings it to the same end."""
    dialogues = (A_PROMPT, *OTHERS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        walks = list(pool.map(lambda one: walk(one, new_database, tmp_path / f"walk {one.name}"), dialogues))
    assert EXPECTED - {step.name for steps in walks for step in steps} == set()
    known, kills = set(walks[0]), []
    for dialogue, steps in zip(OTHERS, walks[1:], strict=True):
        kills += [(dialogue, KillPoint(step=step, side=SIDES[engine])) for step in steps if step not in known]
        known.update(steps)
    assert faults_of(kills, new_database, tmp_path) == []


def walk(dialogue: Dialogue, new_database: NewDatabase, folder: Path, *, empty: bool = False) -> list[Step]:
    """The steps of one undisturbed run, from the start to the end of the conversation, in their order."""
    with new_database(empty=empty) as url, scene_of(dialogue, url=url, folder=folder) as scene:
        if dialogue.before:
            scene.go_on(scene.serve(kill=dialogue.before), kill=dialogue.before)
        process = scene.serve()
        assert scene.go_on(process), f"{dialogue.name}: {scene.look().seen}"
        assert scene.look().seen == dialogue.ends[0]
        return process.recorded


def faults_of(kills: list[tuple[Dialogue, KillPoint]], new_database: NewDatabase, folder: Path) -> list[str]:
    """What is wrong after the kills."""

    def look(place: int) -> str:
        dialogue, kill = kills[place]
        found = live_through(dialogue, kill, new_database, folder / f"w{place}")
        return found and f"{dialogue.name} | {kill.step} | {kill.side} | {found}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [found for found in pool.map(look, range(len(kills))) if found]


def live_through(dialogue: Dialogue, kill: KillPoint, new_database: NewDatabase, folder: Path) -> str:
    """One conversation, one kill, one restart, and somebody else's prompt; tells what is wrong then."""
    empty = kill.step.name == SCHEMA_MADE
    with new_database(empty=empty) as url, scene_of(dialogue, url=url, folder=folder) as scene:
        if dialogue.before:
            scene.go_on(scene.serve(kill=dialogue.before), kill=dialogue.before)
        process = scene.serve(kill=kill)
        over = scene.go_on(process, kill=kill)
        reached, recorded = not process.alive, process.recorded[:]
        process.kill()
        faults = [] if scene.go_on(scene.serve()) else ["it has no end"]
        faults += [] if scene.ask_later() else ["the next prompt has no end"]
        faults += scene.faults(hidden=outcome_hidden(kill, recorded))
        # A run that showed a state more, or was interrupted, has a step more than another.
        passed = over and kill.step.number > 1 and kill.step not in recorded
        return "; ".join(faults if reached or passed else [*faults, "not reached"])
