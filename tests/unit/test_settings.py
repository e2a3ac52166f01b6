"""The settings: where each value comes from, and what is said of a wrong one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bot.addresses import DATABASE_URL_FIX
from bot.errors import SettingsError
from bot.settings import VARIABLES, Settings, config_folder, load, required_settings_missing

CONFIG = config_folder({})


def faults_of(**environment: str) -> list[str]:
    """The faults of settings with these variables."""
    with pytest.raises(SettingsError) as caught:
        load(environment)
    return caught.value.faults


def test_the_file_that_comes_with_the_bot_says_what_the_code_would_assume() -> None:
    """Every value in bot.toml is the default, so the file documents the program."""
    assert load({}) == Settings(config_dir=CONFIG)


def test_every_setting_stands_in_the_file_with_a_comment() -> None:
    """bot.toml names each setting of each section, and a comment stands before each."""
    written = tomllib.loads((CONFIG / "bot.toml").read_text(encoding="utf-8"))
    sections = Settings(config_dir=CONFIG).model_dump(include=set(written))
    assert {name: set(values) for name, values in written.items()} == {
        name: set(values) for name, values in sections.items()
    }
    text = (CONFIG / "bot.toml").read_text(encoding="utf-8")
    for name in (name for values in written.values() for name in values):
        assert re.search(rf"^#.*\n(?:#.*\n|[a-z_0-9]+ = .*\n)*{name} = ", text, re.MULTILINE), name


def test_a_variable_overrides_the_file() -> None:
    """BOT_<SECTION>_<NAME> wins over bot.toml."""
    settings = load({"BOT_SLOTS_COGVIEW": "3", "BOT_TEAM_ADMINS": "ou_a, ou_b", "BOT_CARDS_BUTTONS": "false"})
    assert settings.slots.by_model()["cogview-4"] == 3
    assert settings.team.admins == ("ou_a", "ou_b")
    assert not settings.cards.buttons


def test_a_dotenv_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    """Secrets may stand in .env; a variable of the process is stronger."""
    (tmp_path / ".env").write_text("FEISHU_APP_ID=cli_file\nPORT=1234\n", encoding="utf-8")
    settings = load({"PORT": "4321"}, dotenv=tmp_path / ".env")
    assert (settings.app_id, settings.port) == ("cli_file", 4321)


def test_all_faults_are_told_at_once_and_name_their_variables() -> None:
    """Who set three things wrong reads three lines, each with the name to change."""
    faults = faults_of(BOT_SLOTS_COGVIEW="0", PORT="no", FEISHU_DOMAIN="http://example.com", BOT_SLOT_X="1")
    assert [fault.partition(":")[0] for fault in faults] == ["BOT_SLOT_X", "FEISHU_DOMAIN", "PORT", "BOT_SLOTS_COGVIEW"]


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("", True),
        ("sqlite:////var/lib/bot/bot.db", True),
        ("postgres://bot:not-a-password@db/bot", True),
        ("postgresql://bot:not-a-password@db:5432/bot", True),
        ("postgresql+psycopg://bot@db/bot", True),
        ("notaurl", False),
        ("mysql://bot:not-a-password@db/bot", False),
        ("postgresql+asyncpg://bot:not-a-password@db/bot", False),
        ("https://db.example/bot", False),
    ],
)
def test_only_databases_that_the_bot_can_use_are_taken(url: str, *, good: bool) -> None:
    """Anything but PostgreSQL and SQLite is refused with what to write, and without the address or its password."""
    if good:
        assert load({"DATABASE_URL": url}).database_url.get_secret_value() == url
        return
    (fault,) = faults_of(DATABASE_URL=url)
    assert fault.startswith("DATABASE_URL: is the address of neither a PostgreSQL nor an SQLite database; set ")
    assert (DATABASE_URL_FIX in fault, url in fault, "not-a-password" in fault) == (True, False, False)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("postgresql://bot:pa@not-a-password@db.example/bot", False),
        ("postgresql://b@t:not-a-password@db.example/bot", False),
        ("postgresql://bot:pa%40ss@db.example/bot", True),
        ("sqlite:////home/b@t/d@ta/bot.db", True),
    ],
)
def test_a_password_with_an_at_has_to_be_escaped(url: str, *, good: bool) -> None:
    """Otherwise what stands behind its first @ would be the host, and be told by the check."""
    if good:
        assert load({"DATABASE_URL": url}).database_url.get_secret_value() == url
        return
    assert faults_of(DATABASE_URL=url) == [
        "DATABASE_URL: holds more than one @; write an @ that belongs to the name or the password as %40"
    ]


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"PORT": "many"}, "PORT: must be an integer from 0 to 65535"),
        ({"PORT": "65536"}, "PORT: must be an integer from 0 to 65535"),
        ({"BOT_LIMITS_PENDING": "1.5"}, "BOT_LIMITS_PENDING: must be an integer from 0 to 1000"),
        ({"BOT_BASE_MINUTES": "soon"}, "BOT_BASE_MINUTES: must be a number from 0 to 1440"),
        ({"BOT_CARDS_BUTTONS": "maybe"}, "BOT_CARDS_BUTTONS: must be true or false"),
        ({"BOT_LOG_FORMAT": "xml"}, "BOT_LOG_FORMAT: must be 'text' or 'json'"),
        ({"BOT_LOG_COLOUR": "red"}, "BOT_LOG_COLOUR: there is no such setting; config/bot.toml lists them all"),
        (
            {"BOT_DATA_DIR": "~nobody-of-this-name/x"},
            "BOT_DATA_DIR: must not begin with the home folder of somebody who has none",
        ),
    ],
)
def test_a_fault_says_what_the_value_must_be(variables: dict[str, str], fault: str) -> None:
    """A number is told with its range, a word with those that there are."""
    assert faults_of(**variables) == [fault]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[server]\nhots = 1\n", "server.hots in bot.toml: there is no such setting; config/bot.toml lists them all"),
        (
            "server = 1\n",
            "server in bot.toml: must be a section: its name in brackets, and its settings on the lines below",
        ),
        ("[server]\nthreads = 0\n", "server.threads in bot.toml: must be an integer from 1 to 64"),
    ],
)
def test_a_fault_of_the_file_is_told_with_its_place(tmp_path: Path, content: str, fault: str) -> None:
    """Section and name are told, as they stand in the file."""
    (tmp_path / "bot.toml").write_text(content, encoding="utf-8")
    assert faults_of(BOT_CONFIG_DIR=str(tmp_path)) == [fault]


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
@pytest.mark.parametrize("name", [".env", "bot.toml"])
def test_a_file_that_is_not_utf_8_is_a_fault(tmp_path: Path, name: str, encoding: str) -> None:
    """An editor that saves in another encoding is told of by the file's name, and no program ends in a traceback."""
    file = tmp_path / name
    file.write_bytes("# 密钥\n".encode(encoding))
    with pytest.raises(SettingsError) as caught:
        load({"BOT_CONFIG_DIR": str(tmp_path if name == "bot.toml" else CONFIG)}, dotenv=tmp_path / ".env")
    assert caught.value.faults == [f"{file}: is not UTF-8; save it as UTF-8 text"]


