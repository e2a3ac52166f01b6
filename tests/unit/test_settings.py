"""The settings: where each value comes from, and one line for each error, which names its source."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.db.database import read_url
from bot.errors import SettingsError
from bot.settings import VARIABLES, Settings, config_folder, load, required_settings_missing

CONFIG = config_folder({})
ID_LISTS = {"BOT_TEAM_ADMINS": "ou_", "BOT_TEAM_ALLOWED_PEOPLE": "ou_", "BOT_TEAM_ALLOWED_CHATS": "oc_"}

NEVER_VALID = {
    "FEISHU_APP_ID": "cli_ a",
    "FEISHU_APP_SECRET": "密",
    "FEISHU_VERIFICATION_TOKEN": "a b",
    "FEISHU_DOMAIN": "https://open.feishu.cn#",
    "DATABASE_URL": "mysql://h/d",
    "BOT_DATA_DIR": "~nobody-of-this-name/x",
    "PORT": "http",
    "METRICS_TOKEN": "a\tb",
    "BOT_TEAM_TIMEZONE": "Shanghai",
    "BOT_TEAM_ADMINS": "lin",
    "BOT_TEAM_ALLOWED_CHATS": "ou_a",
    "BOT_TEAM_ALLOWED_PEOPLE": "oc_a",
    "BOT_IMAGES_MODEL": "glm",
    "BOT_IMAGES_SIZE": "large",
    "BOT_IMAGES_QUALITY": "best",
    "BOT_BASE_APP_TOKEN": "https://example.feishu.cn/base/x",
    "BOT_BASE_TABLE_ID": "tbl x",
    "BOT_SERVER_HOST": "http://localhost",
    "BOT_LOG_LEVEL": "loud",
    "BOT_LOG_FORMAT": "xml",
}
"""A malformed value for each setting that is neither a number nor a switch, for which ``?`` is one."""

SECTIONS = {
    name: section for name, section in Settings(config_dir=CONFIG).model_dump().items() if isinstance(section, dict)
}
EVERY = {f"BOT_{section}_{name}".upper(): "?" for section, values in SECTIONS.items() for name in values} | NEVER_VALID


READERS: dict[str, Callable[[Path], object]] = {
    "bot.toml": lambda folder: load({"BOT_CONFIG_DIR": str(folder)}),
    "styles.toml": Styles.load,
}


def faults_of(variables: dict[str, str], *, dotenv: Path | None = None) -> list[str]:
    """The faults of settings with these variables; none when they can be used."""
    try:
        load(variables, dotenv=dotenv)
    except SettingsError as error:
        return error.faults
    return []


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


def test_budgets_are_read(tmp_path: Path) -> None:
    """The example of the shipped file, uncommented, is a budget."""
    text = (CONFIG / "bot.toml").read_text(encoding="utf-8")
    example = re.search(r"^# \[\[budgets\]\]\n(?:# .*\n)+", text, re.MULTILINE)
    assert example is not None
    (tmp_path / "bot.toml").write_text(example[0].replace("# ", ""), encoding="utf-8")
    (budget,) = load({"BOT_CONFIG_DIR": str(tmp_path)}).budgets
    assert (budget.who, budget.images, budget.yuan) == ("oc_0123456789abcdef", 200, 20.0)


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
    assert faults_of(variables) == [fault]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[server]\nhots = 1\n", "server.hots in bot.toml: there is no such setting; config/bot.toml lists them all"),
        (
            "server = 1\n",
            "server in bot.toml: must be a section: its name in brackets, and its settings on the lines below",
        ),
        ("[server]\nthreads = 0\n", "server.threads in bot.toml: must be an integer from 1 to 64"),
        (
            '[[budgets]]\nwho = "Ann"\nyuan = 1\n',
            "budgets.0.who in bot.toml: must be the open_id (ou_…) or chat_id (oc_…) that /id shows",
        ),
        ('[[budgets]]\nwho = "ou_1"\n', "budgets.0 in bot.toml: must limit images or yuan"),
        ('[[budgets]]\nwho = "ou_1"\nyuan = -1\n', "budgets.0.yuan in bot.toml: must be greater than or equal to 0"),
        (2 * '[[budgets]]\nwho = "ou_1"\nimages = 1\n', "budgets in bot.toml: must name each person and chat once"),
    ],
)
def test_a_fault_of_the_file_is_told_with_its_place(tmp_path: Path, content: str, fault: str) -> None:
    """Section and name are told, as they stand in the file."""
    (tmp_path / "bot.toml").write_text(content, encoding="utf-8")
    assert faults_of({"BOT_CONFIG_DIR": str(tmp_path)}) == [fault]


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


def test_the_home_folder_expands_in_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` in ``.env`` is no shell's, so nobody else would expand it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bot.toml").touch()
    settings = load({"BOT_DATA_DIR": "~/data", "BOT_CONFIG_DIR": "~/config"})
    assert (settings.data_dir, settings.config_dir) == (tmp_path / "data", tmp_path / "config")


@pytest.mark.parametrize("secret", ["FEISHU_APP_SECRET", "FEISHU_ENCRYPT_KEY", "ZHIPU_API_KEY"])
def test_no_secret_is_in_the_repr(secret: str) -> None:
    """Whoever prints or logs the settings shows no secret."""
    settings = load({secret: "not-a-real-secret"})
    assert "not-a-real-secret" not in repr(settings) + str(settings.model_dump())


def test_no_secret_is_in_a_fault() -> None:
    """A fault names the variable, not the value."""
    assert "not-a-real-secret" not in str(faults_of({"PORT": "not-a-real-secret"}))


def test_serving_without_a_way_to_know_feishu_is_refused() -> None:
    """With neither key nor token configured anybody could send events."""
    missing = required_settings_missing(load({"FEISHU_APP_ID": "cli_x", "FEISHU_APP_SECRET": "fake"}))
    assert len(missing) == 1
    assert "FEISHU_VERIFICATION_TOKEN" in str(missing[0])


def test_every_variable_with_a_name_of_its_own_stands_in_the_example() -> None:
    """example.env shows each variable that the program reads."""
    example = (CONFIG / "example.env").read_text(encoding="utf-8")
    assert [name for name in (*VARIABLES, "BOT_CONFIG_DIR") if f"{name}=" not in example] == []


@given(st.sets(st.sampled_from(sorted(EVERY)), min_size=1))
def test_all_malformed_variables_are_reported_together(names: set[str]) -> None:
    """Any number of malformed variables gives one line for each, which begins with its name."""
    faults = faults_of({name: EVERY[name] for name in names})
    assert sorted(fault.partition(":")[0] for fault in faults) == sorted(names)
    assert all("\n" not in fault and "bot.toml:" not in fault for fault in faults)


def test_faults_of_all_sources_are_reported_together(tmp_path: Path) -> None:
    """A malformed .env, a broken bot.toml, and malformed, unknown and unreadable variables give a line each."""
    (tmp_path / ".env").write_text("FEISHU_APP_ID cli_a\n", encoding="utf-8")
    (tmp_path / "bot.toml").write_text("[team\n", encoding="utf-8")
    variables = {"BOT_CONFIG_DIR": str(tmp_path), "PORT": "a", "BOT_TEAM_X": "1", "METRICS_TOKEN": "\udcff"}
    faults = faults_of(variables, dotenv=tmp_path / ".env")
    assert [fault.partition(":")[0] for fault in faults] == [
        f"{tmp_path / '.env'} line 1",
        "METRICS_TOKEN",
        "bot.toml line 1",
        "BOT_TEAM_X",
        "PORT",
    ]


@given(st.sampled_from(sorted({*EVERY, "FEISHU_ENCRYPT_KEY", "ZHIPU_API_KEY"})), st.text())
def test_no_text_in_any_variable_raises_anything_else(name: str, text: str) -> None:
    """Whatever stands in a variable, it is used or reported by the name of the variable."""
    assert [fault.partition(":")[0] for fault in faults_of({name: text})] in ([], [name])


@pytest.mark.parametrize("name", sorted({*EVERY, "BOT_CONFIG_DIR", "ZHIPU_API_KEY"}))
def test_bytes_that_are_not_utf_8_are_an_error(name: str) -> None:
    """Python hands them on as surrogates, which can be neither stored nor printed."""
    assert faults_of({name: "a\udcff"}) == [f"{name}: is not UTF-8 text"]


@pytest.mark.parametrize("value", ["1979-05-27", "[[]]", "{ a = 1 }", "nan"])
@pytest.mark.parametrize("setting", [f"{section}.{name}" for section, values in SECTIONS.items() for name in values])
def test_a_malformed_value_in_the_file_is_named_with_its_section(setting: str, value: str, tmp_path: Path) -> None:
    """A value of no type that the setting has gives one line with section and name."""
    section, _, name = setting.partition(".")
    (tmp_path / "bot.toml").write_text(f"[{section}]\n{name} = {value}\n", encoding="utf-8")
    (fault,) = faults_of({"BOT_CONFIG_DIR": str(tmp_path)})
    assert fault.startswith(f"{setting} in bot.toml: ")


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_switch_is_no_number(value: str, tmp_path: Path) -> None:
    """``pending = true`` would otherwise allow one image."""
    (tmp_path / "bot.toml").write_text(f"[limits]\npending = {value}\n", encoding="utf-8")
    assert faults_of({"BOT_CONFIG_DIR": str(tmp_path)}) == [
        "limits.pending in bot.toml: must be an integer from 0 to 1000"
    ]


@pytest.mark.parametrize("empty", ["", " ", " , ", "，；、", "\n", "[]", '[""]', '""', "“”", "''", '" "'])
@pytest.mark.parametrize("setting", ["admins", "allowed_people", "allowed_chats"])
def test_an_empty_list_does_not_open_the_bot_to_everybody(setting: str, empty: str, tmp_path: Path) -> None:
    """A variable without an entry leaves the list of the file as it is."""
    prefix = "oc" if setting == "allowed_chats" else "ou"
    (tmp_path / "bot.toml").write_text(f'[team]\n{setting} = ["{prefix}_file"]\n', encoding="utf-8")
    settings = load({"BOT_CONFIG_DIR": str(tmp_path), f"BOT_TEAM_{setting.upper()}": empty})
    assert getattr(settings.team, setting) == (f"{prefix}_file",)


@pytest.mark.parametrize("empty", ["", "  ", '""', "''", "“ ”"])
@pytest.mark.parametrize("name", sorted({*EVERY, "FEISHU_ENCRYPT_KEY", "ZHIPU_API_KEY", "BOT_CONFIG_DIR", "BOT_X_Y"}))
def test_an_empty_variable_is_not_set(name: str, empty: str) -> None:
    """It is as if it was not there, whichever it is."""
    assert load({name: empty}) == load({})


@pytest.mark.parametrize(
    "written",
    [
        "ou_a,ou_b", "ou_a ou_b", "ou_a;ou_b", "ou_a，ou_b", "ou_a；ou_b", "ou_a、ou_b", "ou_a\nou_b",
        '["ou_a", "ou_b"]', "['ou_a', 'ou_b']", '"ou_a","ou_b"', '"ou_a, ou_b"', "“ou_a”，“ou_b”",
        " ou_a , ,ou_b,", "'[\"ou_a\",\"ou_b\"]'",
    ],
)  # fmt: skip
def test_a_list_may_be_written_in_any_usual_way(written: str) -> None:
    """Commas, semicolons and spaces, also full-width, new lines, and JSON."""
    assert load({"BOT_TEAM_ADMINS": written}).team.admins == ("ou_a", "ou_b")


@pytest.mark.parametrize("name", sorted(ID_LISTS))
@pytest.mark.parametrize(
    "entry", ["lin", "on_a", "ou_", "oc_", "cli_a", "ou_a/b", "ou_a.ou_b", "陈", '["', "{}", "null"]
)
def test_what_is_no_id_is_an_error(name: str, entry: str, tmp_path: Path) -> None:
    """It would let nobody in, or everybody; the variable, or the file and the key, are named."""
    good = f"{ID_LISTS[name]}a"
    (fault,) = faults_of({name: f"{good},{entry}"})
    assert fault.startswith(f"{name}: ")
    setting = name.removeprefix("BOT_TEAM_").lower()
    (tmp_path / "bot.toml").write_text(f"[team]\n{setting} = ['{good}', '{entry}']\n", encoding="utf-8")
    (fault,) = faults_of({"BOT_CONFIG_DIR": str(tmp_path)})
    assert fault.startswith(f"team.{setting} in bot.toml: '")


@pytest.mark.parametrize("entries", ["['']", "[1]", "[['ou_a']]", "7", "{ou_a = 1}"])
def test_a_list_of_something_else_in_the_file_is_an_error(entries: str, tmp_path: Path) -> None:
    """An empty entry is one too: dropping it would leave an empty list, which allows everybody."""
    (tmp_path / "bot.toml").write_text(f"[team]\nallowed_people = {entries}\n", encoding="utf-8")
    (fault,) = faults_of({"BOT_CONFIG_DIR": str(tmp_path)})
    assert fault.startswith("team.allowed_people in bot.toml: ")


@pytest.mark.parametrize("quoted", ['"{}"', "'{}'", "“{}”", "‘{}’", "”{}”", ' "{}" ', "'\"{}\"'", '" {} "'])
def test_quotation_marks_around_a_value_are_removed(quoted: str) -> None:
    """Compose and ``--env-file`` leave them there; which variables had them is kept for the check."""
    wanted = {"ZHIPU_API_KEY": "id.secret", "BOT_DATA_DIR": "/data", "PORT": "81", "BOT_SLOTS_COGVIEW": "2"}
    settings = load({name: quoted.format(value) for name, value in wanted.items()})
    assert settings.api_key.get_secret_value() == "id.secret"
    assert (settings.data_dir, settings.port, settings.slots.cogview) == (Path("/data"), 81, 2)
    assert settings.unquoted == tuple(sorted(wanted))


def test_marks_that_are_no_pair_belong_to_the_value() -> None:
    """A secret may begin or end with one."""
    for secret in ('"a', "a'", "\"a'", "”", '"a"b"'):
        settings = load({"FEISHU_ENCRYPT_KEY": secret})
        assert (settings.encrypt_key.get_secret_value(), settings.unquoted) == (secret, ())


@pytest.mark.parametrize("path", ['"/data', "/data'", "“/data", "'/data\""])
def test_half_a_pair_of_marks_is_no_part_of_a_folder(path: str) -> None:
    """A folder of that name would be made in the working folder."""
    assert faults_of({"BOT_DATA_DIR": path}) == ["BOT_DATA_DIR: has a quotation mark at one end only; remove it"]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (r"'a$b${HOME}\n\\c'", r"a$b${HOME}\n\\c"),
        ("'ends with a backslash\\'", "ends with a backslash\\"),
        ("'a # b'  # comment", "a # b"),
        ('"a\\tb"', "a\tb"),
        ('"${OTHER}-${MISSING:-none}"', "other's-none"),
        ("${OTHER}", "other's"),
        ("plain # comment", "plain"),
        ("pa#ss", "pa#ss"),
        ("  # only a comment", ""),
        ("'\"/data\"'", "/data"),
        ("'two\nlines'", "two\nlines"),
    ],
)
def test_a_dotenv_value_in_single_quotes_is_literal(line: str, value: str, tmp_path: Path) -> None:
    """Without escapes and without ``$``; other values are read as python-dotenv reads them."""
    text = f"OTHER=\"other's\"\nexport FEISHU_ENCRYPT_KEY = {line}\nPORT='81'\n"
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    settings = load({}, dotenv=tmp_path / ".env")
    assert (settings.encrypt_key.get_secret_value(), settings.port) == (value, 81)


@pytest.mark.parametrize("line", ["PORT='81", 'PORT="81', "PORT='81'x", "=81", "PORT 81"])
def test_a_malformed_line_of_the_dotenv_file_is_named(line: str, tmp_path: Path) -> None:
    """The line is told, and nothing of what it says."""
    (tmp_path / ".env").write_text(f"FEISHU_APP_ID=cli_a\n{line}\n", encoding="utf-8")
    (fault,) = faults_of({}, dotenv=tmp_path / ".env")
    assert fault.startswith(f"{tmp_path / '.env'} line 2: ")
    assert "81" not in fault


@pytest.mark.parametrize(
    ("domain", "origin"),
    [
        ("Lark", "https://open.larksuite.com"),
        ("HTTPS://Open.Feishu.CN/", "https://open.feishu.cn"),
        ("https://feishu.example:8443", "https://feishu.example:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_an_origin_is_taken_in_its_usual_spelling(domain: str, origin: str) -> None:
    """Scheme and host are in lower case, and a slash at the end is none of it."""
    assert load({"FEISHU_DOMAIN": domain}).domain == origin


@pytest.mark.parametrize(
    "domain",
    [
        "https://open.feishu.cn#", "https://open.feishu.cn?", "https://open.feishu.cn/?", "https://open.feishu.cn/#a",
        "https://@open.feishu.cn", "https://u:p@open.feishu.cn", "https://open.feishu.cn@evil.example",
        "https://open.feishu.cn/open-apis", "https://open.feishu.cn//", "https://open.feishu.cn\\@evil.example",
        "https://open.feishu.cn\\", "https://open.feishu.cn .evil.example", "https://open.feishu.cn\t", "https:// a",
        "https://open.feishu.cn.", "https://.feishu.cn", "https://open..cn", "https://open.feishu.cn:", "https://:443",
        "https://open.feishu.cn:0", "https://open.feishu.cn:65536", "https://open.feishu.cn:abc", "https://a:４４３",
        "https://open.feiſhu.cn", "https://例子.cn", "https://open．feishu．cn", "https：//open.feishu.cn",
        "https:/a.cn", "https://", "open.feishu.cn", "//open.feishu.cn", "ftp://open.feishu.cn", "http://open.feishu.cn",
        "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://10.0.0.1", "https://[::zz]",
        "https://[::1", f"https://{'a' * 64}.cn", "feishu.cn", "Lar\u212a", "https://a%2eb.cn",
    ],
)  # fmt: skip
def test_nothing_but_an_origin_is_a_domain(domain: str) -> None:
    """Anything after the host, or anything that could be read as another host, is an error."""
    (fault,) = faults_of({"FEISHU_DOMAIN": f"{domain}x" if domain.endswith("\t") else domain})
    assert fault == "FEISHU_DOMAIN: must be feishu, lark, or an https origin such as https://open.feishu.cn"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://x/y.db", "third slash"),
        ("sqlite://user@/y.db", "third slash"),
        ("sqlite://", "must name a file"),
        ("sqlite:///", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:///file:bot.db", "must name a file"),
        ("sqlite:///file:x?mode=memory&uri=true", "must have no parameters"),
        ("sqlite:///bot.db?timeout=abc", "must have no parameters"),
        ("sqlite:////tmp", "names a folder"),
        ("sqlite:////dev/null", "a device"),
        ("sqlite:///no-such-folder/", "names a folder"),
        ("sqlite:///~nobody-of-this-name/bot.db", "home folder"),
        ("sqlite+aiosqlite:///bot.db", "neither"),
        ("sqlite:/bot.db", "neither"),
        ("postgresql+asyncpg://h/d", "neither"),
        ("postgresql+psycopg2://h/d", "neither"),
        ("jdbc:postgresql://h/d", "neither"),
        ("postgresql:", "neither"),
        ("mysql://bot:not-a-password@db/bot", "neither a PostgreSQL nor an SQLite database; set DATABASE_URL to "),
        ("https://db.example/bot", "neither"),
        ("postgresql://bot:pa@not-a-password@db.example/bot", "write an @ that belongs to the name or the password"),
        ("postgresql://b@t:not-a-password@db.example/bot", "more than one @"),
        ("postgresql://u:not-a-password@h", "names no database"),
        ("postgresql://u:not-a-password@h/", "names no database"),
        ("postgresql://u:not-a-password@h:54x2/d", "a port"),
        ("postgresql://u:not-a-password@h:99999/d", "a port"),
        ("postgresql://u:not-a-password@h/d?port=abc", "do not go together"),
        ("postgresql://u:not-a-password@/d?host=a&host=b&port=1&port=2&port=3", "do not go together"),
        ("postgresql://u:not-a-password@h/d?nonsense=not-a-password", "does not know: nonsense"),
    ],
)
def test_a_database_that_cannot_be_meant_is_an_error(url: str, says: str) -> None:
    """Each mistake has its own sentence, without the address and its password."""
    (fault,) = faults_of({"DATABASE_URL": url})
    assert fault.startswith("DATABASE_URL: ")
    assert says in fault
    assert "not-a-password" not in fault


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bot:p%40ss%2Fw%3A@db/bot", "postgres://bot:not-a-password@db/bot", "sqlite:////home/b@t/d@ta/bot.db",
        "postgresql:///bot", "postgresql:///?host=/run/postgresql&dbname=bot",
        "postgresql://[::1]:5432/bot?sslmode=require&application_name=x", "sqlite:///bot.db", "sqlite:////srv/a%20b.db",
    ],
)  # fmt: skip
def test_a_database_that_can_be_used_is_left_as_it_is(url: str) -> None:
    """Escapes, sockets, IPv6 and the parameters of libpq are PostgreSQL's own."""
    assert load({"DATABASE_URL": url}).url == url


