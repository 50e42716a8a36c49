"""What is asked of a network, beside its architecture: one job, one file."""

from __future__ import annotations

from napari_udvd.errors import InputError
from napari_udvd.tasks.base import Batch, Estimate, Judged, Task, Terms, Verdict
from napari_udvd.tasks.denoising import Denoising
from napari_udvd.tasks.reconstruction import Reconstruction

__all__ = [
    "DENOISE",
    "RECONSTRUCT",
    "TASKS",
    "Batch",
    "Denoising",
    "Estimate",
    "Judged",
    "Reconstruction",
    "Task",
    "Terms",
    "Verdict",
    "find_task",
]

DENOISE: Task = Denoising()
"""What files are about that say nothing of a task."""

RECONSTRUCT: Task = Reconstruction()
"""All pixels, from those that were measured."""

TASKS: dict[str, Task] = {task.name: task for task in (DENOISE, RECONSTRUCT)}
"""Tasks by name."""


def find_task(name: str) -> Task:
    """Return the task of this name.

    Raises
    ------
    InputError
        If there is none; the message names all that there are.
    """
    if name not in TASKS:
        raise InputError(f"there is no task {name!r}, only {', '.join(TASKS)}")
    return TASKS[name]
