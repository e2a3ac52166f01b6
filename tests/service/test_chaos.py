"""Whatever is killed, cut off or restarted, each message has one reply, and nothing stored is paid again.

Messages are delivered twice to processes that are killed, cut off and restarted: webs and workers on PostgreSQL, and
one process on SQLite. What is checked comes from the stand-ins and from a log that the database itself keeps of the
stored URLs, not from what the bot says of itself.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import select, text

from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.db.tables import generations, requests
from bot.sandbox.feishu.delivery import Event, Outcome, RetrySchedule
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import PACE, BotProcess, Cluster
from tests.support.builders import change
from tests.support.dsl import FINAL_COLORS, wait_for
from tests.support.pictures import draw_once
from tests.support.servers import own_server
from tests.support.wire import Wire, wired

MESSAGES = 40
PEOPLE = 20
BACKLOG = 15  # messages that wait at once, so that prompts keep coming while things break

DEADLINE_SECONDS = 400.0

Accident = Callable[[], None]

LOG_ON_POSTGRES = """
CREATE FUNCTION note_url() RETURNS trigger AS $$ BEGIN
  IF NEW.url IS DISTINCT FROM OLD.url THEN
    INSERT INTO url_log VALUES (NEW.generation_id, NEW.url, extract(epoch FROM clock_timestamp()));
  END IF;
  RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER note_url AFTER UPDATE ON generations FOR EACH ROW EXECUTE FUNCTION note_url()
"""
LOG_ON_SQLITE = """
CREATE TRIGGER note_url AFTER UPDATE OF url ON generations WHEN NEW.url IS NOT OLD.url BEGIN
  INSERT INTO url_log VALUES (NEW.generation_id, NEW.url, (julianday('now') - 2440587.5) * 86400.0);
