"""Each fault of the platform, through HTTP, and the error and sentence that it becomes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.errors import GlmError
from bot.glm.client import GlmClient
from bot.glm.responses import CODES as LEAVES
from bot.options import Options
from bot.sandbox.faults import GLM_CODES, own_names
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.clients.glm_wire import FAKE_KEY

KEY = ("authentication_error", "failure.key_refused")
ACCOUNT = ("authentication_error", "failure.account")
REQUEST = ("invalid_request", "failure.request")
MODEL = ("invalid_request", "failure.model")
CONTENT = ("content_filter_violation", "failure.content")
RATE = ("rate_limit_exceeded", "failure.rate_limit")
OVERLOADED = ("rate_limit_exceeded", "failure.overloaded")
KEY_TYPE = ("authentication_error", "failure.key_type")
LOGIN = ("authentication_error", "failure.login")
DUPLICATE = ("invalid_request", "failure.duplicate")
SPENDING = ("rate_limit_exceeded", "failure.spending")
FAIR_USE = ("rate_limit_exceeded", "failure.fair_use")
BLOCKED = ("server_error", "failure.blocked")
BROKEN = ("server_error", "failure.broken")
BUSY = ("server_error", "failure.overloaded")
QUOTA = ("rate_limit_exceeded", "failure.quota")
PLAN = ("rate_limit_exceeded", "failure.plan")
SERVER = ("server_error", "failure.server")
NETWORK = ("NETWORK_ERROR", "failure.network")
TIMEOUT = ("TIMEOUT", "failure.timeout")

EXPECTED = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), KEY),
    "1005": LOGIN,
    **dict.fromkeys(("1110", "1111", "1112", "1120", "1121"), ACCOUNT),
    "1113": ("insufficient_balance", "failure.balance"),
    **dict.fromkeys(("500", "1200", "1230", "1234"), SERVER),
    **dict.fromkeys(("1210", "1212", "1213", "1214", "1215"), REQUEST),
    "1231": DUPLICATE,
    **dict.fromkeys(("1211", "1221", "1222"), MODEL),
    "1220": ("authentication_error", "failure.model"),
    "1261": ("invalid_request", "failure.prompt_too_long"),
    **dict.fromkeys(("1300", "1301"), CONTENT),
    **dict.fromkeys(("1302", "1303"), RATE),
    **dict.fromkeys(("1305", "1312"), OVERLOADED),
    **dict.fromkeys(("1304", "1308", "1310", "1316", "1317"), QUOTA),
    **dict.fromkeys(("1318", "1319", "1320", "1321"), SPENDING),
    **dict.fromkeys(("1309", "1311", "1314"), PLAN),
    "1313": FAIR_USE,
    "1315": KEY_TYPE,
}
OTHERS = {
    "hang": TIMEOUT,
    "trickle": TIMEOUT,
    **dict.fromkeys(("reset_before", "reset_after", "truncated"), NETWORK),
    **dict.fromkeys(("html_502", "html_503", "html_504", "empty_body", "not_json"), BROKEN),
    **dict.fromkeys(("html_401", "html_403", "html_404", "html_413", "gbk_451", "json_403", "redirect"), BLOCKED),
    **dict.fromkeys(("html_429", "no_code_429"), RATE),
    "retry_after_503": BUSY,
    **dict.fromkeys(("no_data", "no_url", "ok_with_error", "file_url", "http_url"), SERVER),
    **dict.fromkeys(("level_0", "level_1", "output_refused"), CONTENT),
}
WITH_AN_IMAGE = {"level_2", "level_3"}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[GlmStandIn]:
    """One stand-in for the whole table."""
    with GlmStandIn() as stand_in:
        yield stand_in


def failed(stand_in: GlmStandIn, fault: str) -> GlmError:
    """The error of a call that meets ``fault``."""
    stand_in.arm(fault)
    client = GlmClient(api_key=FAKE_KEY, transport=stand_in.transport(), deadline=0.5)
    with client, pytest.raises(GlmError) as caught:
        client.generate("猫", options=Options())
    return caught.value


@pytest.mark.parametrize("code", GLM_CODES)
def test_each_code_becomes_its_error(stand_in: GlmStandIn, code: str) -> None:
    """The platform's code, message and status are kept, and the sentence is the one for that case."""
    error = failed(stand_in, f"glm_{code}")
    status, message = GLM_CODES[code].status, GLM_CODES[code].text
    assert (error.code, error.sentence) == EXPECTED[code]
    assert (error.provider_code, error.status, error.message) == (code, status, message)
    assert error.from_platform
    assert error.waits == (code in ("1302", "1305"))


@pytest.mark.parametrize("fault", OTHERS)
def test_each_other_fault_becomes_its_error(stand_in: GlmStandIn, fault: str) -> None:
    """What is not the platform's own refusal still ends in one of the named errors."""
    error = failed(stand_in, fault)
    assert (error.code, error.sentence) == OTHERS[fault]
    assert error.waits == (OTHERS[fault] in (RATE, BUSY))


def test_every_fault_is_in_the_table() -> None:
    """No fault that the stand-in knows is left without an expected error, and no code without a fault."""
    assert set(GLM_CODES) == set(EXPECTED) == set(LEAVES)
    assert set(own_names("glm", "call")) == {f"glm_{code}" for code in EXPECTED} | set(OTHERS) | WITH_AN_IMAGE
