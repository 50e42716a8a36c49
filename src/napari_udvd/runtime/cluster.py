"""Processes on any machine, through dask.distributed.

The program is a client of a scheduler, which hands work to workers. Nothing of dask's
is imported before somebody asks for it.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

from napari_udvd._version import __version__
from napari_udvd.errors import InputError, OutputError, WorkersLost
from napari_udvd.runtime.executor import in_order

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Generator,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )
    from pathlib import Path

__all__ = [
    "Bound",
    "Cluster",
    "check_paths",
    "check_workers",
    "computing_on",
    "connect",
    "worker_threads",
]

Part = TypeVar("Part")
Result = TypeVar("Result")

CONNECT_SECONDS = 10.0
"""Time in which a scheduler has to answer, and to have a worker."""

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
        dask.config.set({"distributed.scheduler.allowed-failures": REPEATS}),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            env={"OMP_NUM_THREADS": str(each), "OMP_WAIT_POLICY": "PASSIVE"},
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(_keep_freed_memory)
        yield client


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
            return distributed.Client(**where, timeout=seconds)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"no dask scheduler answered at {scheduler!r} within {seconds:g} s: "
                "start one with `dask scheduler`, and give the address that it prints, "
                "such as tcp://HOST:8786"
            ) from error


def check_workers(client: Any, seconds: float = CONNECT_SECONDS) -> None:
    """Check that there are workers, and that they run the same program.

    Raises
    ------
    InputError
        If there is none, or one has another version of this package or of torch, or
        none.
    """
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError as error:
        raise InputError(
            f"the scheduler {client.scheduler.address!r} had no worker within "
            f"{seconds:g} s: start some with `dask worker {client.scheduler.address}`"
        ) from error

    def found(names: tuple[str, ...]) -> dict[str, str | None]:
        # goes there by value: the package may not be there
        from importlib import metadata

        versions: dict[str, str | None] = {}
        for name in names:
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                versions[name] = None
        try:
            from napari_udvd._version import __version__ as own
        except ImportError:
            own = None
        versions["napari-udvd"] = own
        return versions

    here = {"napari-udvd": __version__, "torch": metadata.version("torch")}
    for worker, there in client.run(found, ("torch",)).items():
        for name, version in here.items():
            # builds for another device compute the same
            own, other = (_public(v) for v in (version, there[name]))
            if own != other:
                told = "does not have it" if other is None else f"has {other}"
                raise InputError(
                    f"this program runs with {name} {own}, but worker {worker} {told}: "
                    f'pip install "{name}=={own}" in the environment of the workers, '
                    "and start them again"
                )


def check_paths(client: Any, files: Sequence[Path], folder: Path | None = None) -> None:
    """Check that every worker sees the files, and can write where results go.

    Parameters
    ----------
    client
        Of the workers.
    files
        They have to be the same everywhere; those that are not here are left out.
    folder
        Of what workers write; it has to be the very folder that is seen here. None
        where they write nothing.

    Raises
    ------
    InputError
        If a file is not there, or another one.
    OutputError
        If the folder is not there, or cannot be written to.
    """
    sizes = {os.path.abspath(f): os.path.getsize(f) for f in files if os.path.exists(f)}
    marker = None
    if folder is not None:
        marker = folder / f".{secrets.token_hex(8)}.seen"
        try:
            marker.touch()
        except OSError as error:
            raise OutputError(
                f"cannot write in {str(folder)!r} ({error.strerror}); name another "
                "folder"
            ) from error
    try:
        seen = client.run(_seen, sizes, marker and os.path.abspath(marker))
    finally:
        if marker is not None:
            marker.unlink(missing_ok=True)
    for worker, (host, missing, problem) in seen.items():
        if missing:
            raise InputError(
                f"worker {worker} on {host} does not see {missing!r} as this machine "
                "does: keep movies in a folder that all machines share, and name it "
                "by the same path"
            )
        if problem:
            raise OutputError(
                f"worker {worker} on {host} cannot write in {str(folder)!r} "
                f"({problem}): name a folder that all machines share"
            )


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
        futures = [g.future if isinstance(g, OnTheWay) else g for g in given]
        return OnTheWay(self.client.submit(function, *futures, pure=False))

    def send_once(self, parcel: Any) -> Any:
        """Put pixels or weights where all workers find them; returns what to give."""
        return self.client.scatter(parcel, broadcast=True, hash=False)


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
        with lost_workers():
            return self.future.result()


def _wait_for(pending: Sequence[OnTheWay]) -> None:
    """Wait until nothing is being done any longer."""
    _distributed().wait([each.future for each in pending])


def _give_up(pending: Sequence[OnTheWay]) -> None:
    """Let nothing be begun; nobody waits for what is being done elsewhere."""
    for each in pending:
        each.future.cancel()


@contextmanager
def lost_workers() -> Iterator[None]:
    """Say in words of this program that workers or their scheduler are gone."""
    distributed = _distributed()
    from concurrent.futures import CancelledError

    try:
        yield
    except distributed.KilledWorker as error:
        raise WorkersLost(
            "a part of the work ended the workers that it was given to, one after the "
            "other: it needs more memory than they have, or their machines were taken "
            "away; start workers with more memory, or choose a smaller tile"
        ) from error
    except (CancelledError, distributed.CommClosedError, OSError) as error:
        if isinstance(error, OutputError):
            raise
        if isinstance(error, OSError) and not isinstance(
            error, distributed.CommClosedError
        ):
            raise
        raise WorkersLost(
            "the scheduler is gone, and what it had given out with it; what is "
            "complete is there: start it again, and the same command with --resume "
            "goes on"
        ) from error


def _seen(
    sizes: Mapping[str, int], marker: str | None
) -> tuple[str, str | None, str | None]:
    """Host, a file that is missing, and why nothing can be written; on a worker."""
    host = socket.gethostname()
    for name, size in sizes.items():
        if not os.path.exists(name) or os.path.getsize(name) != size:
            return host, name, None
    if marker is None:
        return host, None, None
    if not os.path.exists(marker):
        return host, None, "it is not the folder that the program sees"
    if not os.access(os.path.dirname(marker), os.W_OK | os.X_OK):
        return host, None, "permission denied"
    return host, None, None


def _keep_freed_memory() -> None:
    from napari_udvd.runtime.device import keep_freed_memory

    keep_freed_memory()


def _public(version: str | None) -> str | None:
    return None if version is None else version.partition("+")[0]


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
