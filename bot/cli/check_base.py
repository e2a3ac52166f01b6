"""What the check says of the Base log, where the settings name a table."""

from __future__ import annotations

from bot.cli.check_result import CheckResult
from bot.errors import FeishuError
from bot.feishu import fixes
from bot.feishu.bitable import FIELDS, BitableClient
from bot.feishu.client import FeishuClient
from bot.settings import Settings

NAME = "Base log"

NEEDED: dict[str, tuple[str, ...]] = {"recording in a Base": ("base:record:create", "bitable:app")}
"""The scopes of which one is enough to add records.

https://open.feishu.cn/document/server-docs/docs/bitable-v1/app-table-record/batch_create
"""


def base_log(client: FeishuClient, settings: Settings) -> CheckResult:
    """Whether the table is there and has its fields; one call, which adds nothing.

    It does not tell whether the table is full, or whether the Base's own permissions let the app write.
    """
    base = settings.base
    try:
        there = BitableClient(client.call).fields(base.app_token, base.table_id)
    except FeishuError as error:
        return CheckResult(
            name=NAME, ok=False, detail=fixes.describe(error), fix=fixes.suggest_fix(error, domain=settings.domain)
        )
    wrong = [field.name for field in FIELDS if there.get(field.name) != field.kind]
    if wrong:
        return CheckResult(
            name=NAME, ok=False, detail=f"missing or of another type: {', '.join(wrong)}", fix=fixes.RESTORE_FIELDS
        )
    return CheckResult(name=NAME, ok=True, detail=f"table {base.table_id} is there, with its {len(FIELDS)} fields")
