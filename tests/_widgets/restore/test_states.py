"""States of trainings in the cache: found again, told apart, never replaced."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_udvd._widgets.restore import states as _states
from napari_udvd._widgets.restore.states import new_file, read_state, states_of, tidy
from napari_udvd.stack import Stack
from napari_udvd.training.checkpoint import write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

DAY = 86_400


@pytest.fixture
def stack(noisy: np.ndarray) -> Stack:
    return Stack.from_array(noisy, "TYX")


def write(path: Path, seconds: float = 12.0, age: float = 0.0, **other: Any) -> None:
    header = {"plan": {"name": "centerblind"}, "elapsed": seconds, **other}
    write_checkpoint(path, {"best": {"weight": torch.zeros(1)}}, header)
    then = time.time() - age
    os.utime(path, (then, then))


def test_every_training_has_a_file_of_its_own(stack: Stack, tmp_path: Path) -> None:
    paths = []
    for _ in range(3):
        paths.append(new_file(stack, tmp_path))
        write(paths[-1])
    assert len(set(paths)) == 3


def test_the_newest_comes_first(stack: Stack, tmp_path: Path) -> None:
    for seconds, age in ((10.0, 50.0), (20.0, 0.0), (30.0, 99.0)):
        write(new_file(stack, tmp_path), seconds, age)
    assert [state.seconds for state in states_of(stack, tmp_path)] == [20, 10, 30]


def test_a_movie_has_only_its_own(
    stack: Stack, noisy: np.ndarray, tmp_path: Path
) -> None:
    write(new_file(stack, tmp_path))
    other = Stack.from_array(noisy[:, ::-1].copy(), "TYX")
    assert states_of(other, tmp_path) == ()
    same = Stack.from_array(noisy.copy(), "TYX")  # wherever it is kept
    assert len(states_of(same, tmp_path)) == 1


def test_what_tells_them_apart_is_said(stack: Stack, tmp_path: Path) -> None:
    write(new_file(stack, tmp_path), 62.4)
    (state,) = states_of(stack, tmp_path)
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
    write(tmp_path / "old.checkpoint", age=(_states.KEPT_DAYS + 1) * DAY)
    write(tmp_path / "new.checkpoint", age=(_states.KEPT_DAYS - 1) * DAY)
    tidy(tmp_path)
    left = tmp_path.glob("*.checkpoint")
    assert [path.name for path in left] == ["new.checkpoint"]
