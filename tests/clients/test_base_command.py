"""The command that creates the Base log's table, and what the check says of it."""

from __future__ import annotations

import re
from pathlib import Path

from bot.cli.check_feishu import check_feishu
from bot.cli.check_result import CheckResult
from bot.feishu.bitable import FIELDS
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.settings import load
from tests.clients.commands import app_variables, run

ADD = "base:record:create"


def checked(feishu: FeishuStandIn, settings: dict[str, str]) -> dict[str, CheckResult]:
    return {result.name: result for result in check_feishu(load({**app_variables(feishu), **settings}))}


def test_it_prints_what_to_set_and_that_works(feishu: FeishuStandIn, tmp_path: Path) -> None:
    owners = ("--owner", "ou_lin", "--owner", "ou_chen")
    ran = run("base", "create", *owners, folder=tmp_path, **app_variables(feishu))
    assert (ran.code, ran.stderr) == (0, "")
    settings = dict(re.findall(r"^(BOT_BASE_\w+)=(\S+)$", ran.text, re.MULTILINE))
    base = feishu.bases.bases[settings["BOT_BASE_APP_TOKEN"]]
    assert base.members == {"ou_lin": "full_access", "ou_chen": "full_access"}
    assert [*base.tables] == [settings["BOT_BASE_TABLE_ID"]]
    assert f"/base/{settings['BOT_BASE_APP_TOKEN']}?table={settings['BOT_BASE_TABLE_ID']}" in ran.text
    results = checked(feishu, settings)
    assert results["Base log"].ok
    assert "exporting to a Base" in results["Scopes"].detail


def test_the_admins_own_it_unless_others_are_named(feishu: FeishuStandIn, tmp_path: Path) -> None:
    admins = {"BOT_TEAM_ADMINS": "ou_alex,ou_nobody"}
    ran = run("base", "create", folder=tmp_path, **app_variables(feishu), **admins)
    assert ran.code == 0
    assert "Not shared with ou_nobody" in ran.stderr
    (base,) = feishu.bases.bases.values()
    assert base.members == {"ou_alex": "full_access"}


def test_a_refusal_has_its_fix(feishu: FeishuStandIn, tmp_path: Path) -> None:
    feishu.faults.arm("scope", on="base_table")
    ran = run("base", "create", folder=tmp_path, **app_variables(feishu))
    assert (ran.code, ran.stdout) == (1, b"")
    assert "grant one of" in ran.stderr
    assert "An empty Base is left at https://" in ran.stderr


def test_a_blank_table_that_cannot_be_deleted_stays(feishu: FeishuStandIn, tmp_path: Path) -> None:
    feishu.faults.arm("scope", on="base_delete_table")
    ran = run("base", "create", folder=tmp_path, **app_variables(feishu))
    assert ran.code == 0
    assert "A blank table is left" in ran.stderr
    assert "Only the bot can open it so far" in ran.text


def test_the_check_reports_what_is_wrong_with_the_table(feishu: FeishuStandIn) -> None:
    fields = {field.name: int(field.kind) for field in FIELDS}
    app_token, table_id = feishu.bases.add({**fields, FIELDS[0].name: 2})
    settings = {"BOT_BASE_APP_TOKEN": app_token, "BOT_BASE_TABLE_ID": table_id}
    feishu.scopes.discard(ADD)
    results = checked(feishu, settings)
    assert f"of another type: {FIELDS[0].name}" in results["Base log"].detail
    assert f"exporting to a Base: {ADD}" in results["Scopes"].detail
    gone = checked(feishu, {**settings, "BOT_BASE_TABLE_ID": "tbl0"})["Base log"]
    assert (gone.ok, "code 1254041" in gone.detail, "base create" in str(gone.fix)) == (False, True, True)
    assert "Base log" not in checked(feishu, {})
    assert feishu.calls_named("base_records") == []
