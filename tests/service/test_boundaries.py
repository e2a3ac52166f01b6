"""Each boundary of the bot in each kind of trouble, and what two people notice of it.

The rows are what lies outside: GLM, the image host, Feishu, the database, the disk, the clock. The columns are how it
goes wrong: once, for ten seconds, slowly, with garbage, or by refusing the app itself. In every cell one person's
prompt comes to one card and is paid for once, and a second person's ``/help`` is answered: meanwhile, wherever the
chat and the database can be reached, and afterwards in any case. Afterwards everything works again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.dsl import (
    CALL_TIMEOUT,
    DEADLINE,
    QUICK,
    REDELIVERY,
    Around,
    BotUnderTest,
    MovableClock,
    TimeoutTransport,
    around,
    is_final,
    wait_for,
)

PACE = replace(
    QUICK, silence=2.0, backoff_in_all=30.0, upload_in_all=30.0, download=replace(QUICK.download, seconds=30.0)
)
"""Ten seconds of production pass in a few retries; none of the limits in all may end a request meanwhile."""

TEN_SECONDS = 4  # calls that fail in a row: as many as a call with its waits of 1, 2, 4 … s makes in ten seconds


class Scene:
    """A bot whose boundaries can be disturbed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = MovableClock()
        self.bot = BotUnderTest(
            folder=folder,
            pace=PACE,
            clock=self.clock,
            wrap_glm=around(partial(self._send, "glm")),
            wrap_feishu=lambda inner: Around(
                TimeoutTransport(inner, seconds=self.patience), partial(self._send, "feishu")
            ),
        )
        self.slow = ""
        self.go_on = threading.Event()
        self.held = 0

    def patience(self) -> float | None:
        """Seconds for a call to Feishu, few where one is never answered."""
        return CALL_TIMEOUT if any(one.fault.wire == "hang" for one in self.bot.feishu.faults.armed) else None

    def _send(self, side: str, inner: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        if side == self.slow:
            self.held += 1
            self.go_on.wait(DEADLINE)
        return inner.handle_request(request)

    @contextmanager
    def fault(self, fault: str, *, times: int | None = 1, on: str | None = None) -> Iterator[Callable[[], bool]]:
        """So many calls fail, all with ``None``: those ``on`` a call to Feishu, or those to GLM."""
        bot = self.bot
        (bot.feishu if on else bot.glm).faults.arm(fault, on=on, times=times)

        def met() -> bool:
            faults = [call.fault for call in (*bot.glm.calls, *bot.glm.downloads)]
            faults += [call.fault for call in bot.feishu.calls]
            return faults.count(fault) >= min(times or TEN_SECONDS, TEN_SECONDS)

        yield met
        bot.disarm()

    @contextmanager
    def slowly(self, side: str) -> Iterator[Callable[[], bool]]:
        """No call to a platform is answered meanwhile."""
        self.slow = side
        yield lambda: self.held > 0
        self.slow = ""
        self.go_on.set()

    @contextmanager
    def locked(self) -> Iterator[Callable[[], bool]]:
        """Another program writes into the database and does not finish."""
        with closing(sqlite3.connect(self.folder / "bot.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield lambda: True
            other.execute("ROLLBACK")

    @contextmanager
    def renamed(self) -> Iterator[Callable[[], bool]]:
        """The database refuses every statement of the work, as after a wrong migration or without permissions."""
        with closing(sqlite3.connect(self.folder / "bot.db", isolation_level=None, timeout=30.0)) as other:
            other.execute("ALTER TABLE requests RENAME TO elsewhere")
            yield lambda: len(self.bot.feishu.attempts) >= 2
            other.execute("ALTER TABLE elsewhere RENAME TO requests")

    @contextmanager
    def no_folder(self) -> Iterator[Callable[[], bool]]:
        """Originals cannot be stored: a file is where their folder should be."""
        originals = self.folder / "originals"
        if originals.exists():
            originals.rename(self.folder / "away")
        originals.write_bytes(b"")
        yield lambda: True
        originals.unlink()

    @contextmanager
    def garbage_folder(self) -> Iterator[Callable[[], bool]]:
        """Stored originals are damaged as soon as they are written."""
        stop = threading.Event()

        def damage() -> None:
            while not stop.wait(0.002):
                for one in (self.folder / "originals").glob("*.*"):
                    os.truncate(one, 10)

        thread = threading.Thread(target=damage, daemon=True)
        thread.start()
        yield lambda: True
        stop.set()
        thread.join()

    @contextmanager
    def jumped(self, seconds: float) -> Iterator[Callable[[], bool]]:
        """The clock is changed while a paid call is open, and stays so."""
        with self.slowly("glm") as met:
            yield met
            self.clock.ahead += seconds


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of trouble at one boundary.

    ``reachable`` tells whether a second person can be answered meanwhile, ``end`` how the first one's card ends, and
    ``cause`` what readiness says meanwhile; ``None`` where the bot stays ready.
    """

    trouble: Callable[[Scene], AbstractContextManager[Callable[[], bool]]]
    reachable: bool = True
    end: str = "green"
    cause: str | None = None


REFUSED = "Feishu refuses"

CELLS = {
    "GLM once": Cell(trouble=lambda scene: scene.fault("glm_1302")),
    "GLM ten seconds": Cell(trouble=lambda scene: scene.fault("glm_1305", times=None)),
    "GLM slow": Cell(trouble=lambda scene: scene.slowly("glm")),
    "GLM garbage": Cell(trouble=lambda scene: scene.fault("not_json"), end="red"),
    "GLM refused": Cell(trouble=lambda scene: scene.fault("glm_1113"), end="red"),
    "images once": Cell(trouble=lambda scene: scene.fault("image_reset")),
    "images ten seconds": Cell(trouble=lambda scene: scene.fault("image_403", times=3)),
    "images slow": Cell(trouble=lambda scene: scene.fault("image_slow")),
    "images garbage": Cell(trouble=lambda scene: scene.fault("image_html")),
    "images truncated": Cell(trouble=lambda scene: scene.fault("image_truncated")),
    "Feishu once": Cell(trouble=lambda scene: scene.fault("feishu_reset_before", on="reply")),
    "Feishu ten seconds": Cell(
        trouble=lambda scene: scene.fault("feishu_html_502", times=None, on="any"), reachable=False
    ),
    "Feishu slow": Cell(trouble=lambda scene: scene.slowly("feishu"), reachable=False),
    "Feishu silent": Cell(trouble=lambda scene: scene.fault("feishu_hang", on="reply")),
    "Feishu garbage": Cell(trouble=lambda scene: scene.fault("feishu_empty_body", on="patch")),
    "Feishu refused": Cell(
        trouble=lambda scene: scene.fault("scope", times=None, on="any"), reachable=False, cause=REFUSED
    ),
    "Feishu secret refused": Cell(
        trouble=lambda scene: scene.fault("feishu_10014", times=None, on="token"), reachable=False, cause=REFUSED
    ),
    "Feishu uploads refused": Cell(trouble=lambda scene: scene.fault("scope", times=None, on="image"), cause=REFUSED),
    "database ten seconds": Cell(trouble=Scene.locked, reachable=False, cause="database"),
    "database refused": Cell(trouble=Scene.renamed, reachable=False),
    "disk refused": Cell(trouble=Scene.no_folder),
    "disk garbage": Cell(trouble=Scene.garbage_folder),
    "clock an hour ahead": Cell(trouble=lambda scene: scene.jumped(3600.0)),
    "clock an hour back": Cell(trouble=lambda scene: scene.jumped(-3600.0)),
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_trouble_at_one_boundary(cell: Cell, tmp_path: Path) -> None:
    """One person's prompt has one card and costs one image at most; the other person is answered."""
    scene = Scene(tmp_path)
    with scene.bot as bot:
        bot.feishu.delivery = replace(REDELIVERY, ladder=(0.2,) * 150)
        prompting, asking = bot.new_user(), bot.new_user()
        bot.feishu.expire_tokens()
        with cell.trouble(scene) as met:
            prompt = prompting.send()
            wait_for(met)
            question = asking.send("/help")
            if cell.reachable:
                wait_for(lambda: bot.feishu.replies(question.message_id))
            if cause := cell.cause:
                # For a moment it may only know that the worker is silent.
                wait_for(lambda: (ready := bot.readiness)[0] == 503 and cause in ready[1])
        wait_for(lambda: bot.feishu.replies(question.message_id))
        wait_for(lambda: is_final(bot.feishu, prompt))
        assert prompting.ask(prompt).color == cell.end
        assert len(bot.feishu.replies(question.message_id)) == 1
        assert sum(call.paid for call in prompting.posts(prompt)) <= 1
        assert asking.ask().color == "green"
        # A clock that is still wrong is named until it is set right.
        status = 503 if scene.clock.ahead else 200
        wait_for(lambda: bot.readiness[0] == status)
        assert ("clock" in bot.readiness[1]) == bool(scene.clock.ahead)
