"""An app by one scan: the device flow over real sockets, and the link that a person confirms."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.errors import AppNotRegistered
from bot.feishu import sdk
from bot.feishu.registration import AppRegistration
from bot.sandbox.feishu.registration import RegistrationStandIn
from bot.sandbox.http import Response
from tests.clients.servers import RecordingServer

ADDONS = {
    "preset": False,
    "scopes": {"tenant": ["im:resource"], "user": []},
    "events": {"items": {"tenant": ["im.message.receive_v1"]}},
    "callbacks": {"items": ["card.action.trigger"]},
}
APP_ID = "cli_00000000000000aa"


@pytest.fixture
def accounts() -> Iterator[RegistrationStandIn]:
    given = {"app_id": APP_ID, "app_secret": "not-a-real-secret", "open_id": "ou_scanner"}
    with RegistrationStandIn(**given, scan_seconds=0, interval=0.01) as accounts:  # type: ignore[arg-type]
        yield accounts


def register(accounts: RegistrationStandIn) -> tuple[AppRegistration, list[str], list[float]]:
    """A registration that has begun, and what it will say and for how long it will sleep."""
    said: list[str] = []
    slept: list[float] = []
    registration = AppRegistration(accounts=accounts.accounts, timeout=httpx.Timeout(10), sleep=slept.append)
    registration.begin()
    return registration, said, slept


@pytest.mark.parametrize("app_id", ["", "cli_00000000000000bb"])
def test_the_sdk_does_the_same(accounts: RegistrationStandIn, app_id: str) -> None:
    """The SDK's own function makes the same three calls and the same link, and gets the same app."""
    sdk.stub("lark_oapi")
    preset = {"name": "画图 & Co", "desc": "一句话 + 一张图", "avatar": "https://example.com/a.png"}
    links: list[str] = []
    theirs = importlib.import_module("lark_oapi.scene.registration").register_app(
        on_qr_code=lambda info: links.append(info["url"]),
        domain=accounts.accounts["feishu"],
        lark_domain=accounts.accounts["lark"],
        app_preset=preset,
        addons=ADDONS,
        create_only=not app_id,
        app_id=app_id or None,
    )
    registration, said, _ = register(accounts)
    links.append(registration.link(ADDONS, app_id=app_id, **preset))
    ours = registration.wait(on_status=said.append)
    queries = [parse_qs(urlsplit(link).query) for link in links]
    assert queries[0].pop("user_code") != queries[1].pop("user_code")
    assert queries[0] == queries[1]
    assert links[0].partition("?")[0] == links[1].partition("?")[0]
    assert (theirs["client_id"], theirs["client_secret"]) == (ours.app_id, ours.app_secret)
    assert theirs["user_info"] == {"open_id": ours.open_id, "tenant_brand": ours.brand}
    forms = [{**form, "device_code": ""} for _, form in accounts.calls]
    assert [form["action"] for form in forms] == ["init", "begin", "poll"] * 2
    assert forms[:3] == forms[3:]
    shown = repr((ours, registration))
    secrets = (accounts.calls[-1][1]["device_code"], "not-a-real-secret")
    assert ([secret for secret in secrets if secret in shown], said) == ([], [])


@pytest.mark.parametrize("outcome", ["denied", "expired"])
def test_an_end_without_an_app_is_named(accounts: RegistrationStandIn, outcome: Any) -> None:
    registration, said, _ = register(accounts)
    accounts.outcome = outcome
    with pytest.raises(AppNotRegistered) as caught:
        registration.wait(on_status=said.append)
    assert (caught.value.sentence, said) == (f"setup.{outcome}", [])


def test_a_poll_without_an_answer_is_repeated_to_the_end(accounts: RegistrationStandIn) -> None:
    """The silence is said once, and ends it when the time is over; a later answer still brings the app."""
    registration, said, _ = register(accounts)
    accounts.outcome = "no_answer"
    registration.timeout, registration.seconds = httpx.Timeout(0.2), 0.5
    with pytest.raises(AppNotRegistered) as caught:
        registration.wait(on_status=said.append)
    assert (caught.value.sentence, said) == ("setup.expired", ["setup.no_answer_yet"])

    def on_status(sentence: str) -> None:
        said.append(sentence)
        accounts.outcome, registration.timeout = "approved", httpx.Timeout(10)

    registration.seconds = 600.0
    assert registration.wait(on_status=on_status).app_id == APP_ID
    assert said == ["setup.no_answer_yet"] * 2


BEGINNINGS = [
    (Response(body=b"<html>bad gateway</html>"), "setup.unanswered"),
    (Response(body=b"[]"), "setup.unanswered"),
    (Response.of_json({"supported_auth_methods": ["private_key_jwt"]}), "setup.refused"),
    (Response.of_json({"supported_auth_methods": ["client_secret"]}), "setup.refused"),
]


def test_a_beginning_that_is_not_the_documented_one() -> None:
    """A gateway's page and an answer without a link are told apart; a refused connection by the host's name."""
    for answer, sentence in BEGINNINGS:
        with RecordingServer(answer) as server:
            registration = AppRegistration(accounts={"feishu": server.origin, "lark": server.origin})
            with pytest.raises(AppNotRegistered) as caught:
                registration.begin()
        assert caught.value.sentence == sentence
    with pytest.raises(AppNotRegistered, match=r"127\.0\.0\.1: ConnectError"):
        registration.begin()


def test_a_tenant_of_lark_goes_on_there_and_slow_down_adds_five_seconds(accounts: RegistrationStandIn) -> None:
    """Once the platform says that the tenant is Lark's, Lark's service is polled, and the app is one of Lark."""
    accounts.outcome = "slow_down"
    registration, said, slept = register(accounts)
    assert (registration.wait(on_status=said.append).app_id, said, slept) == (APP_ID, [], [5.01])
    accounts.calls.clear()
    accounts.outcome = "lark"
    registration, said, slept = register(accounts)
    assert registration.wait(on_status=said.append).brand == "lark"
    assert [path.startswith("/lark/") for path, form in accounts.calls if form["action"] == "poll"] == [False, True]
    assert (said, slept) == (["setup.lark_tenant"], [])
