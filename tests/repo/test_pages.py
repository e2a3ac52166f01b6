"""What the pages say can be typed, set and opened is there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module

from bot.__main__ import COMMANDS
from bot.__main__ import main as bot_main
from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import BARE
from bot.chat.parsing.tokenizer import COMMANDS as CHAT_COMMANDS
from bot.errors import ErrorKind, UserError
from bot.models import Command
from bot.settings import FIELDS, VARIABLES
from tests.benchmarks.__main__ import BENCHMARKS
from tests.repo.lock import TOP
from tests.repo.pages import BLOCK, TEXTS
from tests.support.forkserver import run_command

KNOWN = {*FIELDS, "BOT_CONFIG_DIR"}
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
            name = program["module"] or {"glm-image": "bot generate"}.get(program["script"], "bot")
            if name == "bot":
                # Without a command it is the name of a service.
                name = f"bot {program['verb'] or ''}"
            if name != "bot ":
                found |= {(name, flag) for flag in ("", *FLAG.findall(f"{program['rest']} {comment}"))}
    return found


@cache
def flags_of(program: str) -> set[str]:
    own, _, command = program.partition(" ")
    main = bot_main if own == "bot" else import_module(f"{own}.__main__").main
    told = run_command(main, *command.split(), "--help", variables=dict(os.environ), folder=TOP).stdout.decode()
    return set(FLAG.findall(told))


def test_every_command_of_a_page_is_there_and_every_command_stands_on_a_page() -> None:
    given = sorted(set().union(*map(runs, TEXTS)))
    assert {f"bot {name}" for name in COMMANDS} <= {program for program, _ in given}
    files = {program: TOP / f"{program.replace('.', '/')}.py" for program in WITHOUT_HELP}
    assert [program for program, _ in given if program in files and not files[program].is_file()] == []
    helped = [(program, flag or "--help") for program, flag in given if program not in files]
    assert [(program, flag) for program, flag in helped if flag not in flags_of(program)] == []


def section(heading: str) -> str:
    """A section of the page of commands."""
    return TEXTS["config/docs/commands.md"].partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_every_flag_stands_in_the_section_of_its_command() -> None:
    """The page of commands names each flag, and no other."""
    for program, heading in (("bot generate", "The command line"), ("bot check", "The check")):
        # In backticks, and with the flag first: a command that is quoted there is no list of flags.
        spans = re.findall(r"(?<!`)`(-[^`]+)`", section(heading))
        told = {flag for span in spans for flag in FLAG.findall(span.replace("/", " "))}
        assert told == flags_of(program) - {"-h", "--help", "--version"}


def test_every_setting_of_a_page_is_there() -> None:
    """Each ``BOT_…`` variable and each ``[section]`` with a name beside it is a setting."""
    for page, text in TEXTS.items():
        assert set(re.findall("BOT_[A-Z]+_[A-Z_]+", text)) - KNOWN == set(), page
        named = re.findall(r"`(\w+)` of `\[(\w+)\]`|`\[(\w+)\] (\w+)\b", text)
        assert {f"BOT_{b or c}_{a or d}".upper() for a, b, c, d in named} - KNOWN == set(), page


def test_every_link_of_a_page_leads_somewhere_and_the_readme_links_every_page() -> None:
    """Files and pictures that it links are there, as seen from the page, and so are the headings of pages."""
    for page, text in TEXTS.items():
        folder = (TOP / page).parent
        for target, heading in re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)", text):
            assert (folder / target).exists(), f"{page}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.+)$", (folder / target).read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in {one.lower().replace(" ", "-") for one in headings}
        assert page == "README.md" or f"]({page})" in README


def test_every_path_that_a_page_names_is_there() -> None:
    """Files of the repository that stand in code, alone or in a command, exist; a star stands for some of them."""
    path = re.compile(r"(?<![\w./-])(?:bot|tests|config)/[\w./*@-]+|(?<![\w./-])(?:requirements\.txt|pyproject\.toml)")
    named = {(page, found) for page in TEXTS for line in code(page) for found in path.findall(line)}
    assert [(page, name) for page, name in sorted(named) if not list(TOP.glob(name.rstrip("/")))] == []


def test_every_variable_command_and_error_code_is_listed() -> None:
    settings = TEXTS["config/docs/settings.md"]
    assert [name for name in (*VARIABLES, "BOT_CONFIG_DIR") if f"`{name}`" not in settings] == []
    listed = README[README.index("## What you can type\n") : README.index("## Deploy it\n")]
    assert {name for name in CHAT_COMMANDS.values() if f"/{name}" not in listed} == set()
    codes = {kind.code for kind in ErrorKind} | {"INTERRUPTED"}
    assert {code for code in codes if f"`{code}`" not in section("The command line")} == set()
    table = TEXTS["tests/README.md"].partition("## Benchmarks")[2]
    assert set(re.findall(r"^\| `([a-z_]+)`", table, re.MULTILINE)) == set(BENCHMARKS)


def test_what_can_be_typed_can_be_typed() -> None:
    """Each thing in the table is understood, the prompt before an option being a cat; no command is a prompt."""
    rows = [row.split(" | ") for row in README.splitlines() if row.startswith("| `")]
    listed = rows[[row[0] for row in rows].index("| `一只橘猫，坐在窗台上`") :]
    cells = [cell.replace("…", "猫") for row in listed if len(row) == 3 for cell in row[:2]]
    meanings = {text: parse(text) for cell in cells for text in re.findall("`([^`]+)`", cell)}
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
