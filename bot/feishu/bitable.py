"""The calls about a Base (多维表格, bitable in the API): made, shared, looked at, written to.

The pages in brackets are below https://open.feishu.cn/document/server-docs/docs/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from bot.errors import FeishuUnreachable
from bot.feishu.client import require_str

MOST_RECORDS = 500
"""Records of one call; the platform takes 1,000, and a smaller call is less often "not ready"."""

_APPS = "bitable/v1/apps"
_TABLES = _APPS + "/{}/tables"
_TABLE = _TABLES + "/{}"


class FieldType(IntEnum):
    """The kinds of field that are used here."""

    TEXT = 1
    NUMBER = 2
    CHOICE = 3
    TIME = 5
    PERSON = 11


class Field(NamedTuple):
    """A field (column); ``form`` is how a number or a time is shown, in the platform's own notation.

    https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/bitable-v1/app-table-field/guide
    """

    name: str
    kind: FieldType
    form: str | None = None


NUMBER, TIME, PERSON, PROMPT = "编号 ID", "时间 Time", "人员 Person", "提示词 Prompt"

FIELDS = (
    Field(name=NUMBER, kind=FieldType.TEXT),
    Field(name=TIME, kind=FieldType.TIME, form="yyyy/MM/dd HH:mm"),
    Field(name=PERSON, kind=FieldType.PERSON),
    Field(name="会话 Chat", kind=FieldType.TEXT),
    Field(name="模型 Model", kind=FieldType.CHOICE),
    Field(name="尺寸 Size", kind=FieldType.TEXT),
    Field(name="结果 Result", kind=FieldType.CHOICE),
    Field(name="错误 Error", kind=FieldType.TEXT),
    Field(name="费用 Yuan", kind=FieldType.NUMBER, form="0.00"),
    Field(name="耗时（秒） Seconds", kind=FieldType.NUMBER, form="0.0"),
    Field(name=PROMPT, kind=FieldType.TEXT),
)
"""The fields, in both languages because a table has one name for each; a record is found by its id."""


class NewBase(NamedTuple):
    """A Base that was made, and the blank table that the platform puts into it."""

    app_token: str
    url: str
    blank_table: str | None


@dataclass(frozen=True, slots=True)
class BitableClient:
    """The Bases that the app may reach; a token or id is that of a Base's address.

    Every method raises ``FeishuError``, and ``FeishuUnreachable`` if the call may have been applied all the same.
    ``call`` is :meth:`bot.feishu.client.FeishuClient.call`.
    """

    call: Callable[..., Mapping[str, Any]]

    def create(self, name: str, *, zone: str) -> NewBase:
        """Creates a Base of the app's own, which nobody else can open yet (bitable-v1/app/create)."""
        answer = self.call("base_create", "POST", _APPS, body={"name": name, "time_zone": zone})
        token, url = (require_str(answer, "data", "app", name, call="base_create") for name in ("app_token", "url"))
        return NewBase(token, url, answer["data"]["app"].get("default_table_id"))

    def create_table(self, app_token: str, name: str, fields: Sequence[Field]) -> str:
        """Adds a table whose first field, a text, names a record; returns its id (bitable-v1/app-table/create)."""
        headers = []
        for field in fields:
            form = "date_formatter" if field.kind is FieldType.TIME else "formatter"
            formatted = {} if field.form is None else {"property": {form: field.form}}
            headers.append({"field_name": field.name, "type": int(field.kind), **formatted})
        body = {"table": {"name": name, "fields": headers}}
        answer = self.call("base_table", "POST", _TABLES, app_token, body=body)
        return require_str(answer, "data", "table_id", call="base_table")

    def delete_table(self, app_token: str, table_id: str) -> None:
        """Deletes a table, which may not be the last one of its Base (bitable-v1/app-table/delete)."""
        self.call("base_delete_table", "DELETE", _TABLE, app_token, table_id)

    def share(self, app_token: str, open_id: str) -> None:
        """Lets a person see, change and share a Base (permission/permission-member/create)."""
        member = {"member_type": "openid", "member_id": open_id, "perm": "full_access", "type": "user"}
        path, query = "drive/v1/permissions/{}/members", {"type": "bitable"}
        self.call("base_share", "POST", path, app_token, params=query, body=member)

    def fields(self, app_token: str, table_id: str) -> dict[str, int]:
        """The names of a table's fields, and the type of each (bitable-v1/app-table-field/list)."""
        match self.call("base_fields", "GET", f"{_TABLE}/fields", app_token, table_id, params={"page_size": "100"}):
            case {"data": {"items": list(listed)}}:
                return {str(field.get("field_name")): int(field.get("type") or 0) for field in listed}
        raise FeishuUnreachable("the answer has no data.items", call="base_fields")

    def add(self, app_token: str, table_id: str, records: Sequence[Mapping[str, object]], *, client_token: str) -> None:
        """Adds at most :data:`MOST_RECORDS` records, all or none; a table takes one call at a time.

        Each has its values by the names of the fields. With the same ``client_token``, a version 4 UUID, they are
        added once (bitable-v1/app-table-record/batch_create).
        """
        self.call(
            "base_records",
            "POST",
            f"{_TABLE}/records/batch_create",
            app_token,
            table_id,
            params={"user_id_type": "open_id", "client_token": client_token},
            body={"records": [{"fields": record} for record in records]},
        )
