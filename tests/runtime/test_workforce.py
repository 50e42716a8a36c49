"""Long units on workers: they tell how it goes, are stopped, and survive workers."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from dask_workers import in_this_process
from napari_udvd.errors import InputError, WorkersLost
from napari_udvd.runtime.schedule import Schedule
from napari_udvd.runtime.workforce import (
    Broke,
    Duty,
    GivenUp,
    Placed,
    Repeated,
    Returned,
    Said,
    run,
)

pytest.importorskip("distributed")


def square(factor: int, unit: int, duty: Duty) -> int:
    duty.say(("begun", unit))
    for _ in range(100):
        duty.say("not needed", is_needed=False)
    if unit == 13:
        raise InputError("13")
    return factor * unit**2


def test_units_tell_and_return() -> None:
    with in_this_process() as client:
        factor = client.scatter(2)
        told = list(run(client, Schedule({1: 1.0, 2: 3.0, 13: 2.0}), square, (factor,)))
    results = {each.unit: each.result for each in told if isinstance(each, Returned)}
    assert results == {1: 2, 2: 8}
    (broken,) = (each for each in told if isinstance(each, Broke))
    assert broken.unit == 13
    assert isinstance(broken.error, InputError)
    assert [each.unit for each in told if isinstance(each, Placed)] == [2, 13, 1]
    said = [each for each in told if isinstance(each, Said)]
    for unit in (1, 2, 13):
        words = [each.message for each in said if each.unit == unit]
        assert words[0] == ("begun", unit)
        assert len(words) < 20  # what is not needed is told now and then
    # what a unit says comes before its end
    for k, each in enumerate(told):
        if isinstance(each, Returned | Broke):
            assert all(s.unit != each.unit for s in told[k + 1 :])


def until_told(unit: int, duty: Duty) -> str:
    duty.say("begun")
    return "told" if duty.cancel.wait(30) else "nobody told"


def test_units_are_stopped() -> None:
    cancel, told = threading.Event(), []
    with in_this_process() as client:
        for each in run(
            client, Schedule({1: 1.0, 2: 1.0, 3: 0.5}), until_told, (), cancel
        ):
            told.append(each)
            if isinstance(each, Said):
                cancel.set()
    ends = {each.unit: each.result for each in told if isinstance(each, Returned)}
    assert set(ends.values()) == {"told"}
    assert 3 not in ends  # it was never begun


ENDED = threading.Event()


def until_nobody_wants_it(unit: int, duty: Duty) -> None:
    duty.say("begun")
    if duty.cancel.wait(30):
        ENDED.set()


def test_units_end_when_their_client_leaves() -> None:
    import distributed

    ENDED.clear()
    with in_this_process() as client:
        other = distributed.Client(client.cluster, set_as_default=False)
        units = run(other, Schedule({1: 1.0}), until_nobody_wants_it)
        next(each for each in units if isinstance(each, Said))
        other.close()  # it does not say anything more, as one that was killed
        assert ENDED.wait(20)
        units.close()


LOST: list[str] = []
"""Units that are still to lose a worker."""

OVER = threading.Event()


def lost_at_first(unit: str, duty: Duty) -> tuple[str, bool]:
    if unit in LOST:
        LOST.remove(unit)
        duty.say("lose me")
        OVER.wait(30)
    return unit, duty.is_repeated


@pytest.mark.parametrize("losses", [1, 2])
def test_what_a_lost_worker_did_is_repeated_once(losses: int) -> None:
    LOST[:] = ["bad"] * losses
    OVER.clear()
    told: list[Any] = []
    with in_this_process(workers=3) as client:
        where: dict[str, str] = {}
        for each in run(client, Schedule({"bad": 2.0, "good": 1.0}), lost_at_first):
            told.append(each)
            if isinstance(each, Placed):
                where[each.unit] = each.worker
            if isinstance(each, Said):
                client.retire_workers([where["bad"]], close_workers=True, remove=True)
        OVER.set()
    results = {each.unit: each.result for each in told if isinstance(each, Returned)}
    assert results["good"] == ("good", False)
    assert sum(isinstance(each, Repeated) for each in told) == 1
    given_up = [each for each in told if isinstance(each, GivenUp)]
    if losses == 1:
        assert results["bad"] == ("bad", True)
        assert not given_up
    else:
        assert isinstance(given_up[0].error, WorkersLost)
        assert "more memory" in str(given_up[0].error)


def test_a_scheduler_that_goes_away() -> None:
    with in_this_process() as client:
        units = run(client, Schedule({1: 1.0}), until_told)
        next(each for each in units if isinstance(each, Said))
        client.close()
        began = time.monotonic()
        with pytest.raises(WorkersLost, match="scheduler is gone"):
            list(units)
        assert time.monotonic() - began < 20
