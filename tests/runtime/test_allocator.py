"""One place that all threads take memory from."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from napari_udvd.runtime.allocator import ARENAS

PROGRAM = """
import ctypes, sys, threading
from napari_udvd.runtime.allocator import share_one_arena

if sys.argv[1] == "shared":
    share_one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(4)

def take():
    libc.malloc(1000)
    together.wait()

threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def arenas(how: str, **environment: str) -> int:
    """How many places four threads of a process took memory from."""
    kept = {name: value for name, value in os.environ.items() if name != ARENAS}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="of Linux's usual C library only"
)
def test_threads_share_one_place_unless_the_user_says_otherwise() -> None:
    assert arenas("apart") > 1
    assert arenas("shared") == 1
    assert arenas("shared", **{ARENAS: "3"}) > 1
