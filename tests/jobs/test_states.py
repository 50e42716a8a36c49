"""States of trainings: found again, told apart, never replaced, gone on with."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.errors import InputError, OutputError
from napari_udvd.jobs import State, train_movies
from napari_udvd.jobs.states import KEPT_DAYS, Beside, Cache, continued, read_state
from napari_udvd.stack import Stack
from napari_udvd.training import Finished
from napari_udvd.training.checkpoint import read_header, write_checkpoint
from tiny import tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.jobs import States

DAY = 86_400

QUICK = {"width": 4, "steps": 2, "patch": 16}


@pytest.fixture
def stack() -> Stack:
    return tiny_movie()


def write(
    path: Path, *stacks: Stack, seconds: float = 12.0, age: float = 0.0, **other: Any
) -> Path:
    header = {
        "plan": {"name": "centerblind"},
        "elapsed": seconds,
        "movies": [stack.fingerprint() for stack in stacks],
        **other,
    }
    write_checkpoint(path, {"best": {"weight": torch.zeros(1)}}, header)
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def other_than(stack: Stack) -> Stack:
    return Stack.from_array(np.asarray(stack.data)[:, ::-1].copy(), "TYX")


# --- both places --------------------------------------------------------------------


@pytest.fixture(params=["beside", "cache"])
def states(request: pytest.FixtureRequest, tmp_path: Path) -> States:
    if request.param == "beside":
        return Beside(tmp_path / "clean.ome.tif")
    return Cache(tmp_path / "cache")


def test_a_movie_has_only_its_own(states: States, stack: Stack) -> None:
    assert states.found([stack]) == ()
    path = write(states.new_file([stack]), stack)
    (state,) = states.found([stack])
    assert state.path == path
    same = Stack.from_array(np.asarray(stack.data).copy(), "TYX")  # wherever it is kept
    assert states.found([same]) == (state,)
    other = other_than(stack)
    assert states.found([other]) == ()
    assert states.found([stack, other]) == ()


def test_a_training_that_begins_anew_takes_nobodys_place(
    states: States, stack: Stack
) -> None:
    path = write(states.new_file([stack]), stack)
    try:
        assert not states.new_file([stack]).exists()
    except OutputError as error:
        assert str(path) in str(error)
        assert "`resume`" in str(error) and "`overwrite`" in str(error)


def test_it_goes_on_with_what_it_began_with(states: States, stack: Stack) -> None:
    values = {**QUICK, "learning_rate": 0.01, "seed": 3}
    *_, end = (
        event
        for event in train_movies([stack], values, states)
        if isinstance(event, Finished)
    )
    assert end.reason == "budget"
    (state,) = states.found([stack])
    told = list(train_movies([stack], {"steps": 4}, states, resume=state.path))
    (finished,) = (event for event in told if isinstance(event, Finished))
    assert finished.denoiser.record["steps"] == 4
    after = read_header(state.path)["settings"]
    assert (after["learning_rate"], after["seed"], after["width"]) == (0.01, 3, 4)
    # each time that it is saved, the state is told
    assert told[-1] == read_state(state.path) or isinstance(told[-1], Finished)
    assert any(isinstance(event, State) for event in told)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"width": 8}, ["width 4", "8"]),
        ({"model": "centerblind"}, ["model", "centerblind"]),
    ],
)
def test_what_would_make_another_network_of_it_is_refused(
    states: States, stack: Stack, values: dict[str, Any], parts: list[str]
) -> None:
    for _ in train_movies([stack], QUICK, states):
        pass
    (state,) = states.found([stack])
    kept = state.path.read_bytes()
    with pytest.raises(InputError) as caught:
        next(iter(train_movies([stack], values, states, resume=state.path)))
    for part in parts:
        assert part in str(caught.value)
    assert state.path.read_bytes() == kept


def test_that_of_other_movies_is_not_gone_on_with(states: States, stack: Stack) -> None:
    path = write(states.new_file([stack]), stack)
    with pytest.raises(InputError, match="another training"):
        next(iter(train_movies([other_than(stack)], {}, states, resume=path)))


def test_a_state_that_is_not_there(states: States, stack: Stack) -> None:
    path = states.new_file([stack])
    with pytest.raises(InputError, match="no checkpoint"):
        next(iter(train_movies([stack], {}, states, resume=path)))


# --- beside a result ----------------------------------------------------------------


def test_it_ends_with_the_result(stack: Stack, tmp_path: Path) -> None:
    states = Beside(tmp_path / "clean.ome.tif")
    assert states.new_file([stack]) == tmp_path / "clean.ome.tif.checkpoint"
    write(states.path, stack)
    states.complete()
    states.complete()  # also where there is none
    assert list(tmp_path.iterdir()) == []


def test_it_may_be_replaced_where_that_was_said(stack: Stack, tmp_path: Path) -> None:
    states = Beside(tmp_path / "clean.ome.tif", overwrite=True)
    write(states.path, stack)
    assert states.new_file([stack]) == states.path


# --- in a cache ---------------------------------------------------------------------


def test_every_training_has_a_file_of_its_own(stack: Stack, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    paths = {write(cache.new_file([stack]), stack) for _ in range(3)}
    assert len(paths) == 3
    cache.complete()
    assert len(cache.found([stack])) == 3


def test_the_newest_comes_first(stack: Stack, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for seconds, age in ((10.0, 50.0), (20.0, 0.0), (30.0, 99.0)):
        write(cache.new_file([stack]), stack, seconds=seconds, age=age)
    assert [state.seconds for state in cache.found([stack])] == [20, 10, 30]


def test_what_tells_them_apart_is_said(stack: Stack, tmp_path: Path) -> None:
    write(Cache(tmp_path).new_file([stack]), stack, seconds=62.4)
    (state,) = Cache(tmp_path).found([stack])
    assert state.describe().startswith("Fast (centre-blind), 62 s, saved ")


@pytest.mark.parametrize("how", ["damaged", "foreign", "gone"])
def test_what_cannot_go_on_is_not_offered(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.checkpoint"
    if how == "damaged":
        write(path)
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "foreign":
        write(path, plan={"name": "of another version"})
    assert read_state(path) is None


def test_old_ones_are_removed(tmp_path: Path) -> None:
    write(tmp_path / "old.checkpoint", age=(KEPT_DAYS + 1) * DAY)
    write(tmp_path / "new.checkpoint", age=(KEPT_DAYS - 1) * DAY)
    Cache(tmp_path).tidy()
    left = tmp_path.glob("*.checkpoint")
    assert [path.name for path in left] == ["new.checkpoint"]


def test_a_folder_that_cannot_be_made(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        Cache(tmp_path / "file" / "cache").new_file([stack])


# --- the time of a training that goes on --------------------------------------------


@pytest.mark.parametrize(
    ("header", "minutes"),
    [
        ({"elapsed": 30.0}, 2.0),
        ({"elapsed": 120.0}, 4.0),
        ({"elapsed": 30.0, "ended": "converged"}, 2.5),
    ],
)
def test_one_that_is_complete_goes_on_for_longer(
    header: dict[str, Any], minutes: float
) -> None:
    given = {"minutes": 2.0, "device": "cpu", "width": None}
    begun = {"settings": {"minutes": 9.0, "steps": 7, "seed": 3}, **header}
    found = continued(begun, given, longer=True)
    assert found == {"seed": 3, "device": "cpu", "minutes": pytest.approx(minutes)}
    assert continued(begun, given)["minutes"] == 2.0
