"""The middle of what is looked at: a point, or a path of it through the movie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from napari_udvd.scanning._pattern import Grid

__all__ = ["Points", "check_centre", "distance", "place"]

Points = tuple[tuple[float, float], ...]
"""Row and column of each point of a path."""


def check_centre(grid: Grid, centre: npt.ArrayLike | None) -> Points:
    """Return the points of the path; one where the centre stays.

    Parameters
    ----------
    grid
        Frames that are scanned.
    centre
        Row and column, or ``(n, 2)`` of them; None for the middle of the frame.

    Raises
    ------
    InputError
        If it is something else, or a point lies outside of the frame.
    """
    rows, columns = grid.shape
    if centre is None:
        return (((rows - 1) / 2, (columns - 1) / 2),)
    try:
        points = np.atleast_2d(np.asarray(centre, float))
    except (TypeError, ValueError) as error:
        raise _not_a_centre(centre) from error
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise _not_a_centre(centre)
    for y, x in points:
        if not (0 <= y <= rows - 1 and 0 <= x <= columns - 1):
            raise InputError(
                f"the centre {y:g},{x:g} (row, column) lies outside of the frame; rows "
                f"go from 0 to {rows - 1}, columns from 0 to {columns - 1}"
            )
    return tuple((float(y), float(x)) for y, x in points)


def place(grid: Grid, points: Points, t: int) -> tuple[float, float]:
    """Centre in frame `t`: the first point in the first frame, the last in the last."""
    times = np.linspace(0, grid.frames - 1, len(points))
    y, x = (float(np.interp(t, times, each)) for each in zip(*points, strict=True))
    return y, x


def distance(
    shape: tuple[int, int], centre: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Distance of each pixel ``(Y, X)`` from a point, px."""
    rows, columns = (np.arange(n) - at for n, at in zip(shape, centre, strict=True))
    far: npt.NDArray[np.float64] = np.hypot(rows[:, None], columns[None])
    return far


def _not_a_centre(centre: object) -> InputError:
    return InputError(
        f"the centre {centre!r} is not understood; give row and column, such as "
        "(64, 100), or several of them for a centre that moves"
    )
