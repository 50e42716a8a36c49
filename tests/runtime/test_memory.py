"""Memory that is returned."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from napari_udvd.runtime.memory import return_freed


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="of Linux's usual C library only"
)
def test_what_lies_between_pieces_in_use_is_returned() -> None:
    # too small to be handed back by themselves
    pieces = [np.ones(100_000, np.uint8) for _ in range(1000)]
    kept = pieces[::50]
    full = resident()
    del pieces
    return_freed()
    assert full - resident() > 60e6
    assert all(piece.all() for piece in kept)
