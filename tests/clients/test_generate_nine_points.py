"""The nine things that the older script of this skill gets wrong, each done right here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import LoopbackServer, Response
from tests.clients.generate_process import ran


@pytest.fixture
def stand_in() -> Iterator[GlmStandIn]:
    """A stand-in that answers at once."""
    with GlmStandIn() as stand_in:
        yield stand_in


@pytest.mark.parametrize(
    ("typed", "sent"), [("1728x960", "1728x960"), ("960×1728", "960x1728"), (" 1568X1056 ", "1568x1056")]
)
def test_1_recommended_sizes_are_valid_and_sent_in_ascii(stand_in: GlmStandIn, typed: str, sent: str) -> None:
    """The old script refuses two recommended sizes and every other sign for "x", and sends blanks as they are."""
    result = ran("-p", "猫", "-s", typed, origin=stand_in.origin)
    assert result.answer["size"] == stand_in.calls[0].body["size"] == sent


def test_1_what_only_python_reads_as_a_number_is_no_size() -> None:
    """The old script takes ``1_280x1280`` for a size."""
    result = ran("-p", "猫", "-s", "1_280x1280", origin="http://127.0.0.1:9")
    assert result.answer["error"]["code"] == "INVALID_SIZE"


def test_2_a_redirect_is_refused_and_gets_no_key(stand_in: GlmStandIn) -> None:
    """The old script follows it and sends the key along."""
    stand_in.arm("redirect")
    result = ran("-p", "猫", origin=stand_in.origin)
    assert result.answer["error"]["code"] == "server_error"
    assert result.answer["error"]["status"] == 302
    assert stand_in.strays == []


@pytest.mark.parametrize("saving", [False, True])
@pytest.mark.parametrize("fault", ["file_url", "http_url"])
def test_3_a_link_that_is_not_https_is_refused(
    *, stand_in: GlmStandIn, tmp_path: Path, fault: str, saving: bool
) -> None:
    """The old script opens ``file:///etc/hostname``, saves it and calls it a success."""
    stand_in.arm(fault)
    save = ("--save", str(tmp_path / "image.png")) if saving else ()
    result = ran("-p", "猫", *save, origin=stand_in.origin)
    assert (result.code, result.answer["ok"], result.answer["image_url"]) == (1, False, None)
    message = "The platform answered with a link that is not an https address"
    assert result.answer["error"] == {"code": "server_error", "message": message, "status": 200}
    assert list(tmp_path.iterdir()) == []
    assert stand_in.strays == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("no_url", "server_error"),
        ("ok_with_error", "server_error"),
        ("not_json", "server_error"),
        ("empty_body", "server_error"),
        ("level_0", "content_filter_violation"),
        ("level_1", "content_filter_violation"),
    ],
)
def test_4_200_without_a_picture_to_show_is_a_failure(stand_in: GlmStandIn, fault: str, code: str) -> None:
    """The old script answers ``ok: true`` and exits with 0."""
    stand_in.arm(fault)
    result = ran("-p", "猫", origin=stand_in.origin)
    assert (result.code, result.answer["ok"], result.answer["image_url"]) == (1, False, None)
    assert result.answer["error"]["code"] == code
    assert result.answer["content_filter"] == (
        [{"role": "assistant", "level": int(fault[-1])}] if fault.startswith("level") else []
    )


@pytest.mark.parametrize(
    ("fault", "code"), [("hang", "TIMEOUT"), ("reset_after", "NETWORK_ERROR"), ("reset_before", "NETWORK_ERROR")]
)
def test_5_timeouts_and_resets_have_their_own_codes(stand_in: GlmStandIn, fault: str, code: str) -> None:
    """The old script calls both ``UNKNOWN_ERROR``; here neither leads to a second paid call."""
    stand_in.arm(fault)
    result = ran("-p", "猫", origin=stand_in.origin, env={"TEST_HASTY": "1"})
    assert result.answer["error"]["code"] == code
    assert len(stand_in.calls) == 1


def test_6_a_path_is_checked_before_anything_is_paid(stand_in: GlmStandIn, tmp_path: Path) -> None:
    """The old script pays first and fails then."""
    (tmp_path / "file").write_text("in the way")
    for path in (f"{tmp_path}/file/image.png", str(tmp_path), f"{tmp_path}/new/", "/dev/null"):
        result = ran("-p", "猫", "--save", path, origin=stand_in.origin)
        assert result.answer["error"]["code"] == "DOWNLOAD_FAILED"
        assert result.answer["error"]["message"].startswith(f"Failed to download image to {path}: ")
    assert stand_in.calls == []


BROKEN = ("image_truncated", "image_html", "image_403", "image_404", "image_empty", "image_reset", "image_half")


@pytest.mark.parametrize("fault", [*BROKEN, "image_206", "image_json", "image_530", "image_without_end"])
def test_6_a_download_is_retried(stand_in: GlmStandIn, tmp_path: Path, fault: str) -> None:
    """The old script gives up after one answer, though a link may be seconds older than its image."""
    stand_in.arm(fault, times=3)
    target = tmp_path / "image.jpg"
    before = len(stand_in.downloads)
    result = ran("-p", "猫", "--save", str(target), origin=stand_in.origin)
    assert (result.code, result.answer["saved_file"]) == (0, str(target))
    assert len(stand_in.downloads) - before == 4
    Image.open(target).load()


