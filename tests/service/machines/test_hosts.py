"""The bot on hosts of their own: network namespaces, connected to the database's by virtual cables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.server import wait_until
from tests.support.cluster import PACE, Cluster, Node, Role
from tests.support.namespaces import Hosts, Relay, skip_without_namespaces
from tests.support.servers import own_server
from tests.support.world import colour, posts_of

pytestmark = pytest.mark.postgres

PATIENCE = 40.0


class Site:
    """A database's host and others round it, each running what it is told to."""

    def __init__(self, hosts: Hosts, cluster: Cluster, *, port: int) -> None:
        self.hosts = hosts
        self._cluster = cluster
        self._port = port
        self._closing = ExitStack()

    def start(self, role: Role, *, on: str) -> Node:
        """Starts a process on a host; Feishu and GLM are reached through relays on its loopback."""
        namespace = self.hosts.namespace(on)
        feishu, glm = (self._relay(Relay(port, near=namespace)) for port in self._stand_ins)
        url = f"postgresql://postgres@{self.hosts.centre_seen_from(on)}:{self._port}/bot"
        plan = self._cluster.plan(role, url=url)
        variables = {**plan.variables, "FEISHU_DOMAIN": feishu.origin}
        node = Node(replace(plan, variables=variables, glm=glm.origin, namespace=namespace))
        return self._closing.enter_context(node)

    def relay_to(self, node: Node, *, on: str) -> str:
        """An address here at which a web there is reached."""
        return self._relay(Relay(node.port, far=self.hosts.namespace(on))).origin

    def close(self) -> None:
        """Ends everything."""
        self._closing.close()

    @property
    def _stand_ins(self) -> tuple[int, int]:
        return int(self._cluster.feishu.origin.rpartition(":")[2]), self._cluster.glm.port

    def _relay(self, relay: Relay) -> Relay:
        self._closing.callback(relay.close)
        return relay


@contextmanager
def site(folder: Path, feishu: FeishuStandIn, glm: GlmStandIn) -> Iterator[Site]:
    """Four hosts: the database's, a web's and two workers'."""
    with Hosts("db", "web", "near", "far") as hosts, ExitStack() as stack:
        within = ["ip", "netns", "exec", hosts.namespace("db")]
        addresses = [hosts.centre_seen_from(name) for name in ("web", "near", "far")]
        server = stack.enter_context(own_server(addresses=addresses, within=within))
        site = Site(hosts, Cluster(folder=folder, url=server.url, pace=PACE, glm=glm, feishu=feishu), port=server.port)
        stack.callback(site.close)
        yield site


def test_a_worker_whose_cable_is_pulled_is_replaced(tmp_path: Path, feishu: FeishuStandIn, glm: GlmStandIn) -> None:
    """With packets vanishing during its paid call, another host's worker ends it; back again it works, and once."""
    skip_without_namespaces()
    glm.seconds = 1.0
    with site(tmp_path, feishu, glm) as there:
        web = there.start("web", on="web")
        address = there.relay_to(web, on="web")
        there.start("worker", on="far")
        first = say(feishu, "第一只猫", address=address)
        assert wait_until(lambda: glm.working == 1, seconds=PATIENCE)
        there.hosts.unplug("far")
        near = there.start("worker", on="near")
        assert feishu.wait_for(lambda _: shows(feishu, first), seconds=PATIENCE)
        near.kill()
        there.hosts.plug("far")
        second = say(feishu, "第二只猫", address=address)
        assert feishu.wait_for(lambda _: shows(feishu, second), seconds=PATIENCE)
        assert shows(feishu, first)
        assert [len(posts_of(glm, message)) for message in (first, second)] == [2, 1]


def say(feishu: FeishuStandIn, words: str, *, address: str) -> ChatMessage:
    """Somebody writes, and Feishu tells the web."""
    message = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=words)
    body, headers = feishu.seal(feishu.event_of(message))
    answer = httpx.post(f"{address}/webhook/event", content=body, headers=headers, timeout=30, trust_env=False)
    assert answer.status_code == 200
    return message


def shows(feishu: FeishuStandIn, message: ChatMessage) -> bool:
    """Whether a message has its one card with the picture."""
    return [colour(card) for card in feishu.replies(message.message_id)] == ["green"]
