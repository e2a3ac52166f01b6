"""A bot whose Base log is on, and what is then in the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.feishu.bitable import FIELDS, NUMBER
from bot.sandbox.feishu.stand_in import FeishuStandIn


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTable:
    """A table with the fields of the log, in a stand-in."""

    feishu: FeishuStandIn
    app_token: str
    table_id: str

    @property
    def variables(self) -> dict[str, str]:
        """The settings of a bot that records there, at once."""
        return {"BOT_BASE_APP_TOKEN": self.app_token, "BOT_BASE_TABLE_ID": self.table_id, "BOT_BASE_MINUTES": "0"}

    @property
    def records(self) -> list[Mapping[str, Any]]:
        return list(self.feishu.bases.records)

    @property
    def numbers(self) -> list[str]:
        """The ids of the generations that are recorded, with repetitions, sorted."""
        return sorted(record[NUMBER] for record in self.records)

    @property
    def call(self) -> str:
        """The call that adds records, as the crash tests name it."""
        return f"POST /open-apis/bitable/v1/apps/{self.app_token}/tables/{self.table_id}/records/batch_create"


def log_table(feishu: FeishuStandIn) -> LogTable:
    """Makes the table in a stand-in, running or not."""
    app_token, table_id = feishu.bases.add({field.name: int(field.kind) for field in FIELDS})
    return LogTable(feishu=feishu, app_token=app_token, table_id=table_id)
