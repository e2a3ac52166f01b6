"""What the C library's allocator keeps for threads does not grow with their number."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from bot.process_tuning import ARENAS

PROGRAM = """
import ctypes, sys, threading
from bot.process_tuning import keep_memory_together
keep_memory_together()
entered = threading.Barrier(16)
def hold():
    kept = [bytearray(2000 + number) for number in range(50)]
    entered.wait(30)
threads = [threading.Thread(target=hold) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
library = ctypes.CDLL(None)
library.fdopen.restype = ctypes.c_void_p
stream = library.fdopen(1, b"w")
library.malloc_info(0, ctypes.c_void_p(stream))
library.fflush(ctypes.c_void_p(stream))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no arenas")
def test_sixteen_threads_share_two_arenas() -> None:
    """However many threads the bot has, no more than two parts of memory keep what they once needed."""
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert 0 < told.stdout.count("<heap nr=") <= ARENAS
