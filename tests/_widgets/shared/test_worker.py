"""Long work in a thread: what is told, in which order, and that it always ends."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
import torch
from qtpy.QtWidgets import QLabel

from napari_udvd._widgets.shared import worker as _worker
from napari_udvd._widgets.shared.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.usefixtures("qapp")


class Log:
    """What a worker says, and in which threads."""

    def __init__(self, worker: Worker) -> None:
        self.said: list[tuple[str, Any]] = []
        self.threads: set[threading.Thread] = set()
        worker.told.connect(self._on_told)
        worker.ended.connect(self._on_ended)

    def _on_told(self, item: object) -> None:
        self.said.append(("told", item))
        self.threads.add(threading.current_thread())

    def _on_ended(self, error: object) -> None:
        self.said.append(("ended", error))
        self.threads.add(threading.current_thread())

    @property
    def ends(self) -> list[Any]:
        return [what for kind, what in self.said if kind == "ended"]


def patiently(cancel: threading.Event) -> Iterator[int]:
    """Tell one thing, then rest until cancelled."""
    yield 0
    assert cancel.wait(10)


def test_all_that_was_told_arrives_in_order_before_the_end(qtbot: QtBot) -> None:
    threads = set()

    def work(cancel: threading.Event) -> Iterator[int]:
        for k in range(50):
            threads.add(threading.current_thread())
            yield k

    worker = Worker(work)
    log = Log(worker)
    worker.start()
    qtbot.waitUntil(lambda: bool(log.ends))
    assert log.said == [*(("told", k) for k in range(50)), ("ended", None)]
    assert log.threads == {threading.main_thread()}
    assert len(threads) == 1 and not threads & log.threads


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error"),
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        StopIteration(),
        SystemExit(3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_is_raised_is_told_at_the_end(
    qtbot: QtBot, error: BaseException
) -> None:
    def work(cancel: threading.Event) -> Iterator[str]:
        yield "begun"
        raise error

    worker = Worker(work)
    log = Log(worker)
    worker.start()
    qtbot.waitUntil(lambda: bool(log.ends))
    (told,) = log.ends
    # Python turns what would look like an ordinary end of an iterator into an error
    assert told is error or told.__cause__ is error
    assert log.said[0] == ("told", "begun")


def test_an_error_before_the_first_item_is_told_too(qtbot: QtBot) -> None:
    error = OSError("no such file")

    def work(cancel: threading.Event) -> Iterator[int]:
        raise error  # before there is an iterator

    worker = Worker(work)
    log = Log(worker)
    worker.start()
    qtbot.waitUntil(lambda: bool(log.ends))
    assert log.said == [("ended", error)]


def test_cancelling_lets_the_iterator_clean_up(qtbot: QtBot) -> None:
    steps: list[str] = []

    def work(cancel: threading.Event) -> Iterator[int]:
        try:
            yield from patiently(cancel)
        finally:
            steps.append("saved")

    worker = Worker(work)
    log = Log(worker)
    worker.ended.connect(lambda _: steps.append("ended"))
    worker.start()
    qtbot.waitUntil(lambda: bool(log.said))
    assert worker.is_running and not worker.is_cancelled and not steps
    worker.cancel()
    assert worker.is_cancelled
    qtbot.waitUntil(lambda: bool(log.ends))
    assert steps == ["saved", "ended"]
    assert log.ends == [None]


def test_it_ends_once_however_often_it_is_cancelled(qtbot: QtBot) -> None:
    worker = Worker(patiently)
    log = Log(worker)
    worker.start()
    for _ in range(3):
        worker.cancel()
    qtbot.waitUntil(lambda: bool(log.ends))
    worker.cancel()
    qtbot.wait(50)
    assert log.ends == [None]


def test_waiting_says_whether_it_is_over() -> None:
    worker = Worker(patiently)
    worker.start()
    assert not worker.wait(0.02)
    worker.cancel()
    assert worker.wait(10)
    assert not worker.is_running


def test_it_lives_until_it_has_said_that_it_ended(qtbot: QtBot) -> None:
    worker = Worker(patiently)
    log = Log(worker)
    worker.start()
    assert worker in _worker._running
    worker.cancel()
    assert worker.wait(10)
    assert worker in _worker._running  # nobody has heard of the end yet
    qtbot.waitUntil(lambda: worker not in _worker._running)
    qtbot.waitUntil(lambda: bool(log.ends))


def test_nobody_needs_to_hold_it(qtbot: QtBot) -> None:
    ends: list[object] = []

    def start() -> threading.Thread:
        worker = Worker(patiently)
        worker.ended.connect(ends.append)
        worker.start()
        worker.cancel()
        return worker._thread

    thread = start()
    thread.join(10)
    gc.collect()
    qtbot.waitUntil(lambda: not _worker._running)
    qtbot.wait(50)
    assert ends == [None]


def test_an_ear_that_comes_late_hears_the_end(qtbot: QtBot) -> None:
    """As that of a result that is closed while it is filled, and then forgotten."""
    heard: list[str] = []
    holder = {"worker": Worker(patiently)}

    def forget(_: object) -> None:
        heard.append("first")
        holder.clear()

    holder["worker"].ended.connect(forget)
    holder["worker"].start()
    holder["worker"].ended.connect(lambda _: heard.append("late"))
    holder["worker"].cancel()
    qtbot.waitUntil(lambda: not holder)
    qtbot.wait(50)
    assert heard == ["first", "late"]


def test_a_widget_that_is_gone_hears_nothing(
    qtbot: QtBot, make_label: Callable[[], QLabel]
) -> None:
    label = make_label()
    worker = Worker(patiently)
    worker.told.connect(label.setNum)
    log = Log(worker)
    worker.start()
    qtbot.waitUntil(lambda: label.text() == "0")
    label.deleteLater()
    qtbot.wait(20)
    worker.cancel()
    qtbot.waitUntil(lambda: bool(log.ends))
    assert log.ends == [None]


@pytest.fixture
def make_label() -> Callable[[], QLabel]:
    return QLabel


def test_the_memory_of_a_failed_work_is_given_back(qtbot: QtBot) -> None:
    """Out of memory is no time to keep the tensors of the step that failed."""
    import weakref

    refs: list[weakref.ref[torch.Tensor]] = []

    def work(cancel: threading.Event) -> Iterator[int]:
        batch = torch.zeros(1000)
        refs.append(weakref.ref(batch))
        yield 0
        raise torch.OutOfMemoryError("CUDA out of memory")

    ends: list[str] = []
    worker = Worker(work)
    worker.ended.connect(lambda error: ends.append(str(error)))
    gc.collect()
    gc.disable()
    try:
        worker.start()
        qtbot.waitUntil(lambda: bool(ends))
        del worker
        qtbot.wait(50)
        assert refs[0]() is None
    finally:
        gc.enable()
