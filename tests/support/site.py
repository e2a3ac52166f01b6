"""The bot on hosts of their own: network namespaces in a star round the database's, joined by virtual cables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.timings import Timings
from tests.support.cluster import Cluster, Node, Role
from tests.support.namespaces import Hosts, Relay, skip_without_namespaces
from tests.support.servers import PostgresServer, own_server

DATABASE = "db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """What joins a host to the database's; packets vanish while it is out, and nobody is told."""

    hosts: Hosts
    name: str

    def cut(self) -> None:
        """Takes it out."""
        self.hosts.unplug(self.name)

    def mend(self) -> None:
        """Puts it in again."""
        self.hosts.plug(self.name)


class Site:
    """A database's host and others round it, each running what it is told to.

    Feishu, GLM and the tests stand outside, and are reached through relays on each host's loopback.
    """

    def __init__(self, hosts: Hosts, cluster: Cluster, server: PostgresServer) -> None:
        self.cluster = cluster
        self.server = server
        self._hosts = hosts
        self._closing = ExitStack()
        here = self._relay(Relay(server.port, far=hosts.namespace(DATABASE)))
        self.url = f"postgresql://postgres@127.0.0.1:{here.port}/bot"
        """The database as it is reached from outside."""

    def start(self, role: Role, *, on: str) -> Node:
        """Starts a process on a host."""
        namespace = self._hosts.namespace(on)
        feishu, glm = (self._relay(Relay(port, near=namespace)) for port in self._stand_ins)
        url = f"postgresql://postgres@{self._hosts.centre_seen_from(on)}:{self.server.port}/bot"
        plan = self.cluster.plan(role, url=url)
        variables = {**plan.variables, "FEISHU_DOMAIN": feishu.origin}
        node = Node(
            replace(plan, variables=variables, glm=glm.origin, namespace=namespace),
            reach=lambda port: self._relay(Relay(port, far=namespace)).origin,
        )
        return self._closing.enter_context(node)

    def cable(self, name: str) -> Cable:
        """The cable of a host."""
        return Cable(hosts=self._hosts, name=name)

    def close(self) -> None:
        """Ends everything."""
        self._closing.close()

    @property
    def _stand_ins(self) -> tuple[int, int]:
        return int(self.cluster.feishu.origin.rpartition(":")[2]), self.cluster.glm.port

    def _relay(self, relay: Relay) -> Relay:
        self._closing.callback(relay.close)
        return relay


@contextmanager
def site(*names: str, folder: Path, pace: Timings, feishu: FeishuStandIn, glm: GlmStandIn) -> Iterator[Site]:
    """The database's host with a server on it, and hosts of these names; skips where there can be none."""
    skip_without_namespaces()
    with Hosts(DATABASE, *names) as hosts, ExitStack() as stack:
        within = ["ip", "netns", "exec", hosts.namespace(DATABASE)]
        addresses = ["127.0.0.1", *(hosts.centre_seen_from(name) for name in names)]
        server = stack.enter_context(own_server(addresses=addresses, within=within))
        there = Site(hosts, Cluster(folder=folder, url=server.url, pace=pace, glm=glm, feishu=feishu), server)
        stack.callback(there.close)
        yield there
