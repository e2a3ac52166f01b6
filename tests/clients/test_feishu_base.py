"""The calls about a Base: the exact request of each, and what the stand-in of the platform makes of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.bitable import FIELDS, BitableClient, Field, FieldType
from bot.feishu.client import FeishuClient
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import Response
from tests.clients.feishu_platform import Platform, platform

TOKEN = "fe599b60-450f-46ff-b2ef-9f6675625b97"
TABLE = "/open-apis/bitable/v1/apps/bas1/tables"
TEXT = Field(name="编号", kind=FieldType.TEXT)
TIME = Field(name="时间", kind=FieldType.TIME, form="yyyy/MM/dd HH:mm")
MONEY = Field(name="费用", kind=FieldType.NUMBER, form="0.00")


@pytest.fixture(name="served")
def served_() -> Iterator[Platform]:
    """A platform that agrees to everything."""
    with platform() as served:
        yield served


@pytest.fixture(name="feishu")
def feishu_() -> Iterator[FeishuStandIn]:
    """The stand-in."""
    with FeishuStandIn() as feishu:
        yield feishu


@pytest.fixture(name="bases")
def bases_(feishu: FeishuStandIn) -> Iterator[BitableClient]:
    """The Bases of the stand-in's app."""
    client = FeishuClient(domain=feishu.origin, app_id=feishu.app_id, app_secret=feishu.app_secret)
    yield BitableClient(client.call)
    client.close()


def good(data: object) -> Response:
    """A good answer."""
    return Response.of_json({"code": 0, "msg": "success", "data": data})


def test_a_table_is_made_with_its_fields(served: Platform) -> None:
    """The fields carry their types, and the forms of numbers and times."""
    served.answers.append(good({"table_id": "tbl1"}))
    client = served.client()
    assert BitableClient(client.call).create_table("bas1", "Log", [TEXT, TIME, MONEY]) == "tbl1"
    client.close()
    (call,) = served.calls
    assert (call.method, call.path) == ("POST", TABLE)
    assert call.json() == {
        "table": {
            "name": "Log",
            "fields": [
                {"field_name": "编号", "type": 1},
                {"field_name": "时间", "type": 5, "property": {"date_formatter": "yyyy/MM/dd HH:mm"}},
                {"field_name": "费用", "type": 2, "property": {"formatter": "0.00"}},
            ],
        }
    }


def test_records_are_added_under_their_token(served: Platform) -> None:
    """The token stands in the query, and people are named by their open_id."""
    client = served.client()
    BitableClient(client.call).add(
        "bas1", "tbl1", [{"编号": "g1", "人员": [{"id": "ou_1"}]}, {"费用": 0.1}], client_token=TOKEN
    )
    client.close()
    (call,) = served.calls
    assert (call.method, call.path) == ("POST", f"{TABLE}/tbl1/records/batch_create")
    assert call.query == {"user_id_type": "open_id", "client_token": TOKEN}
    assert call.json() == {"records": [{"fields": {"编号": "g1", "人员": [{"id": "ou_1"}]}}, {"fields": {"费用": 0.1}}]}


def test_a_base_is_shared_with_a_person(served: Platform) -> None:
    """The call is that of any document, of the kind of a Base."""
    client = served.client()
    BitableClient(client.call).share("bas1", "ou_1")
    client.close()
    (call,) = served.calls
    assert (call.method, call.path) == ("POST", "/open-apis/drive/v1/permissions/bas1/members")
    assert call.query == {"type": "bitable"}
    assert call.json() == {"member_type": "openid", "member_id": "ou_1", "perm": "full_access", "type": "user"}


@pytest.mark.parametrize("data", [{}, {"items": None}, []])
def test_fields_that_are_not_told_are_no_fields(served: Platform, data: object) -> None:
    """An answer of another shape is not the platform's."""
    served.answers.append(good(data))
    client = served.client()
    with pytest.raises(FeishuUnreachable):
        BitableClient(client.call).fields("bas1", "tbl1")
    client.close()


def test_a_base_from_its_making_to_its_records(bases: BitableClient, feishu: FeishuStandIn) -> None:
    """Made, given the log's table, cleared of the blank one, shared, and written to once however often it is asked."""
    base = bases.create("记录", zone="Asia/Shanghai")
    table = bases.create_table(base.app_token, "Log", FIELDS)
    assert base.blank_table is not None
    bases.delete_table(base.app_token, base.blank_table)
    bases.share(base.app_token, "ou_lin")
    assert bases.fields(base.app_token, table) == {field.name: int(field.kind) for field in FIELDS}
    for _ in range(2):
        bases.add(base.app_token, table, [{FIELDS[0].name: "g1"}], client_token=TOKEN)
    assert feishu.bases.records == [{FIELDS[0].name: "g1"}]
    assert feishu.bases.bases[base.app_token].members == {"ou_lin": "full_access"}


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"没有": "x"}, 1254045),
        ({"编号 ID": 1}, 1254060),
        ({"费用 Yuan": "0.1"}, 1254061),
        ({"结果 Result": ""}, 1254062),
        ({"时间 Time": "2026-11-01"}, 1254064),
        ({"人员 Person": [{"id": "ou_of_nobody"}]}, 1254066),
        ({"人员 Person": "ou_lin"}, 1254066),
    ],
)
def test_the_stand_in_refuses_what_the_platform_refuses(
    bases: BitableClient, feishu: FeishuStandIn, record: dict[str, object], code: int
) -> None:
    """A value that does not fit its field, or a field that is not there, and nothing of the call is added."""
    app_token, table_id = feishu.bases.add({field.name: int(field.kind) for field in FIELDS})
    with pytest.raises(FeishuError) as refused:
        bases.add(app_token, table_id, [{"编号 ID": "g1"}, record], client_token=str(uuid.uuid4()))
    assert (refused.value.code, feishu.bases.records) == (code, [])


def test_what_is_not_there_and_wrong_tokens_are_refused(bases: BitableClient, feishu: FeishuStandIn) -> None:
    """Another Base, another table, a token that is no UUID, and one that stood for something else."""
    app_token, table_id = feishu.bases.add({"编号 ID": 1})
    bases.add(app_token, table_id, [{"编号 ID": "g1"}], client_token=TOKEN)
    codes = []
    for base, table, token in [
        ("bas0", table_id, TOKEN),
        (app_token, "tbl0", TOKEN),
        (app_token, table_id, "x"),
        (app_token, table_id, TOKEN),
    ]:
        with pytest.raises(FeishuError) as refused:
            bases.add(base, table, [{"编号 ID": "g2"}], client_token=token)
        codes.append(refused.value.code)
    assert codes == [91402, 1254041, 1254037, 1255006]
    assert refused.value.action is FeishuAction.REPORT
