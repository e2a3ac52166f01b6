"""The settings: where each value comes from, and one line for each error, which names its source."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.db.database import read_url
from bot.errors import SettingsError
from bot.settings import VARIABLES, Settings, config_folder, load

CONFIG = config_folder({})
TOML = (CONFIG / "bot.toml").read_text(encoding="utf-8")
ID_LISTS = {"admins": "ou", "allowed_people": "ou", "allowed_chats": "oc"}

SECTIONS = {
    name: section for name, section in Settings(config_dir=CONFIG).model_dump().items() if isinstance(section, dict)
}
EVERY = {f"BOT_{section}_{name}".upper(): "?" for section, values in SECTIONS.items() for name in values} | {
    **dict.fromkeys(("FEISHU_APP_ID", "FEISHU_APP_SECRET", "FEISHU_VERIFICATION_TOKEN", "METRICS_TOKEN"), "a b"),
    "FEISHU_DOMAIN": "https://open.feishu.cn#",
    "DATABASE_URL": "mysql://h/d",
    "BOT_DATA_DIR": "~nobody-of-this-name/x",
    "PORT": "http",
}
"""A malformed value for each setting."""


def loaded(
    variables: Mapping[str, str] | None = None, *, toml: str | None = None, dotenv: str = "", encoding: str = "utf-8"
) -> Settings:
    """The settings from variables, from a ``.env`` file, and from a ``bot.toml`` if it is not the shipped one."""
    with TemporaryDirectory() as folder:
        (Path(folder) / ".env").write_text(dotenv, encoding=encoding)
        if toml is not None:
            (Path(folder) / "bot.toml").write_text(toml, encoding=encoding)
            variables = {"BOT_CONFIG_DIR": folder, **(variables or {})}
        try:
            return load(variables or {}, dotenv=Path(folder) / ".env")
        except SettingsError as error:
            raise SettingsError([fault.removeprefix(f"{folder}/") for fault in error.faults]) from None


def faults_of(variables: Mapping[str, str] | None = None, **files: Any) -> list[str]:
    """The errors of settings with these sources; none if they can be used."""
    try:
        loaded(variables, **files)
    except SettingsError as error:
        return error.faults
    return []


def test_environment_precedes_dotenv_and_that_precedes_the_file() -> None:
    """Also as Notepad saves; a file in another encoding, or a malformed line of ``.env``, is named, not shown."""
    dotenv = "FEISHU_APP_ID=cli_file\nPORT=1234\nBOT_SLOTS_GLM_IMAGE=2\n"
    toml = "[slots]\ncogview = 3\nglm_image = 9\n[team]\nadmins = ['ou_file']\n"
    variables = {"PORT": "4321", "BOT_TEAM_ADMINS": "ou_a, ou_b", "BOT_CARDS_BUTTONS": "false"}
    for encoding in ("utf-8", "utf-8-sig"):
        settings = loaded(variables, toml=toml, dotenv=dotenv, encoding=encoding)
        assert (settings.app_id, settings.port, settings.slots.glm_image) == ("cli_file", 4321, 2)
        assert (settings.slots.by_model()["cogview-4"], settings.team.admins) == (3, ("ou_a", "ou_b"))
        assert not settings.cards.buttons
    for encoding, (file, source) in product(("gbk", "utf-16"), ((".env", "dotenv"), ("bot.toml", "toml"))):
        faults = [fault for fault in faults_of({}, **{source: "# 密钥\n"}, encoding=encoding) if fault.startswith(file)]
        assert faults == [f"{file}: is not UTF-8; save it as UTF-8 text"]
    for line in ("PORT='81", 'PORT="81', "PORT='81'x", "=81", "PORT 81"):
        (fault,) = faults_of(dotenv=f"FEISHU_APP_ID=cli_a\n{line}\n")
        assert (fault.startswith(".env line 2: "), "81" in fault) == (True, False), line


BUDGET = '[[budgets]]\nwho = "ou_1"\n'
UNKNOWN = "there is no such setting; config/bot.toml lists them all"
FAULTS: list[tuple[dict[str, str], str | None, str]] = [
    ({"PORT": "65536"}, None, "PORT: must be an integer from 0 to 65535"),
    ({"BOT_BASE_MINUTES": "soon"}, None, "BOT_BASE_MINUTES: must be a number from 0 to 1440"),
    ({"BOT_CARDS_BUTTONS": "maybe"}, None, "BOT_CARDS_BUTTONS: must be true or false"),
    ({"BOT_LOG_FORMAT": "xml"}, None, "BOT_LOG_FORMAT: must be 'text' or 'json'"),
    ({"BOT_DATA_DIR": "~nobody-of-this-name/x"}, None, "BOT_DATA_DIR: must not begin with the home folder of somebody"),
    # Half a pair of marks would be part of the folder's name.
    ({"BOT_DATA_DIR": "“/data"}, None, "BOT_DATA_DIR: has a quotation mark at one end only; remove it"),
    ({}, "[server]\nhots = 1\n", f"server.hots in bot.toml: {UNKNOWN}"),
    ({}, "server = 1\n", "server in bot.toml: must be a section: its name in brackets, and its settings on the lines"),
    # Otherwise ``pending = true`` would allow one image.
    ({}, "[limits]\npending = true\n", "limits.pending in bot.toml: must be an integer from 0 to 1000"),
    ({}, BUDGET.replace("ou_1", "Ann"), "budgets.0.who in bot.toml: must be the open_id (ou_…) or chat_id (oc_…) that"),
    ({}, BUDGET, "budgets.0 in bot.toml: must limit images or yuan"),
    ({}, 2 * f"{BUDGET}images = 1\n", "budgets in bot.toml: must name each person and chat once"),
    # Two values that do not fit together, and what only variables may have.
    ({"BOT_IMAGES_SIZE": "512x512", "BOT_IMAGES_MODEL": "glm-image"}, "", "BOT_IMAGES_SIZE: "),
    ({"BOT_BASE_MINUTES": "1"}, '[base]\napp_token = "x"', "base.table_id in bot.toml: "),
    ({"BOT_BASE_APP_TOKEN": "x"}, "", "BOT_BASE_APP_TOKEN: "),
    ({}, 'app_secret = "not-a-secret"', "app_secret in bot.toml: "),
    # An empty entry is an error too: dropping it would leave an empty list, which allows everybody.
    *(
        ({}, f"[team]\nallowed_people = {entries}\n", "team.allowed_people in bot.toml: ")
        for entries in ("['']", "[1]", "[['ou_a']]", "7", "{ou_a = 1}")
    ),
]


def test_an_error_names_its_source_and_what_the_value_must_be() -> None:
    for variables, toml, begins in FAULTS:
        (fault,) = faults_of(variables, toml=toml)
        assert fault.startswith(begins)
        assert "not-a-secret" not in fault
    assert faults_of({"BOT_IMAGES_MODEL": "cogview-4"}, toml='[images]\nsize = "1472x1088"') == []


def test_the_home_folder_expands_in_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` in ``.env`` is no shell's, so nobody else would expand it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load({"BOT_DATA_DIR": "~/data"}).data_dir == tmp_path / "data"
    assert config_folder({"BOT_CONFIG_DIR": "~/config"}) == tmp_path / "config"


@given(st.sets(st.sampled_from(sorted(EVERY)), min_size=1))
def test_errors_of_all_sources_are_reported_together(names: set[str]) -> None:
    """One line for each, which begins with its name: a malformed .env, a broken bot.toml, and any variables."""
    faults = faults_of({name: EVERY[name] for name in names})
    assert sorted(fault.partition(":")[0] for fault in faults) == sorted(names)
    assert all("\n" not in fault and "bot.toml:" not in fault for fault in faults)
    variables = {"PORT": "a", "BOT_TEAM_X": "1", "METRICS_TOKEN": "\udcff"}
    faults = faults_of(variables, toml="[team\n", dotenv="FEISHU_APP_ID cli_a\n")
    sources = [".env line 1", "METRICS_TOKEN", "bot.toml line 1", "BOT_TEAM_X", "PORT"]
    assert [fault.partition(":")[0] for fault in faults] == sources


QUOTED = ['"{}"', "'{}'", "“{}”", "‘{}’", "”{}”", ' "{}" ', "'\"{}\"'", '" {} "']


@given(st.sampled_from(sorted({*EVERY, "FEISHU_ENCRYPT_KEY", "ZHIPU_API_KEY"})), st.text())
def test_no_text_in_any_variable_raises_anything_else(name: str, text: str) -> None:
    assert [fault.partition(":")[0] for fault in faults_of({name: text})] in ([], [name])


def test_bytes_that_are_not_utf_8_and_empty_values_in_any_variable() -> None:
    for name in {*EVERY, "BOT_CONFIG_DIR", "ZHIPU_API_KEY"}:
        assert faults_of({name: "a\udcff"}) == [f"{name}: is not UTF-8 text"]
    shipped = load({})
    for name in {*EVERY, "FEISHU_ENCRYPT_KEY", "ZHIPU_API_KEY", "BOT_CONFIG_DIR", "BOT_X_Y"}:
        for empty in ("", "  ", '""', "''", "“ ”"):
            assert load({name: empty}) == shipped, (name, empty)


def test_a_malformed_value_in_the_file_is_named_with_its_section() -> None:
    for section, names in SECTIONS.items():
        for name in names:
            for value in ("1979-05-27", "[[]]", "{ a = 1 }", "nan"):
                (fault,) = faults_of(toml=f"[{section}]\n{name} = {value}\n")
                assert fault.startswith(f"{section}.{name} in bot.toml: "), value


EMPTY = ["", " ", " , ", "，；、", "\n", "[]", '[""]', '""', "“”", "''", '" "']
NO_IDS = ["lin", "on_a", "ou_", "oc_", "cli_a", "ou_a/b", "ou_a.ou_b", "陈", '["', "{}", "null"]
WRITTEN = [
    *("ou_a,ou_b", "ou_a ou_b", "ou_a;ou_b", "ou_a，ou_b", "ou_a；ou_b", "ou_a、ou_b", "ou_a\nou_b", " ou_a , ,ou_b,"),
    *('["ou_a", "ou_b"]', "['ou_a', 'ou_b']", '"ou_a","ou_b"', '"ou_a, ou_b"', "“ou_a”，“ou_b”"),
    '\'["ou_a","ou_b"]\'',
]


def test_a_list_may_be_written_in_any_usual_way_and_one_without_ids_does_not_open_the_bot_to_everybody() -> None:
    for text in WRITTEN:
        assert load({"BOT_TEAM_ADMINS": text}).team.admins == ("ou_a", "ou_b"), text
    for setting, prefix in ID_LISTS.items():
        variable, good = f"BOT_TEAM_{setting.upper()}", f"{prefix}_a"
        for empty in EMPTY:
            settings = loaded({variable: empty}, toml=f'[team]\n{setting} = ["{good}"]\n')
            assert getattr(settings.team, setting) == (good,), empty
        for entry in NO_IDS:
            (in_variable,) = faults_of({variable: f"{good},{entry}"})
            (in_file,) = faults_of(toml=f"[team]\n{setting} = ['{good}', '{entry}']\n")
            assert in_variable.startswith(f"{variable}: "), entry
            assert in_file.startswith(f"team.{setting} in bot.toml: '"), entry


def test_quotation_marks_around_a_value_are_removed() -> None:
    """Compose and ``--env-file`` leave them there; a secret may begin or end with one that is no pair."""
    wanted = {"ZHIPU_API_KEY": "id.secret", "BOT_DATA_DIR": "/data", "PORT": "81", "BOT_SLOTS_COGVIEW": "2"}
    for quoted in QUOTED:
        settings = load({name: quoted.format(value) for name, value in wanted.items()})
        assert settings.api_key.get_secret_value() == "id.secret"
        assert (settings.data_dir, settings.port, settings.slots.cogview) == (Path("/data"), 81, 2)
        assert settings.unquoted == tuple(sorted(wanted))
    for secret in ('"a', "a'", "\"a'", "”", '"a"b"'):
        settings = load({"FEISHU_ENCRYPT_KEY": secret})
        assert (settings.encrypt_key.get_secret_value(), settings.unquoted) == (secret, ())


DOTENV_VALUES = {
    r"'a$b${HOME}\n\\c'": r"a$b${HOME}\n\\c",
    "'ends with a backslash\\'": "ends with a backslash\\",
    "'a # b'  # comment": "a # b",
    '"${OTHER}-${MISSING:-none}"': "other's-none",
    "plain # comment": "plain",
    "'\"/data\"'": "/data",
    "'two\nlines'": "two\nlines",
}


def test_a_dotenv_value_in_single_quotes_is_literal() -> None:
    """Without escapes and without ``$``; other values are read as python-dotenv reads them."""
    for line, value in DOTENV_VALUES.items():
        settings = loaded(dotenv=f"OTHER=\"other's\"\nexport FEISHU_ENCRYPT_KEY = {line}\nPORT='81'\n")
        assert (settings.encrypt_key.get_secret_value(), settings.port) == (value, 81), line


ORIGINS = {
    "Lark": "https://open.larksuite.com",
    "HTTPS://Open.Feishu.CN/": "https://open.feishu.cn",
    "https://feishu.example:8443": "https://feishu.example:8443",
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "http://[::1]:8080/": "http://[::1]:8080",
    "http://localhost": "http://localhost",
}
NO_ORIGINS = [
    *("https://open.feishu.cn#", "https://open.feishu.cn/?", "https://open.feishu.cn/open-apis", "https:// a"),
    *("https://u:p@open.feishu.cn", "https://open.feishu.cn@evil.example", "https://open.feishu.cn\\@evil.example"),
    *("https://open.feishu.cn .evil.example", "https://open.feishu.cn.", "https://:443", "https://[::1"),
    *("https://open.feishu.cn:", "https://open.feishu.cn:0", "https://open.feishu.cn:65536", "https://a:４４３"),
    *("https://open.feiſhu.cn", "https://例子.cn", "https：//open.feishu.cn", "open.feishu.cn", "ftp://open.feishu.cn"),
    *("http://open.feishu.cn", "http://127.0.0.1.evil.example", f"https://{'a' * 64}.cn", "Lar\u212a"),
]


def test_nothing_but_an_origin_is_a_domain() -> None:
    assert {domain: load({"FEISHU_DOMAIN": domain}).domain for domain in ORIGINS} == ORIGINS
    fault = "FEISHU_DOMAIN: must be feishu, lark, or an https origin such as https://open.feishu.cn"
    assert [domain for domain in NO_ORIGINS if faults_of({"FEISHU_DOMAIN": domain}) != [fault]] == []


DATABASE_FAULTS = {
    "third slash": ["sqlite://x/y.db", "sqlite://user@/y.db"],
    "must name a file": ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:bot.db"],
    "must have no parameters": ["sqlite:///file:x?mode=memory&uri=true", "sqlite:///bot.db?timeout=abc"],
    "names a folder": ["sqlite:////tmp", "sqlite:///no-such-folder/"],
    "a device": ["sqlite:////dev/null"],
    "neither a PostgreSQL nor an SQLite database; set DATABASE_URL to ": [
        *("sqlite+aiosqlite:///bot.db", "sqlite:/bot.db", "postgresql+asyncpg://h/d", "postgresql:"),
        *("jdbc:postgresql://h/d", "mysql://bot:not-a-password@db/bot", "https://db.example/bot"),
    ],
    "write an @ that belongs to the name or the password": ["postgresql://bot:pa@not-a-password@db.example/bot"],
    "more than one @": ["postgresql://b@t:not-a-password@db.example/bot"],
    "names no database": ["postgresql://u:not-a-password@h", "postgresql://u:not-a-password@h/"],
    "a port": ["postgresql://u:not-a-password@h:54x2/d", "postgresql://u:not-a-password@h:99999/d"],
    "do not go together": ["postgresql://u:not-a-password@/d?host=a&host=b&port=1&port=2&port=3"],
    "does not know: nonsense": ["postgresql://u:not-a-password@h/d?nonsense=not-a-password"],
}
DATABASES = [
    *("postgresql://bot:p%40ss%2Fw%3A@db/bot", "postgres://bot:not-a-password@db/bot", "postgresql:///bot"),
    *("postgresql:///?host=/run/postgresql&dbname=bot", "postgresql://[::1]:5432/bot?sslmode=require"),
    *("sqlite:////home/b@t/d@ta/bot.db", "sqlite:///bot.db", "sqlite:////srv/a%20b.db"),
]


def test_a_database_that_cannot_be_meant_is_an_error() -> None:
    for says, url in ((says, url) for says, urls in DATABASE_FAULTS.items() for url in urls):
        (fault,) = faults_of({"DATABASE_URL": url})
        assert fault.startswith("DATABASE_URL: "), url
        assert says in fault, url
        assert "not-a-password" not in fault, url
    assert [load({"DATABASE_URL": url}).url for url in DATABASES] == DATABASES
    # A percent sign or a question mark in the name of a folder means nothing to the database's URL.
    settings = load({"BOT_DATA_DIR": "/data/100%25 ?#@:é"})
    assert read_url(settings.url).database == "/data/100%25 ?#@:é/bot.db"


READERS: dict[str, Callable[[Path], Any]] = {
    "bot.toml": lambda folder: load({"BOT_CONFIG_DIR": str(folder)}),
    "messages.zh.toml": Messages.load,
    "styles.toml": Styles.load,
}


def test_broken_toml_is_named_with_its_line(tmp_path: Path) -> None:
    for (name, read), broken in product(READERS.items(), ("a =", "a = 'x' b", 'a = "', "a = 1\na = 2", "=", "a = 0x")):
        (tmp_path / name).write_text(f"# one\n\n{broken}", encoding="utf-8")
        with pytest.raises(SettingsError) as caught:
            read(tmp_path)
        line = 3 + broken.count("\n")
        assert [fault.partition(": ")[0] for fault in caught.value.faults] == [f"{name} line {line}"], broken


def test_shipped_files_name_every_setting_with_its_default() -> None:
    """bot.toml has each with a comment before it, example.env each variable; its example of a budget is one."""
    assert load({}) == Settings(config_dir=CONFIG)
    written = tomllib.loads(TOML)
    sections = Settings(config_dir=CONFIG).model_dump(include=set(written))
    assert {name: set(values) for name, values in written.items()} == {
        name: set(values) for name, values in sections.items()
    }
    for name in (name for values in written.values() for name in values):
        assert re.search(rf"^#.*\n(?:#.*\n|[a-z_0-9]+ = .*\n)*{name} = ", TOML, re.MULTILINE), name
    example = (CONFIG / "example.env").read_text(encoding="utf-8")
    assert [name for name in (*VARIABLES, "BOT_CONFIG_DIR") if f"{name}=" not in example] == []
    commented = re.search(r"^# \[\[budgets\]\]\n(?:# .*\n)+", TOML, re.MULTILINE)
    assert commented is not None
    (budget,) = loaded(toml=commented[0].replace("# ", "")).budgets
    assert (budget.who, budget.images, budget.yuan) == ("oc_0123456789abcdef", 200, 20.0)
