"""``config init`` copies the shipped configuration, and an old copy works with a newer version."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.chat.messages import Messages
from bot.chat.parsing.wording import Rules
from bot.chat.styles import Styles
from bot.cli.check_local import check_settings
from bot.errors import SettingsError
from bot.settings import load
from tests.clients.commands import run
from tests.repo.lock import TOP

FILES = {"bot.toml", "intents.toml", "messages.en.toml", "messages.zh.toml", "styles.toml"}


def configuration(folder: Path) -> tuple[bool | None, str, str | None]:
    """What the check reports about a folder of configuration."""
    (found,) = [one for one in check_settings(load({"BOT_CONFIG_DIR": str(folder)})) if one.name == "Configuration"]
    return found.ok, found.detail, found.fix


def test_the_shipped_files_are_copied_and_own_ones_kept(tmp_path: Path) -> None:
    own = tmp_path / "new" / "config"
    ran = run("config", "init", str(own), folder=tmp_path)
    assert (ran.code, {file.name for file in own.iterdir()}) == (0, FILES)
    assert f"Set BOT_CONFIG_DIR={own}" in ran.text
    (own / "bot.toml").write_text("[limits]\nper_day = 7\n", encoding="utf-8")
    (own / "styles.toml").unlink()
    ran = run("config", "init", str(own), folder=tmp_path)
    assert f"kept    {own}/bot.toml" in ran.text
    assert f"copied  {own}/styles.toml" in ran.text
    assert load({"BOT_CONFIG_DIR": str(own)}).limits.per_day == 7


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    ran = run("config", "init", "/dev/null/config", folder=tmp_path)
    assert (ran.code, ran.stdout) == (1, b"")
    assert ran.stderr == "/dev/null/config cannot be written: Not a directory\n"


def test_the_check_names_the_file_in_force(tmp_path: Path) -> None:
    assert run("config", "init", str(tmp_path), folder=tmp_path).code == 0
    assert configuration(tmp_path) == (True, f"{tmp_path}/bot.toml, with all keys of this version", None)
    assert configuration(TOP / "config") == (True, f"{TOP}/config/bot.toml, the shipped one", None)


def test_an_old_copy_works_and_the_check_lists_the_differences(tmp_path: Path) -> None:
    assert run("config", "init", str(tmp_path), folder=tmp_path).code == 0
    (tmp_path / "intents.toml").unlink()
    (tmp_path / "styles.toml").unlink()
    toml = (tmp_path / "bot.toml").read_text(encoding="utf-8")
    (tmp_path / "bot.toml").write_text(toml.replace("per_day = 20", ""), encoding="utf-8")
    (tmp_path / "messages.zh.toml").write_text('"check.title" = "自己的标题"\n"gone.key" = "旧"\n', encoding="utf-8")
    ok, detail, fix = configuration(tmp_path)
    assert (ok, fix is not None) == (True, True)
    assert "new in bot.toml: limits.per_day; " in detail
    assert "unknown, ignored in messages.zh.toml: gone.key" in detail
    messages = Messages.load(tmp_path)
    assert messages.text("check.title", "zh") == "自己的标题"
    assert "gone.key" not in messages
    assert len(messages.keys) == len(Messages.load(TOP / "config").keys)
    assert list(Styles.load(tmp_path)) == list(Styles.load(TOP / "config"))
    Rules.load(tmp_path)


def test_a_placeholder_that_has_no_value_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "messages.en.toml").write_text('"check.title" = "A test of {nobody}"', encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        Messages.load(tmp_path)
    assert raised.value.faults == ["messages.en.toml: check.title: has no value for ['nobody']"]
