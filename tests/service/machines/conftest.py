"""Fixtures of the tests that run several processes: the stand-ins, and a cluster on either engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import PACE, Cluster


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """GLM, quick."""
    with GlmStandIn(seconds=0.05) as glm:
        yield glm


@pytest.fixture
def cluster(database_url: str, feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without a process yet, on each engine in turn."""
    with Cluster(folder=tmp_path, url=database_url, pace=PACE, glm=glm, feishu=feishu) as cluster:
        yield cluster
