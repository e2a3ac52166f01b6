"""Fixtures for every test: each engine that the bot runs on."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from bot.db.database import Database, read_url
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import GlmStandIn
from tests.support.databases import postgres_database, sqlite_database

# A shell that starts the tests in the background lets them, and the processes that they start, ignore Ctrl-C, and
# ``nohup`` a hangup.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# No test may fail because the machine is busy. A property takes the profile of the moment when it is imported.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A commit in memory does not wait for a disk, where hundreds of tests commit at once.
_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders of its own in it
if "TMPDIR" not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 2 * 1024**3:
    os.environ["TMPDIR"] = str(_MEMORY)

ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes ``-n auto`` starts: two a processor, since half of the tests' time is waiting for others.

    Eight at most, as each opens dozens of connections to the one PostgreSQL, which usually allows a hundred.
    """
    return min(2 * (os.cpu_count() or 1), 8)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets the summary print one line for all tests that are skipped for one reason."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = ("tests", None, report.longrepr[2])  # type: ignore[assignment]
    return report


LONGEST = ("test_crash_matrix.py", "test_chaos.py", "test_state_machine.py", "test_image.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that take longest, so that no worker is left with one of them when the others are done."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Spares each garbage collection the thousands of tests and modules that stay to the end: a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database with its schema, on each engine in turn."""
    if request.param == "sqlite":
        yield sqlite_database(tmp_path)
    else:
        with postgres_database() as url:
            yield url


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database in which nothing is, on each engine in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bot.db'}"
    else:
        with postgres_database(empty=True) as url:
            yield url


@pytest.fixture
def feishu() -> Iterator[FeishuStandIn]:
    """Feishu, on loopback."""
    with FeishuStandIn() as feishu:
        yield feishu


@pytest.fixture
def glm() -> Iterator[GlmStandIn]:
    """A GLM that answers at once."""
    with GlmStandIn() as glm:
        yield glm


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database with its schema, on each engine in turn."""
    database = Database(read_url(database_url))
    yield database
    database.close()
