"""Whatever is killed, cut off or restarted, each message has one reply, and nothing stored is paid again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chaos import Size, on_one_machine, on_servers
from tests.support.servers import own_server

SEED = 7


@pytest.mark.postgres
def test_two_webs_and_three_workers_live_through_a_bad_day(tmp_path: Path) -> None:
    """Workers and a web killed, one cut off, the database crashed: one result each, paid once but for the kills."""
    size = Size(messages=60, worker_kills=3)
    with own_server() as server:
        outcome = on_servers(server, folder=tmp_path, size=size, seed=SEED)
    assert outcome.faults == [], outcome.text
    assert (outcome.deliveries, outcome.kills) == (2 * size.messages, size.worker_kills + 1)


def test_one_process_on_sqlite_lives_through_its_kills(tmp_path: Path) -> None:
    """Killed four times under a steady stream of messages, a single process answers each of them once."""
    size = Size(messages=60, worker_kills=4)
    outcome = on_one_machine(folder=tmp_path, size=size, seed=SEED)
    assert outcome.faults == [], outcome.text
    assert (outcome.deliveries, outcome.kills) == (2 * size.messages, size.worker_kills)
