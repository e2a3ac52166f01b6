"""The bot on hosts of their own: network namespaces, connected to the database's by virtual cables."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.server import wait_until
from tests.support.chaos_runs import on_hosts
from tests.support.cluster import PACE, Node
from tests.support.outcome import Size
from tests.support.site import Site, site
from tests.support.world import colour, posts_of

pytestmark = pytest.mark.postgres

PATIENCE = 40.0
SEED = 7


def test_a_worker_whose_cable_is_pulled_is_replaced(tmp_path: Path, feishu: FeishuStandIn, glm: GlmStandIn) -> None:
    """With packets vanishing during its paid call, another host's worker ends it; back again it works, and once."""
    glm.seconds = 1.0
    with site("web", "near", "far", folder=tmp_path, pace=PACE, feishu=feishu, glm=glm) as there:
        web = there.start("web", on="web")
        there.start("worker", on="far")
        first = say(there, "第一只猫", web=web)
        assert wait_until(lambda: glm.working == 1, seconds=PATIENCE)
        there.cable("far").cut()
        near = there.start("worker", on="near")
        assert feishu.wait_for(lambda _: shows(feishu, first), seconds=PATIENCE)
        near.kill()
        there.cable("far").mend()
        second = say(there, "第二只猫", web=web)
        assert feishu.wait_for(lambda _: shows(feishu, second), seconds=PATIENCE)
        assert shows(feishu, first)
        assert [len(posts_of(glm, message)) for message in (first, second)] == [2, 1]


def test_five_hosts_live_through_a_bad_day(tmp_path: Path) -> None:
    """A worker and a web killed, a cable pulled, the database crashed: one result each, paid once but for those."""
    size = Size(messages=20, worker_kills=1)
    outcome = on_hosts(folder=tmp_path, size=size, seed=SEED)
    assert outcome.faults == [], outcome.text
    assert (outcome.deliveries, outcome.kills) == (2 * size.messages, size.worker_kills + 1)


def say(there: Site, words: str, *, web: Node) -> ChatMessage:
    """Somebody writes, and Feishu tells the web."""
    message = there.cluster.feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=words)
    assert there.cluster.push(message, web=web, seconds=PATIENCE)
    return message


def shows(feishu: FeishuStandIn, message: ChatMessage) -> bool:
    """Whether a message has its one card with the picture."""
    return [colour(card) for card in feishu.replies(message.message_id)] == ["green"]
