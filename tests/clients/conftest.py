"""The two platforms, on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """A GLM that answers at once."""
    with GlmStandIn() as glm:
        yield glm


@pytest.fixture
def feishu() -> Iterator[FeishuStandIn]:
    """A Feishu with one app."""
    with FeishuStandIn() as feishu:
        yield feishu
