"""A bot killed before and after each side effect and each commit of its work ends every message with one reply."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.generation.making.pace import Pace
from bot.generation.store.database import Database, read_url
from bot.generation.store.tables import spending
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.crash import Process, Start, Step, Strike
from tests.support.databases import postgres_database, sqlite_database
from tests.support.world import (
    DEADLINE,
    REDELIVERY,
    catalogue,
    colour,
    ended,
    posts_of,
    strings_in,
    text_in,
    variables_for,
)

PACE = Pace(lease=30.0, beat=0.2, poll=0.05, resend=0.02, resend_longest=0.1, download_wait=0.01)
"""Everything is quick but the lease: what a killed process held is taken over without waiting for it."""

AT_ONCE = 4
"""Worlds that are lived through at the same time."""

REPEATED = catalogue().text("note.repeated", "zh")

INTENT, STORED = Step("commit claim_slot", 1), Step("commit made", 1)
"""The commits between which a call may have been paid for without the database knowing its outcome."""

FETCHED = Step("GET /:picture", 1)
"""What is begun when the URL is stored."""

LAST = "commit shown"
"""The step after which nothing is left to do, when the card has come to its end."""

SCHEMA_MADE = "commit migrate"
"""The step before which a database is empty."""

NewDatabase = Callable[..., AbstractContextManager[str]]
"""Makes a fresh database; one without its schema when ``empty``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one crash."""

    strike: Strike
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
        return f"{self.strike.step} | {self.strike.side} | {self.replies} | {self.posts} | {fate}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDatabase]:
    """Makes fresh databases of one engine."""
    if request.param == "postgres":
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
def matrix_file(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Lines for the file that ``CRASH_MATRIX_FILE`` names."""
    lines: list[str] = []
    yield lines
    if path := os.environ.get("CRASH_MATRIX_FILE"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{request.node.callspec.id} | {line}\n" for line in lines)


@pytest.mark.timeout(240)
def test_a_kill_at_any_step_leads_to_one_reply(
    new_database: NewDatabase, tmp_path: Path, matrix_file: list[str]
) -> None:
    """Killed before or after any step and started again, the bot replies once and pays at most once more."""
    steps = walk(new_database, tmp_path)
    strikes = [Strike(step=step, side=side) for step in steps for side in ("before", "after")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(
            pool.map(
                lambda place: live_through(strikes[place], new_database, tmp_path / f"w{place}"),
                range(len(strikes)),
            )
        )
    matrix_file.extend(row.text for row in rows)
    assert [row.text for row in rows if row.faults] == []
    assert [row.text for row in rows if not row.reached and not row.passed] == []


def walk(new_database: NewDatabase, tmp_path: Path) -> list[Step]:
    """The steps of one undisturbed run, from an empty database to the picture, in their order."""
    with new_database(empty=True) as url, stand_ins() as (feishu, glm):
        start = start_of(feishu, glm, url=url, folder=tmp_path / "walk")
        with Process(replace(start, tell=True)) as process:
            feishu.webhook_url = process.webhook
            wait_for_end(feishu, say(feishu, "一只橘猫"))
            assert feishu.wait_for(lambda _: process.heard()[-1].name == LAST, seconds=DEADLINE)
            return process.heard()


def live_through(strike: Strike, new_database: NewDatabase, folder: Path) -> Row:
    """One message, one crash, one restart, one more message."""
    with new_database(empty=strike.step.name == SCHEMA_MADE) as url, stand_ins() as (feishu, glm):
        start = start_of(feishu, glm, url=url, folder=folder)
        with Process(replace(start, strike=strike, tell=True)) as struck:
            feishu.webhook_url = struck.webhook
            said = say(feishu, "一只橘猫")
            feishu.wait_for(lambda _: not struck.alive or passed_by(struck, strike, feishu, said), seconds=DEADLINE)
            reached = not struck.alive
            passed = passed_by(struck, strike, feishu, said)
            may_repeat = outcome_hidden(strike, struck.heard())
        with Process(start) as process:
            feishu.webhook_url = process.webhook
            faults = [*wait_for_end(feishu, said), *wait_for_end(feishu, say(feishu, "一只灰猫"))]
        counted = count_spent(url)
    posts = len(posts_of(glm, said))
    faults += faults_of(feishu, glm, said, posts=posts, most=2 if may_repeat else 1)
    # A call that was about to be sent is charged, too: nobody can tell it from one that was sent.
    if not len(glm.calls) <= counted <= len(glm.calls) + may_repeat:
        faults.append(f"{counted} calls charged, {len(glm.calls)} made")
    return Row(
        strike=strike,
        reached=reached,
        passed=passed,
        replies=len(feishu.replies(said.message_id)),
        posts=posts,
        faults=tuple(faults),
    )


def passed_by(process: Process, strike: Strike, feishu: FeishuStandIn, said: ChatMessage) -> bool:
    """Whether all is done without the step, which only a run that showed a state more or was interrupted has."""
    heard = process.heard()
    done = ended(feishu, said) and bool(heard) and heard[-1].name == LAST
    return done and strike.step.number > 1 and strike.step not in heard


def outcome_hidden(strike: Strike, heard: list[Step]) -> bool:
    """Whether the crash may lie between the intent to pay and the stored URL, so that nobody knows what came of it."""
    struck = strike.step, strike.side
    begun = INTENT in heard and struck != (INTENT, "before")
    return begun and FETCHED not in heard and struck != (STORED, "after")


@contextmanager
def stand_ins() -> Iterator[tuple[FeishuStandIn, GlmStandIn]]:
    """Both platforms, quick."""
    with FeishuStandIn(delivery=REDELIVERY) as feishu, GlmStandIn(seconds=0.05) as glm:
        yield feishu, glm


def start_of(feishu: FeishuStandIn, glm: GlmStandIn, *, url: str, folder: Path) -> Start:
    """How a bot is started in this world."""
    variables = {**variables_for(feishu, folder=folder), "DATABASE_URL": url}
    return Start(variables=variables, glm=glm.origin, pace=PACE)


def say(feishu: FeishuStandIn, text: str) -> ChatMessage:
    """A direct message to the bot."""
    return feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=text)


def wait_for_end(feishu: FeishuStandIn, said: ChatMessage) -> list[str]:
    """Waits for the end of a message's card; names the fault when it does not come."""
    in_time = feishu.wait_for(lambda _: ended(feishu, said), seconds=DEADLINE)
    return (
        [] if in_time else [f"“{text_in(said)}” has no end: {[colour(one) for one in feishu.replies(said.message_id)]}"]
    )


def faults_of(feishu: FeishuStandIn, glm: GlmStandIn, said: ChatMessage, *, posts: int, most: int) -> list[str]:
    """What is not as it should be after the restart."""
    replies = feishu.replies(said.message_id)
    faults = [] if len(replies) == 1 else [f"{len(replies)} replies"]
    faults += [] if 1 <= posts <= most else [f"{posts} calls, at most {most} allowed"]
    shown = set(strings_in([json.loads(reply.content) for reply in replies]))
    faults += [] if shown & feishu.uploads.keys() else ["no picture is shown"]
    faults += ["the second call is not told"] if posts > 1 and REPEATED not in " ".join(shown) else []
    return faults + (["two calls at once"] if glm.working else [])


def count_spent(url: str) -> int:
    """How many paid calls the budget holds."""
    database = Database(read_url(url))
    try:
        with database.read() as connection:
            return int(connection.scalar(select(func.sum(spending.c.images))) or 0)
    finally:
        database.close()