END
"""


@contextmanager
def audited(url: str) -> Iterator[Database]:
    """A database with its schema that logs every URL as it is stored."""
    with closing(Database(read_url(url))) as database:
        migrate(database)
        change(
            database,
            text("CREATE TABLE url_log (generation_id TEXT, url TEXT, at DOUBLE PRECISION)"),
            text(LOG_ON_SQLITE if database.is_sqlite else LOG_ON_POSTGRES),
        )
        yield database


@dataclass(slots=True)
class Chaos:
    """One run: messages are sent as the work gets on, and accidents happen at even distances of paid calls.

    The distances keep a generation from being hit twice: the second time its call is hidden, it ends in words.
    """

    cluster: Cluster
    database: Database
    webs: Iterator[BotProcess]  # the webs in turn
    people: list[str] = field(default_factory=list)
    said: list[ChatMessage] = field(default_factory=list)

    def live_through(self, accidents: list[Accident], *, hidden: int) -> None:
        """Lives through the accidents, of which so many may hide a paid call, and checks what there is in the end."""
        feishu = self.cluster.feishu
        feishu.push_over = self._push
        self.people = [feishu.state.add_person(f"某人 {number}").open_id for number in range(PEOPLE)]
        for number, accident in enumerate(accidents, start=1):
            due = number * MESSAGES // (len(accidents) + 1)
            self.wait(lambda due=due: self.paid >= due)  # type: ignore[misc]
            accident()
        self.wait(lambda: all(map(self._is_final, self.said)))
        self._check(hidden)
        for process in self.cluster.processes:
            process.terminate()
        assert {process.wait() for process in self.cluster.processes} == {0}

    def wait(self, condition: Callable[[], bool], *, but_not: Collection[BotProcess] = ()) -> None:
        """Waits for a condition; meanwhile people write, and a supervisor starts again what ended by itself."""

        def look() -> bool:
            while len(self.said) < min(MESSAGES, self.paid + BACKLOG):
                self._say(len(self.said))
            for process in self.cluster.processes:
                if process not in but_not:
                    self._start_again(process)
            return condition()

        wait_for(look, timeout=DEADLINE_SECONDS)

    def _say(self, number: int) -> None:
        feishu = self.cluster.feishu
        sender = self.people[number % PEOPLE]
        chat_id = feishu.state.direct_chat(sender).chat_id
        self.said.append(feishu.say(chat_id=chat_id, sender=sender, text=f"一只橘猫，编号 {number}"))

    def _push(self, event: Event, seconds: float) -> tuple[Outcome, int | None, bytes]:
        """Pushes an event to one of the webs, and its copy or its next attempt to another one."""
        message = self.cluster.feishu.state.messages[event["event"]["message"]["message_id"]]
        status = self.cluster.push(message, web=next(self.webs), seconds=seconds)
        return "acknowledged" if status == 200 else "refused", status, b""

    @property
    def paid(self) -> int:
        return len(self.cluster.glm.paid)

    def _is_final(self, message: ChatMessage) -> bool:
        return any(color in FINAL_COLORS for color in self.cluster.colors(message))

    def kill(self, process: BotProcess, *, stay_down: bool = False) -> None:
        """Kills a process and starts it again: at once, or when others have gone on without it."""
        self._start_again(process)
        process.kill()
        assert process.process.exitcode == -signal.SIGKILL
        self.cluster.expire_leases(process)
        if stay_down:
            before = self.paid
            self.wait(lambda: self.paid > before, but_not=[process])
        self._start_again(process)

    def cut_off(self, worker: BotProcess, line: Wire, *, others: list[BotProcess]) -> None:
        """Cuts a worker off from its database during a paid call, until its leases have expired.

        A worker that has a slot gives it to its own next call, so the others leave for a moment, and calls take longer.
        """
        quick, self.cluster.glm.seconds = self.cluster.glm.seconds, 1.0
        self._start_again(worker)
        for other in others:
            other.terminate()
            assert other.wait() is not None
        self.wait(lambda: self._calls(worker), but_not=others)
        line.cut()
        self.cluster.expire_leases(worker)
        self.cluster.glm.seconds = quick
        before = self.paid
        self.wait(lambda: self.paid > before + 1)
        line.mend()

    def _start_again(self, process: BotProcess) -> None:
        """Starts a process that has ended as a supervisor does: again, while the database is away."""
        for _ in range(20):
            if process.process.exitcode is None:
                return
            with suppress(TimeoutError):
                process.start()
        raise AssertionError("a process could not be started again")

    def _calls(self, process: BotProcess) -> bool:
        statement = select(generations.c.owner).where(generations.c.state == "generating")
        with self.database.read() as connection:
            return any(f":{process.pid}:" in (owner or "") for owner in connection.scalars(statement))

    def _check(self, hidden: int) -> None:
        glm, feishu = self.cluster.glm, self.cluster.feishu
        assert {tuple(self.cluster.colors(message)) for message in self.said} == {("green",)}
        assert sum(one.sender == feishu.app_id for one in feishu.messages) == MESSAGES
        with self.database.read() as connection:
            assert len(connection.execute(select(requests.c.request_id)).all()) == MESSAGES
            logged = (
                "SELECT requests.prompt, url_log.at FROM url_log JOIN generations USING (generation_id)"
                " JOIN requests USING (request_id)"
            )
            stored = connection.execute(text(logged)).all()
        assert set(Counter(row.prompt for row in stored).values()) == {1}
        stored_at: dict[str, float] = {row.prompt: row.at for row in stored}
        assert [call.body["prompt"] for call in glm.calls if call.at > stored_at[call.body["prompt"]]] == []
        assert self.paid <= MESSAGES + hidden


@pytest.fixture
def feishu() -> Iterator[FeishuStandIn]:
    """Feishu, which delivers each event twice."""
    with FeishuStandIn(delivery=RetrySchedule(ladder=(0.3,) * 1000, duplicates=1)) as feishu:
        yield feishu


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    with GlmStandIn(seconds=0.08, draw=draw_once) as glm:
        yield glm


@pytest.mark.postgres
def test_two_webs_and_three_workers_live_through_a_bad_day(
    feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path
) -> None:
    """Workers and a web killed, one cut off, the database crashed: one result each, paid once but for the kills."""
    with (
        own_server() as server,
        audited(server.url) as database,
        wired(server.url) as (line, far_url),
        Cluster(folder=tmp_path, url=server.url, pace=replace(PACE, poll=0.1), glm=glm, feishu=feishu) as cluster,
    ):
        webs = [cluster.start("web") for _ in range(2)]
        near = [cluster.start("worker") for _ in range(2)]
        far = cluster.start("worker", DATABASE_URL=far_url)
        chaos = Chaos(cluster, database, cycle(webs))

        def restart_database() -> None:
            server.crash()
            server.start()

        chaos.live_through(
            [
                # First those that need work to be left.
                lambda: chaos.cut_off(far, line, others=near),
                lambda: chaos.kill(near[1], stay_down=True),
                lambda: chaos.kill(far, stay_down=True),
                lambda: chaos.kill(near[0]),
                lambda: chaos.kill(webs[0]),
                restart_database,
            ],
            hidden=4,
        )


def test_one_process_on_sqlite_lives_through_its_kills(feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    with audited(url) as database, Cluster(folder=tmp_path, url=url, glm=glm, feishu=feishu) as cluster:
        node = cluster.start("both")
        chaos = Chaos(cluster, database, cycle([node]))
        chaos.live_through([lambda: chaos.kill(node)] * 4, hidden=4)