def test_a_data_folder_of_any_name_holds_the_database() -> None:
    """A percent sign or a question mark in it means nothing to the database's URL."""
    settings = load({"BOT_DATA_DIR": "/data/100%25 ?#@:é"})
    assert read_url(settings.url).database == "/data/100%25 ?#@:é/bot.db"


@pytest.mark.parametrize(
    ("content", "variables", "source"),
    [
        ("", {"BOT_IMAGES_SIZE": "512x512"}, "BOT_IMAGES_SIZE"),
        ("", {"BOT_IMAGES_SIZE": "512x512", "BOT_IMAGES_MODEL": "glm-image"}, "BOT_IMAGES_SIZE"),
        ('[images]\nsize = "2048x2048"', {"BOT_IMAGES_MODEL": "nothing"}, "BOT_IMAGES_MODEL"),
        ('[images]\nsize = "1472x1088"', {"BOT_IMAGES_MODEL": "cogview-4"}, None),
        ('[images]\nsize = "1x1"', {"BOT_IMAGES_QUALITY": "hd"}, "images.size in bot.toml"),
        ('[base]\napp_token = "x"', {}, "base.table_id in bot.toml"),
        ('[base]\napp_token = "x"', {"BOT_BASE_MINUTES": "1"}, "base.table_id in bot.toml"),
        ("", {"BOT_BASE_APP_TOKEN": "x"}, "BOT_BASE_APP_TOKEN"),
        ("", {"BOT_BASE_TABLE_ID": "x"}, "BOT_BASE_TABLE_ID"),
        ("port = 81", {}, "port in bot.toml"),
        ('app_secret = "not-a-secret"', {}, "app_secret in bot.toml"),
        ("server = 1", {"BOT_SERVER_THREADS": "2"}, "server in bot.toml"),
        ("[[server]]\nthreads = 1", {"BOT_SERVER_THREADS": "2"}, "server in bot.toml"),
    ],
)
def test_a_fault_is_blamed_on_where_the_value_is_from(
    content: str, variables: dict[str, str], source: str | None, tmp_path: Path
) -> None:
    """Also where two values together are at fault, and where the file has what only variables may have."""
    (tmp_path / "bot.toml").write_text(content, encoding="utf-8")
    faults = faults_of({"BOT_CONFIG_DIR": str(tmp_path), **variables})
    assert [fault.partition(":")[0] for fault in faults] == ([source] if source else [])
    assert "not-a-secret" not in str(faults)


