"""What crash upon crash comes to an end in words: a paid call that is not made a third time, a picture given up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from bot.timings import Timings
from tests.support.bot_process import BotProcess, KillPoint, ProcessSpec, Step
from tests.support.dsl import (
    CATALOGUE,
    DEADLINE,
    REDELIVERY,
    all_strings,
    header_color,
    is_final,
    posts_of,
    variables_for,
    wait_for,
)

PACE = Timings(lease=30.0, beat=0.2, poll=0.05, resend=0.02, resend_longest=0.1)


def strike_down(feishu: FeishuStandIn, start: ProcessSpec, *, times: int) -> None:
    """Starts the bot so many times, and waits each time until its strike has killed it."""
    for _ in range(times):
        with BotProcess(start) as struck:
            feishu.webhook_url = struck.webhook
            assert feishu.wait_for(lambda _, it=struck: not it.alive, seconds=DEADLINE)  # type: ignore[misc]


def test_two_hidden_outcomes_end_in_words(database_url: str, tmp_path: Path) -> None:
    """Killed right after the paid call, twice: the card says that both may be billed, and the slot is free again."""
    with FeishuStandIn(delivery=REDELIVERY) as feishu, GlmStandIn(seconds=0.05) as glm:
        variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": database_url}
        start = ProcessSpec(variables=variables, glm=glm.origin, pace=PACE)
        strike = KillPoint(step=Step("POST /api/paas/v4/images/generations", 1), side="after")
        said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
        strike_down(feishu, replace(start, kill=strike), times=2)
        with BotProcess(start) as process:
            feishu.webhook_url = process.webhook
            later = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只灰猫")
            wait_for(lambda: is_final(feishu, said) and is_final(feishu, later))
        (reply,) = feishu.replies(said.message_id)
        assert CATALOGUE.text("failure.repeated_unknown", "zh") in all_strings(json.loads(reply.content))
        assert [header_color(one) for one in feishu.replies(later.message_id)] == ["green"]
        assert len(posts_of(glm, said)) == 2


def test_a_picture_that_every_process_dies_over_is_given_up(database_url: str, tmp_path: Path) -> None:
    """Killed before the upload each of the five times that it was taken up: the card says so, and one call was paid."""
    with FeishuStandIn(delivery=REDELIVERY) as feishu, GlmStandIn(seconds=0.05) as glm:
        variables = {**variables_for(feishu, folder=tmp_path), "DATABASE_URL": database_url}
        start = ProcessSpec(variables=variables, glm=glm.origin, pace=PACE)
        strike = KillPoint(step=Step("POST /open-apis/im/v1/images", 1), side="before")
        said = feishu.say(chat_id="oc_direct_lin", sender="ou_lin", text="一只橘猫")
        # The first one has made the picture itself.
        strike_down(feishu, replace(start, kill=strike), times=1 + 5)
        with BotProcess(start) as process:
            feishu.webhook_url = process.webhook
            wait_for(lambda: is_final(feishu, said))
        (reply,) = feishu.replies(said.message_id)
        shown = set(all_strings(json.loads(reply.content)))
        assert {CATALOGUE.text(key, "en") for key in ("failure.stalled", "failure.stalled.advice")} <= shown
        assert len(posts_of(glm, said)) == 1
