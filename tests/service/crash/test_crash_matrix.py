"""A bot killed before and after each side effect and each commit of its work ends every message with one answer.

The steps are found by walking: the conversation is held once undisturbed, and the bot tells what it does. A prompt and
its picture are struck before and after each step on both databases. The other conversations are struck at the steps
that none before them has taken: before each on SQLite, after each on PostgreSQL. Two commits are met in none of them:
``show_again``, which only a process makes that has lost its lease (see ``test_stopped.py``), and ``refresh``, which
marks the cards of a line as behind and is made again at the next look.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.service.crash.conversations import A_PROMPT, OTHERS, Dialogue
from tests.service.crash.scene import outcome_hidden, scene_of
from tests.support.bot_process import BotProcess, KillPoint, Side, Step
from tests.support.databases import postgres_database, sqlite_database

AT_ONCE = 4
"""Dialogues that are held at the same time."""

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

SIDE: dict[str, Side] = {"sqlite": "before", "postgres": "after"}
"""On which side of a step the further conversations are struck on a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one kill: how many messages the bot sent and calls to GLM it made."""

    conversation: Dialogue
    strike: KillPoint
    reached: bool
    passed: bool
    """Whether this run had no such step."""
    replies: int
    posts: int
    faults: tuple[str, ...]

    @property
    def text(self) -> str:
        """The row as a line of the matrix."""
        fate = "; ".join(self.faults) or ("ok" if self.reached else "not taken" if self.passed else "not reached")
        what = f"{self.conversation.name} | {self.strike.step} | {self.strike.side}"
        return f"{what} | {self.replies} | {self.posts} | {fate}"


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


@pytest.fixture
def matrix_file(engine: str) -> Iterator[list[str]]:
    """Lines for the file that ``CRASH_MATRIX_FILE`` names."""
    lines: list[str] = []
    yield lines
    if path := os.environ.get("CRASH_MATRIX_FILE"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{engine} | {line}\n" for line in lines)


@pytest.mark.timeout(240)
def test_a_kill_at_any_step_leads_to_one_reply(
    new_database: NewDatabase, tmp_path: Path, matrix_file: list[str]
) -> None:
    """Killed before or after any step and started again, the bot replies once and pays at most once more."""
    steps = walk(A_PROMPT, new_database, tmp_path / "walk", empty=True)
    assert SCHEMA_MADE in {step.name for step in steps}
    strikes = [(A_PROMPT, KillPoint(step=step, side=side)) for step in steps for side in SIDE.values()]
    rows = live_through_all(strikes, new_database, tmp_path)
    matrix_file.extend(row.text for row in rows)
    assert [row.text for row in rows if row.faults] == []
    assert [row.text for row in rows if not row.reached and not row.passed] == []


@pytest.mark.timeout(240)
def test_a_kill_in_any_other_conversation_leads_to_its_end(
    engine: str, new_database: NewDatabase, tmp_path: Path, matrix_file: list[str]
) -> None:
    """Killed in what is refused, waits, fails, is cancelled or only asked, the bot brings it to the same end."""
    conversations = (A_PROMPT, *OTHERS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        walks = list(
            pool.map(
                lambda place: walk(conversations[place], new_database, tmp_path / f"walk{place}"),
                range(len(conversations)),
            )
        )
    known = set(walks[0])
    assert EXPECTED - {step.name for steps in walks for step in steps} == set()
    strikes = []
    for conversation, steps in zip(OTHERS, walks[1:], strict=True):
        strikes += [(conversation, KillPoint(step=step, side=SIDE[engine])) for step in steps if step not in known]
        known.update(steps)
    rows = live_through_all(strikes, new_database, tmp_path)
    matrix_file.extend(row.text for row in rows)
    assert [row.text for row in rows if row.faults] == []
    assert [row.text for row in rows if not row.reached and not row.passed] == []


def walk(conversation: Dialogue, new_database: NewDatabase, folder: Path, *, empty: bool = False) -> list[Step]:
    """The steps of one undisturbed run, from the start to the end of the conversation, in their order."""
    with new_database(empty=empty) as url, scene_of(conversation, url=url, folder=folder) as scene:
        if conversation.before:
            with BotProcess(replace(scene.start, kill=conversation.before)) as struck:
                scene.go_on(struck, strike=conversation.before)
        with BotProcess(scene.start) as process:
            assert scene.go_on(process), f"{conversation.name}: {scene.stage.seen}"
            assert scene.stage.seen == conversation.ends[0]
            return process.recorded


def live_through_all(
    strikes: Sequence[tuple[Dialogue, KillPoint]], new_database: NewDatabase, folder: Path
) -> list[Row]:
    """What came of each kill."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(
            pool.map(
                lambda place: live_through(*strikes[place], new_database, folder / f"w{place}"), range(len(strikes))
            )
        )


def live_through(conversation: Dialogue, strike: KillPoint, new_database: NewDatabase, folder: Path) -> Row:
    """One conversation, one kill, one restart, and somebody else's prompt."""
    empty = strike.step.name == SCHEMA_MADE
    with new_database(empty=empty) as url, scene_of(conversation, url=url, folder=folder) as scene:
        if conversation.before:
            with BotProcess(replace(scene.start, kill=conversation.before)) as struck:
                scene.go_on(struck, strike=conversation.before)
        with BotProcess(replace(scene.start, kill=strike)) as struck:
            over = scene.go_on(struck, strike=strike)
            reached = not struck.alive
            heard = struck.recorded
        with BotProcess(scene.start) as process:
            faults = [] if scene.go_on(process) else ["it has no end"]
            faults += scene.ask_later()
        faults += scene.faults(hidden=outcome_hidden(strike, heard))
        return Row(
            conversation=conversation,
            strike=strike,
            reached=reached,
            # A run that showed a state more, or was interrupted, has a step more than another.
            passed=over and strike.step.number > 1 and strike.step not in heard,
            replies=len(scene.stage.sent),
            posts=len(scene.calls),
            faults=tuple(faults),
        )
