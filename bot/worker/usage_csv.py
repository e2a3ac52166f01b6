"""The generations of a month as a CSV file for the admins."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime

from bot.db.database import Database
from bot.db.export import ExportFilter, export_rows
from bot.feishu.bitable import PERSON, TIME
from bot.timings import BillingPeriods
from bot.worker.bitable_export import record


def month_csv(database: Database, month: str, *, prices: Mapping[str, float], periods: BillingPeriods) -> bytes:
    """The records that the Base log has of a month, without prompts, one per line; with a BOM, which Excel needs."""
    since, until = periods.bounds(month)
    records = []
    for row in export_rows(database, ExportFilter(since=since, until=until)):
        at = f"{datetime.fromtimestamp(row['accepted_at'], periods.zone):%Y-%m-%d %H:%M:%S}"
        known = record(row, prices=prices, people=True, prompts=False)
        records.append({**known, TIME: at, PERSON: row["sender"]})
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for one in records for name in one))
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode("utf-8-sig")
