"""The line on a terminal that counts the seconds of a wait."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import Self

_BACK_TO_START = "\r\x1b[K"


class Progress:
    """Shows ``words`` and the elapsed seconds on standard error while it is entered, and wipes the line at the end.

    Nothing is shown where that is no terminal, and nothing more once the terminal has gone away.

    Args:
        words: what is being waited for.
    """

    def __init__(self, words: str) -> None:
        self._words = words
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _count(self) -> None:
        began = time.monotonic()
        with suppress(OSError):
            while True:
                _show(f"{_BACK_TO_START}{self._words}: {time.monotonic() - began:.0f} s")
                if self._over.wait(1):
                    break
            _show(_BACK_TO_START)


def _show(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)
