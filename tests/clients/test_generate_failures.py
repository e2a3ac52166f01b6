"""What the platform, the network or the image host can do to the command line, each with one JSON object."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import LoopbackServer, Response
from tests.clients.generate_process import ran

FIREWALL = "网站防火墙 您的请求已被拦截 Access denied by the firewall"
BROKEN = ("image_truncated", "image_html", "image_403", "image_404", "image_empty", "image_reset", "image_half")


@pytest.mark.parametrize(
    ("typed", "sent"), [("1728x960", "1728x960"), ("960×1728", "960x1728"), (" 1568X1056 ", "1568x1056")]
)
def test_recommended_sizes_are_valid_and_sent_in_ascii(glm: GlmStandIn, typed: str, sent: str) -> None:
    """Any sign for "x" is understood, and spaces around a size are removed."""
    result = ran("-p", "猫", "-s", typed, origin=glm.origin)
    assert result.answer["size"] == glm.calls[0].body["size"] == sent


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("redirect", {"code": "server_error", "status": 302}),
        *((one, {"code": "server_error", "status": 200}) for one in ("file_url", "http_url", "no_url")),
        *((one, {"code": "server_error"}) for one in ("ok_with_error", "not_json", "empty_body")),
        *((one, {"code": "content_filter_violation"}) for one in ("level_0", "level_1")),
        ("hang", {"code": "TIMEOUT"}),
        *((one, {"code": "NETWORK_ERROR"}) for one in ("reset_after", "reset_before")),
        ("glm_1113", {"code": "insufficient_balance", "message": "余额不足或无可用资源包,请充值。", "status": 429}),
        ("glm_1003", {"code": "authentication_error", "message": "令牌已过期或验证不正确", "status": 401}),
        ("glm_1302", {"code": "rate_limit_exceeded", "message": "您的账户已达到速率限制，请您控制请求频率"}),
        ("glm_1261", {"code": "invalid_request", "message": "Prompt 超长", "status": 400}),
        ("glm_1200", {"code": "server_error", "message": "API 调用失败", "status": 500}),
        ("gbk_451", {"code": "server_error", "status": 451, "message": FIREWALL}),
        ("html_403", {"code": "server_error", "status": 403, "message": FIREWALL}),
        ("json_403", {"code": "server_error", "status": 403, "message": '(HTTP 403): {"message": "Forbidden"}'}),
        ("html_503", {"code": "server_error", "status": 503, "message": FIREWALL}),
        ("no_code_429", {"code": "rate_limit_exceeded", "status": 429, "message": "Too Many Requests"}),
    ],
)
def test_each_failure_has_its_code_and_is_paid_at_most_once(
    glm: GlmStandIn, fault: str, error: dict[str, object]
) -> None:
    """The error names the platform's code and message, or that the platform did not answer; no call is repeated."""
    glm.arm(fault)
    result = ran("-p", "猫", origin=glm.origin, env={"TEST_HASTY": "1"})
    answer, found = result.answer, result.answer["error"]
    assert (result.code, answer["ok"], answer["image_url"], len(glm.calls)) == (1, False, None, 1)
    assert found["message"].endswith(error.pop("message", ""))
    assert {name: found[name] for name in error} == error
    if fault.startswith(("glm_", "gbk_", "html_", "json_", "no_code_")):
        # A firewall's answer is not the platform's.
        assert found.get("provider_code") == (fault[4:] if fault.startswith("glm_") else None)
    levels = [{"role": "assistant", "level": int(fault[-1])}] if fault.startswith("level") else []
    assert (answer["content_filter"], glm.strays) == (levels, [])


def test_a_rejection_by_the_filter_says_where(glm: GlmStandIn) -> None:
    """The findings are in the object, with the error."""
    glm.arm("glm_1301")
    answer = ran("-p", "猫", origin=glm.origin).answer
    assert answer["error"]["code"] == "content_filter_violation"
    assert answer["content_filter"] == [{"role": "user", "level": 2}]


