"""The line on a terminal that counts the seconds of a wait."""

from __future__ import annotations

import sys
import threading
import time
from typing import Self

_BACK_TO_START = "\r\x1b[K"


class Progress:
    """Shows ``words`` and the elapsed seconds on standard error while it is entered; nothing where that is no terminal.

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
        while True:
            print(
                f"{_BACK_TO_START}{self._words}: {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True
            )
            if self._over.wait(1):
                break
        print(_BACK_TO_START, end="", file=sys.stderr, flush=True)
