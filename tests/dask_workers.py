"""Workers of dask that tests share."""

from __future__ import annotations

import gc
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["in_this_process", "processes"]


@contextmanager
def in_this_process(workers: int = 2) -> Iterator[Any]:
    """Scheduler and workers as threads of this process."""
    import distributed

    with (
        _leaving_sockets(),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
            protocol="inproc://",
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def processes(workers: int = 2) -> Iterator[Any]:
    """Start workers that are processes, as `--workers` does."""
    from napari_udvd.runtime.cluster import computing_on

    with _leaving_sockets(), computing_on(workers=workers) as client:
        yield client


@contextmanager
def _leaving_sockets() -> Iterator[None]:
    """Let dask close its sockets when they are collected, and not say so."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
