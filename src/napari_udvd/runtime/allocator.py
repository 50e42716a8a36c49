"""How the C library of Linux hands out memory; knows nothing heavy.

What is set here holds for the whole process and only before its second thread asks for
memory, so that it is for programs of our own, and comes before torch is loaded.
"""

from __future__ import annotations

import ctypes
import os
import platform

__all__ = ["ARENAS", "share_one_arena"]

ARENAS = "MALLOC_ARENA_MAX"
"""Variable by which users, and we for processes that we start, say the same."""

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h


def share_one_arena() -> None:
    """Let all threads take memory from one place, unless the user has said otherwise.

    By default each has its own, and what one has freed is of no use to the others.
    Networks ask for few and large pieces: nobody waits at the one place.
    """
    if platform.libc_ver()[0] == "glibc" and ARENAS not in os.environ:
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
