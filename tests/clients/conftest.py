"""The two platforms, on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trustme

from bot.feishu.client import FeishuClient
from bot.sandbox.feishu.stand_in import FeishuStandIn
from tests.clients.feishu_platform import Platform


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def feishu_client(feishu: FeishuStandIn) -> Iterator[FeishuClient]:
    client = FeishuClient(domain=feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret)
    yield client
    client.close()


@pytest.fixture
def served() -> Iterator[Platform]:
    with Platform() as served:
        yield served


@pytest.fixture
def client(served: Platform) -> Iterator[FeishuClient]:
    client = served.client()
    yield client
    client.close()
