"""What a process that runs for long takes of its machine: memory, a core, and turns of the interpreter."""

from __future__ import annotations

import ctypes
import gc
import os
import secrets
import socket
import sys
from contextlib import suppress

TURN = 0.0003
"""Seconds after which a busy thread lets another run: with Python's own 5 ms, a message that comes while the worker is
busy waits several times as long for its acknowledgement."""

ARENAS = 2
_M_ARENA_MAX = -8
"""The number of the parameter in glibc's malloc.h: https://man7.org/linux/man-pages/man3/mallopt.3.html"""

_CLAIM = "\0glm-image-bot/core/{core}"
"""The name of a socket that is bound by whoever keeps to a core. It is in Linux's abstract namespace, so that it is no
file and ends with its process: https://man7.org/linux/man-pages/man7/unix.7.html"""


def settle_in() -> None:
    """Prepares a process, in its main thread and before it starts another."""
    keep_memory_together()
    keep_to_one_core()
    sys.setswitchinterval(TURN)


def keep_memory_together() -> None:
    """Lets all threads share two arenas of the C library's allocator.

    Each of glibc's arenas, eight a core by default, keeps what it once needed; with thirty threads the process grows by
    megabytes an hour that nobody uses. Other C libraries have no arenas: there it does nothing.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


def keep_to_one_core() -> None:
    """Keeps all threads that are started from now on to one core that no other process of the bot keeps to.

    The interpreter runs one thread at a time, so that a second core brings it nothing, and passing it from core to core
    costs more than most of its turns. Which core it is, is left to chance, as processes in other containers cannot be
    seen. Where each core is kept to by one already, or the system does not let a process choose, the system decides as
    ever.
    """
    if sys.platform != "linux":
        return
    cores = sorted(os.sched_getaffinity(0))
    secrets.SystemRandom().shuffle(cores)
    for core in cores:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as claim:
            claim.bind(_CLAIM.format(core=core))
            os.sched_setaffinity(0, {core})
            # The claim is to last as long as the process.
            claim.detach()
            return


def keep_what_is_there() -> None:
    """Spares the collector what a start has made, which stays to the end.

    A full round of the collector through it held an answer up for 100 ms.
    """
    gc.collect()
    gc.freeze()
