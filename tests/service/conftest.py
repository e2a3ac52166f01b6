"""The stand-in that tests with processes of their own share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.support.dsl import REDELIVERY


@pytest.fixture
def feishu() -> Iterator[FeishuStandIn]:
    """Feishu, which delivers again soon."""
    with FeishuStandIn(delivery=REDELIVERY) as feishu:
        yield feishu
