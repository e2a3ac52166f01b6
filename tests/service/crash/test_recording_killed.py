"""A process that is killed while it writes to the Base log leaves neither a gap nor a second record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.timings import Timings
from tests.support.base import log_table
from tests.support.bot_process import BotProcess, KillPoint, ProcessSpec, Side, Step
from tests.support.dsl import REDELIVERY, is_final, variables_for, wait_for

PACE = Timings(lease=30.0, beat=0.2, poll=0.05, resend=0.02, resend_longest=0.1, turn=0.5)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_killed_process_leaves_one_record_a_generation(database_url: str, tmp_path: Path, side: Side) -> None:
    """Killed right before or right after the call that adds the records, the next process comes to the same table."""
    with FeishuStandIn(delivery=REDELIVERY) as feishu, GlmStandIn(seconds=0.02) as glm:
        table = log_table(feishu)
        variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": database_url, **table.variables}
        start = ProcessSpec(variables=variables, glm=glm.origin, pace=PACE)
        with BotProcess(replace(start, kill=KillPoint(step=Step(table.call, 1), side=side))) as struck:
            feishu.webhook_url = struck.webhook
            said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫 /n 2")
            wait_for(lambda: not struck.alive)
        assert len(table.records) == (0 if side == "before" else len(table.numbers))
        with BotProcess(start) as process:
            feishu.webhook_url = process.webhook
            later = feishu.say(chat_id="oc_direct_chen", sender="ou_chen", text="一只灰猫")
            wait_for(lambda: is_final(feishu, said) and is_final(feishu, later) and len(table.records) >= 3)
        assert len(table.numbers) == len(set(table.numbers)) == 3
