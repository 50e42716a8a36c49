"""Rules by which units go to workers."""

from __future__ import annotations

from napari_udvd.runtime.schedule import Lost, Schedule


def test_the_largest_come_first_and_equals_in_their_order() -> None:
    schedule = Schedule({"small": 1.0, "first": 5.0, "second": 5.0})
    assert schedule.place({"a": 1}) == [("first", "a")]
    schedule.end("first")
    assert schedule.place({"a": 1}) == [("second", "a")]
    schedule.end("second")
    assert schedule.place({"a": 1}) == [("small", "a")]
    assert not schedule.is_over
    schedule.end("small")
    assert schedule.is_over


def test_a_worker_has_as_many_units_as_threads() -> None:
    schedule = Schedule(dict.fromkeys(range(6), 1.0))
    placed = schedule.place({"one": 1, "three": 3})
    assert sorted(worker for _, worker in placed) == ["one", "three", "three", "three"]
    assert schedule.place({"one": 1, "three": 3}) == []


def test_what_was_lost_is_repeated_once_and_elsewhere() -> None:
    schedule = Schedule({"unit": 1.0, "other": 0.5})
    assert schedule.place({"a": 1, "b": 1}) == [("unit", "a"), ("other", "b")]
    assert schedule.lose("a") == [Lost("unit", "a", is_repeated=True)]
    schedule.end("other")
    # even where the worker came back
    assert schedule.place({"a": 1, "b": 1}) == [("unit", "b")]
    assert schedule.lose("b") == [Lost("unit", "b", is_repeated=False)]
    assert schedule.is_over


def test_the_only_worker_that_came_back_will_do() -> None:
    schedule = Schedule({"unit": 1.0})
    schedule.place({"a": 1})
    schedule.lose("a")
    assert schedule.place({"a": 1}) == [("unit", "a")]


def test_what_was_stopped_is_not_given_out() -> None:
    schedule = Schedule({"one": 2.0, "two": 1.0})
    schedule.place({"a": 1})
    assert schedule.stop() == ["two"]
    assert not schedule.is_over
    schedule.end("one")
    assert schedule.is_over
