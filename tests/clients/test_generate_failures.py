"""What the platform, the network or the image host can do to the command line, each with one JSON object."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bot.sandbox.glm.stand_in import GlmStandIn
from bot.sandbox.http import LoopbackServer, Response
from tests.clients.commands import generate

FIREWALL = "网站防火墙 您的请求已被拦截 Access denied by the firewall"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("redirect", {"code": "server_error", "status": 302}),
        ("file_url", {"code": "server_error", "status": 200}),
        ("level_0", {"code": "content_filter_violation"}),
        ("hang", {"code": "TIMEOUT"}),
        ("reset_after", {"code": "NETWORK_ERROR"}),
        ("glm_1113", {"code": "insufficient_balance", "message": "余额不足或无可用资源包,请充值。", "status": 429}),
        ("html_403", {"code": "server_error", "status": 403, "message": FIREWALL}),
    ],
)
def test_each_failure_has_its_code_and_is_paid_at_most_once(
    glm: GlmStandIn, fault: str, error: dict[str, object]
) -> None:
    glm.arm(fault)
    result = generate("-p", "猫", origin=glm.origin, env={"TEST_HASTY": "1"} if fault == "hang" else {})
    answer, found = result.answer, result.answer["error"]
    assert (result.code, answer["ok"], answer["image_url"], len(glm.calls)) == (1, False, None, 1)
    assert found["message"].endswith(error.pop("message", ""))
    assert {name: found[name] for name in error} == error
    # A firewall's answer is not the platform's.
    assert found.get("provider_code") == (fault[4:] if fault.startswith("glm_") else None)
    assert answer["content_filter"] == ([{"role": "assistant", "level": 0}] if fault == "level_0" else [])
    assert glm.strays == []


def test_a_rejection_by_the_filter_says_where(glm: GlmStandIn) -> None:
    glm.arm("glm_1301")
    answer = generate("-p", "猫", origin=glm.origin).answer
    assert answer["error"]["code"] == "content_filter_violation"
    assert answer["content_filter"] == [{"role": "user", "level": 2}]


def test_the_id_of_a_failed_call_is_reported() -> None:
    body = {"error": {"code": "1234", "message": "x"}, "request_id": "20261129000000aa"}
    with LoopbackServer() as server:
        server.route("POST", "/*path", lambda _: Response.of_json(body, status=500))
        error = generate("-p", "猫", origin=server.origin).answer["error"]
    assert error["request_id"] == "20261129000000aa"


def test_a_path_is_checked_before_anything_is_paid(glm: GlmStandIn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (f"{tmp_path}/file/image.png", str(tmp_path), f"{tmp_path}/new/", "/dev/null"):
        result = generate("-p", "猫", "--save", path, origin=glm.origin)
        assert result.answer["error"]["code"] == "DOWNLOAD_FAILED"
        assert result.answer["error"]["message"].startswith(f"Failed to download image to {path}: ")
    assert glm.calls == []


@pytest.mark.parametrize("fault", ["image_404", "image_half"])
def test_a_download_is_retried(glm: GlmStandIn, tmp_path: Path, fault: str) -> None:
    """A link may be seconds older than its image."""
    glm.arm(fault, times=3)
    target = tmp_path / "image.jpg"
    result = generate("-p", "猫", "--save", str(target), origin=glm.origin)
    assert (result.code, result.answer["saved_file"], len(glm.downloads)) == (0, str(target), 4)
    Image.open(target).load()


@pytest.mark.parametrize("fault", ["image_403", "image_html", "image_truncated"])
def test_a_broken_download_leaves_the_old_file_and_reports_the_link(
    glm: GlmStandIn, tmp_path: Path, fault: str
) -> None:
    target = tmp_path / "image.png"
    target.write_bytes(b"the old picture")
    glm.arm(fault, times=1000)
    result = generate("-p", "猫", "--save", str(target), origin=glm.origin, env={"TEST_RETRY_SECONDS": "0.2"})
    glm.disarm()
    assert (result.code, result.answer["error"]["code"]) == (1, "DOWNLOAD_FAILED")
    assert (result.answer["image_url"][:8], result.answer["saved_file"]) == ("https://", None)
    assert (target.read_bytes(), list(tmp_path.iterdir())) == (b"the old picture", [target])


def test_the_home_folder_expands_and_folders_are_created(glm: GlmStandIn, tmp_path: Path) -> None:
    result = generate("-p", "猫", "--save", "~/a/b/图.png", origin=glm.origin, env={"HOME": str(tmp_path)})
    saved = tmp_path / "a" / "b" / "图.png"
    assert result.answer["saved_file"] == str(saved)
    assert (saved.read_bytes()[:3], list(saved.parent.iterdir())) == (b"\xff\xd8\xff", [saved])
    assert "holds JPEG data, whose suffix is .jpg" in result.stderr