@pytest.mark.parametrize("name", ["bot.toml", "messages.zh.toml", "messages.en.toml", "styles.toml"])
@pytest.mark.parametrize("broken", ["a =", "a = 'x' b", 'a = "', "a = 1\na = 2", "=", "a = 0x"])
def test_broken_toml_is_named_with_its_line(name: str, broken: str, tmp_path: Path) -> None:
    """Every file of the configuration says which line cannot be read."""
    for each in config_folder({}).glob("*.toml"):
        (tmp_path / each.name).write_bytes(each.read_bytes())
    (tmp_path / name).write_text(f"# one\n\n{broken}", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        READERS.get(name, Messages.load)(tmp_path)
    line = 3 + broken.count("\n")
    assert [fault.partition(": ")[0] for fault in caught.value.faults] == [f"{name} line {line}"]


@pytest.mark.parametrize("content", ["style = 5", "[style]\nname = 'x'", "[[styles]]\nname = 'x'", "style = [1]"])
def test_styles_of_another_shape_are_an_error(content: str, tmp_path: Path) -> None:
    """A misspelt table would otherwise be no style at all, and a number a traceback."""
    (tmp_path / "styles.toml").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^styles\.toml: "):
        Styles.load(tmp_path)


def test_the_default_time_zone_is_there_without_the_systems_database() -> None:
    """Slim images have no zoneinfo; the package tzdata stands in for it."""
    code = "from bot.settings import load; print(load({}).team.zone)"
    environment = {**os.environ, "PYTHONTZPATH": ""}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "Asia/Shanghai\n", "")
