"""Standard streams that are closed, full, without a reader, or unable to say a character."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

_OUTPUT_FAULTS = {errno.EPIPE, errno.ENOSPC, errno.EBADF}


def prepare() -> None:
    """Makes the standard streams ready to be printed to, whatever the program was started with.

    A stream that is closed gets a stand-in, so that no file opened later takes its number: standard output one that
    refuses what is written, as a full disk does, and standard error one that drops it. A character that standard
    output cannot say becomes a question mark.
    """
    if sys.stdout is None:
        sys.stdout = _null(1, os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _null(2, os.O_WRONLY)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def write_line(stream: TextIO, line: str) -> bool:
    """Writes a line at once; returns whether it was written."""
    try:
        print(line, file=stream, flush=True)
    except OSError:
        silence(stream)
        return False
    return True


def silence(stream: TextIO) -> None:
    """Leads a stream that fails to nowhere, since Python would complain of it once more at its end."""
    _lead(stream.fileno(), os.O_WRONLY)


def is_of_output(error: OSError) -> bool:
    """Whether an error is that of writing to a stream which is closed, full or without a reader."""
    return error.errno in _OUTPUT_FAULTS and error.filename is None


def _null(number: int, flags: int) -> TextIO:
    _lead(number, flags)
    return open(number, "w", encoding="utf-8", closefd=False)


def _lead(number: int, flags: int) -> None:
    null = os.open(os.devnull, flags)
    if null != number:
        os.dup2(null, number)
        os.close(null)
