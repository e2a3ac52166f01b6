"""Accidents under load: messages delivered twice to processes that are killed, cut off and restarted.

One process on SQLite, and webs and workers on PostgreSQL. What is checked at the end comes from the stand-ins and from
a log that the database itself keeps of the stored URLs, not from what the bot says of itself.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import select, text

from bot.db.database import Database, read_url
from bot.db.migrate import migrate
from bot.db.tables import generations, requests
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import wait_until
from bot.timings import DownloadRetries, Timings
from tests.support.bot_process import BotProcess, Cluster
from tests.support.dsl import FINAL_COLORS, REDELIVERY, header_color, plain_text
from tests.support.servers import PostgresServer
from tests.support.wire import Wire

PACE = Timings(
    lease=2.5,
    beat=0.4,
    poll=0.1,
    backoff=0.1,
    backoff_longest=0.5,
    resend=0.05,
    resend_longest=0.5,
    download=DownloadRetries(first_wait=0.02),
)

BACKLOG = 15
"""Messages that wait at once, so that prompts keep coming while things break."""

DEADLINE_SECONDS = 100.0

GOING_ON = 30.0
"""Seconds within which the others have to go on without a worker that was killed."""

CUT_DURING = 1.0
"""Seconds of the paid call during which a worker is cut off."""

Accident = Callable[[], None]

_LOG_ON_POSTGRES = """
CREATE FUNCTION note_url() RETURNS trigger AS $$ BEGIN
  IF NEW.url IS DISTINCT FROM OLD.url THEN
    INSERT INTO url_log VALUES (NEW.generation_id, NEW.url, extract(epoch FROM clock_timestamp()));
  END IF;
  RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER note_url AFTER UPDATE ON generations FOR EACH ROW EXECUTE FUNCTION note_url()
"""
_LOG_ON_SQLITE = """
CREATE TRIGGER note_url AFTER UPDATE OF url ON generations WHEN NEW.url IS NOT OLD.url BEGIN
  INSERT INTO url_log VALUES (NEW.generation_id, NEW.url, (julianday('now') - 2440587.5) * 86400.0);
END
"""


@contextmanager
def audited(url: str) -> Iterator[Database]:
    """A database with its schema that logs every URL as it is stored."""
    # Its connections are asked each time whether they still work: a test may have restarted the server just now.
    database = Database(read_url(url))
    migrate(database)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE url_log (generation_id TEXT, url TEXT, at DOUBLE PRECISION)"))
        connection.execute(text(_LOG_ON_SQLITE if database.is_sqlite else _LOG_ON_POSTGRES))
    try:
        yield database
    finally:
        database.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a run is; a paid call takes ``seconds``."""

    messages: int
    people: int = 20
    worker_kills: int
    seconds: float = 0.08


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a run; ``faults`` is empty when all went well."""

    messages: int
    deliveries: int = 0
    """Pushes that were taken."""
    turned_away: int = 0
    """Pushes that met a dead process or a database that was away, and were made again."""
    kills: int = 0
    """Accidents that may have hidden a paid call: workers killed, and cut off past their lease."""
    restarts: int = 0
    """Processes that found no database when they started, left, and were started again."""
    paid: int = 0
    refused: int = 0
    """Calls that the platform refused because it was still working on one that nobody waited for any more."""
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The run in a line."""
        return (
            f"{self.messages} messages, {self.deliveries} deliveries taken, {self.turned_away} turned away and made "
            f"again, {self.kills} kills and cuts, {self.restarts} starts without a database, "
            f"{self.paid} paid calls ({self.paid - self.messages:+}), "
            f"{self.refused} refused with 1302, {self.seconds:.0f} s: {'; '.join(self.faults) or 'one result each'}"
        )


