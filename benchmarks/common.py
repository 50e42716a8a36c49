"""What the benchmarks share: tables, the machine they ran on, where movies are."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_udvd import __version__
from napari_udvd.runtime.device import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).resolve().parents[1]

DATA = REPOSITORY.parent / "shared" / "data"
"""Real movies; they are not part of the repository (see docs/benchmarks.md)."""


LIMIT = "BENCHMARK_LIMIT"
"""Variable such as 12x64: no movie has more frames, nor more rows and columns.

For trying scripts (:mod:`benchmarks.smoke`): the numbers say nothing then.
"""

_allocators = ["freed memory given back"]
"""What becomes of large pieces of freed memory; the last one holds."""


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table; all columns but the first are aligned right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def set_up(threads: int) -> None:
    """Give everything in this process so many threads, and the same allocator.

    What is compared runs in one process, ours and others: a third to a half of some
    earlier ratios was the allocator that only one of them had.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    _allocators.append("freed memory kept")


def at_most(frames: int, side: int) -> tuple[int, int]:
    """Return frames and edge of a movie, or what :data:`LIMIT` leaves of them."""
    limit = os.environ.get(LIMIT)
    if not limit:
        return frames, side
    most_frames, most_side = map(int, limit.split("x"))
    return min(frames, most_frames), min(side, most_side)


def machine() -> str:
    """Say in one line what the numbers were measured on and with."""
    limit = os.environ.get(LIMIT)
    tried = f"MOVIES OF {limit} AT MOST, JUST TO TRY; " if limit else ""
    return tried + (
        f"{_processor()} ({torch.backends.cpu.get_cpu_capability()}), "
        f"{torch.get_num_threads()} of {os.cpu_count()} threads, {_allocator()}, "
        f"{_load()}; napari-udvd {__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {platform.system()}"
    )


def real_movie(name: str, folder: Path) -> Path:
    """Return the path of a real movie, or end the program and say what is missing."""
    path = folder / name
    if not path.exists():
        sys.exit(
            f"the real movie {name!r} is not in {folder}: name its folder with --data, "
            "or use a simulated movie where the benchmark offers one"
        )
    return path


def chart(path: str) -> Path:
    """Return where a chart is to go: for ``type=`` of an option, before hours of work.

    Raises
    ------
    argparse.ArgumentTypeError
        If it cannot be drawn, or not be written there.
    """
    if find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError(
            "matplotlib is not installed, which draws it: "
            "pip install --group benchmark, or leave this option out"
        )
    parent = Path(path).absolute().parent
    if not parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"{path!r} is to be written into {parent}, which is no folder: make it "
            "first, or name another one"
        )
    return Path(path)


def progress(text: str) -> None:
    """Print what is going on, beside the result."""
    print(text, file=sys.stderr, flush=True)


def _allocator() -> str:
    library = " ".join(platform.libc_ver()).strip() or "C library unknown"
    return f"{_allocators[-1]} by {os.environ.get('LD_PRELOAD') or library}"


def _load() -> str:
    """Say what else the machine did in the last minute, where it can be known."""
    if not hasattr(os, "getloadavg"):
        return "load unknown"
    return f"load {os.getloadavg()[0]:.1f}"


def _processor() -> str:
    # platform.processor() does not know the model on Linux
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
