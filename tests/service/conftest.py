"""A bot for a whole module, and the stand-ins and processes of tests that start the bot in processes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.bot_process import Cluster
from tests.support.databases import postgres_database
from tests.support.dsl import QUICK_CALL, REDELIVERY, BotUnderTest, Conversation
from tests.support.pictures import draw_once


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotUnderTest]:
    """One bot for all tests of a module; each meets a new person in a new chat. In the end nobody was pinged."""
    with BotUnderTest(folder=tmp_path_factory.mktemp("bot")) as bot:
        yield bot
        assert bot.feishu.pings == []
        assert bot.glm.strays == []


@pytest.fixture
def bot(shared_bot: BotUnderTest) -> Iterator[BotUnderTest]:
    """The module's bot, with nothing armed by another test."""
    yield shared_bot
    shared_bot.disarm()
    shared_bot.glm.seconds = QUICK_CALL


@pytest.fixture
def user(bot: BotUnderTest) -> Conversation:
    return bot.new_user()


@pytest.fixture
def feishu() -> Iterator[FeishuStandIn]:
    """Feishu, which delivers again soon, and for as long as a process may take to start."""
    with FeishuStandIn(delivery=replace(REDELIVERY, ladder=(0.2,) * 600)) as feishu:
        yield feishu


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """GLM, quick."""
    with GlmStandIn(seconds=0.05, draw=draw_once) as glm:
        yield glm


@pytest.fixture
def cluster(database_url: str, feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without a process yet, on each engine in turn."""
    with Cluster(folder=tmp_path, url=database_url, glm=glm, feishu=feishu) as cluster:
        yield cluster


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The URL of a fresh PostgreSQL database with its schema."""
    with postgres_database() as url:
        yield url


@pytest.fixture
def postgres_cluster(postgres_url: str, feishu: FeishuStandIn, glm: GlmStandIn, tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(folder=tmp_path, url=postgres_url, glm=glm, feishu=feishu) as cluster:
        yield cluster
