"""What each answer of the platform means."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.errors import (
    AuthenticationFailed,
    ContentRejected,
    GlmError,
    InsufficientBalance,
    RequestBlocked,
    RequestRejected,
    ServerFailed,
)
from bot.glm.api import CODES, read_answer
from bot.models import ContentFinding, GeneratedImage


def refused(status: int, body: Any, headers: dict[str, str] | None = None) -> GlmError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(GlmError) as caught:
        read_answer(status, headers=headers or {}, body=content)
    return caught.value


EXPECTED = {
    ("authentication_error", "failure.key_refused"): ("1000", "1001", "1002", "1003", "1004"),
    ("authentication_error", "failure.login"): ("1005",),
    ("authentication_error", "failure.key_type"): ("1315",),
    ("authentication_error", "failure.account"): ("1110", "1111", "1112", "1120", "1121"),
    ("authentication_error", "failure.model"): ("1220",),
    ("insufficient_balance", "failure.balance"): ("1113",),
    ("server_error", "failure.server"): ("500", "1200", "1230", "1234"),
    ("invalid_request", "failure.request"): ("1210", "1212", "1213", "1214", "1215"),
    ("invalid_request", "failure.duplicate"): ("1231",),
    ("invalid_request", "failure.model"): ("1211", "1221", "1222"),
    ("invalid_request", "failure.prompt_too_long"): ("1261",),
    ("content_filter_violation", "failure.content"): ("1300", "1301"),
    ("rate_limit_exceeded", "failure.rate_limit"): ("1302", "1303"),
    ("rate_limit_exceeded", "failure.overloaded"): ("1305", "1312"),
    ("rate_limit_exceeded", "failure.quota"): ("1304", "1308", "1310", "1316", "1317"),
    ("rate_limit_exceeded", "failure.spending"): ("1318", "1319", "1320", "1321"),
    ("rate_limit_exceeded", "failure.plan"): ("1309", "1311", "1314"),
    ("rate_limit_exceeded", "failure.fair_use"): ("1313",),
}


def test_every_code_has_its_error() -> None:
    assert set(CODES) == {code for codes in EXPECTED.values() for code in codes}
    for expected, codes in EXPECTED.items():
        for code, status in itertools.product(codes, (200, 400, 401, 429, 500)):
            error = refused(status, {"error": {"code": code, "message": "说明"}})
            assert (error.code, error.sentence) == expected, code
            assert (error.provider_code, error.status, error.message) == (code, status, "说明")
            assert (error.from_platform, error.waits) == (True, code in ("1302", "1305"))


URL = "https://pictures.example/a.png"


def answered(**body: Any) -> GeneratedImage:
    """What a success with a link and these fields is read as."""
    return read_answer(200, headers={}, body=json.dumps({"data": [{"url": URL}], **body}).encode())


def test_a_good_answer_gives_link_time_and_findings() -> None:
    filters = [{"role": "assistant", "level": 3}, {"level": 2}, {"role": "user"}, "odd"]
    findings = (ContentFinding(role="assistant", level=3), ContentFinding(role="unknown", level=2))
    made = GeneratedImage(url=f"{URL}?Signature=x%3D", created=1795382776, findings=findings)
    assert answered(data=[{"url": made.url}], created=made.created, content_filter=filters) == made
    kept = {0: 0, 2**31 - 1: 2**31 - 1, 2**31: None, 1767225600000: None, -1: None, "1": None}
    assert {created: answered(created=created).created for created in kept} == kept
    assert answered(created=True).created is None


REQUEST_IDS: list[tuple[dict[str, Any], dict[str, str], str | None]] = [
    ({"request_id": "r1", "id": "i1"}, {"x-request-id": "h1"}, "r1"),
    ({"id": "i1"}, {"x-request-id": "h1"}, "i1"),
    ({}, {"x-request-id": "h1"}, "h1"),
    ({"request_id": 20261129}, {}, "20261129"),
    ({"request_id": {"id": "x"}, "id": ["x"]}, {}, None),
    ({}, {}, None),
]


def test_the_request_id_is_kept() -> None:
    error = {"code": "1210", "message": "x"}
    for ids, headers, kept in REQUEST_IDS:
        body = json.dumps({"data": [{"url": URL}], **ids}).encode()
        assert read_answer(200, headers=headers, body=body).request_id == kept
        for content in ({"error": error, **ids}, {"error": {**error, **ids}}):
            assert refused(400, content, headers).request_id == kept
        assert refused(200, {"data": [], **ids}, headers).request_id == kept


def test_of_each_role_the_worst_finding_counts() -> None:
    entries = [{"role": role, "level": level} for role in ("user", "x", "y", "assistant") for level in (3, 2, 3)]
    found = answered(content_filter=entries * 500).findings
    assert [(finding.role, finding.level) for finding in found] == [("user", 2), ("unknown", 2), ("assistant", 2)]


def test_a_finding_of_level_0_or_1_is_a_refusal() -> None:
    for level in (0, 1):
        entries = [{"role": "assistant", "level": level}, {"role": "user", "level": 3}]
        error = refused(200, {"data": [{"url": URL}], "content_filter": entries})
        assert isinstance(error, ContentRejected)
        assert (error.filters, error.from_platform) == ((("assistant", level),), False)


PAGE = "<html><style>p {color: red}</style><title>防火墙</title><body><p>请求已被&nbsp;拦截</p>" + "x" * 500
NOT_JSON = [b"", b"upstream connect error", b"[]", b"null", b"[" * 100_000, PAGE.encode()]
WITHOUT_LINK = [
    *(b"\xff\xfe", b"{}", b'{"data": []}', b'{"data": [{}]}', b'{"data": {"url": "x"}}', b'{"data": [{"url": ""}]}'),
    *(b'{"data": [{"url": 7}]}', b'{"data": [null], "error": null}'),
]
NOT_HTTPS = [
    *("file:///etc/hostname", "http://pictures.example/a.png", "//pictures.example/a.png", "https://"),
    *("https://user:pass@pictures.example/a.png", "https://pictures.example:port/a.png"),
]


def test_200_without_a_link_is_an_error() -> None:
    for body in (*NOT_JSON, *WITHOUT_LINK):
        error = refused(200, body)
        assert (type(error), error.from_platform) == (ServerFailed, False), body
        if body in NOT_JSON:
            assert (error.sentence, error.may_be_billed) == ("failure.broken", True), body
    for url in NOT_HTTPS:
        error = refused(200, {"data": [{"url": url}]})
        assert isinstance(error, ServerFailed)
        assert error.message == "The platform answered with a link that is not an https address"


def test_what_a_firewall_answers_is_not_the_platforms() -> None:
    for status in (302, 400, 401, 403, 404, 405, 407, 413, 434, 451):
        for body in (PAGE.encode(), b"", b"Forbidden", b"[]", b'{"message": "Forbidden"}', b'{"error": "x"}'):
            error = refused(status, body)
            assert (type(error), error.sentence, error.status) == (RequestBlocked, "failure.blocked", status)
            assert error.values["status"] == str(status)
            assert (error.provider_code, error.from_platform, error.waits) == (None, False, False)
            assert not error.may_be_billed


def test_a_gateway_may_have_lost_the_image() -> None:
    for status in (201, 204, 408, 499, 500, 502, 503, 504, 529):
        for body in (PAGE.encode(), b"", b"upstream connect error", b'{"message": "Bad Gateway"}'):
            error = refused(status, body)
            assert (type(error), error.sentence, error.status) == (ServerFailed, "failure.broken", status)
            assert (error.from_platform, error.waits, error.may_be_billed) == (False, False, True)


WORDS: list[tuple[dict[str, str], bytes, str]] = [
    ({}, PAGE.encode(), "防火墙 请求已被 拦截 xxx"),
    ({"content-type": "text/html; charset=gbk"}, PAGE.encode("gbk"), "防火墙 请求已被 拦截 xxx"),
    ({}, PAGE.encode("gb18030"), "防火墙 请求已被 拦截 xxx"),
    ({"content-type": "text/html; charset=nonsense"}, PAGE.encode(), "防火墙 请求已被 拦截 xxx"),
    ({}, b"Access\n\n denied\x00\x07", "Access denied"),
    ({}, b"<script>alert(1)</script><!-- x --><b>Stop", "Stop"),
    ({}, b"", ""),
    ({}, b"your key test-id.half-of-the-secret", "your key ***"),
]


def test_the_first_words_are_kept_for_the_admins() -> None:
    for headers, body, words in WORDS:
        with pytest.raises(GlmError) as caught:
            read_answer(403, headers=headers, body=body, key="test-id.half-of-the-secret-of-the-key")
        found = caught.value.values["words"]
        assert found.startswith(words)
        assert len(found) <= 120
        assert found in caught.value.message


REJECTIONS: list[tuple[int, dict[str, str], str]] = [
    (429, {}, "failure.rate_limit"),
    (503, {"retry-after": "7"}, "failure.overloaded"),
    (503, {"retry-after": "Sun, 29 Nov 2026 00:00:00 GMT"}, "failure.overloaded"),
]


def test_a_rejection_before_any_work_waits() -> None:
    for status, headers, sentence in REJECTIONS:
        for body in (PAGE.encode(), b"", b'{"error": {"message": "slow down"}}', b'{"error": {"code": "429"}}'):
            error = refused(status, body, headers)
            assert (error.waits, error.sentence, error.status) == (True, sentence, status)
            assert not error.may_be_billed
        empty = refused(status, {"error": {"code": "1113", "message": "x"}}, {"retry-after": "7"})
        assert (type(empty), empty.waits) == (InsufficientBalance, False)
    assert not refused(429, {"error": {"code": "1999", "message": "x"}}).waits


BY_STATUS: dict[int, tuple[type[GlmError], str]] = {
    400: (RequestRejected, "failure.request"),
    401: (AuthenticationFailed, "failure.key_refused"),
    403: (AuthenticationFailed, "failure.key_refused"),
    404: (RequestRejected, "failure.request"),
    434: (AuthenticationFailed, "failure.key_refused"),
    500: (ServerFailed, "failure.server"),
    502: (ServerFailed, "failure.server"),
}


def test_without_a_code_the_status_decides() -> None:
    for status, expected in BY_STATUS.items():
        for body in ({"error": {"message": "x"}}, {"code": 7, "msg": "x", "success": False}):
            found = refused(status, body)
            assert (type(found), found.sentence, found.status) == (*expected, status)
            assert (found.message, found.from_platform) == ("x", True)


BALANCE: list[tuple[dict[str, Any], str]] = [
    ({"error": {"code": "1113", "message": "余额不足"}}, "余额不足"),
    ({"error": {"code": 1113, "message": "余额\n不足"}}, "余额 不足"),
    ({"error": {"message": "[1113][余额不足][2026]"}}, "[1113][余额不足][2026]"),
    ({"error": "[1113][余额不足]"}, "[1113][余额不足]"),
    ({"code": 1113, "msg": "余额不足", "success": False}, "余额不足"),
]


def test_the_code_is_found_however_it_is_written() -> None:
    for body, message in BALANCE:
        for status in (429, 200):
            error = refused(status, body)
            assert isinstance(error, InsufficientBalance)
            assert (error.provider_code, error.message, error.from_platform) == ("1113", message, True)


def test_a_quota_tells_until_when() -> None:
    for written in ("2026-11-23 00:00:00", "2026-11-23 00:00", "2026-11-23T00:00:00"):
        error = refused(429, {"error": {"code": "1308", "message": f"您的限额将在 {written} 重置"}})
        assert error.values == {"until": str(int(datetime(2026, 11, 22, 16, tzinfo=UTC).timestamp()))}
        assert written in error.message
    for message in ("已达今日调用次数限额", "您的限额将在 2026-13-23 00:00:00 重置"):
        assert refused(429, {"error": {"code": "1304", "message": message}}).values == {}


def test_what_helps_to_act_is_kept() -> None:
    error = refused(429, {"error": {"code": "1302", "message": "x"}, "request_id": "2026112200"}, {"retry-after": "7"})
    assert (error.retry_after, error.request_id, error.waits) == (7.0, "2026112200", True)
    dated = refused(429, {"error": {"code": "1302"}}, {"retry-after": "Sun, 22 Nov 2026 00:00:00 GMT"})
    assert refused(429, {"error": {"code": "1302"}}, {"retry-after": "9" * 400}).retry_after is None
    assert (dated.retry_after, dated.message) == (None, "The platform answered HTTP 429 without a message")


def test_a_refusal_by_the_filter_tells_where() -> None:
    error = refused(400, {"contentFilter": [{"level": 2, "role": "user"}], "error": {"code": "1301", "message": "x"}})
    assert isinstance(error, ContentRejected)
    assert error.filters == (("user", 2),)


def test_what_no_database_takes_is_left_out() -> None:
    """Half a surrogate pair and NUL, which JSON can hold, reach nobody who stores or shows the answer."""
    error = refused(400, {"error": {"code": "1\x00210", "message": "a\0b\ud800"}, "request_id": "\udfff1"})
    assert (error.provider_code, error.message, error.request_id) == ("1210", "ab\ufffd", "\ufffd1")
    assert answered(data=[{"url": "https://pictures.example/a\0.png?\ud800"}]).url == f"{URL}?\ufffd"


def test_a_long_message_is_cut() -> None:
    assert len(refused(500, {"error": {"code": "500", "message": "x" * 10_000}}).message) == 500
