"""Where the command line takes its key from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.glm.stand_in import GlmStandIn
from tests.clients.generate_process import ran

LOADED = """
import sys
from bot.cli.generate import main
code = main()
print("dotenv" in sys.modules, file=sys.stderr)
raise SystemExit(code)
"""


@pytest.fixture
def stand_in() -> Iterator[GlmStandIn]:
    """A stand-in that answers at once."""
    with GlmStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a ``.env``."""
    (tmp_path / ".env").write_text("# 密钥\nZHIPU_API_KEY=kept-key\n", encoding="utf-8")
    return tmp_path


def test_the_key_may_stand_in_dotenv(stand_in: GlmStandIn, folder: Path) -> None:
    """Where the bot finds its key, the command line finds it as well."""
    result = ran("-p", "猫", origin=stand_in.origin, env={"ZHIPU_API_KEY": None}, folder=folder)
    assert (result.code, [call.key for call in stand_in.calls]) == (0, ["kept…"])


@pytest.mark.parametrize(("given", "key"), [("given-key", "give…"), ('"given-key"', "give…"), ("", "kept…")])
def test_the_environment_wins(stand_in: GlmStandIn, folder: Path, given: str, key: str) -> None:
    """A variable that is set counts, as it does for the bot; an empty one is not set."""
    result = ran("-p", "猫", origin=stand_in.origin, env={"ZHIPU_API_KEY": given}, folder=folder)
    assert (result.code, [call.key for call in stand_in.calls]) == (0, [key])


@pytest.mark.parametrize(("key", "file", "loaded"), [(None, True, True), (None, False, False), ("key", True, False)])
def test_dotenv_is_loaded_only_to_be_asked(*, key: str | None, file: bool, loaded: bool, folder: Path) -> None:
    """Who has the variable, or no such file, does not wait for its reader."""
    if not file:
        (folder / ".env").unlink()
    result = ran("-p", "猫", "-s", "1x1", env={"ZHIPU_API_KEY": key}, code=LOADED, folder=folder)
    assert result.stderr.splitlines() == [str(loaded)]


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_a_dotenv_in_another_encoding_is_told(folder: Path, encoding: str) -> None:
    """The file is named, with what to do."""
    (folder / ".env").write_bytes("# 密钥\nZHIPU_API_KEY=kept-key\n".encode(encoding))
    result = ran("-p", "猫", origin="http://127.0.0.1:9", env={"ZHIPU_API_KEY": None}, folder=folder)
    message = "ZHIPU_API_KEY cannot be read: .env: is not UTF-8; save it as UTF-8 text"
    assert result.answer["error"] == {"code": "MISSING_API_KEY", "message": message}
