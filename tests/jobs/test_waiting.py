"""Movies that wait: in which order they are begun, and which are not."""

from __future__ import annotations

from pathlib import Path

from napari_udvd.jobs.waiting import SteeredSchedule, WaitingList

A, B, C, D = (Path(name) for name in "abcd")


def test_the_first_comes_first_until_somebody_says_otherwise() -> None:
    waiting = WaitingList([A, B, C, D])
    assert waiting.next() == A
    waiting.arrange([B, C, D])
    assert not waiting.is_arranged  # that is how it was
    waiting.arrange([A, D, C])  # the first is begun, the second is dropped
    assert waiting.is_arranged and waiting.dropped == {B}
    assert [waiting.next(), waiting.next(), waiting.next()] == [D, C, None]


def test_what_is_taken_out_is_not_dropped() -> None:
    waiting = WaitingList([A, B])
    waiting.take(A)
    waiting.take(A)
    assert waiting.files() == [B] and not waiting.dropped
    waiting.arrange([])
    assert waiting.dropped == {B} and waiting.next() is None


def test_workers_get_the_largest_first_unless_a_user_has_arranged_them() -> None:
    costs = {A: 1.0, B: 9.0, C: 5.0, D: 3.0}
    waiting = WaitingList(costs)
    schedule = SteeredSchedule(costs, waiting)
    assert schedule.place({"w": 1}) == [(B, "w")]
    waiting.arrange([D, A])
    schedule.end(B)
    assert schedule.place({"w": 1, "v": 1}) == [(D, "w"), (A, "v")]
    assert waiting.files() == [] and schedule.dropped == {C}


def test_what_lost_its_worker_is_begun_again_before_all_that_waits() -> None:
    costs = {A: 1.0, B: 2.0, C: 3.0}
    waiting = WaitingList(costs)
    schedule = SteeredSchedule(costs, waiting)
    (placed,) = schedule.place({"w": 1})
    waiting.arrange([A, B])
    assert schedule.lose("w")[0].unit == placed[0] == C
    assert schedule.place({"v": 1}) == [(C, "v")]
    schedule.end(C)
    waiting.arrange([])
    assert schedule.place({"v": 1}) == [] and schedule.is_over
