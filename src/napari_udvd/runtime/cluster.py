"""Processes on any machine, through dask.distributed.

The program is a client of a scheduler, which hands work to workers. Nothing of dask's
is imported before somebody asks for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from napari_udvd.errors import InputError, WorkersLost
from napari_udvd.runtime.allocator import ARENAS
from napari_udvd.runtime.executor import in_order
from napari_udvd.runtime.workers import CONNECT_SECONDS, check_workers

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Generator,
        Iterable,
        Iterator,
        Sequence,
    )

__all__ = [
    "Bound",
    "Cluster",
    "computing_on",
    "connect",
    "dashboard_of",
    "worker_threads",
]

Part = TypeVar("Part")
Result = TypeVar("Result")

AHEAD = 2
"""Parts on their way for each thread of a worker."""

REPEATS = 1
"""Times that a part is begun again whose worker was lost, on a cluster of our own."""


@contextmanager
def computing_on(
    scheduler: str | None = None, workers: int | None = None
) -> Iterator[Any]:
    """Use a cluster that runs, or start one on this machine.

    Parameters
    ----------
    scheduler
        Address of a scheduler that runs (``tcp://HOST:PORT``), or the file that it
        wrote with ``--scheduler-file``.
    workers
        Processes to start on this machine instead; they share its cores.

    Yields
    ------
    distributed.Client or None
        None where neither is asked for.

    Raises
    ------
    InputError
        If both are asked for, the scheduler does not answer or its workers are not
        like this process, or dask.distributed is not installed.
    """
    if scheduler is not None and workers is not None:
        raise InputError(
            f"`scheduler` {scheduler!r} runs already and has workers of its own; leave "
            f"`workers` {workers} out, or `scheduler` for workers on this machine"
        )
    if scheduler is None and workers is None:
        yield None
        return
    if workers is not None and workers < 1:
        raise InputError(f"`workers` is {workers}; start one or more")
    distributed = _distributed()
    if scheduler is not None:
        with connect(scheduler) as client:
            yield client
        return
    import dask

    assert workers is not None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    each = max(1, (cores or os.cpu_count() or 1) // workers)
    with (
        _same_environment(),
        dask.config.set({"distributed.scheduler.allowed-failures": REPEATS}),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            env={
                "OMP_NUM_THREADS": str(each),
                "OMP_WAIT_POLICY": "PASSIVE",
                ARENAS: os.environ.get(ARENAS, "1"),
            },
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.run(_keep_freed_memory)
        yield client


@contextmanager
def _same_environment() -> Iterator[None]:
    """Put variables back that dask sets in this process to hand them to workers.

    What is started later, by whom ever, would have a single thread.
    """
    import dask

    names = dask.config.get("distributed.nanny.pre-spawn-environ")
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def connect(scheduler: str, seconds: float = CONNECT_SECONDS) -> Any:
    """Become a client of a scheduler that runs.

    Parameters
    ----------
    scheduler
        As for :func:`computing_on`.
    seconds
        Time in which it has to answer.

    Returns
    -------
    distributed.Client
        To be closed by whoever asked.

    Raises
    ------
    InputError
        If it does not answer.
    """
    distributed = _distributed()
    where: dict[str, Any] = {"address": scheduler}
    if scheduler.endswith(".json") or os.path.isfile(scheduler):
        if not os.path.isfile(scheduler):
            raise InputError(
                f"there is no scheduler file {scheduler!r}: start the scheduler with "
                "--scheduler-file, in a folder that this machine sees"
            )
        where = {"scheduler_file": scheduler}
    with _quiet():
        try:
            return distributed.Client(**where, timeout=seconds, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"no dask scheduler answered at {scheduler!r} within {seconds:g} s: "
                "start one with `dask scheduler`, and give the address that it prints, "
                "such as tcp://HOST:8786"
            ) from error


def dashboard_of(client: Any) -> str | None:
    """Return the address of the page that shows what workers do.

    Parameters
    ----------
    client
        Of a scheduler.

    Returns
    -------
    str or None
        None where there is none: bokeh, which draws it, is not where the scheduler is,
        or too old.
    """
    if not client.run_on_scheduler(_has_dashboard):
        return None
    link: str = client.dashboard_link
    return link or None


def _has_dashboard() -> bool:
    """Tell it as the scheduler does, which needs bokeh for it, and no old one."""
    try:
        import distributed.dashboard.scheduler  # noqa: F401
    except ImportError:
        return False
    return True


def worker_threads(client: Any) -> dict[str, int]:
    """Return the threads of each worker that is there, by its address."""
    return dict(client.nthreads())


@dataclass(frozen=True)
class Bound:
    """A function of a part, with arguments that are the same for all parts.

    They may be on their way (futures): then they go to a worker once, not with every
    part.

    Attributes
    ----------
    function
        Takes the arguments, and a part after them.
    common
        The arguments.
    has_effects
        Whether it does more than to return a result: then a part that was begun is
        waited for, also where nobody needs its result any longer.
    """

    function: Callable[..., Any]
    common: tuple[Any, ...] = ()
    has_effects: bool = False

    def __call__(self, part: Any) -> Any:
        """Call it here."""
        given = (c.result() if hasattr(c, "result") else c for c in self.common)
        return self.function(*given, part)


class Cluster:
    """Workers of dask, as an executor.

    Parameters
    ----------
    client
        Of them.
    """

    def __init__(self, client: Any) -> None:
        self.client = client

    @classmethod
    def of(cls, client: Any) -> Cluster:
        """Use workers after a look at them, see :func:`check_workers`."""
        check_workers(client)
        return cls(client)

    def map(
        self, work: Callable[[Part], Result], parts: Iterable[Part]
    ) -> Generator[Result, None, None]:
        """Compute parts, see :class:`~napari_udvd.runtime.executor.Executor`.

        A part whose worker is lost is begun again by the scheduler, as often as its
        ``allowed-failures`` says: once on a cluster that :func:`computing_on` started.

        Raises
        ------
        WorkersLost
            If it was lost more often, or the scheduler is gone.
        """
        bound = work if isinstance(work, Bound) else Bound(work)
        return in_order(
            lambda part: self.submit(bound.function, *bound.common, part),
            parts,
            lambda: AHEAD * max(1, sum(worker_threads(self.client).values())),
            _wait_for if bound.has_effects else _give_up,
        )

    def submit(self, function: Callable[..., Any], *given: Any) -> OnTheWay:
        """Begin one part, whose result other parts may be given."""
        known = [g.future if isinstance(g, OnTheWay) else g for g in given]
        return OnTheWay(self.client.submit(function, *known, pure=False))

    def send_once(self, what: Any, *, is_large: bool = False) -> Any:
        """Put something where all workers find it, and none gets it twice.

        Parameters
        ----------
        what
            Weights, a job, pixels.
        is_large
            Let workers alone keep it. Otherwise the scheduler has it as well, and it is
            not lost where all of them are.

        Returns
        -------
        distributed.Future
            To be given to :meth:`submit`, or in :class:`Bound`.
        """
        if is_large:
            return self.client.scatter(what, broadcast=True, hash=False)
        import dask

        with dask.config.set(
            {"distributed.admin.large-graph-warning-threshold": "1TB"}
        ):
            return self.client.submit(_same, what, pure=False)


def _same(what: Any) -> Any:
    return what


class OnTheWay:
    """A result on its way, whose errors are those of this program.

    Parameters
    ----------
    future
        Of dask.
    """

    def __init__(self, future: Any) -> None:
        self.future = future

    def result(self) -> Any:
        """Wait for it.

        Raises
        ------
        WorkersLost
            If whoever computed it is gone.
        """
        with lost_workers(self.future.client):
            return self.future.result()


def _wait_for(pending: Sequence[OnTheWay]) -> None:
    """Wait until nothing is being done any longer."""
    _distributed().wait([each.future for each in pending])


def _give_up(pending: Sequence[OnTheWay]) -> None:
    """Let nothing be begun; nobody waits for what is being done elsewhere."""
    for each in pending:
        each.future.cancel()


@contextmanager
def lost_workers(client: Any) -> Iterator[None]:
    """Say in words of this program that workers or their scheduler are gone.

    Parameters
    ----------
    client
        Of them.

    Raises
    ------
    WorkersLost
        Where dask says that something was lost, or cancelled by nobody here.
    """
    distributed = _distributed()
    cut_off = distributed.comm.CommClosedError
    try:
        yield
    except distributed.KilledWorker as error:
        raise WorkersLost(
            "a part of the work ended the workers that it was given to, one after the "
            "other: it needs more memory than they have, or their machines were taken "
            "away; start workers with more memory, or choose a smaller tile"
        ) from error
    except (asyncio.CancelledError, futures.CancelledError, cut_off) as error:
        is_there = client.status == "running" and not isinstance(error, cut_off)
        if is_there and not str(getattr(error, "reason", "")).startswith("scheduler"):
            # what was in their memory alone cannot be computed once more
            raise WorkersLost(
                "all workers are gone that held the movie, or what is computed from "
                "it, in their memory: it is larger than they have room for, or their "
                "machines were taken away; start workers with more memory, and do the "
                "same once more. A movie in a file is not lost like that: workers "
                "that come later open it themselves"
            ) from error
        raise WorkersLost(
            "the scheduler is gone, and what it had given out with it; what is "
            "complete is there: start it again, and the same command with --resume "
            "goes on"
        ) from error


def _keep_freed_memory() -> None:
    from napari_udvd.runtime.device import keep_freed_memory

    keep_freed_memory()


def _distributed() -> Any:
    """Import it.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            "work is shared out by dask.distributed, which is not installed: "
            'pip install "napari-udvd[cluster]"'
        ) from error
    return distributed


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what is about to be said better out of the log."""
    loggers = [
        logging.getLogger(f"distributed.{n}") for n in ("client", "comm", "core")
    ]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
