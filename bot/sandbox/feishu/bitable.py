"""The Bases (多维表格) of the stand-in: their tables, records and members.

https://open.feishu.cn/document/server-docs/docs/bitable-v1/bitable-overview
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.feishu.gateway import Rejection, fields_of
from bot.sandbox.feishu.state import FeishuState, new_id
from bot.sandbox.http import Request

_MAX_RECORDS = 1000  # how many records one call may add

_WRONG_BODY, _NO_CHOICE = "feishu_1254001", "feishu_1254062"
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_VALUES: Mapping[int, tuple[str, tuple[type, ...]]] = {
    1: ("feishu_1254060", (str,)),
    2: ("feishu_1254061", (int, float)),
    3: (_NO_CHOICE, (str,)),
    5: ("feishu_1254064", (int,)),
    11: ("base_person", (list,)),
}
"""The fault of a wrong value and what a right one is, by the field's type."""

Fields = dict[str, Any]


@dataclass(kw_only=True)
class Table:
    """A table: its fields' types by name, its records, and by their tokens the calls that added them."""

    fields: Mapping[str, int]
    records: list[Fields] = field(default_factory=list)
    seen: dict[str, tuple[bytes, Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(kw_only=True)
class Base:
    tables: dict[str, Table] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)

    def add_table(self, fields: Mapping[str, int]) -> str:
        table_id = new_id("tbl").replace("_", "")
        self.tables[table_id] = Table(fields=fields)
        return table_id


@dataclass(frozen=True, slots=True, kw_only=True)
class BitableApi:
    """All Bases of the app by their tokens.

    It checks tokens, names and types of fields, and users; it has no views, formulas, full tables, or permissions,
    which faults such as ``base_forbidden`` simulate.
    """

    state: FeishuState
    bases: dict[str, Base] = field(default_factory=dict)

    @property
    def records(self) -> list[Fields]:
        """The records of all tables, oldest first in each."""
        with self.state.lock:
            return [one for base in self.bases.values() for table in base.tables.values() for one in table.records]

    def add(self, fields: Mapping[str, int]) -> tuple[str, str]:
        """Adds a Base with one table; returns its token and the table's id."""
        app_token = new_id("bas").replace("_", "")
        base = self.bases[app_token] = Base()
        return app_token, base.add_table(fields)

    def create(self, request: Request) -> Mapping[str, Any]:
        name = fields_of(request).get("name") or "未命名多维表格"
        app_token, table_id = self.add({"文本": 1, "单选": 3, "日期": 5, "附件": 17})
        url = f"https://sandbox.feishu.cn/base/{app_token}"
        app = {"app_token": app_token, "default_table_id": table_id, "folder_token": "", "name": name, "url": url}
        return {"app": app}

    def create_table(self, request: Request) -> Mapping[str, Any]:
        """Adds a table; its first field has to be a text, a number or a time."""
        base = self._base(request)
        match fields_of(request).get("table"):
            case {"name": str(name), "fields": [{"type": 1 | 2 | 5}, *_] as given} if name:
                fields = {str(one.get("field_name")): one.get("type") for one in given}
                if len(fields) == len(given) and all(isinstance(kind, int) for kind in fields.values()):
                    table_id = base.add_table(fields)
                    return {"table_id": table_id, "default_view_id": new_id("vew"), "field_id_list": [*fields]}
        raise Rejection(_WRONG_BODY)

    def delete_table(self, request: Request) -> Mapping[str, Any]:
        self._table(request)
        del self._base(request).tables[request.values["table_id"]]
        return {}

    def list_fields(self, request: Request) -> Mapping[str, Any]:
        """The first page of a table's fields."""
        limit = min(int(request.query.get("page_size", "20")), 100)
        fields = [*self._table(request).fields.items()]
        items = [{"field_id": new_id("fld"), "field_name": name, "type": kind} for name, kind in fields[:limit]]
        return {"has_more": len(fields) > limit, "items": items, "total": len(fields)}

    def share(self, request: Request) -> Mapping[str, Any]:
        base, member = self.bases.get(request.values["app_token"]), fields_of(request)
        match member:
            case {"member_type": "openid", "member_id": str(person), "perm": "view" | "edit" | "full_access" as perm}:
                if base and request.query.get("type") == "bitable" and person in self.state.people:
                    base.members[person] = perm
                    return {"member": {**member, "type": "user"}}
        raise Rejection("feishu_1063001")

    def add_records(self, request: Request) -> Mapping[str, Any]:
        """Adds records, all or none; a call with a known token adds nothing."""
        table = self._table(request)
        token = request.query.get("client_token", "")
        if token and not _UUID4.fullmatch(token):
            raise Rejection("feishu_1254037")
        if token in table.seen:
            body, answer = table.seen[token]
            if body != request.body:
                raise Rejection("feishu_1255006")
            return answer
        match fields_of(request).get("records"):
            case [{"fields": dict()}, *_] as given if all(isinstance(one.get("fields"), dict) for one in given):
                records: list[Fields] = [one["fields"] for one in given]
            case _:
                raise Rejection(_WRONG_BODY)
        if len(records) > _MAX_RECORDS:
            raise Rejection("feishu_1254104")
        for record in records:
            self._check(record, table)
        table.records += records
        answer = {"records": [{"record_id": new_id("rec"), "fields": record} for record in records]}
        if token:
            table.seen[token] = (request.body, answer)
        return answer

    def _check(self, record: Fields, table: Table) -> None:
        for name, value in record.items():
            if name not in table.fields:
                raise Rejection("feishu_1254045")
            fault, types = _VALUES.get(table.fields[name], (_WRONG_BODY, ()))
            users = value if isinstance(value, list) else []
            known = all(isinstance(user, dict) and user.get("id") in self.state.people for user in users)
            if type(value) not in types or not known or (fault == _NO_CHOICE and not value):
                raise Rejection(fault)

    def _base(self, request: Request) -> Base:
        if (base := self.bases.get(request.values["app_token"])) is None:
            raise Rejection("base_gone")
        return base

    def _table(self, request: Request) -> Table:
        if (table := self._base(request).tables.get(request.values["table_id"])) is None:
            raise Rejection("feishu_1254041")
        return table
