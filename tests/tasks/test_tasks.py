"""Tasks are found by name, and files say which they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_udvd.errors import InputError
from napari_udvd.inference.loading import load
from napari_udvd.inference.model_file import read_model_file, write_model_file
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.tasks import DENOISE, TASKS, find_task
from napari_udvd.tasks.base import Task
from napari_udvd.training import TrainingSettings, train_events
from napari_udvd.training.checkpoint import read_checkpoint, write_checkpoint
from tiny import tiny_calibration, tiny_center_blind, tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = TrainingSettings(model="udvd-1", width=4, steps=2, patch=16)


def rewritten(path: Path, **header: object) -> None:
    """Change the header of a model file; None takes an entry out."""
    before, tensors = read_model_file(path)
    after = {**before, **header}
    kept = {key: value for key, value in after.items() if value is not None}
    write_model_file(path, tensors, kept)


def interrupted(path: Path, task: str | None) -> None:
    """Write the checkpoint of a training for a task."""
    list(train_events([tiny_movie()], SETTINGS, checkpoint=path))
    header, tensors = read_checkpoint(path)
    assert header.pop("task") == "denoise"
    write_checkpoint(
        path, tensors, header if task is None else {**header, "task": task}
    )


def test_tasks_are_found_by_the_name_that_they_have() -> None:
    assert find_task("denoise") is DENOISE
    for name, task in TASKS.items():
        assert task.name == name
    with pytest.raises(InputError, match="'sharpen', only denoise"):
        find_task("sharpen")


def test_a_task_has_seven_methods_and_a_name() -> None:
    methods = {name for name in vars(Task) if not name.startswith("_")}
    assert methods == {
        "plan", "hold_out", "batch", "loss", "finish", "layout", "verdict",
    }  # fmt: skip
    for task in TASKS.values():
        assert all(callable(getattr(task, name)) for name in methods)


def test_model_files_say_their_task(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    Denoiser(tiny_center_blind(), (tiny_calibration(),)).save(path)
    assert read_model_file(path)[0]["task"] == "denoise"
    assert load(path).task == "denoise"
    rewritten(path, task=None)  # as an earlier version wrote it
    assert load(path).task == "denoise"
    rewritten(path, task="sharpen")
    with pytest.raises(InputError, match=r"task 'sharpen'.*only denoise"):
        load(path)


def test_checkpoints_of_another_task_are_not_resumed(tmp_path: Path) -> None:
    path = tmp_path / "state.checkpoint"
    interrupted(path, "sharpen")
    with pytest.raises(InputError, match="the task 'sharpen', not 'denoise'"):
        list(train_events([tiny_movie()], SETTINGS, checkpoint=path, resume=True))
    interrupted(path, None)  # as an earlier version wrote it
    *_, end = train_events([tiny_movie()], SETTINGS, checkpoint=path, resume=True)
    assert end.denoiser.task == "denoise"


def test_a_task_that_there_is_not_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InputError, match="no task 'sharpen'"):
        next(train_events([], SETTINGS, task="sharpen"))
