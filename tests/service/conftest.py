"""The stand-ins, and the processes between them, of tests that start the bot in processes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import Cluster
from tests.support.databases import postgres_database
from tests.support.dsl import REDELIVERY


@pytest.fixture
def feishu() -> Iterator[FeishuStandIn]:
    """Feishu, which delivers again soon."""
    with FeishuStandIn(delivery=REDELIVERY) as feishu:
        yield feishu


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """GLM, quick."""
    with GlmStandIn(seconds=0.05) as glm:
        yield glm


@pytest.fixture
def cluster(database_url: str, feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without a process yet, on each engine in turn."""
    with Cluster(folder=tmp_path, url=database_url, glm=glm, feishu=feishu) as cluster:
        yield cluster


@pytest.fixture
def postgres_cluster(feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on PostgreSQL alone."""
    with postgres_database() as url, Cluster(folder=tmp_path, url=url, glm=glm, feishu=feishu) as cluster:
        yield cluster
