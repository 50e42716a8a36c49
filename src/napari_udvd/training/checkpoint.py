"""State of a training run on disk: what a killed run continues from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_udvd.errors import InputError
from napari_udvd.inference.model_file import (
    read_model_file,
    read_model_header,
    write_model_file,
)
from napari_udvd.tasks import DENOISE

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


__all__ = [
    "check_task",
    "read_checkpoint",
    "read_header",
    "task_of",
    "write_checkpoint",
]


def write_checkpoint(
    path: Path,
    tensors: dict[str, dict[str, Tensor]],
    header: dict[str, Any],
) -> None:
    """Write groups of tensors (weights, averages, optimiser) and a header, atomically.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    flat = {
        f"{group}/{name}": tensor
        for group, members in tensors.items()
        for name, tensor in members.items()
    }
    write_model_file(path, flat, {"checkpoint": header})


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Read what :func:`write_checkpoint` wrote.

    Raises
    ------
    InputError
        If the file is missing, damaged, or not a checkpoint.
    """
    header, flat = read_model_file(path)
    training = _of_training(header, path)
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        group, _, member = name.partition("/")
        groups.setdefault(group, {})[member] = tensor
    return training, groups


def read_header(path: Path) -> dict[str, Any]:
    """Read what is known of a run, without its weights.

    Raises
    ------
    InputError
        As :func:`read_checkpoint`.
    """
    return _of_training(read_model_header(path), path)


def check_task(path: Path, header: dict[str, Any], task: str) -> None:
    """Check that a checkpoint is of the training for a task.

    Raises
    ------
    InputError
        If it is of another one.
    """
    found = task_of(header)
    if found != task:
        raise InputError(
            f"the checkpoint {str(path)!r} is of a training for the task {found!r}, "
            f"not {task!r}; name another file, or start anew"
        )


def task_of(header: dict[str, Any]) -> str:
    """Return the name of the task that a checkpoint is of."""
    # those of earlier versions say nothing: there was one task
    return str(header.get("task", DENOISE.name))


def _of_training(header: dict[str, Any], path: Path) -> dict[str, Any]:
    if "checkpoint" not in header:
        raise InputError(
            f"{str(path)!r} is a finished model, not the checkpoint of a training run; "
            "there is nothing to resume"
        )
    found: dict[str, Any] = header["checkpoint"]
    return found