def test_the_mark_that_windows_writes_first_is_no_part_of_a_name(tmp_path: Path) -> None:
    """A ``.env`` and a ``bot.toml`` saved by Notepad are read as they look."""
    (tmp_path / ".env").write_text("FEISHU_APP_ID=cli_file\n", encoding="utf-8-sig")
    (tmp_path / "bot.toml").write_text("[slots]\ncogview = 3\n", encoding="utf-8-sig")
    settings = load({"BOT_CONFIG_DIR": str(tmp_path)}, dotenv=tmp_path / ".env")
    assert (settings.app_id, settings.slots.cogview) == ("cli_file", 3)


def test_a_file_that_is_a_folder_is_a_fault(tmp_path: Path) -> None:
    """What stands in the place of bot.toml is named, with the system's reason."""
    (tmp_path / "bot.toml").mkdir()
    assert faults_of(BOT_CONFIG_DIR=str(tmp_path)) == [f"{tmp_path / 'bot.toml'}: cannot be read: Is a directory"]


def test_the_home_folder_expands_in_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` in ``.env`` is no shell's, so nobody else would expand it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bot.toml").touch()
    settings = load({"BOT_DATA_DIR": "~/data", "BOT_CONFIG_DIR": "~/config"})
    assert (settings.data_dir, settings.config_dir) == (tmp_path / "data", tmp_path / "config")


def test_a_size_that_the_model_cannot_make_is_refused_at_the_start() -> None:
    """A default size is checked before anybody's prompt meets it."""
    assert "512x512" in faults_of(BOT_IMAGES_SIZE="512x512")[0]


def test_a_folder_without_configuration_is_named() -> None:
    """A wrong BOT_CONFIG_DIR is said by its name."""
    assert "BOT_CONFIG_DIR" in faults_of(BOT_CONFIG_DIR="nowhere")[0]


@pytest.mark.parametrize("secret", ["FEISHU_APP_SECRET", "FEISHU_ENCRYPT_KEY", "ZHIPU_API_KEY"])
def test_no_secret_is_in_the_repr(secret: str) -> None:
    """Whoever prints or logs the settings shows no secret."""
    settings = load({secret: "not-a-real-secret"})
    assert "not-a-real-secret" not in repr(settings) + str(settings.model_dump())


def test_no_secret_is_in_a_fault() -> None:
    """A fault names the variable, not the value."""
    assert "not-a-real-secret" not in str(faults_of(PORT="not-a-real-secret"))


def test_serving_without_a_way_to_know_feishu_is_refused() -> None:
    """With neither key nor token configured anybody could send events."""
    missing = required_settings_missing(load({"FEISHU_APP_ID": "cli_x", "FEISHU_APP_SECRET": "fake"}))
    assert len(missing) == 1
    assert "FEISHU_VERIFICATION_TOKEN" in str(missing[0])


def test_every_variable_with_a_name_of_its_own_stands_in_the_example() -> None:
    """example.env shows each variable that the program reads."""
    example = (CONFIG / "example.env").read_text(encoding="utf-8")
    assert [name for name in (*VARIABLES, "BOT_CONFIG_DIR") if f"{name}=" not in example] == []
