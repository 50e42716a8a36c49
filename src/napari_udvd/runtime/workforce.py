"""Long units of work on workers of dask, which tell how it goes while they are done.

Each is given to one worker and to no other, by the rules of
:mod:`napari_udvd.runtime.schedule`; it is dask that carries it there and the result
back.
"""

from __future__ import annotations

import asyncio
import pickle
import queue
import secrets
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_udvd.errors import WorkersLost
from napari_udvd.runtime.cluster import lost_workers, worker_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari_udvd.runtime.schedule import Schedule

__all__ = ["Broke", "Duty", "GivenUp", "Placed", "Repeated", "Returned", "Said", "run"]

POLL_SECONDS = 0.5
"""How often it is looked whether workers came or went."""

SAY_SECONDS = 0.25
"""Least time between two things that a unit says without need."""


@dataclass(frozen=True)
class Placed:
    """A unit was given to a worker."""

    unit: Any
    worker: str


@dataclass(frozen=True)
class Said:
    """A unit tells how it goes."""

    unit: Any
    message: Any


@dataclass(frozen=True)
class Returned:
    """A unit is done."""

    unit: Any
    result: Any


@dataclass(frozen=True)
class Broke:
    """A unit failed by itself."""

    unit: Any
    error: Exception


@dataclass(frozen=True)
class Repeated:
    """The worker of a unit was lost; it will be begun again."""

    unit: Any
    worker: str


@dataclass(frozen=True)
class GivenUp:
    """A unit lost one worker after the other."""

    unit: Any
    error: WorkersLost


Told = Placed | Said | Returned | Broke | Repeated | GivenUp


class Duty:
    """What a unit knows of whoever gave it out: it may speak, and listens.

    Attributes
    ----------
    cancel
        Set when the unit is to end: because it was told to, or nobody is there any
        longer who wants its result.
    is_repeated
        Whether it was begun before, by a worker that is gone.
    """

    def __init__(self, topic: str, number: int, is_repeated: bool) -> None:
        self.cancel = _cancelled(topic)
        self.is_repeated = is_repeated
        self._topic, self._number = topic, number
        self._silent_until = 0.0

    def say(self, message: Any, *, is_needed: bool = True) -> None:
        """Tell something; what is not needed may be left out."""
        from distributed import get_worker

        now = time.monotonic()
        if not is_needed and now < self._silent_until:
            return
        self._silent_until = now + SAY_SECONDS
        whole = pickle.dumps((self._number, message))
        get_worker().log_event(self._topic, whole)


def run(
    client: Any,
    schedule: Schedule[Any],
    work: Callable[..., Any],
    common: tuple[Any, ...] = (),
    cancel: threading.Event | None = None,
) -> Generator[Told, None, None]:
    """Do all units of a schedule.

    Parameters
    ----------
    client
        Of the workers; some may come and go meanwhile.
    schedule
        What is to be done.
    work
        Called on a worker with `common`, a unit, and its :class:`Duty`.
    common
        The same for all units; what is on its way there (futures) goes once.
    cancel
        Set it to end: nothing more is given out, and what is being done is told so.

    Yields
    ------
    Told
        One :class:`Placed` for each beginning of a unit, and one :class:`Returned`,
        :class:`Broke` or :class:`GivenUp` for its end, unless it was never begun.

    Raises
    ------
    WorkersLost
        If the scheduler is gone.
    """
    topic = f"napari-udvd-{secrets.token_hex(8)}"
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    units = list(schedule.costs)
    numbers = {unit: number for number, unit in enumerate(units)}
    futures: dict[Any, Any] = {}
    begun: set[Any] = set()
    there: dict[str, int] = {}
    was_told, look_at = False, 0.0
    client.subscribe_topic(topic, lambda event: heard.put(event[1]))
    try:
        while not schedule.is_over:
            if cancel is not None and cancel.is_set() and not was_told:
                was_told = True
                schedule.stop()
                client.run(_cancel, topic)
                continue
            if time.monotonic() >= look_at:
                there = _there(client)
                look_at = time.monotonic() + POLL_SECONDS
            for worker in set(schedule.running.values()) - set(there):
                for lost in schedule.lose(worker):
                    futures.pop(lost.unit).cancel()
                    if lost.is_repeated and not was_told:
                        yield Repeated(lost.unit, worker)
                    else:
                        yield GivenUp(lost.unit, _ended(worker))
            if was_told:
                schedule.stop()
            for unit, worker in schedule.place(there):
                yield Placed(unit, worker)
                future = client.submit(
                    _do,
                    work,
                    topic,
                    numbers[unit],
                    unit in begun,
                    unit,
                    *common,
                    workers=[worker],
                    allow_other_workers=False,
                    pure=False,
                )
                begun.add(unit)
                futures[unit] = future
                future.add_done_callback(heard.put)
            yield from _news(client, heard, futures, schedule, units)
    finally:
        if client.status == "running":
            if futures:
                client.run(_cancel, topic, on_error="ignore")
            for future in futures.values():
                future.cancel()
            client.unsubscribe_topic(topic)


def _news(
    client: Any,
    heard: queue.SimpleQueue[Any],
    futures: dict[Any, Any],
    schedule: Schedule[Any],
    units: list[Any],
) -> Iterator[Told]:
    """Wait for something to be told, for a short time."""
    try:
        news = heard.get(timeout=POLL_SECONDS)
    except queue.Empty:
        return
    if isinstance(news, bytes):
        number, message = pickle.loads(news)
        yield Said(units[number], message)
        return
    unit = next((u for u, future in futures.items() if future is news), None)
    if unit is None:
        return  # of a worker that is gone
    if news.status == "cancelled":
        with lost_workers(client):
            news.result()
    del futures[unit]
    schedule.end(unit)
    try:
        with lost_workers(client):
            result = news.result()
    except Exception as error:
        yield Broke(unit, error)
    else:
        yield Returned(unit, result)


def _there(client: Any) -> dict[str, int]:
    with lost_workers(client):
        if client.status not in ("running", "connecting"):
            raise asyncio.CancelledError
        return worker_threads(client)


def _ended(worker: str) -> WorkersLost:
    return WorkersLost(
        f"worker {worker} was lost while it worked on this, as another one before: it "
        "needs more memory than the workers have, or their machines were taken away. "
        "Start workers with more memory, and --resume"
    )


# --- on a worker ----------------------------------------------------------------------

_CANCELLED: dict[str, threading.Event] = {}
_LOCK = threading.Lock()


def _cancelled(topic: str) -> threading.Event:
    with _LOCK:
        return _CANCELLED.setdefault(topic, threading.Event())


def _cancel(topic: str) -> None:
    _cancelled(topic).set()


def _do(
    work: Callable[..., Any],
    topic: str,
    number: int,
    is_repeated: bool,
    unit: Any,
    *common: Any,
) -> Any:
    duty = Duty(topic, number, is_repeated)
    with _watched(duty.cancel):
        return work(*common, unit, duty)


@contextmanager
def _watched(cancel: threading.Event) -> Iterator[None]:
    """End the unit as well when nobody wants its result any longer.

    A client that leaves, or was killed, cannot tell: its scheduler takes the task back.
    """
    from distributed import get_worker

    worker = get_worker()
    key, done = worker.get_current_task(), threading.Event()

    def watch() -> None:
        while not done.wait(POLL_SECONDS):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                cancel.set()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