class Chaos:
    """One run: messages are pushed as the work gets on, and accidents happen at even distances of paid calls.

    The distances keep a generation from being hit twice: the second time its call is hidden, it ends in words.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        size: Size,
        webs: list[BotProcess],
        workers: Sequence[BotProcess] = (),
        database: Database,
        seed: int,
    ) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)  # noqa: S311 - the same accidents again, nothing to guard
        self.outcome = Outcome(messages=size.messages)
        self._size = size
        self._webs = webs
        self._nodes = [*webs, *workers]
        self._database = database
        self._said: list[ChatMessage] = []
        self._over = threading.Event()

    def live_through(self, accidents: list[Accident]) -> Outcome:
        """Lives through the run."""
        began = time.monotonic()
        self._said = [*self._speak()]
        pushing = threading.Thread(target=self._push_all, daemon=True)
        pushing.start()
        self.random.shuffle(accidents)
        try:
            for number, accident in enumerate(accidents, start=1):
                due = number * self._size.messages // (len(accidents) + 1)
                if not self._wait(lambda due=due: self._paid >= due):  # type: ignore[misc]
                    self.outcome.faults.append(f"the work came to a halt before accident {number}")
                    break
                accident()
            self._wait(lambda: self._all_ended)
        finally:
            self._over.set()
            pushing.join()
        self.outcome.seconds = time.monotonic() - began
        self._look()
        return self.outcome

    def _wait(
        self, condition: Callable[[], bool], *, but_not: BotProcess | None = None, seconds: float = DEADLINE_SECONDS
    ) -> bool:
        """Waits for a condition, and meanwhile starts again what ended by itself, as a supervisor does."""

        def look() -> bool:
            for node in self._nodes:
                if node is not but_not:
                    self._start_again(node)
            return condition()

        return wait_until(look, seconds=seconds, every=0.05)

    @property
    def _paid(self) -> int:
        return len(self.cluster.glm.paid)

    @property
    def _all_ended(self) -> bool:
        """Whether each message has a reply that shows a result or a failure."""
        feishu = self.cluster.feishu
        ended = {
            one.parent_id
            for one in feishu.messages
            if one.sender == feishu.app_id and header_color(one) in FINAL_COLORS
        }
        return len(ended) == self._size.messages

    def _speak(self) -> Iterator[ChatMessage]:
        feishu = self.cluster.feishu
        people = [feishu.state.add_person(f"某人 {number}").open_id for number in range(self._size.people)]
        chats = {one: feishu.state.add_chat("p2p", name="某处", members=[one]).chat_id for one in people}
        for number in range(self._size.messages):
            person = people[number % len(people)]
            yield feishu.say(chat_id=chats[person], sender=person, text=f"一只橘猫，编号 {number}")

    def _push_all(self) -> None:
        """Pushes each message to one web soon and to another one a little later."""
        order = []
        for number, message in enumerate(self._said):
            first = self.random.randrange(len(self._webs))
            order.append((number, message, first))
            order.append((number + self.random.randrange(BACKLOG), message, (first + 1) % len(self._webs)))
        order.sort(key=lambda entry: entry[0])
        with ThreadPoolExecutor(4) as pool:
            for number, message, web in order:
                wait_until(lambda n=number: self._over.is_set() or n < self._paid + BACKLOG, seconds=DEADLINE_SECONDS)  # type: ignore[misc]
                pool.submit(self._push_until_taken, message, self._webs[web])

    def _push_until_taken(self, message: ChatMessage, web: BotProcess) -> None:
        while not self._over.is_set():
            if self.cluster.push(message, web=web):
                self.outcome.deliveries += 1
                return
            self.outcome.turned_away += 1
            self._over.wait(0.3)

    def kill(self, node: BotProcess, *, stay_down: bool = False) -> None:
        """Kills a process and starts it again: at once, or when others have gone on without it."""
        self._start_again(node)
        node.kill()
        if node.process.exitcode != -signal.SIGKILL:
            self.outcome.faults.append(f"a process had ended with {node.process.exitcode} when it was to be killed")
        if stay_down:
            before = self._paid
            gone_on = self._wait(lambda: self._paid > before or self._all_ended, but_not=node, seconds=GOING_ON)
            if not gone_on:
                self.outcome.faults.append("the others did not go on")
        self.start(node)

    def start(self, node: BotProcess) -> None:
        """Starts a process as a supervisor does: again, while the database is away."""
        for _ in range(20):
            with suppress(TimeoutError):
                node.start()
                return
        self.outcome.faults.append("a process could not be started again")

    def cut_off(self, node: BotProcess, line: Wire, *, others: Sequence[BotProcess]) -> None:
        """Cuts a worker off from its database during a paid call, for longer than its lease.

        A worker that has a slot gives it to its own next call, so the others leave for a moment, and calls take longer.
        """
        quick, self.cluster.glm.seconds = self.cluster.glm.seconds, CUT_DURING
        self._start_again(node)
        for other in others:
            other.terminate()
        if any(other.wait(seconds=DEADLINE_SECONDS) is None for other in others):
            self.outcome.faults.append("a worker did not leave")
        wait_until(lambda: self.calling(node), seconds=GOING_ON)
        line.cut()
        if not self.calling(node):
            self.outcome.faults.append("the cut met no paid call")
        self.cluster.glm.seconds = quick
        for other in others:
            self.start(other)
        threading.Event().wait(1.5 * PACE.lease)
        line.mend()

    def _start_again(self, node: BotProcess) -> None:
        """Starts a process that has ended by itself."""
        if node.process.exitcode is not None:
            self.outcome.restarts += 1
            self.start(node)

    def calling(self, node: BotProcess) -> bool:
        """Whether a process has a paid call under way."""
        statement = select(generations.c.owner).where(generations.c.state == "generating")
        with self._database.read() as connection:
            return any(f":{node.process.pid}:" in (owner or "") for owner in connection.scalars(statement))

    def _look(self) -> None:
        glm, feishu = self.cluster.glm, self.cluster.feishu
        self.outcome.paid = self._paid
        self.outcome.refused = sum(call.status == 429 for call in glm.calls)
        for message in self._said:
            colours = [header_color(reply) for reply in feishu.replies(message.message_id)]
            if colours != ["green"]:
                self.outcome.faults.append(f"replies {colours} to {plain_text(message)}")
        sent = sum(one.sender == feishu.app_id for one in feishu.messages)
        if sent != len(self._said):
            self.outcome.faults.append(f"{sent} messages are in all chats together")
        with self._database.read() as connection:
            stored = connection.execute(
                text(
                    "SELECT requests.prompt, url_log.at FROM url_log JOIN generations USING (generation_id)"
                    " JOIN requests USING (request_id)"
                )
            ).all()
            rows = len(connection.execute(select(requests.c.request_id)).all())
        if rows != len(self._said):
            self.outcome.faults.append(f"{rows} requests were accepted")
        urls = Counter(row.prompt for row in stored)
        self.outcome.faults += [f"{count} URLs of {prompt}" for prompt, count in urls.items() if count > 1]
        stored_at: dict[str, float] = {row.prompt: row.at for row in stored}
        late = [call for call in glm.calls if call.body and call.at > stored_at.get(call.body["prompt"], call.at)]
        self.outcome.faults += [f"paid again after the URL was stored: {call.body['prompt']}" for call in late]
        if self._paid > len(self._said) + self.outcome.kills:
            self.outcome.faults.append(f"{self._paid} calls were paid")


def on_servers(server: PostgresServer, *, folder: Path, size: Size, seed: int) -> Outcome:
    """Two webs and three workers on one host; webs and workers are killed, one is cut off, the database crashes."""
    with (
        audited(server.url) as database,
        FeishuStandIn(delivery=REDELIVERY) as feishu,
        GlmStandIn(seconds=size.seconds) as glm,
        Wire(server.port) as wire,
        Cluster(folder=folder, url=server.url, pace=PACE, glm=glm, feishu=feishu) as cluster,
    ):
        far_url = server.url.replace(f":{server.port}/", f":{wire.port}/")
        webs = [cluster.start("web") for _ in range(2)]
        near = [cluster.start("worker") for _ in range(2)]
        far = cluster.start("worker", url=far_url)
        chaos = Chaos(cluster, size=size, webs=webs, workers=[*near, far], database=database, seed=seed)

        def kill_worker() -> None:
            chaos.outcome.kills += 1
            chaos.kill(chaos.random.choice([*near, far]), stay_down=chaos.random.random() < 0.5)

        def restart_database() -> None:
            server.crash()
            server.start()

        def cut_off() -> None:
            chaos.outcome.kills += 1
            chaos.cut_off(far, wire, others=near)

        kills: list[Accident] = [kill_worker] * size.worker_kills
        kill_web = partial(chaos.kill, chaos.random.choice(webs))
        outcome = chaos.live_through([*kills, kill_web, restart_database, cut_off])
        _leave([*webs, *near, far], outcome)
        return outcome


def on_one_machine(*, folder: Path, size: Size, seed: int) -> Outcome:
    """One process on SQLite, killed again and again."""
    url = f"sqlite:///{folder / 'bot.db'}"
    with (
        audited(url) as database,
        FeishuStandIn(delivery=REDELIVERY) as feishu,
        GlmStandIn(seconds=size.seconds) as glm,
        Cluster(folder=folder, url=url, pace=PACE, glm=glm, feishu=feishu) as cluster,
    ):
        node = cluster.start("both")
        chaos = Chaos(cluster, size=size, webs=[node], database=database, seed=seed)

        def kill() -> None:
            chaos.outcome.kills += 1
            chaos.kill(node)

        outcome = chaos.live_through([kill] * size.worker_kills)
        _leave([node], outcome)
        return outcome


def _leave(nodes: list[BotProcess], outcome: Outcome) -> None:
    """Sends every process SIGTERM, after which each has to leave in order."""
    for node in nodes:
        node.terminate()
    codes = [node.wait(seconds=20) for node in nodes]
    if set(codes) != {0}:
        outcome.faults.append(f"exit codes {codes}")
