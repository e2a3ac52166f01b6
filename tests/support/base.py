"""A bot whose Base log is on, and what is then in the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.feishu.bitable import FIELDS, NUMBER
from bot.sandbox.feishu.stand_in import FeishuStandIn


class LogTable:
    """A table with the fields of the log in a stand-in, running or not.

    ``variables`` are the settings of a bot that records there, at once, and ``call`` is the call that adds records, as
    the crash tests name it.
    """

    def __init__(self, feishu: FeishuStandIn) -> None:
        self._feishu = feishu
        app, table = feishu.bases.add({field.name: int(field.kind) for field in FIELDS})
        self.variables = {"BOT_BASE_APP_TOKEN": app, "BOT_BASE_TABLE_ID": table, "BOT_BASE_MINUTES": "0"}
        self.call = f"POST /open-apis/bitable/v1/apps/{app}/tables/{table}/records/batch_create"

    @property
    def records(self) -> list[Mapping[str, Any]]:
        return list(self._feishu.bases.records)

    @property
    def numbers(self) -> list[str]:
        """The ids of the generations that are recorded, with repetitions, sorted."""
        return sorted(record[NUMBER] for record in self.records)
