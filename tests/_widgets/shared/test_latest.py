"""Only the last question is sure to be answered, and one is answered at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from napari_udvd._widgets.shared.latest import Latest

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.usefixtures("qapp")


class Oracle:
    """Doubles numbers, once `go` is set; counts how many at a time."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[int] = []
        self.cancelled: list[int] = []
        self.at_once = self.most_at_once = 0
        self.latest = Latest(self._answer)
        self.answers: list[int] = []
        self.errors: list[BaseException] = []
        self.busy: list[bool] = []
        self.latest.answered.connect(self.answers.append)
        self.latest.failed.connect(self.errors.append)
        self.latest.busy.connect(self.busy.append)

    def _answer(self, question: int, cancel: threading.Event) -> int:
        self.asked.append(question)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.go.wait(10)
        self.at_once -= 1
        if cancel.is_set():
            self.cancelled.append(question)
        if question < 0:
            raise ValueError(f"{question} is negative")
        return 2 * question

    def rest(self, qtbot: QtBot) -> None:
        qtbot.waitUntil(lambda: self.latest._worker is None, timeout=10_000)


@pytest.fixture
def oracle() -> Any:
    made = Oracle()
    yield made
    made.go.set()


def test_of_many_questions_the_first_and_the_last_are_answered(
    oracle: Oracle, qtbot: QtBot
) -> None:
    for k in range(100):
        oracle.latest.ask(k)
    assert oracle.latest.is_busy
    oracle.go.set()
    oracle.rest(qtbot)
    assert oracle.asked == [0, 99]
    assert oracle.answers == [0, 198]
    assert not oracle.latest.is_busy
    assert oracle.busy[0] is True and oracle.busy[-1] is False


def test_what_is_forgotten_is_not_answered(oracle: Oracle, qtbot: QtBot) -> None:
    oracle.latest.ask(1)
    oracle.latest.ask(2)
    oracle.latest.forget()
    assert not oracle.latest.is_busy and oracle.busy[-1] is False
    oracle.go.set()
    oracle.rest(qtbot)
    assert oracle.asked == oracle.cancelled == [1]
    assert oracle.answers == []


def test_a_question_after_forgetting_waits_for_the_processor(
    oracle: Oracle, qtbot: QtBot
) -> None:
    for k in range(5):
        oracle.latest.ask(k)
        oracle.latest.forget()
    oracle.latest.ask(7)
    assert oracle.latest.is_busy and oracle.busy[-1] is True
    oracle.go.set()
    oracle.rest(qtbot)
    assert oracle.asked == [0, 7]
    assert oracle.answers == [14]
    assert oracle.most_at_once == 1
    assert oracle.busy[-1] is False


def test_a_failure_is_told_and_the_next_is_answered(
    oracle: Oracle, qtbot: QtBot
) -> None:
    oracle.go.set()
    oracle.latest.ask(-1)
    oracle.latest.ask(4)
    oracle.rest(qtbot)
    assert [str(error) for error in oracle.errors] == ["-1 is negative"]
    assert oracle.answers == [8]


def test_a_forgotten_failure_is_not_told(oracle: Oracle, qtbot: QtBot) -> None:
    oracle.latest.ask(-1)
    oracle.latest.forget()
    oracle.go.set()
    oracle.rest(qtbot)
    assert oracle.errors == [] and oracle.cancelled == [-1]


def test_an_answer_may_ask_the_next_question(oracle: Oracle, qtbot: QtBot) -> None:
    oracle.latest.answered.connect(
        lambda answer: oracle.latest.ask(answer) if answer < 20 else None
    )
    oracle.go.set()
    oracle.latest.ask(3)
    qtbot.waitUntil(lambda: oracle.answers == [6, 12, 24], timeout=10_000)
    oracle.rest(qtbot)


def test_a_dock_that_goes_away_is_told_nothing(oracle: Oracle, qtbot: QtBot) -> None:
    oracle.latest.ask(1)
    answers, oracle.latest = oracle.answers, None  # type: ignore[assignment]
    oracle.go.set()
    qtbot.wait(50)
    assert answers in ([], [2])  # nothing is raised; the fixture finds no thread
