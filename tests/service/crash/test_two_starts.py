"""Processes that start at the same moment on one empty database share it without a fault."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bot.db.database import Database, read_url
from bot.db.migrate import HEAD, current_revision
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.timings import Timings
from tests.support.bot_process import BotProcess, ProcessSpec
from tests.support.dsl import DEADLINE, REDELIVERY, header_color, is_final, posts_of, variables_for, wait_for


def test_processes_that_start_together_make_the_schema_once(empty_url: str, tmp_path: Path) -> None:
    """Four processes boot on one empty database: all serve, the schema is there, and prompts are made one by one."""
    with FeishuStandIn(delivery=REDELIVERY) as feishu, GlmStandIn(seconds=0.05) as glm, ThreadPoolExecutor(4) as pool:
        variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": empty_url}
        start = ProcessSpec(variables=variables, glm=glm.origin, pace=Timings(poll=0.05))
        processes = list(pool.map(BotProcess, [start] * 4))
        try:
            assert [process.port is not None for process in processes] == [True] * 4
            said = []
            for number, process in enumerate(processes):
                feishu.webhook_url = process.webhook
                said.append(feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text=f"第 {number} 只猫"))
                assert feishu.wait_for(lambda stand_in, n=number: acknowledged(stand_in) > n, seconds=DEADLINE)  # type: ignore[misc]
            wait_for(lambda: all(is_final(feishu, one) for one in said))
        finally:
            for process in processes:
                process.__exit__()
        assert [[header_color(reply) for reply in feishu.replies(one.message_id)] for one in said] == [["green"]] * 4
        assert [[call.status for call in posts_of(glm, one)] for one in said] == [[200]] * 4
    database = Database(read_url(empty_url))
    assert current_revision(database) == HEAD
    database.close()


def acknowledged(feishu: FeishuStandIn) -> int:
    """How many pushes were taken."""
    return sum(attempt.outcome == "acknowledged" for attempt in feishu.attempts)
