"""Crash upon crash comes to an end in words, and what is exported is exported once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.base import log_table
from tests.support.bot_process import PACE, BotProcess, Cluster, KillPoint, Side, Step
from tests.support.dsl import CATALOGUE, all_strings, is_final, wait_for


def kill_repeatedly(cluster: Cluster, kill: KillPoint, *, times: int) -> BotProcess:
    """Starts the bot so many times, waits each time until it was killed, and then lets it run."""
    process = cluster.serve(kill=kill)
    for number in range(times):
        wait_for(lambda: not process.alive)
        process.start(kill=kill if number < times - 1 else None)
        cluster.feishu.webhook_url = process.webhook
    return process


def test_two_hidden_outcomes_end_in_words(cluster: Cluster) -> None:
    """Killed right after the paid call, twice: the card says that both may be billed, and the slot is free again."""
    said = cluster.say()
    kill_repeatedly(cluster, KillPoint(step=Step("POST /api/paas/v4/images/generations"), side="after"), times=2)
    later = cluster.say("一只灰猫")
    cluster.wait_for_answers(later)
    cluster.wait_for_answers(said, color="red")
    (reply,) = cluster.feishu.replies(said.message_id)
    assert CATALOGUE.text("failure.repeated_unknown", "zh") in all_strings(json.loads(reply.content))
    assert cluster.calls(said) == [2]


def test_an_image_that_every_process_dies_over_is_given_up(cluster: Cluster) -> None:
    """Killed before the upload each of the times that it may be taken up: the card says so, and one call was paid."""
    cluster.pace = replace(PACE, takeups=2)
    said = cluster.say()
    # The first one has made the image itself.
    kill_repeatedly(cluster, KillPoint(step=Step("POST /open-apis/im/v1/images"), side="before"), times=1 + 2)
    wait_for(lambda: is_final(cluster.feishu, said))
    (reply,) = cluster.feishu.replies(said.message_id)
    shown = set(all_strings(json.loads(reply.content)))
    assert {CATALOGUE.text(key, "en") for key in ("failure.stalled", "failure.stalled.advice")} <= shown
    assert cluster.calls(said) == [1]


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_killed_process_leaves_one_record_a_generation(cluster: Cluster, side: Side) -> None:
    """Killed right before or right after the call that adds the records, the next process comes to the same table."""
    table = log_table(cluster.feishu)
    cluster.pace = replace(PACE, turn=0.5)
    process = cluster.serve(kill=KillPoint(step=Step(table.call), side=side), **table.variables)
    said = cluster.say("一只橘猫 /n 2")
    wait_for(lambda: not process.alive)
    assert (side == "after") is bool(table.records)
    process.start()
    cluster.feishu.webhook_url = process.webhook
    later = cluster.say("一只灰猫", person="chen")
    cluster.wait_for_answers(said, later)
    wait_for(lambda: len(table.records) >= 3)
    assert len(table.numbers) == len(set(table.numbers)) == 3
