"""What the check reports about Feishu, error by error, each with its fix."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bot.cli.check_feishu import check_feishu
from bot.cli.check_result import CheckResult
from bot.sandbox.feishu.stand_in import SCOPES, FeishuStandIn
from bot.sandbox.http import Response
from bot.settings import config_folder, load
from tests.clients.feishu_platform import SECRET, Platform, platform


def found(origin: str, *, app_id: str = "cli_sandbox", app_secret: str = SECRET) -> dict[str, CheckResult]:
    """The results by name."""
    variables = {"FEISHU_DOMAIN": origin, "FEISHU_APP_ID": app_id, "FEISHU_APP_SECRET": app_secret}
    return {finding.name: finding for finding in check_feishu(load(variables))}


def found_of(feishu: FeishuStandIn) -> dict[str, CheckResult]:
    """The results for the stand-in's own app."""
    return found(feishu.origin, app_secret=feishu.app_secret)


def bad(findings: dict[str, CheckResult]) -> list[str]:
    """The names of the checks that failed."""
    return [name for name, finding in findings.items() if finding.ok is False]


def fix(finding: CheckResult) -> str:
    """The fix, which there has to be."""
    assert finding.fix is not None
    return finding.fix


def no_server(_: FeishuStandIn) -> dict[str, CheckResult]:
    """An address on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return found(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("look", "advised"),
    [
        (lambda feishu: found(feishu.origin), "copy the App Secret into FEISHU_APP_SECRET again"),
        (lambda feishu: found(feishu.origin, app_id="cli_of_lark"), "set FEISHU_DOMAIN=lark"),
        (no_server, "whether this machine reaches http://127.0.0.1:"),
    ],
)
def test_without_a_token_the_rest_is_skipped(
    look: Callable[[FeishuStandIn], dict[str, CheckResult]], advised: str, feishu: FeishuStandIn
) -> None:
    """The one error is the token's, with its fix."""
    findings = look(feishu)
    assert bad(findings) == ["Feishu token"]
    assert advised in fix(findings["Feishu token"])
    assert [call.name for call in feishu.calls] in ([], ["token"])
    assert findings["Bot ability"] == CheckResult(name="Bot ability", ok=None, detail="skipped (no token)")


@pytest.mark.parametrize("fault", ["html_502", "empty_body", "truncated", "reset_after"])
def test_an_answer_that_is_not_the_platforms_is_reported(fault: str, feishu: FeishuStandIn) -> None:
    """A gateway's page, or half an answer, points at the network and the domain."""
    feishu.faults.arm(fault, on="token")
    findings = found_of(feishu)
    assert bad(findings) == ["Feishu token"]
    assert "FEISHU_DOMAIN is right" in fix(findings["Feishu token"])


@pytest.mark.parametrize(
    ("code", "advised"),
    [
        (99991662, "应用管理"),
        (99991403, "month's calls"),
        (11205, "机器人 Bot"),
    ],
)
def test_a_refusal_names_the_page_of_the_console(code: int, advised: str, feishu: FeishuStandIn) -> None:
    """The code, the message and the log id are shown, with the fix."""
    feishu.faults.arm(f"feishu_{code}", on="bot_info")
    findings = found_of(feishu)
    (call,) = feishu.calls_named("bot_info")
    assert bad(findings) == ["Bot ability"]
    assert f"(code {code}, log id {call.log_id})" in findings["Bot ability"].detail
    assert advised in fix(findings["Bot ability"])


def test_an_inactive_bot_is_reported() -> None:
    """The app is there, but its organisation has not switched it on."""
    with platform() as feishu:
        bot = {"activate_status": 1, "app_name": "画图", "open_id": "ou_bot"}
        feishu.answers.append(Response.of_json({"code": 0, "msg": "ok", "bot": bot}))
        finding = found(feishu.server.origin)["Bot ability"]
    assert finding.ok is False
    assert finding.detail == "画图, open_id ou_bot, is not active"
    assert "应用管理" in fix(finding)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_that_was_not_granted_is_named(scope: str, feishu: FeishuStandIn) -> None:
    """The page that grants it is named too, for the scopes that only events need as well."""
    feishu.scopes.remove(scope)
    finding = found_of(feishu)["Scopes"]
    assert finding.ok is False
    assert finding.detail.endswith(f": {scope}")
    assert fix(finding).startswith(f"grant at {feishu.origin}/app/cli_sandbox/auth?q={scope}&token_type=tenant , ")


@pytest.mark.parametrize(
    ("call", "name"),
    [("reply", "Scope to reply"), ("patch", "Scope to update cards"), ("image", "Scope to upload images")],
)
def test_a_call_that_is_refused_for_its_scope_has_the_platforms_link(
    call: str, name: str, feishu: FeishuStandIn
) -> None:
    """The refusal names the scopes, and the page of the platform's own help is passed on."""
    feishu.faults.arm("scope", on=call)
    findings = found_of(feishu)
    assert bad(findings) == [name]
    assert "grant one of im:resource, im:resource:upload" in fix(findings[name])
    assert "https://open.feishu.cn/app/cli_sandbox/auth?q=im:resource:upload" in fix(findings[name])


@pytest.mark.parametrize("fault", ["rate_gateway", "feishu_2200", "html_502"])
def test_a_transient_error_of_a_probe_proves_nothing(fault: str, feishu: FeishuStandIn) -> None:
    """A busy platform has not said that a scope is missing."""
    feishu.faults.arm(fault, on="patch")
    findings = found_of(feishu)
    assert bad(findings) == []
    assert findings["Scope to update cards"].ok is None


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


def test_a_missing_list_of_scopes_is_no_error(feishu: FeishuStandIn) -> None:
    """The bot works without that call, so the probes decide."""
    feishu.faults.arm("html_502", on="scopes")
    findings = found_of(feishu)
    assert bad(findings) == []
    assert findings["Scopes"].ok is None
    assert findings["Scope to reply"].ok


def _refuse(feishu: Platform, *, code: int, message: str) -> None:
    feishu.answers.append(Response.of_json({"code": code, "msg": message}, status=400))


def test_a_wrong_clock_is_reported() -> None:
    """It differs by more than a minute from the date of Feishu's answers."""
    at = format_datetime(datetime.now(UTC) - timedelta(hours=8), usegmt=True)
    with platform() as feishu:
        assert found(feishu.server.origin)["Clock"].ok is True
        good = Response.of_json(
            {"code": 0, "msg": "ok", "bot": {"activate_status": 2, "app_name": "画图", "open_id": "ou_b"}}
        )
        feishu.answers.append(replace(good, headers={**good.headers, "Date": at}))
        finding = found(feishu.server.origin)["Clock"]
    assert finding.ok is False
    assert "8 h 0 min ahead of the platform's" in finding.detail
    assert "NTP" in fix(finding)


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
    variables = {
        "FEISHU_DOMAIN": feishu.origin,
        "FEISHU_APP_ID": feishu.app_id,
        "FEISHU_APP_SECRET": feishu.app_secret,
    }
    (result,) = [one for one in check_feishu(load(variables), webhook=webhook) if one.name == "Events and callbacks"]
    assert result.ok is None
    assert (advised in fix(result), other in fix(result)) == (True, False)