def test_the_id_of_a_failed_call_is_reported() -> None:
    """The platform's support asks for it."""
    body = {"error": {"code": "1234", "message": "x"}, "request_id": "20261129000000aa"}
    with LoopbackServer() as server:
        server.route("POST", "/*path", lambda _: Response.of_json(body, status=500))
        error = ran("-p", "猫", origin=server.origin).answer["error"]
    assert error["request_id"] == "20261129000000aa"


def test_a_path_is_checked_before_anything_is_paid(glm: GlmStandIn, tmp_path: Path) -> None:
    """A file in the way, a folder and a device are rejected with the reason."""
    (tmp_path / "file").write_text("in the way")
    for path in (f"{tmp_path}/file/image.png", str(tmp_path), f"{tmp_path}/new/", "/dev/null"):
        result = ran("-p", "猫", "--save", path, origin=glm.origin)
        assert result.answer["error"]["code"] == "DOWNLOAD_FAILED"
        assert result.answer["error"]["message"].startswith(f"Failed to download image to {path}: ")
    assert glm.calls == []


@pytest.mark.parametrize("fault", [*BROKEN, "image_206", "image_json", "image_530", "image_without_end"])
def test_a_download_is_retried(glm: GlmStandIn, tmp_path: Path, fault: str) -> None:
    """A link may be seconds older than its image."""
    glm.arm(fault, times=3)
    target = tmp_path / "image.jpg"
    result = ran("-p", "猫", "--save", str(target), origin=glm.origin)
    assert (result.code, result.answer["saved_file"], len(glm.downloads)) == (0, str(target), 4)
    Image.open(target).load()


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_download_leaves_the_old_file_and_reports_the_link(
    glm: GlmStandIn, tmp_path: Path, fault: str
) -> None:
    """No part of an image and no web page replaces a file, and the paid image can still be found."""
    target = tmp_path / "image.png"
    target.write_bytes(b"the old picture")
    glm.arm(fault, times=1000)
    result = ran("-p", "猫", "--save", str(target), origin=glm.origin, env={"TEST_RETRY_SECONDS": "0.2"})
    glm.disarm()
    assert (result.code, result.answer["error"]["code"]) == (1, "DOWNLOAD_FAILED")
    assert (result.answer["image_url"][:8], result.answer["saved_file"]) == ("https://", None)
    assert (target.read_bytes(), list(tmp_path.iterdir())) == (b"the old picture", [target])


def test_the_home_folder_expands_and_folders_are_created(glm: GlmStandIn, tmp_path: Path) -> None:
    """A note says when the suffix is not that of the data."""
    result = ran("-p", "猫", "--save", "~/a/b/图.png", origin=glm.origin, env={"HOME": str(tmp_path)})
    saved = tmp_path / "a" / "b" / "图.png"
    assert result.answer["saved_file"] == str(saved)
    assert (saved.read_bytes()[:3], list(saved.parent.iterdir())) == (b"\xff\xd8\xff", [saved])
    assert "holds JPEG data, whose suffix is .jpg" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "key", "code"),
    [
        (("-p", ""), "fake-key", "INVALID_PROMPT"),
        (("-p", "猫"), "  ", "MISSING_API_KEY"),
        (("-p", "猫", "--user-id", ""), "fake-key", "INVALID_USER_ID"),
        (("-p", "猫", "-s", "1_280x1280"), "fake-key", "INVALID_SIZE"),
    ],
)
def test_empty_values_are_rejected(glm: GlmStandIn, arguments: tuple[str, ...], key: str, code: str) -> None:
    """They are not sent to the platform, nor ignored; neither is what only Python reads as a number."""
    result = ran(*arguments, origin=glm.origin, env={"ZHIPU_API_KEY": key})
    assert (result.answer["error"]["code"], glm.calls) == (code, [])
