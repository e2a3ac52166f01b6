"""What the check reports about Feishu, error by error, each with its fix."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bot.cli.check_feishu import check_feishu
from bot.cli.check_result import CheckResult
from bot.sandbox.feishu.stand_in import SCOPES, FeishuStandIn
from bot.sandbox.http import Response
from bot.settings import config_folder, load
from tests.clients.commands import app_variables
from tests.clients.feishu_platform import APP, GOOD, SECRET, Platform


def check(
    feishu: FeishuStandIn, variables: dict[str, str] | None = None, *, webhook: bool = True
) -> dict[str, CheckResult]:
    """The results for the stand-in's own app, by name."""
    settings = load({**app_variables(feishu), **(variables or {})})
    return {result.name: result for result in check_feishu(settings, webhook=webhook)}


def check_platform(served: Platform) -> dict[str, CheckResult]:
    """The results for a platform whose answers a test has chosen, by name."""
    variables = {"FEISHU_DOMAIN": served.server.origin, "FEISHU_APP_ID": APP, "FEISHU_APP_SECRET": SECRET}
    return {result.name: result for result in check_feishu(load(variables))}


def failed(results: dict[str, CheckResult]) -> list[str]:
    """The names of the checks that failed."""
    return [name for name, result in results.items() if result.ok is False]


@pytest.mark.parametrize(
    ("variables", "advised"),
    [
        ({"FEISHU_APP_SECRET": "another"}, "copy the App Secret into FEISHU_APP_SECRET again"),
        ({"FEISHU_APP_ID": "cli_of_lark"}, "set FEISHU_DOMAIN=lark"),
        ({"FEISHU_DOMAIN": "http://127.0.0.1:9"}, "whether this machine reaches http://127.0.0.1:"),
    ],
)
def test_without_a_token_the_rest_is_skipped(variables: dict[str, str], advised: str, feishu: FeishuStandIn) -> None:
    """The one error is the token's, with its fix."""
    results = check(feishu, variables)
    assert failed(results) == ["Feishu token"]
    assert advised in str(results["Feishu token"].fix)
    assert [call.name for call in feishu.calls] in ([], ["token"])
    assert results["Bot ability"] == CheckResult(name="Bot ability", ok=None, detail="skipped (no token)")


@pytest.mark.parametrize(
    ("call", "fault", "name", "advised"),
    [
        ("token", "html_502", "Feishu token", "FEISHU_DOMAIN is right"),
        ("token", "truncated", "Feishu token", "FEISHU_DOMAIN is right"),
        ("bot_info", "feishu_99991662", "Bot ability", "应用管理"),
        ("bot_info", "feishu_11205", "Bot ability", "机器人 Bot"),
        ("reply", "scope", "Scope to reply", "https://open.feishu.cn/app/cli_sandbox/auth?q=im:resource:upload"),
        ("patch", "scope", "Scope to update cards", "grant one of im:resource, im:resource:upload"),
        ("image", "scope", "Scope to upload images", "grant one of im:resource, im:resource:upload"),
    ],
)
def test_a_refused_call_is_one_failed_check(
    call: str, fault: str, name: str, advised: str, feishu: FeishuStandIn
) -> None:
    """Its fix names the page of the console, or the network; code, message and log id are shown."""
    feishu.faults.arm(fault, on=call)
    results = check(feishu)
    assert failed(results) == [name]
    assert advised in str(results[name].fix)
    if call != "token":
        assert f", log id {feishu.calls_named(call)[0].log_id})" in results[name].detail


@pytest.mark.parametrize("fault", ["rate_gateway", "html_502"])
def test_a_transient_error_of_a_probe_proves_nothing(fault: str, feishu: FeishuStandIn) -> None:
    """A busy platform has not said that a scope is missing."""
    feishu.faults.arm(fault, on="patch")
    results = check(feishu)
    assert (failed(results), results["Scope to update cards"].ok) == ([], None)


def test_a_missing_list_of_scopes_is_no_error(feishu: FeishuStandIn) -> None:
    """The bot works without that call, so the probes decide."""
    feishu.faults.arm("html_502", on="scopes")
    results = check(feishu)
    assert (failed(results), results["Scopes"].ok, results["Scope to reply"].ok) == ([], None, True)


def test_an_inactive_bot_is_reported(served: Platform) -> None:
    """The app is there, but its organisation has not switched it on."""
    bot = {"activate_status": 1, "app_name": "画图", "open_id": "ou_bot"}
    served.answers.append(Response.of_json({"code": 0, "msg": "ok", "bot": bot}))
    result = check_platform(served)["Bot ability"]
    assert (result.ok, result.detail) == (False, "画图, open_id ou_bot, is not active")
    assert "应用管理" in str(result.fix)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_that_was_not_granted_is_named(scope: str, feishu: FeishuStandIn) -> None:
    """The page that grants it is named too, for the scopes that only events need as well."""
    feishu.scopes.remove(scope)
    result = check(feishu)["Scopes"]
    assert (result.ok, result.detail.endswith(f": {scope}")) == (False, True)
    page = f"{feishu.origin}/app/cli_sandbox/auth?q={scope}&token_type=tenant"
    assert str(result.fix).startswith(f"grant at {page} , ")


def test_the_scopes_to_import_are_those_that_the_bot_needs() -> None:
    """Each is one line on the sheet that the organisation's admin approves, so there is none too many.

    A card is changed with ``im:message:send_as_bot``; the bot does without the one for reactions, which need no
    message; the last one is for the event of a first direct chat.
    """
    scopes = json.loads((config_folder({}) / "scopes.json").read_text(encoding="utf-8"))["scopes"]
    assert scopes == {
        "tenant": [
            "im:message.p2p_msg:readonly",
            "im:message.group_at_msg:readonly",
            "im:message:send_as_bot",
            "im:message.reactions:write_only",
            "im:message:readonly",
            "im:resource",
            "im:chat.members:bot_access",
            "im:chat.access_event.bot_p2p_chat:read",
        ],
        "user": [],
    }


def test_a_wrong_clock_is_reported(served: Platform) -> None:
    """It differs by more than a minute from the date of Feishu's answers."""
    assert check_platform(served)["Clock"].ok is True
    at = format_datetime(datetime.now(UTC) - timedelta(hours=8), usegmt=True)
    good = Response.of_json(GOOD)
    served.answers.append(replace(good, headers={**good.headers, "Date": at}))
    result = check_platform(served)["Clock"]
    assert (result.ok, "8 h 0 min ahead of the platform's" in result.detail) == (False, True)
    assert "NTP" in str(result.fix)


@pytest.mark.parametrize(
    ("webhook", "advised", "other"),
    [
        (True, "request URL https://YOUR-HOST/webhook/event", "persistent connection"),
        (False, "使用长连接接收 Receive through persistent connection", "webhook"),
    ],
)
def test_subscriptions_are_those_of_the_command(
    feishu: FeishuStandIn, *, webhook: bool, advised: str, other: str
) -> None:
    """Without a public address nobody is asked to enter one."""
    result = check(feishu, webhook=webhook)["Events and callbacks"]
    assert result.ok is None
    assert (advised in str(result.fix), other in str(result.fix)) == (True, False)
