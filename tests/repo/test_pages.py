"""What the pages say can be typed, set and opened is there."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import pytest

from bot.__main__ import COMMANDS
from bot.__main__ import main as bot_main
from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import BARE
from bot.chat.parsing.tokenizer import COMMANDS as CHAT_COMMANDS
from bot.errors import GlmError, UserError
from bot.models import Command
from bot.settings import VARIABLES, Settings
from tests.benchmarks.__main__ import BENCHMARKS
from tests.repo.lock import TOP
from tests.repo.pages import BLOCK, TEXTS
from tests.support.forkserver import run_command

SETTING = re.compile(r"BOT_[A-Z]+_[A-Z_]+")
KNOWN = {
    f"BOT_{section}_{name}".upper()
    for section, field in Settings.model_fields.items()
    for name in getattr(field.annotation, "model_fields", ())
} | {*VARIABLES, "BOT_CONFIG_DIR"}
FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
_SPAN = re.compile(r"`([^`]+)`")
_CHAT = re.compile(r"^## What you can type.*?^(?=## )", re.MULTILINE | re.DOTALL)
_PROGRAM = re.compile(
    r"(?:^|\s)(?:[^\s=]*/)?(?:python3? -m (?P<module>(?:bot|tests)[\w.]*)|(?P<script>glm-image-bot|glm-image))(?=\s|$)"
    r"(?: (?P<verb>[a-z]+)\b)?(?P<rest>[^|;&]*)"
)
WITHOUT_HELP = {"tests.repo.lock", "tests.page.screenshot"}
README = TEXTS["README.md"]


def code(page: str) -> Iterator[str]:
    """What stands on a page as code: each line of a block and each span, those put together that are wrapped.

    What is typed in a chat is left out.
    """
    text = _CHAT.sub("", TEXTS[page])
    for block in BLOCK.findall(text):
        yield from block.replace("\\\n", "").splitlines()
    for span in _SPAN.findall(BLOCK.sub("", text)):
        yield " ".join(span.replace("\\|", "/").split())


def runs(page: str) -> set[tuple[str, str]]:
    """Each program of ours that a page runs, with each flag that the line or its comment gives it; and with none."""
    found = set()
    for line in code(page):
        command, _, comment = line.partition(" #")
        if command.split(" ")[0] in COMMANDS:
            command = f"python -m bot {command}"
        for program in _PROGRAM.finditer(command):
            if name := _name(program["module"] or program["script"], program["verb"]):
                found |= {(name, flag) for flag in ("", *FLAG.findall(f"{program['rest']} {comment}"))}
    return found


def _name(program: str, verb: str | None) -> str | None:
    """A program with its command, where it has several; ``None`` where only its name stands, as that of a service."""
    if program in {"bot", "glm-image-bot"}:
        return verb and f"bot {verb}"
    return "bot generate" if program == "glm-image" else program


def flags_alone(page: str) -> set[str]:
    return {flag for span in code(page) if span.startswith("-") for flag in FLAG.findall(span)}


@cache
def flags_of(program: str) -> set[str]:
    own, _, command = program.partition(" ")
    main = bot_main if own == "bot" else import_module(f"{own}.__main__").main
    told = run_command(main, *command.split(), "--help", variables=dict(os.environ), folder=TOP).stdout.decode()
    return set(FLAG.findall(told))


def test_every_command_of_a_page_is_there() -> None:
    given = sorted(set().union(*map(runs, TEXTS)))
    files = {program: TOP / f"{program.replace('.', '/')}.py" for program in WITHOUT_HELP}
    assert [program for program, _ in given if program in files and not files[program].is_file()] == []
    helped = [(program, flag or "--help") for program, flag in given if program not in files]
    assert [(program, flag) for program, flag in helped if flag not in flags_of(program)] == []


def test_every_flag_that_stands_alone_is_one_of_the_page() -> None:
    for page in TEXTS:
        programs = {program for program, _ in runs(page)} - WITHOUT_HELP
        if alone := flags_alone(page):
            # The one that is not ours is how pytest runs in several processes.
            assert alone - set().union(*map(flags_of, programs)) - {"-n"} == set(), page


def test_every_command_stands_on_a_page() -> None:
    assert {f"bot {name}" for name in COMMANDS} <= {program for page in TEXTS for program, _ in runs(page)}


def section(heading: str) -> str:
    """A section of the page of commands."""
    return TEXTS["config/docs/commands.md"].partition(f"{heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    ("program", "heading"), [("bot generate", "## The command line"), ("bot check", "## The check")]
)
def test_every_flag_stands_in_the_section_of_its_command(program: str, heading: str) -> None:
    """The page of commands names each flag, and no other."""
    # In backticks, and with the flag first: a command that is quoted there is no list of flags.
    spans = re.findall(r"(?<!`)`(-[^`]+)`", section(heading))
    told = {flag for span in spans for flag in FLAG.findall(span.replace("/", " "))}
    assert told == flags_of(program) - {"-h", "--help", "--version"}


def test_every_setting_of_a_page_is_there() -> None:
    """Each ``BOT_…`` variable and each ``[section]`` with a name beside it is a setting."""
    for page, text in TEXTS.items():
        assert set(SETTING.findall(text)) - KNOWN == set(), page
        named = re.findall(r"`(\w+)` of `\[(\w+)\]`|`\[(\w+)\] (\w+)\b", text)
        assert {f"BOT_{b or c}_{a or d}".upper() for a, b, c, d in named} - KNOWN == set(), page


def test_every_link_of_a_page_leads_somewhere() -> None:
    """Files and pictures that it links are there, as seen from the page, and so are the headings of pages."""
    for page, text in TEXTS.items():
        folder = (TOP / page).parent
        for target, heading in re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)", text):
            assert (folder / target).exists(), f"{page}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.+)$", (folder / target).read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in {one.lower().replace(" ", "-") for one in headings}


def test_the_readme_links_every_page() -> None:
    assert [page for page in TEXTS if page != "README.md" and f"]({page})" not in TEXTS["README.md"]] == []


def test_every_path_that_a_page_names_is_there() -> None:
    """Files of the repository that stand in code, alone or in a command, exist; a star stands for some of them."""
    path = re.compile(r"(?<![\w./-])(?:bot|tests|config)/[\w./*@-]+|(?<![\w./-])(?:requirements\.txt|pyproject\.toml)")
    named = {(page, found) for page in TEXTS for line in code(page) for found in path.findall(line)}
    assert [(page, name) for page, name in sorted(named) if not list(TOP.glob(name.rstrip("/")))] == []


def test_every_variable_is_on_the_page_of_settings() -> None:
    assert [
        name for name in (*VARIABLES, "BOT_CONFIG_DIR") if f"`{name}`" not in TEXTS["config/docs/settings.md"]
    ] == []


def test_every_chat_command_is_in_the_readme() -> None:
    listed = README[README.index("## What you can type\n") : README.index("## Deploy it\n")]
    assert {name for name in CHAT_COMMANDS.values() if f"/{name}" not in listed} == set()


def typed() -> list[str]:
    """What the table of things to type shows, the prompt before an option being a cat."""
    rows = [row.split(" | ") for row in README.splitlines() if row.startswith("| `")]
    listed = rows[[row[0] for row in rows].index("| `一只橘猫，坐在窗台上`") :]
    cells = [cell for row in listed if len(row) == 3 for cell in row[:2]]
    return [text.replace("…", "猫") for cell in cells for text in re.findall("`([^`]+)`", cell)]


def test_what_can_be_typed_can_be_typed() -> None:
    """Each thing in the table is understood, and no command of it is taken for a prompt."""
    meanings = {text: parse(text) for text in typed()}
    assert len(meanings) > 40
    assert not [text for text, meaning in meanings.items() if isinstance(meaning, UserError)]
    commands = {text for text in meanings if text.startswith("/") or text.partition(" ")[0] in BARE}
    assert {text for text, meaning in meanings.items() if isinstance(meaning, Command)} >= commands


def test_troubleshooting_quotes_what_the_program_prints() -> None:
    """At least 20 rows; what stands in code in the first column is a text of the program, or of a card."""
    lines = TEXTS["config/docs/troubleshooting.md"].splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")][1:]
    texts = [file.read_text(encoding="utf-8") for file in (TOP / "bot").rglob("*.py")]
    texts.append((TOP / "config/messages.zh.toml").read_text(encoding="utf-8"))
    program = re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))
    quoted = [text for row in rows for text in re.findall("`([^`]+)`", row[0])]
    assert len(rows) >= 20
    assert [text for text in quoted if text not in program] == []


def test_every_error_code_is_on_the_page_of_commands() -> None:
    codes = {error.code for error in GlmError.__subclasses__()} | {"INTERRUPTED"}
    assert {code for code in codes if f"`{code}`" not in section("## The command line")} == set()


def test_the_setup_names_are_those_of_the_project() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(re.findall(r"-e '\.\[(\w+)\]'", README)) <= set(project["optional-dependencies"])
    assert "glm-image" in project["scripts"]


def test_the_procfile_runs_what_the_readme_says() -> None:
    lines = (TOP / "Procfile").read_text(encoding="utf-8")
    assert lines == "web: python -m bot serve\nworker: python -m bot worker\n"


def test_the_readme_lists_every_benchmark() -> None:
    table = TEXTS["tests/README.md"].partition("## Benchmarks")[2]
    assert set(re.findall(r"^\| `([a-z_]+)`", table, re.MULTILINE)) == set(BENCHMARKS)