@pytest.mark.parametrize("fault", BROKEN)
def test_6_a_broken_download_leaves_the_old_file_and_tells_the_link(
    stand_in: GlmStandIn, tmp_path: Path, fault: str
) -> None:
    """The old script empties the file first, keeps half a picture, and saves a web page as an image."""
    target = tmp_path / "image.png"
    target.write_bytes(b"the old picture")
    stand_in.arm(fault, times=1000)
    result = ran("-p", "猫", "--save", str(target), origin=stand_in.origin, env={"TEST_RETRY_SECONDS": "0.2"})
    stand_in.disarm()
    assert result.code == 1
    assert result.answer["error"]["code"] == "DOWNLOAD_FAILED"
    assert result.answer["image_url"].startswith("https://")
    assert result.answer["saved_file"] is None
    assert target.read_bytes() == b"the old picture"
    assert list(tmp_path.iterdir()) == [target]


def test_6_the_home_folder_expands_and_folders_are_made(stand_in: GlmStandIn, tmp_path: Path) -> None:
    """The old script makes a folder named ``~``, or fails for want of one; the bytes are named for what they are."""
    result = ran("-p", "猫", "--save", "~/a/b/图.png", origin=stand_in.origin, env={"HOME": str(tmp_path)})
    saved = tmp_path / "a" / "b" / "图.png"
    assert result.answer["saved_file"] == str(saved)
    assert saved.read_bytes().startswith(b"\xff\xd8\xff")
    assert list(saved.parent.iterdir()) == [saved]
    assert "holds JPEG data, whose suffix is .jpg" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "key", "code"),
    [
        (("-p", ""), "fake-key", "INVALID_PROMPT"),
        (("-p", "猫"), "  ", "MISSING_API_KEY"),
        (("-p", "猫", "--user-id", ""), "fake-key", "INVALID_USER_ID"),
    ],
)
def test_7_empty_values_are_refused(stand_in: GlmStandIn, arguments: tuple[str, ...], key: str, code: str) -> None:
    """The old script sends them to the platform, or drops them without a word."""
    result = ran(*arguments, origin=stand_in.origin, env={"ZHIPU_API_KEY": key})
    assert result.answer["error"]["code"] == code
    assert stand_in.calls == []


def test_8_every_end_is_one_json_object(stand_in: GlmStandIn) -> None:
    """The old script writes usage in plain text and dies on an ASCII terminal after the paid call."""
    assert ran("--size", "1:1", origin=stand_in.origin).answer["error"]["code"] == "invalid_request"
    assert ran("-p", "猫", origin=stand_in.origin, env={"PYTHONIOENCODING": "ascii"}).answer["ok"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("glm_1113", {"code": "insufficient_balance", "message": "余额不足或无可用资源包,请充值。", "status": 429}),
        ("glm_1003", {"code": "authentication_error", "message": "令牌已过期或验证不正确", "status": 401}),
        (
            "glm_1302",
            {"code": "rate_limit_exceeded", "message": "您的账户已达到速率限制，请您控制请求频率", "status": 429},
        ),
        ("glm_1261", {"code": "invalid_request", "message": "Prompt 超长", "status": 400}),
        ("glm_1200", {"code": "server_error", "message": "API 调用失败", "status": 500}),
    ],
)
def test_9_a_code_says_what_to_do(stand_in: GlmStandIn, fault: str, error: dict[str, object]) -> None:
    """With the old script an empty account looks like any rate limit; here the word and the number are told."""
    stand_in.arm(fault)
    result = ran("-p", "猫", origin=stand_in.origin)
    assert result.answer["error"] == {**error, "provider_code": fault.removeprefix("glm_")}


@pytest.mark.parametrize(
    ("fault", "code", "status", "message"),
    [
        ("gbk_451", "server_error", 451, "(HTTP 451): 网站防火墙 您的请求已被拦截 Access denied by the firewall"),
        ("html_403", "server_error", 403, "(HTTP 403): 网站防火墙 您的请求已被拦截 Access denied by the firewall"),
        ("json_403", "server_error", 403, '(HTTP 403): {"message": "Forbidden"}'),
        ("html_503", "server_error", 503, "(HTTP 503): 网站防火墙 您的请求已被拦截 Access denied by the firewall"),
        ("no_code_429", "rate_limit_exceeded", 429, "Too Many Requests"),
    ],
)
def test_9_what_a_firewall_answers_is_not_the_platforms(
    stand_in: GlmStandIn, fault: str, code: str, status: int, message: str
) -> None:
    """The old script prints the first bytes of any body; here it is told that the platform did not write them."""
    stand_in.arm(fault)
    before = len(stand_in.calls)
    error = ran("-p", "猫", origin=stand_in.origin).answer["error"]
    assert (error["code"], error["status"], "provider_code" in error) == (code, status, False)
    assert error["message"].endswith(message)
    assert error["message"].startswith("The request was blocked or broken") == (fault != "no_code_429")
    assert len(stand_in.calls) - before == 1


def test_9_the_id_of_a_failed_call_is_told() -> None:
    """The platform's support asks for it."""
    body = {"error": {"code": "1234", "message": "x"}, "request_id": "20261129000000aa"}
    with LoopbackServer() as server:
        server.route("POST", "/*path", lambda _: Response.of_json(body, status=500))
        error = ran("-p", "猫", origin=server.origin).answer["error"]
    assert error["request_id"] == "20261129000000aa"


def test_9_a_refusal_by_the_filter_tells_where(stand_in: GlmStandIn) -> None:
    """The old script drops what the filter found."""
    stand_in.arm("glm_1301")
    answer = ran("-p", "猫", origin=stand_in.origin).answer
    assert answer["error"]["code"] == "content_filter_violation"
    assert answer["content_filter"] == [{"role": "user", "level": 2}]
