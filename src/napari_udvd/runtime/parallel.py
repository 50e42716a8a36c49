"""Threads that each compute a part by themselves.

Inside a small network, a CPU's cores spend much of their time waiting for one another.
Independent parts (clips of a batch, frames of a movie), one per core, do not wait.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["one_core_threads", "run_parts", "threads_on"]

Part = TypeVar("Part")
Result = TypeVar("Result")


def threads_on(device: torch.device) -> int:
    """Parts worth computing at the same time."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def run_parts(
    function: Callable[[Part], Result], parts: Sequence[Part]
) -> list[Result]:
    """Call a function for every part, each in a thread with one core; in order.

    A single part is computed right here, by all cores. The first error is raised once
    all parts have come to an end.
    """
    if len(parts) == 1:
        return [function(parts[0])]
    futures = [_pool(len(parts)).submit(function, part) for part in parts]
    errors = [future.exception() for future in futures]
    for error in errors:
        if error is not None:
            raise error
    return [future.result() for future in futures]


def one_core_threads(count: int, name: str = "napari-udvd") -> ThreadPoolExecutor:
    """Start threads in which every operation takes one core, and no other thread.

    Parameters
    ----------
    count
        How many.
    name
        What their names begin with.
    """
    threads = torch.get_num_threads()
    started = threading.Barrier(count + 1)

    def start() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # a thread keeps what it finds when it first asks
        started.wait()

    pool = ThreadPoolExecutor(count, name, initializer=start)
    for _ in range(count):  # one task starts one thread
        pool.submit(int)
    started.wait()
    # the threads also changed what threads to come begin with
    torch.set_num_threads(threads)
    return pool


_pool = cache(one_core_threads)
