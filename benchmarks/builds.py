"""Builds of the program: a checkout, and the interpreter that runs it.

A build is measured from outside: each number comes from a process of its own
(:mod:`benchmarks.probe`) that finds its package by ``PYTHONPATH``. All builds of a
comparison get the same threads, the same cores and the same allocator.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

__all__ = ["ALLOCATORS", "Build", "Failed", "same_cores"]

PROBE = Path(__file__).with_name("probe.py")

KEPT_BYTES = 256 * 2**20
"""As :func:`napari_udvd.runtime.device.keep_freed_memory` has it."""

ALLOCATORS = {
    "kept": {
        "MALLOC_MMAP_THRESHOLD_": str(KEPT_BYTES),
        "MALLOC_TRIM_THRESHOLD_": str(2 * KEPT_BYTES),
    },
    "own": {},
}
"""Variables that glibc reads: freed memory is kept, or what each build does itself."""


class Failed(RuntimeError):
    """A probe ended with an error, which the message quotes."""


class Build:
    """A checkout and an interpreter that has what it needs.

    Parameters
    ----------
    checkout
        Folder with ``src/napari_udvd`` in it.
    python
        Interpreter with the libraries of that checkout.
    threads
        Of every process.
    allocator
        One of :data:`ALLOCATORS`.

    Raises
    ------
    ValueError
        If the folder is no checkout.
    """

    def __init__(
        self,
        checkout: Path,
        python: Path = Path(sys.executable),
        threads: int = 1,
        allocator: Literal["kept", "own"] = "kept",
    ) -> None:
        self.checkout = checkout.resolve()
        self.source = self.checkout / "src"
        if not (self.source / "napari_udvd").is_dir():
            raise ValueError(f"{checkout} is no checkout: it has no src/napari_udvd")
        self.python = python
        self._environment = {
            **os.environ,
            **ALLOCATORS[allocator],
            "PYTHONPATH": str(self.source),
            "PYTHONWARNINGS": "ignore",
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
        }

    def probe(self, *words: object) -> dict[str, Any]:
        """Run a probe in a process of its own, and return what it found.

        Besides what the probe says, ``wall`` is the seconds from the start of the
        process to its end, and ``began`` when it was started (:func:`time.time`).

        Raises
        ------
        Failed
            If it ends with an error, or has measured another package than this one.
        """
        began, start = time.time(), time.perf_counter()
        # -P: scripts beside the probe may have the names of somebody's libraries
        printed = self.run("-P", str(PROBE), *map(str, words))
        wall = time.perf_counter() - start
        found: dict[str, Any] = json.loads(printed.splitlines()[-1])
        if not Path(found["from"]).is_relative_to(self.source):
            raise Failed(f"measured {found['from']} in place of {self.source}")
        return {**found, "began": began, "wall": wall}

    def run(self, *arguments: str) -> str:
        """Run the interpreter with this build; return what it printed.

        Raises
        ------
        Failed
            If it ends with an error.
        """
        done = subprocess.run(
            [str(self.python), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Failed(f"{self.checkout}: {' '.join(arguments)}\n{done.stderr}")
        return done.stdout

    def commit(self) -> str:
        """Name the commit of the checkout, and say if files differ from it."""
        asked = ["git", "-C", str(self.checkout), "describe", "--always", "--dirty"]
        done = subprocess.run(asked, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else "no commit"


def same_cores(count: int) -> None:
    """Keep this process, and those it starts, on so many cores (Linux)."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:count])
