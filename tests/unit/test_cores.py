"""A process that runs for long keeps to one core, and leaves the others to others."""

from __future__ import annotations

import os
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

FORBIDDEN = """
import ctypes, errno, platform, struct
number = {"x86_64": 203, "aarch64": 122}[platform.machine()]
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | errno.EPERM), (0x06, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program)))
library = ctypes.CDLL(None, use_errno=True)
assert library.prctl(38, 1, 0, 0, 0) == 0, ctypes.get_errno()
assert library.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(filter)), 0, 0) == 0, ctypes.get_errno()
"""
"""Lets the kernel refuse the choice of a core, as a unit of systemd may: prctl(2), PR_SET_SECCOMP."""

PROGRAM = """
import os, sys, threading
from bot import process_tuning as machine
machine._CLAIM = "\\0" + sys.argv[1] + "/{core}"
machine.keep_to_one_core()
found = []
thread = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
thread.start()
thread.join()
print(*found[0], flush=True)
sys.stdin.read()
"""
CORES = os.sched_getaffinity(0) if sys.platform == "linux" else set()

pytestmark = pytest.mark.skipif(len(CORES) < 2, reason="one core, or a system that does not let one choose")


@contextmanager
def kept_to(name: str, *, before: str = "") -> Iterator[set[int]]:
    """The cores that a thread of such a process may run on, while the process lives."""
    command = [sys.executable, "-c", before + PROGRAM, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield {int(core) for core in process.stdout.readline().split()}
        process.communicate()


def test_each_process_keeps_to_a_core_of_its_own_while_there_are_any() -> None:
    """So many processes as there are cores share them out; one more may run on all."""
    name = secrets.token_hex(8)
    with ExitStack() as running:
        kept = [running.enter_context(kept_to(name)) for _ in CORES]
        assert sorted(core for one in kept for core in one) == sorted(CORES)
        assert running.enter_context(kept_to(name)) == CORES


def test_a_core_is_free_again_when_its_process_has_ended() -> None:
    """Nothing is left behind that would keep the next process from it, however often that happens."""
    name = secrets.token_hex(8)
    for _ in range(len(CORES) + 1):
        with kept_to(name) as cores:
            assert len(cores) == 1


@pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="the number of the call is not known here")
def test_a_process_that_may_not_choose_runs_all_the_same() -> None:
    """Where the system refuses the choice, all cores serve, and none is taken from others."""
    name = secrets.token_hex(8)
    with kept_to(name, before=FORBIDDEN) as refused, kept_to(name) as other:
        assert refused == CORES
        assert len(other) == 1
