"""Pixels that are infinite, with which nothing can be computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.cutting import stretches
from napari_udvd.errors import InputError
from napari_udvd.validity._holes import with_holes

if TYPE_CHECKING:
    from napari_udvd.stack import Stack

__all__ = ["refuse_infinite"]


def refuse_infinite(stack: Stack) -> None:
    """Count the infinite pixels of a movie, in as little memory as that takes.

    Raises
    ------
    InputError
        With their number and the position of the first; if there are any.
    """
    stack = with_holes(stack)
    bad: list[tuple[int, ...]] = []
    infinities = 0
    for start, stop in stretches(stack):
        for plane in stack.planes():
            infinite = np.isinf(stack.read(slice(start, stop), plane))
            if not infinite.any():
                continue
            t, y, x = np.unravel_index(int(np.argmax(infinite)), infinite.shape)
            bad.append((int(t) + start, plane.c, plane.z, int(y), int(x)))
            infinities += int(infinite.sum())
    if not bad:
        return
    first = dict(zip("TCZYX", min(bad), strict=True))
    where = ", ".join(f"{axis} = {first[axis]}" for axis in stack.axes)
    total = int(np.prod(stack.shape))
    name = "the movie" if stack.source is None else f"the movie {stack.source!r}"
    raise InputError(
        f"{name} has {infinities} infinite pixel(s) of {total}, the first at "
        f"{where} (counted from 0); replace them, by NaN where nothing was measured, "
        "give a mask of what was measured (--mask FILE, or open(path, mask=FILE)), or "
        "crop them away"
    )
