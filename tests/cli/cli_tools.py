"""What the tests of the command line share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from napari_udvd.formats import create
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

__all__ = ["ALONE", "Outcome", "Run", "calibrated", "names", "write"]

ALONE = ("--no-events", "--no-refine")
"""Options of ``denoise`` and ``apply``: the network without the second stage."""


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Run(Protocol):
    """Run ``napari-udvd`` with these arguments, in this process.

    Results are those of the network alone, unless the second stage is asked for: it
    takes ten times as long on movies as small as these, and has tests of its own.
    """

    def __call__(self, *arguments: Any, second_stage: bool = False) -> Outcome: ...


def calibrated(pixels: np.ndarray, axes: str, **more: Any) -> Stack:
    steps = {"T": 2.5, "Z": 0.5, "Y": 0.2, "X": 0.2}
    units = {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    return Stack.from_array(
        pixels,
        axes,
        scale={axis: step for axis, step in steps.items() if axis in axes},
        units={axis: unit for axis, unit in units.items() if axis in axes},
        **more,
    )


def write(path: Path, stack: Stack) -> Path:
    with create(path, like=stack, dtype=stack.dtype, record={}) as sink:
        for plane in stack.planes():
            sink.write(stack.read(slice(None), plane), 0, plane)
    return path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())
