"""A platform that pushes over long connections, and how bots are started against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.long_connection_stand_in import ConnectedStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import PACE, BotProcess, ProcessSpec
from tests.support.dsl import DEADLINE, variables_for, wait_for

SOON = {"ReconnectCount": -1, "ReconnectInterval": 0.1, "ReconnectNonce": 0.05, "PingInterval": 0.1}
"""What the platform wants of its clients here, in seconds."""

Start = Callable[..., BotProcess]


@pytest.fixture
def feishu() -> Iterator[ConnectedStandIn]:
    """Feishu, which delivers again soon and for long, and waits long for an answer."""
    with ConnectedStandIn(delivery=RetrySchedule(ladder=(0.2,) * 600, answer_seconds=DEADLINE)) as feishu:
        feishu.line.client_config = dict(SOON)
        yield feishu


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """GLM, quick."""
    with GlmStandIn(seconds=0.05) as glm:
        yield glm


@pytest.fixture
def variables(feishu: ConnectedStandIn, tmp_path: Path) -> dict[str, str]:
    """The settings of a bot that takes its events over the connection: no key and no token of events."""
    given = variables_for(feishu, folder=tmp_path)
    return {name: given[name] for name in given if name not in {"FEISHU_ENCRYPT_KEY", "FEISHU_VERIFICATION_TOKEN"}}


@pytest.fixture
def start(feishu: ConnectedStandIn, glm: GlmStandIn, variables: dict[str, str]) -> Iterator[Start]:
    """Starts a bot in a process of its own and waits until it is connected; ends them all."""
    nodes: list[BotProcess] = []

    def begin(**more: str) -> BotProcess:
        before = feishu.line.opened
        plan = ProcessSpec(role="connected", variables={**variables, **more}, glm=glm.origin, pace=PACE)
        nodes.append(BotProcess(plan))
        wait_for(lambda: feishu.line.opened > before)
        return nodes[-1]

    yield begin
    for node in nodes:
        node.kill()
