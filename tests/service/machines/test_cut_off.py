"""A worker that loses its database in the middle of its work holds nobody up, and comes back without a trace."""

from __future__ import annotations

import pytest

from tests.support.bot_process import Cluster
from tests.support.dsl import wait_for
from tests.support.wire import wired


@pytest.mark.postgres
def test_a_worker_that_comes_back_neither_replies_twice_nor_keeps_its_slot(postgres_cluster: Cluster) -> None:
    """Cut off during its paid call: another worker ends it, and back again the first one makes the next image."""
    cluster = postgres_cluster
    cluster.glm.seconds = 1.0
    with wired(cluster.url) as (line, far_url):
        web = cluster.start("web")
        far = cluster.start("worker", DATABASE_URL=far_url)
        said = [cluster.say(f"第 {number} 只猫") for number in range(2)]
        assert cluster.push(said[0], web=web) == 200
        wait_for(lambda: cluster.glm.working == 1)
        line.cut()
        # The platform rejects a second call at the same time, which would count here.
        wait_for(lambda: cluster.glm.working == 0)
        cluster.expire_leases(far)
        near = cluster.start("worker")
        cluster.wait_for_answers(said[0])
        near.kill()
        line.mend()
        assert cluster.push(said[1], web=web) == 200
        cluster.wait_for_answers(*said)
    assert cluster.calls(*said) == [2, 1]
