"""What reports by calling, as an iterator."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from napari_udvd.jobs.telling import told_while

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def counted(
    number: int, cancel: threading.Event | None = None
) -> Generator[int, None, str]:
    def work(tell: Callable[[int], None], stop: threading.Event) -> str:
        for k in range(number):
            if stop.wait(0.001):
                return "stopped"
            tell(k)
        return "done"

    return told_while(work, cancel)


def drained(steps: Generator[int, None, str]) -> tuple[list[int], str]:
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return told, end.value


def test_all_that_is_told_comes_in_order_and_then_the_result() -> None:
    assert drained(counted(5)) == ([0, 1, 2, 3, 4], "done")


def test_it_stops_when_it_is_cancelled() -> None:
    cancel = threading.Event()
    steps = counted(10_000, cancel)
    next(steps)
    cancel.set()
    told, end = drained(steps)
    assert end == "stopped" and len(told) < 9_000


def test_closing_it_stops_the_work_and_waits() -> None:
    before = threading.active_count()
    cancel = threading.Event()
    steps = counted(10_000, cancel)
    next(steps)
    steps.close()
    assert cancel.is_set() and threading.active_count() == before


def test_what_the_work_raises_is_raised_where_it_is_advanced() -> None:
    def work(tell: Callable[[int], None], stop: threading.Event) -> None:
        tell(1)
        raise ValueError("too bad")

    steps = told_while(work)
    assert next(steps) == 1
    with pytest.raises(ValueError, match="too bad"):
        next(steps)
