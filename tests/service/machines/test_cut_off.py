"""A worker that loses its database in the middle of its work holds nobody up, and comes back without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.state import ChatMessage
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import PACE, Cluster
from tests.support.databases import postgres_database
from tests.support.dsl import header_color, posts_of, wait_for
from tests.support.wire import Wire

pytestmark = pytest.mark.postgres


@pytest.fixture
def wire() -> Iterator[tuple[Wire, str]]:
    """A line to a fresh database, and the database's own URL."""
    with postgres_database() as url:
        there = make_url(url)
        with Wire(there.port or 5432, host=there.host or "127.0.0.1") as wire:
            yield wire, url


def colours(cluster: Cluster, message: ChatMessage) -> list[str | None]:
    """The colours of the cards under a message."""
    return [header_color(card) for card in cluster.feishu.replies(message.message_id)]


def test_a_worker_that_comes_back_neither_replies_twice_nor_keeps_its_slot(
    wire: tuple[Wire, str], feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path
) -> None:
    """Cut off during its paid call: another worker ends it, and back again the first one makes the next picture."""
    line, url = wire
    glm.seconds = 1.0
    with Cluster(folder=tmp_path, url=url, pace=PACE, glm=glm, feishu=feishu) as cluster:
        web = cluster.start("web")
        far_url = make_url(url).set(host="127.0.0.1", port=line.port).render_as_string(hide_password=False)
        cluster.start("worker", url=far_url)
        said = [feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=f"第 {number} 只猫") for number in range(2)]
        assert cluster.push(said[0], web=web)
        wait_for(lambda: glm.working == 1)
        line.cut()
        near = cluster.start("worker")
        wait_for(lambda: colours(cluster, said[0]) == ["green"])
        near.kill()
        line.mend()
        assert cluster.push(said[1], web=web)
        wait_for(lambda: colours(cluster, said[1]) == ["green"])
        assert colours(cluster, said[0]) == ["green"]
        assert [len(posts_of(glm, message)) for message in said] == [2, 1]
