"""What a movie must have before its noise can be measured or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.cutting import stretches
from napari_udvd.errors import InputError
from napari_udvd.validity import inspect, refuse_infinite

if TYPE_CHECKING:
    from napari_udvd.stack import Plane, Stack

__all__ = ["check_finite", "check_pixels", "check_time", "check_varies"]


def check_pixels(stack: Stack) -> None:
    """Check that a movie can be denoised at all; streams, so any size will do.

    Raises
    ------
    InputError
        See :func:`check_time`, :func:`check_finite` and :func:`check_varies`.
    """
    check_time(stack)
    check_finite(stack)
    check_varies(stack)


def check_time(stack: Stack, least: int = 2) -> None:
    """Check that a movie has a time axis of at least `least` frames.

    Raises
    ------
    InputError
        If it has not; the message says how to name the axes where another axis may
        really be time.
    """
    if stack.n_frames >= least:
        return
    name = _name(stack)
    if "T" in stack.axes:
        problem = (
            f"{name} has {stack.n_frames} frame(s) where a movie needs at least {least}"
        )
    else:
        problem = f"{name} has no time axis (axes {stack.axes}, shape {stack.shape})"
    message = f"{problem}; noise is told from signal by comparing frames"
    for axis, what in (("Z", "depth"), ("C", "channel")):
        if stack.size(axis) >= least:
            if "T" in stack.axes:
                renamed = stack.axes.translate(str.maketrans(axis + "T", "T" + axis))
            else:
                renamed = stack.axes.replace(axis, "T")
            message += (
                f". If its {stack.size(axis)} {what}s {axis} are really time, say "
                f'axes="{renamed}"'
            )
            break
    raise InputError(message)


def check_finite(stack: Stack) -> None:
    """Check that no pixel of a floating-point movie is infinite.

    NaN is a pixel that was not measured, as is one that the movie's mask leaves out,
    see :mod:`napari_udvd.validity`, which looks at the whole movie once, in blocks of
    at most 64 MB: whoever needs to know later what was measured does not read it
    again. Integers are finite without looking.

    Raises
    ------
    InputError
        With the number of bad pixels and the position of the first; or if the mask
        leaves nothing.
    """
    if stack.dtype.kind != "f" and stack.mask is None:
        return
    if stack.n_frames < 2:  # a picture, of which no more can be found out
        refuse_infinite(stack)
    inspect(stack)


def check_varies(stack: Stack, plane: Plane | None = None) -> None:
    """Check that not all pixels of a plane of a movie, or of all, are the same.

    Stops reading at the first two that differ.

    Raises
    ------
    InputError
        With the value that every pixel has.
    """
    planes = list(stack.planes()) if plane is None else [plane]
    values = []
    for each in planes:
        value = stack.read(0, each, slice(0, 1), slice(0, 1)).item()
        # most often the first frame says it
        for start, stop in [(0, 1), *stretches(stack)]:
            block = stack.read(slice(start, stop), each)
            differs = block != value
            if value != value:  # NaN differs from itself, too
                differs = ~np.isnan(block)
            if differs.any():
                return
        values.append(value)
    where = ""
    if plane is not None:
        at = {"C": plane.c, "Z": plane.z}
        where = ", ".join(f"{a} = {i}" for a, i in at.items() if stack.size(a) > 1)
    raise InputError(
        f"every pixel of {_name(stack)}{f' at {where}' if where else ''} is "
        f"{' or '.join(f'{v:g}' for v in dict.fromkeys(values))}: the movie is "
        "constant, there is nothing to denoise"
    )


def _name(stack: Stack) -> str:
    return "the movie" if stack.source is None else f"the movie {stack.source!r}"
