"""What a call to the images API may hold, what each answer means, and which addresses an image may come from."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from bot.errors import ErrorKind, GlmError
from bot.glm.api import CODES, mask_key, read_answer, validate_key, validate_user_id
from bot.glm.transport import is_public
from bot.models import ContentFinding, GeneratedImage


def refused(status: int, body: Any, headers: dict[str, str] | None = None, *, key: str = "") -> GlmError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(GlmError) as caught:
        read_answer(status, headers=headers or {}, body=content, key=key)
    return caught.value


LINK = "https://pictures.example/a.png"
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
            assert (error.kind.code, error.sentence) == expected, code
            assert (error.provider_code, error.status, error.message) == (code, status, "说明")
            assert (error.from_platform, error.waits) == (True, code in ("1302", "1305"))


def answered(**body: Any) -> GeneratedImage:
    """What a success with a link and these fields is read as."""
    return read_answer(200, headers={}, body=json.dumps({"data": [{"url": LINK}], **body}).encode())


def test_a_good_answer_gives_link_time_and_findings() -> None:
    """Findings of level 2 and 3 are warnings, one for each role; a time is what a database can hold of seconds."""
    filters = [{"role": "assistant", "level": 3}, {"level": 2}, {"role": "user"}, "odd"]
    findings = (ContentFinding(role="assistant", level=3), ContentFinding(role="unknown", level=2))
    made = GeneratedImage(url=f"{LINK}?Signature=x%3D", created=1795382776, findings=findings)
    assert answered(data=[{"url": made.url}], created=made.created, content_filter=filters) == made
    kept = {0: 0, 2**31 - 1: 2**31 - 1, 2**31: None, 1767225600000: None, -1: None, "1": None}
    assert {created: answered(created=created).created for created in kept} == kept
    assert answered(data=[{"url": "https://pictures.example/a\0.png?\ud800"}]).url == f"{LINK}?\ufffd"
    many = [{"role": role, "level": level} for role in ("user", "x", "y", "assistant") for level in (3, 2, 3)] * 500
    worst = [(finding.role, finding.level) for finding in answered(content_filter=many).findings]
    assert worst == [("user", 2), ("unknown", 2), ("assistant", 2)]


def test_the_content_filter_refuses_at_level_0_and_1_and_with_its_code() -> None:
    """Link or no link; a refusal writes ``contentFilter`` where a success writes ``content_filter``."""
    for level in (0, 1):
        entries = [{"role": "assistant", "level": level}, {"role": "user", "level": 3}]
        error = refused(200, {"data": [{"url": LINK}], "content_filter": entries})
        assert error.kind is ErrorKind.CONTENT_REJECTED
        assert (error.filters, error.from_platform) == ((("assistant", level),), False)
    error = refused(400, {"contentFilter": [{"level": 2, "role": "user"}], "error": {"code": "1301", "message": "x"}})
    assert (error.kind, error.filters) == (ErrorKind.CONTENT_REJECTED, (("user", 2),))


REQUEST_IDS: list[tuple[dict[str, Any], dict[str, str], str | None]] = [
    ({"request_id": "r1", "id": "i1"}, {"x-request-id": "h1"}, "r1"),
    ({"id": "i1"}, {"x-request-id": "h1"}, "i1"),
    ({}, {"x-request-id": "h1"}, "h1"),
    ({"request_id": 20261129}, {}, "20261129"),
    ({"request_id": {"id": "x"}, "id": ["x"]}, {}, None),
    # Half a surrogate pair, which JSON can hold, reaches nobody who stores or shows it.
    ({"request_id": "\udfff1"}, {}, "\ufffd1"),
]


def test_the_request_id_is_kept() -> None:
    error = {"code": "1210", "message": "x"}
    for ids, headers, kept in REQUEST_IDS:
        body = json.dumps({"data": [{"url": LINK}], **ids}).encode()
        assert read_answer(200, headers=headers, body=body).request_id == kept
        for content in ({"error": error, **ids}, {"error": {**error, **ids}}):
            assert refused(400, content, headers).request_id == kept
        assert refused(200, {"data": [], **ids}, headers).request_id == kept


PAGE = "<html><style>p {color: red}</style><title>防火墙</title><body><p>请求已被&nbsp;拦截</p>" + "x" * 500
PAGES = [PAGE.encode(), b"", b"[]", b"upstream connect error"]
OTHER_JSON = [b'{"message": "Forbidden"}', b'{"error": "x"}']
WITHOUT_CODE = [{"error": {"message": "x"}}, {"code": 7, "msg": "x", "success": False}]
BROKEN, BLOCKED = (ErrorKind.SERVER_FAILED, "failure.broken"), (ErrorKind.REQUEST_BLOCKED, "failure.blocked")
SERVER, REQUEST = (ErrorKind.SERVER_FAILED, "failure.server"), (ErrorKind.REQUEST_REJECTED, "failure.request")
KEY_REFUSED = (ErrorKind.AUTHENTICATION_FAILED, "failure.key_refused")
Outcome = tuple[tuple[int, ...], list[Any], tuple[ErrorKind, str], set[str]]
WITHOUT_LINK = [
    *(b"{}", b'{"data": []}', b'{"data": [{}]}', b'{"data": {"url": "x"}}', b'{"data": [{"url": ""}]}'),
    *(b'{"data": [{"url": 7}]}', b'{"data": [null], "error": null}'),
]
OUTCOMES: list[Outcome] = [
    # A success without an image broke on the way if it is no JSON: the image may have been made.
    ((200,), [*PAGES, b"null", b"[" * 100_000, b"\xff\xfe"], BROKEN, {"may_be_billed"}),
    ((200,), WITHOUT_LINK, SERVER, {"may_be_billed"}),
    ((201, 204, 408, 499, 500, 502, 503, 504, 529), [*PAGES, *OTHER_JSON], BROKEN, {"may_be_billed"}),
    # A firewall blocked the request: neither the key nor the parameters are to blame.
    ((302, 400, 401, 403, 404, 405, 407, 413, 434, 451), [*PAGES, *OTHER_JSON], BLOCKED, set()),
    ((429,), PAGES, (ErrorKind.RATE_LIMITED, "failure.rate_limit"), {"waits"}),
    # The platform's own JSON may lack a code.
    ((400, 404), WITHOUT_CODE, REQUEST, {"from_platform"}),
    ((401, 403, 434), WITHOUT_CODE, KEY_REFUSED, {"from_platform"}),
    ((500, 502), WITHOUT_CODE, SERVER, {"from_platform", "may_be_billed"}),
    ((429,), WITHOUT_CODE, (ErrorKind.RATE_LIMITED, "failure.rate_limit"), {"from_platform", "waits"}),
    ((429,), [{"error": {"code": "1999", "message": "x"}}], REQUEST, {"from_platform"}),
]


def test_without_a_known_code_the_status_decides() -> None:
    """Who answered, whether waiting helps, and whether the call may be billed."""
    for statuses, bodies, (kind, sentence), flags in OUTCOMES:
        for status, body in itertools.product(statuses, bodies):
            error = refused(status, body)
            assert (error.kind, error.sentence, error.status) == (kind, sentence, status), body
            found = {name: getattr(error, name) for name in ("from_platform", "waits", "may_be_billed")}
            assert {name for name, value in found.items() if value} == flags, (status, body)
            if kind is ErrorKind.REQUEST_BLOCKED:
                assert (error.values["status"], error.provider_code) == (str(status), None)


def test_a_503_that_says_when_to_come_again_was_rejected_before_any_work() -> None:
    for after, seconds in {"7": 7.0, "Sun, 29 Nov 2026 00:00:00 GMT": None, "9" * 400: None}.items():
        for body in (*PAGES, b'{"error": {"message": "slow down"}}', b'{"error": {"code": "429"}}'):
            error = refused(503, body, {"retry-after": after})
            assert (error.waits, error.sentence, error.may_be_billed) == (True, "failure.overloaded", False)
        assert not refused(503, {"error": {"code": "1113", "message": "x"}}, {"retry-after": after}).waits
        busy = refused(429, {"error": {"code": "1302"}}, {"retry-after": after})
        assert (busy.waits, busy.retry_after) == (True, seconds)


def test_a_link_that_is_not_https_is_an_error() -> None:
    for url in ("file:///etc/hostname", "http://pictures.example/a.png", "https://user:pass@pictures.example/a.png"):
        error = refused(200, {"data": [{"url": url}]})
        assert error.kind is ErrorKind.SERVER_FAILED
        assert error.message == "The platform answered with a link that is not an https address"


WORDS = {
    PAGE.encode(): "防火墙 请求已被 拦截 xxx",
    PAGE.encode("gbk"): "防火墙 请求已被 拦截 xxx",
    b"<script>alert(1)</script><!-- x --><b>Access\n\n denied\x00\x07": "Access denied",
    b"your key test-id.half-of-the-secret": "your key ***",
}


def test_the_first_words_of_a_page_are_kept_for_the_admins() -> None:
    for body, words in WORDS.items():
        error = refused(403, body, key="test-id.half-of-the-secret-of-the-key")
        assert error.values["words"].startswith(words)
        assert len(error.values["words"]) <= 120
        assert error.values["words"] in error.message


WRITTEN: list[tuple[Any, tuple[str, str]]] = [
    ({"error": {"code": "1113", "message": "余额不足"}}, ("1113", "余额不足")),
    ({"error": {"code": 1113, "message": "余额\n不足"}}, ("1113", "余额 不足")),
    ({"error": {"message": "[1113][余额不足][2026]"}}, ("1113", "[1113][余额不足][2026]")),
    ({"code": 1113, "msg": "余额不足", "success": False}, ("1113", "余额不足")),
    ({"error": {"code": "500", "message": "x" * 10_000}}, ("500", "x" * 500)),
    ({"error": {"code": "1\x00210", "message": "a\0b\ud800"}, "request_id": "\udfff1"}, ("1210", "ab\ufffd")),
]


def test_the_code_is_found_however_it_is_written() -> None:
    for body, expected in WRITTEN:
        for status in (429, 200):
            error = refused(status, body)
            assert (error.provider_code, error.message, error.from_platform) == (*expected, True)


def test_a_quota_tells_until_when() -> None:
    """In the time of Beijing; a message may have no time, or one that is none."""
    until = str(int(datetime(2026, 11, 22, 16, tzinfo=UTC).timestamp()))
    for written in ("2026-11-23 00:00:00", "2026-11-23 00:00", "2026-11-23T00:00:00", "2026-13-23 00:00:00", "明天"):
        error = refused(429, {"error": {"code": "1308", "message": f"您的限额将在 {written} 重置"}})
        assert error.values == ({"until": until} if "2026-11" in written else {})


def test_a_key_and_a_user_id_can_be_sent() -> None:
    """A key that cannot be one is refused without being shown; further refusals are in clients/test_generate.py."""
    for key in ("fake\nkey", "fake key", "假密钥", "fake\x00key", "“fake-key”"):
        with pytest.raises(GlmError, match="ZHIPU_API_KEY") as caught:
            validate_key(key)
        assert key not in str(caught.value)
    # A key is often pasted with a line break at its end.
    assert validate_key(" fake-key.fake \n") == "fake-key.fake"
    for user_id in ("u" * 6, "u" * 128):
        assert validate_user_id(user_id) == user_id
    for user_id in ("u" * 5, "u" * 129, "      ", "　" * 6):
        with pytest.raises(GlmError, match="Invalid user_id"):
            validate_user_id(user_id)


ID, SECRET = "a1b2c3d4e5f60718293a4b5c6d7e8f90", "Zx9Qw8Er7Ty6Ui5O"
KEY = f"{ID}.{SECRET}"
SHORTENED = [f"{ID[:4]}****{SECRET[-4:]}", f"••••{SECRET[-4:]}", f"{ID[:6]}...{SECRET[-4:]}", f"{ID[:6]}…{SECRET[-4:]}"]
OTHERS = [
    "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入……",
    "网络错误，错误id：20261122000000aa1b5b3fbb4342d0，请联系客服",
    *("wait... and try again", f"{ID[:7]} {SECRET[:7]}", ""),
]


def test_any_part_of_the_key_is_masked_and_other_text_stays() -> None:
    """Eight characters in a row are enough, and the ends that the platform leaves visible go as well."""
    parts = [KEY, ID, SECRET, ID[:8], ID[-12:], SECRET[4:12], f"{ID[-4:]}.{SECRET[:4]}", ID.upper()]
    for part, text in itertools.product(parts, ["无效的 API Key：{}，请检查", "{}", 'x={};{{"key":"{}"}}']):
        assert mask_key(text.format(part, part), KEY) == text.format("***", "***")
    for shown in SHORTENED:
        assert mask_key(f"密钥 {shown} 已过期", KEY) == "密钥 *** 已过期"
    assert [mask_key(text, KEY) for text in OTHERS] == OTHERS
    assert mask_key("the key abc is wrong", "abc") == "the key *** is wrong"
    assert mask_key("the key abc is wrong", "") == "the key abc is wrong"


PUBLIC = "8.8.8.8 106.75.0.1 168.63.129.17 2400:3200::1 64:ff9b::808:808 2002:808:808::1"
# Loopback, private, link-local, shared, multicast, reserved, documentation and metadata addresses, wrapped ones too.
NOT_PUBLIC = """
127.0.0.1 127.8.8.8 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 169.254.170.2 100.64.0.1 100.100.100.200
192.0.0.1 192.0.0.9 192.0.0.192 192.88.99.1 198.18.0.1 203.0.113.5 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
168.63.129.16 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:168.63.129.16
::ffff:0:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a83f:8110 64:ff9b:1::a00:1 2002:7f00:1:: 2002:a00:1:: 2002:a83f:8110::1
2001:0:808:808::1 2001:0:a83f:8110::f7f7:f7f7 2001:db8::1 2400:3200::5efe:10.0.0.1 2400:3200::200:5efe:a00:1 3fff::1
5f00::1 fc00::1 fd00:ec2::254 fd12:3456::1 fd20:ce::254 fe80::1 fe80::1%1 fec0::1 ff02::1
"""


def test_only_public_addresses_are_allowed() -> None:
    assert [address for address in PUBLIC.split() if not is_public(ip_address(address))] == []
    assert [address for address in NOT_PUBLIC.split() if is_public(ip_address(address))] == []
