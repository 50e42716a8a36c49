"""Who computes independent parts: this thread, threads of a CPU, several devices.

Whatever is cut into parts is handed to an :class:`Executor`: it says nothing of where a
part is computed, and whoever cuts knows nothing of threads, cards and machines. There
are four: :class:`InTurn` and :class:`Threads` here,
:class:`~napari_udvd.runtime.replicas.Replicas` for the devices of this machine, and
:class:`~napari_udvd.runtime.cluster.Cluster` for processes on any machine.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from napari_udvd.runtime.parallel import run_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

__all__ = ["Executor", "InTurn", "Pending", "Threads", "in_order"]

Part = TypeVar("Part")
Result = TypeVar("Result")


class Executor(Protocol):
    """Computes independent parts, somewhere."""

    def map(
        self, work: Callable[[Part], Result], parts: Iterable[Part]
    ) -> Generator[Result, None, None]:
        """Call a function for every part.

        Parameters
        ----------
        work
            What is done with a part; it may be called by several threads, or
            processes, at a time.
        parts
            Taken as there is room for them: they may be many.

        Yields
        ------
        Result
            In the order of the parts. The first error is raised in place of its
            result, once what was begun has come to an end; nothing is begun after it,
            nor after the iterator was closed.
        """


class InTurn:
    """One part after the other, in the thread that asks for the result."""

    def map(
        self, work: Callable[[Part], Result], parts: Iterable[Part]
    ) -> Generator[Result, None, None]:
        """Compute parts as they are asked for, see :class:`Executor`."""
        for part in parts:
            yield work(part)


class Threads:
    """Threads of a CPU, one for each part, and each with one core."""

    def map(
        self, work: Callable[[Part], Result], parts: Iterable[Part]
    ) -> Generator[Result, None, None]:
        """Compute all parts at the same time, see :class:`Executor`."""
        yield from run_parts(work, list(parts))


class Pending(Protocol):
    """A result that is on its way, as of ``concurrent.futures`` and of dask."""

    def result(self) -> Any:
        """Wait for it; raise what its part failed with."""


def in_order(
    submit: Callable[[Part], Pending],
    parts: Iterable[Part],
    most: Callable[[], int],
    settle: Callable[[Sequence[Any]], Any],
) -> Generator[Any, None, None]:
    """Yield results in the order of their parts, with few of them on their way.

    Parameters
    ----------
    submit
        Begins a part, or puts it into a queue.
    parts
        Taken one by one.
    most
        Parts that may be on their way at a time; it may change meanwhile.
    settle
        Gets the parts that are on their way and of no use any longer, to cancel them
        or to wait for them.
    """
    waiting: deque[Pending] = deque()
    coming = iter(parts)
    try:
        for part in coming:
            while len(waiting) >= most():
                yield waiting.popleft().result()
            waiting.append(submit(part))
        while waiting:
            yield waiting.popleft().result()
    finally:
        if waiting:
            settle(tuple(waiting))
