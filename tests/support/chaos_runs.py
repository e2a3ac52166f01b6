"""Whole runs of accidents: one process on SQLite, and webs and workers on PostgreSQL, on one host or on several."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.db.database import Database
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.audit import audited
from tests.support.chaos import PACE, Accident, Chaos, Line
from tests.support.cluster import Cluster, Node
from tests.support.outcome import Outcome, Size
from tests.support.servers import PostgresServer
from tests.support.site import site
from tests.support.wire import Wire
from tests.support.world import REDELIVERY


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Processes that share a PostgreSQL: webs and workers near to it, and a worker at the end of a line."""

    cluster: Cluster
    server: PostgresServer
    database: Database
    webs: list[Node]
    near: list[Node]
    far: Node
    line: Line

    def live_through(self, *, size: Size, seed: int) -> Outcome:
        """Workers and webs are killed, one worker is cut off and back, the database crashes and is back."""
        workers = [*self.near, self.far]
        chaos = Chaos(self.cluster, size=size, webs=self.webs, workers=workers, database=self.database, seed=seed)

        def kill_worker() -> None:
            chaos.outcome.kills += 1
            chaos.kill(chaos.random.choice(workers), stay_down=chaos.random.random() < 0.5)

        def kill_web() -> None:
            chaos.kill(chaos.random.choice(self.webs))

        def restart_database() -> None:
            self.server.crash()
            self.server.start()

        def cut_off() -> None:
            chaos.outcome.kills += 1
            chaos.cut_off(self.far, self.line, others=self.near)

        kills: list[Accident] = [kill_worker] * size.worker_kills + [kill_web] * size.web_kills
        outcome = chaos.live_through([*kills, restart_database, cut_off])
        _leave([*self.webs, *workers], outcome)
        return outcome


def on_servers(server: PostgresServer, *, folder: Path, size: Size, seed: int) -> Outcome:
    """Two webs and three workers of one host through a bad day."""
    with (
        audited(server.url) as database,
        FeishuStandIn(delivery=REDELIVERY) as feishu,
        GlmStandIn(seconds=size.seconds) as glm,
        Wire(server.port) as wire,
        Cluster(folder=folder, url=server.url, pace=PACE, glm=glm, feishu=feishu) as cluster,
    ):
        far_url = server.url.replace(f":{server.port}/", f":{wire.port}/")
        team = Team(
            cluster=cluster,
            server=server,
            database=database,
            webs=[cluster.start("web") for _ in range(2)],
            near=[cluster.start("worker") for _ in range(2)],
            far=cluster.start("worker", url=far_url),
            line=wire,
        )
        return team.live_through(size=size, seed=seed)


def on_hosts(*, folder: Path, size: Size, seed: int) -> Outcome:
    """The same, each process and the database on a host of its own; skips where there can be none."""
    with (
        FeishuStandIn(delivery=REDELIVERY) as feishu,
        GlmStandIn(seconds=size.seconds) as glm,
        site("web1", "web2", "near1", "near2", "far", folder=folder, pace=PACE, feishu=feishu, glm=glm) as there,
        audited(there.url) as database,
    ):
        team = Team(
            cluster=there.cluster,
            server=there.server,
            database=database,
            webs=[there.start("web", on=name) for name in ("web1", "web2")],
            near=[there.start("worker", on=name) for name in ("near1", "near2")],
            far=there.start("worker", on="far"),
            line=there.cable("far"),
        )
        return team.live_through(size=size, seed=seed)


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


def _leave(nodes: list[Node], outcome: Outcome) -> None:
    """Sends every process SIGTERM, after which each has to leave in order."""
    for node in nodes:
        node.tell_to_leave()
    codes = [node.wait(seconds=20) for node in nodes]
    if set(codes) != {0}:
        outcome.faults.append(f"exit codes {codes}")
