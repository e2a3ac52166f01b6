"""The calls about a Base against the stand-in of the platform, which refuses what the platform refuses."""

from __future__ import annotations

import uuid

import pytest

from bot.errors import FeishuAction, FeishuError, FeishuUnreachable
from bot.feishu.bitable import FIELDS, BitableClient
from bot.feishu.client import FeishuClient
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.http import Response
from tests.clients.feishu_platform import Platform

TOKEN = "fe599b60-450f-46ff-b2ef-9f6675625b97"


@pytest.fixture
def bases(feishu_client: FeishuClient) -> BitableClient:
    return BitableClient(feishu_client.call)


@pytest.mark.parametrize("data", [{}, {"items": None}])
def test_fields_that_are_not_told_are_no_fields(served: Platform, client: FeishuClient, data: object) -> None:
    served.answers.append(Response.of_json({"code": 0, "data": data}))
    with pytest.raises(FeishuUnreachable):
        BitableClient(client.call).fields("bas1", "tbl1")


def test_a_base_from_its_making_to_its_records(bases: BitableClient, feishu: FeishuStandIn) -> None:
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
    app_token, table_id = feishu.bases.add({field.name: int(field.kind) for field in FIELDS})
    with pytest.raises(FeishuError) as refused:
        bases.add(app_token, table_id, [{"编号 ID": "g1"}, record], client_token=str(uuid.uuid4()))
    assert (refused.value.code, feishu.bases.records) == (code, [])


def test_what_is_not_there_and_wrong_tokens_are_refused(bases: BitableClient, feishu: FeishuStandIn) -> None:
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
