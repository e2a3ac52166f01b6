"""The Bases (多维表格) of the stand-in: made, shared, their tables and records.

https://open.feishu.cn/document/server-docs/docs/bitable-v1/bitable-overview
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.feishu.codes import NAMES, Refusal
from bot.sandbox.feishu.gateway import Gateway, fields_of
from bot.sandbox.feishu.world import World, new_id
from bot.sandbox.server import Call, LoopbackServer

MOST_RECORDS = 1000
MOST_IN_ALL = 20_000

_INVALID_PARAMETER = 1063001
_WRONG_BODY = 1254001
_BAD_TOKEN = 1254037
_NO_TABLE = 1254041
_NO_FIELD = 1254045
_FULL = 1254103
_TOO_MANY = 1254104
_TOKEN_CONFLICT = 1255006
_UUID_VERSION = 4
_LONGEST_NAME = 255

Fields = dict[str, Any]


@dataclass(kw_only=True)
class Table:
    """A table: its fields by name with their types, its records, and the calls that added them by their tokens."""

    table_id: str
    name: str
    fields: dict[str, int]
    records: list[Fields] = field(default_factory=list)
    seen: dict[str, tuple[bytes, Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(kw_only=True)
class Base:
    """A Base, its tables by their ids, and whom it is shared with."""

    app_token: str
    name: str
    tables: dict[str, Table] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)


class BitableClient:
    """All Bases of the app.

    It checks tokens, the names and types of fields, the person's being there, and the number of records; it does not
    know views, formulas, or the permissions of a Base, of which the faults ``base_forbidden`` and the like tell.
    """

    def __init__(self, *, world: World) -> None:
        self._world = world
        self.bases: dict[str, Base] = {}
        self._checks: Mapping[int, tuple[int, Callable[[Any], bool]]] = {
            1: (1254060, lambda value: isinstance(value, str)),
            2: (1254061, _is_number),
            3: (1254062, lambda value: isinstance(value, str) and bool(value)),
            5: (1254064, lambda value: isinstance(value, int) and not isinstance(value, bool)),
            11: (NAMES["base_person"], self._are_people),
        }

    def serve(self, server: LoopbackServer, gateway: Gateway) -> None:
        """Adds the routes."""
        apps = "/bitable/v1/apps"
        table = f"{apps}/:app_token/tables/:table_id"
        gateway.route(server, "base_create", "POST", apps, self.create)
        gateway.route(server, "base_table", "POST", f"{apps}/:app_token/tables", self.create_table)
        gateway.route(server, "base_delete_table", "DELETE", table, self.delete_table)
        gateway.route(server, "base_fields", "GET", f"{table}/fields", self.list_fields)
        gateway.route(server, "base_records", "POST", f"{table}/records/batch_create", self.add_records)
        gateway.route(server, "base_share", "POST", "/drive/v1/permissions/:app_token/members", self.share)

    @property
    def records(self) -> list[Fields]:
        """The records of all tables, oldest first in each."""
        with self._world.lock:
            tables = [table for base in self.bases.values() for table in base.tables.values()]
            return [record for table in tables for record in table.records]

    def add(self, fields: Mapping[str, int]) -> tuple[str, str]:
        """A Base with one table; gives the token and the table's id."""
        with self._world.lock:
            base = self._add_base("Log")
            return base.app_token, self._add_table(base, "Log", fields).table_id

    def create(self, call: Call) -> Mapping[str, Any]:
        """Makes a Base with a blank table in it."""
        name = fields_of(call).get("name") or "未命名多维表格"
        if not isinstance(name, str) or len(name) > _LONGEST_NAME:
            raise Refusal(_WRONG_BODY)
        base = self._add_base(name)
        blank = self._add_table(base, "数据表", {"文本": 1, "单选": 3, "日期": 5, "附件": 17})
        app = {
            "app_token": base.app_token,
            "default_table_id": blank.table_id,
            "folder_token": "",
            "name": name,
            "url": f"https://sandbox.feishu.cn/base/{base.app_token}",
        }
        return {"code": 0, "data": {"app": app}, "msg": "success"}

    def create_table(self, call: Call) -> Mapping[str, Any]:
        """Adds a table with its fields; the first has to be a text, a number or a time."""
        base = self._base(call)
        match fields_of(call).get("table"):
            case {"name": str(name), "fields": [{"type": 1 | 2 | 5}, *_] as given} if name:
                fields = {str(one.get("field_name")): one.get("type") for one in given}
            case _:
                raise Refusal(_WRONG_BODY)
        if len(fields) != len(given) or not all(isinstance(kind, int) for kind in fields.values()):
            raise Refusal(_WRONG_BODY)
        table = self._add_table(base, name, fields)
        told = {"table_id": table.table_id, "default_view_id": new_id("vew"), "field_id_list": [*fields]}
        return {"code": 0, "data": told, "msg": "success"}

    def delete_table(self, call: Call) -> Mapping[str, Any]:
        """Deletes a table."""
        base, table = self._base(call), self._table(call)
        del base.tables[table.table_id]
        return {"code": 0, "data": {}, "msg": "success"}

    def list_fields(self, call: Call) -> Mapping[str, Any]:
        """Tells the fields of a table, as far as one page goes."""
        most = min(int(call.query.get("page_size", "20")), 100)
        fields = [*self._table(call).fields.items()]
        items = [{"field_id": new_id("fld"), "field_name": name, "type": kind} for name, kind in fields[:most]]
        data = {"has_more": len(fields) > most, "items": items, "total": len(fields)}
        return {"code": 0, "data": data, "msg": "success"}

    def share(self, call: Call) -> Mapping[str, Any]:
        """Adds a person to a Base."""
        base = self.bases.get(call.values["app_token"])
        match fields_of(call):
            case {"member_type": "openid", "member_id": str(person), "perm": "view" | "edit" | "full_access" as perm}:
                known = person in self._world.people
            case _:
                known = False
        if base is None or call.query.get("type") != "bitable" or not known:
            raise Refusal(_INVALID_PARAMETER)
        base.members[person] = perm
        member = {"member_type": "openid", "member_id": person, "perm": perm, "type": "user"}
        return {"code": 0, "data": {"member": member}, "msg": "Success"}

    def add_records(self, call: Call) -> Mapping[str, Any]:
        """Adds records, all or none; a call with a token that was seen adds nothing."""
        table = self._table(call)
        token = call.query.get("client_token")
        if token and not _is_uuid(token):
            raise Refusal(_BAD_TOKEN)
        if token in table.seen:
            body, answer = table.seen[token]
            if body != call.body:
                raise Refusal(_TOKEN_CONFLICT)
            return answer
        records = self._records(fields_of(call), table)
        table.records += records
        told = [{"record_id": new_id("rec"), "fields": record} for record in records]
        answer = {"code": 0, "data": {"records": told}, "msg": "success"}
        if token:
            table.seen[token] = (call.body, answer)
        return answer

    def _records(self, given: Fields, table: Table) -> list[Fields]:
        records = given.get("records")
        if not isinstance(records, list) or not records:
            raise Refusal(_WRONG_BODY)
        if len(records) > MOST_RECORDS:
            raise Refusal(_TOO_MANY)
        if len(table.records) + len(records) > MOST_IN_ALL:
            raise Refusal(_FULL)
        checked = []
        for one in records:
            match one:
                case {"fields": dict(values)}:
                    checked.append(values)
                case _:
                    raise Refusal(_WRONG_BODY)
            for name, value in values.items():
                if name not in table.fields:
                    raise Refusal(_NO_FIELD)
                code, is_good = self._checks.get(table.fields[name], (_WRONG_BODY, lambda _: False))
                if not is_good(value):
                    raise Refusal(code)
        return checked

    def _are_people(self, value: Any) -> bool:
        match value:
            case [{"id": str()}, *_]:
                return all(isinstance(one, dict) and one.get("id") in self._world.people for one in value)
            case _:
                return False

    def _base(self, call: Call) -> Base:
        base = self.bases.get(call.values["app_token"])
        if base is None:
            raise Refusal(NAMES["base_gone"])
        return base

    def _table(self, call: Call) -> Table:
        table = self._base(call).tables.get(call.values["table_id"])
        if table is None:
            raise Refusal(_NO_TABLE)
        return table

    def _add_base(self, name: str) -> Base:
        base = Base(app_token=new_id("bas").replace("_", ""), name=name)
        self.bases[base.app_token] = base
        return base

    def _add_table(self, base: Base, name: str, fields: Mapping[str, int]) -> Table:
        table = Table(table_id=new_id("tbl").replace("_", ""), name=name, fields=dict(fields))
        base.tables[table.table_id] = table
        return table


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_uuid(text: str) -> bool:
    try:
        return uuid.UUID(text).version == _UUID_VERSION
    except ValueError:
        return False
