"""The calls about a Base (多维表格, bitable in the API): made, shared, looked at, written to.

https://open.feishu.cn/document/server-docs/docs/bitable-v1/bitable-overview
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bot.errors import FeishuUnreachable
from bot.feishu import sdk
from bot.feishu.responses import text_in

MOST_RECORDS = 500
"""Records of one call; the platform takes 1,000, and a smaller call is less often "not ready"."""

_MOST_FIELDS = 100
_API = "bitable"


class FieldType(IntEnum):
    """The kinds of field that are used here."""

    TEXT = 1
    NUMBER = 2
    CHOICE = 3
    TIME = 5
    PERSON = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBase:
    """A Base that was made, and the blank table that the platform puts into it."""

    app_token: str
    url: str
    blank_table: str | None


class BitableClient:
    """The Bases that the app may reach; a token or id is what stands in a Base's address.

    Every method raises ``FeishuError``, and ``FeishuUnreachable`` where the call may have been applied all the same.

    Args:
        call: makes one call, as :meth:`bot.feishu.client.FeishuClient.call` does.
    """

    def __init__(self, call: Callable[[str, Any], Mapping[str, Any]]) -> None:
        self._call = call

    def create(self, name: str, *, zone: str) -> NewBase:
        """Makes a Base of the app's own, which nobody else can open yet.

        https://open.feishu.cn/document/server-docs/docs/bitable-v1/app/create
        """
        models = sdk.further(_API)
        body = models.ReqApp.builder().name(name).time_zone(zone).build()
        answer = self._call("base_create", models.CreateAppRequest.builder().request_body(body).build())
        return NewBase(
            app_token=text_in(answer, "data", "app", "app_token", call="base_create"),
            url=text_in(answer, "data", "app", "url", call="base_create"),
            blank_table=answer["data"]["app"].get("default_table_id"),
        )

    def create_table(self, app_token: str, name: str, fields: Sequence[Field]) -> str:
        """Adds a table; gives its id.

        https://open.feishu.cn/document/server-docs/docs/bitable-v1/app-table/create

        Args:
            app_token: the Base.
            name: the table's name.
            fields: its fields; the first is what a record is called by, and a text.
        """
        models = sdk.further(_API)
        table = models.ReqTable.builder().name(name).fields([_header(models, field) for field in fields]).build()
        body = models.CreateAppTableRequestBody.builder().table(table).build()
        request = models.CreateAppTableRequest.builder().app_token(app_token).request_body(body).build()
        return text_in(self._call("base_table", request), "data", "table_id", call="base_table")

    def delete_table(self, app_token: str, table_id: str) -> None:
        """Deletes a table, which may not be the last one of its Base.

        https://open.feishu.cn/document/server-docs/docs/bitable-v1/app-table/delete
        """
        models = sdk.further(_API)
        request = models.DeleteAppTableRequest.builder().app_token(app_token).table_id(table_id).build()
        self._call("base_delete_table", request)

    def share(self, app_token: str, open_id: str) -> None:
        """Lets a person see, change and share a Base.

        https://open.feishu.cn/document/server-docs/docs/permission/permission-member/create
        """
        models = sdk.further("drive")
        member = models.BaseMember.builder().member_type("openid").member_id(open_id).perm("full_access")
        request = models.CreatePermissionMemberRequest.builder().token(app_token).type(_API)
        self._call("base_share", request.request_body(member.type("user").build()).build())

    def fields(self, app_token: str, table_id: str) -> dict[str, int]:
        """The names of a table's fields, and the kind of each.

        https://open.feishu.cn/document/server-docs/docs/bitable-v1/app-table-field/list
        """
        models = sdk.further(_API)
        request = models.ListAppTableFieldRequest.builder().app_token(app_token).table_id(table_id)
        answer = self._call("base_fields", request.page_size(_MOST_FIELDS).build())
        given = answer.get("data")
        listed = given.get("items") if isinstance(given, Mapping) else None
        if not isinstance(listed, list):
            raise FeishuUnreachable("the answer has no data.items", call="base_fields")
        return {str(field.get("field_name")): int(field.get("type") or 0) for field in listed}

    def add(self, app_token: str, table_id: str, records: Sequence[Mapping[str, object]], *, client_token: str) -> None:
        """Adds records: all of them or none.

        https://open.feishu.cn/document/server-docs/docs/bitable-v1/app-table-record/batch_create

        Args:
            app_token: the Base.
            table_id: the table; it takes one call at a time.
            records: at most :data:`MOST_RECORDS`, each with its values by the names of the fields.
            client_token: a version 4 UUID; the same records with the same one are added once.
        """
        models = sdk.further(_API)
        body = models.BatchCreateAppTableRecordRequestBody.builder()
        body = body.records([models.AppTableRecord.builder().fields(record).build() for record in records])
        request = models.BatchCreateAppTableRecordRequest.builder().app_token(app_token).table_id(table_id)
        request = request.user_id_type("open_id").client_token(client_token)
        self._call("base_records", request.request_body(body.build()).build())


@dataclass(frozen=True, slots=True, kw_only=True)
class BitableTable:
    """One table, for who only writes to it."""

    bases: BitableClient
    app_token: str
    table_id: str

    def add(self, records: Sequence[Mapping[str, object]], *, client_token: str) -> None:
        """Adds records; see :meth:`BitableClient.add`."""
        self.bases.add(self.app_token, self.table_id, records, client_token=client_token)


def _header(models: Any, field: Field) -> Any:
    header = models.AppTableCreateHeader.builder().field_name(field.name).type(int(field.kind))
    if field.form is not None:
        shown = models.AppTableFieldProperty.builder()
        shown = shown.date_formatter(field.form) if field.kind is FieldType.TIME else shown.formatter(field.form)
        header = header.property(shown.build())
    return header.build()
