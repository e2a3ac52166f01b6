"""What the README says is so."""

from __future__ import annotations

import re
import tomllib

from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import BARE
from bot.chat.parsing.tokenizer import COMMANDS as CHAT_COMMANDS
from bot.errors import GlmError, UserError
from bot.models import Command
from bot.settings import VARIABLES
from tests.benchmarks.__main__ import BENCHMARKS
from tests.repo.lock import TOP

README, SETTINGS, COMMAND_PAGE = (
    (TOP / name).read_text(encoding="utf-8")
    for name in ("README.md", "config/docs/settings.md", "config/docs/commands.md")
)


def test_every_variable_is_in_it() -> None:
    """Each variable that the program reads is explained."""
    assert [name for name in (*VARIABLES, "BOT_CONFIG_DIR") if f"`{name}`" not in SETTINGS] == []


def test_every_chat_command_is_in_it() -> None:
    """Each thing that can be typed is listed."""
    listed = README[README.index("## What you can type\n") : README.index("## Deploy it\n")]
    missing = {name for name in CHAT_COMMANDS.values() if f"/{name}" not in listed}
    assert missing == set()


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


def test_its_commands_run_in_their_order() -> None:
    """What is typed before the virtual environment is said to be active names the Python in it."""
    before = README[: README.index(". .venv/bin/activate")]
    blocks = "".join(re.findall(r"(?ms)^```bash$(.*?)^```$", before))
    assert re.findall(r"(?<!/)python -m \w+", blocks) == []
    assert re.findall(r"\.venv/bin/python -m (.+?)(?:  |$)", blocks, re.MULTILINE) == [
        *("bot setup --sandbox", "bot setup", "pytest -n auto")
    ]


def test_both_readmes_are_short_and_lead_with_the_setup() -> None:
    """The first line of each links the other, and a newcomer needs three commands."""
    chinese = (TOP / "config/docs/README.zh.md").read_text(encoding="utf-8")
    assert README.startswith("[中文说明](config/docs/README.zh.md)\n")
    assert chinese.startswith("[English](../../README.md)\n")
    assert len(README.splitlines()) <= 150
    for page in (README, chinese):
        first = re.findall(r"(?ms)^```bash$(.*?)^```$", page)[0]
        assert [line.split("#")[0].split()[-1] for line in first.strip().splitlines()[1:]] == ["--sandbox", "setup"]


def test_troubleshooting_quotes_what_the_program_prints() -> None:
    """At least 20 rows; what stands in code in the first column is a text of the program, or of a card."""
    page = (TOP / "config/docs/troubleshooting.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    texts = [file.read_text(encoding="utf-8") for file in (TOP / "bot").rglob("*.py")]
    texts.append((TOP / "config/messages.zh.toml").read_text(encoding="utf-8"))
    program = re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))
    quoted = [text for row in rows for text in re.findall("`([^`]+)`", row[0])]
    assert len(rows) >= 20
    assert [text for text in quoted if text not in program] == []


def test_every_error_code_of_the_command_line_is_in_it() -> None:
    """Whoever writes a script against the JSON finds each code that ``error`` may have."""
    section = COMMAND_PAGE[COMMAND_PAGE.index("## The command line") : COMMAND_PAGE.index("## The check")]
    codes = {error.code for error in GlmError.__subclasses__()} | {"INTERRUPTED"}
    assert {code for code in codes if f"`{code}`" not in section} == set()


def test_the_setup_names_are_those_of_the_project() -> None:
    """The extras and scripts that it uses are declared."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(re.findall(r"-e '\.\[(\w+)\]'", README)) <= set(project["optional-dependencies"])
    assert "glm-image" in project["scripts"]


def test_the_procfile_runs_what_the_readme_says() -> None:
    """The lines of the Procfile are the two production commands."""
    lines = (TOP / "Procfile").read_text(encoding="utf-8").splitlines()
    assert lines == ["web: python -m bot serve", "worker: python -m bot worker"]


def test_the_readme_lists_every_benchmark() -> None:
    """A benchmark that can be run is in the table, and the other way round."""
    readme = (TOP / "tests" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)`", readme.partition("## Benchmarks")[2], re.MULTILINE)) == set(BENCHMARKS)
