"""Masks from the name of a pattern and its parameters."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.scanning._foveated import Foveated
from napari_udvd.scanning._mask import ScanMask
from napari_udvd.scanning._pattern import Grid, Pattern
from napari_udvd.scanning._points import BlueNoise, Random
from napari_udvd.scanning._rows import Rows
from napari_udvd.scanning._spiral import Spiral

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

__all__ = ["PATTERNS", "make_mask"]

PATTERNS: Mapping[str, type[Pattern]] = {
    pattern.name: pattern for pattern in (BlueNoise, Rows, Random, Foveated, Spiral)
}
"""Patterns by name."""


def make_mask(
    pattern: str,
    frames: int,
    shape: Sequence[int],
    *,
    share: float | None = None,
    seed: int = 0,
    fixed: bool = False,
    every: int | None = None,
    shift: int | None = None,
    centre: npt.ArrayLike | None = None,
    inner: float | None = None,
    outer: float | None = None,
    inner_radius: float | None = None,
    outer_radius: float | None = None,
) -> ScanMask:
    """Say which pixels a scan is to visit.

    Parameters
    ----------
    pattern
        ``"blue-noise"``: single pixels, evenly spaced in the frame and in time;
        ``"rows"``: whole rows, one in so many; ``"random"``: pixels at random;
        ``"foveated"``: dense around a point; ``"spiral"``: from the centre outwards.
    frames
        How many the movie has.
    shape
        Rows and columns of a frame.
    share
        Share of the pixels that is visited, above 0 and at most 1; one fifth where
        nothing else says it. Of rows it is one in so many; of a foveated scan it
        chooses the probability outside.
    seed
        Of the random numbers: the same one gives the same mask. Rows have none.
    fixed
        Visit the same pixels in every frame. Those that are never visited cannot be
        known as well: leave it unless the microscope cannot do otherwise.
    every
        Rows: one in so many.
    shift
        Rows: how far they move down from frame to frame; by default such that all are
        visited in turn, and neighbours far apart in time (2 of 5).
    centre
        Foveated and spiral: row and column, by default the middle; or several of them,
        ``(n, 2)``, for one that moves from the first to the last in the course of the
        movie.
    inner, outer
        Foveated: probability that a pixel is visited inside and outside, by default
        0.98 and 0.15.
    inner_radius, outer_radius
        Foveated: radii in pixels between which the probability falls linearly, by
        default a tenth and a fifth of the shorter side.

    Returns
    -------
    ScanMask
        ``(T, Y, X)``, a frame made when it is asked for.

    Raises
    ------
    InputError
        If there is no such pattern, it has no such parameter or cannot have this
        value, or the frames have no size.

    Examples
    --------
    >>> mask = make_mask("rows", frames=6, shape=(10, 8), share=0.2)
    >>> mask.pattern.settings
    {'every': 5, 'shift': 2}
    >>> [int(mask.positions(t)[0, 0]) for t in range(5)]
    [0, 2, 4, 1, 3]
    """
    if pattern not in PATTERNS:
        raise InputError(
            f"there is no pattern {pattern!r}; choose one of {', '.join(PATTERNS)}"
        )
    kind = PATTERNS[pattern]
    parameters: dict[str, Any] = {
        "every": every,
        "shift": shift,
        "centre": centre,
        "inner": inner,
        "outer": outer,
        "inner_radius": inner_radius,
        "outer_radius": outer_radius,
    }
    given = {name: value for name, value in parameters.items() if value is not None}
    for name in given:
        if name not in kind.parameters:
            own = ", ".join(f"`{own}`" for own in kind.parameters)
            raise InputError(
                f"`{name}` is no parameter of the pattern {pattern}, which has "
                f"{own or 'none but the share'}"
            )
    made = kind.made(_grid(frames, shape, seed), share, **given)
    if fixed and len(getattr(made, "centre", ())) > 1:
        raise InputError(
            "the centre moves, which a mask that is the same in every frame cannot "
            "do: give one centre, or leave `fixed` out"
        )
    return ScanMask(made, fixed)


def _grid(frames: int, shape: Sequence[int], seed: int) -> Grid:
    size: tuple[int, ...] = ()
    try:
        count, start = operator.index(frames), operator.index(seed)
        size = tuple(operator.index(n) for n in shape)
    except TypeError as error:
        raise InputError(
            f"{frames!r} frames of shape {shape!r} and the seed {seed!r}: give whole "
            "numbers, such as 100 frames of shape (512, 512)"
        ) from error
    if count < 1 or len(size) != 2 or min(size) < 1:
        raise InputError(
            f"{count} frames of shape {size}: a movie has one frame or more, of rows "
            "and columns, such as (512, 512)"
        )
    if start < 0:
        raise InputError(f"`seed` is {start}; choose a whole number from 0 on")
    return Grid(count, (size[0], size[1]), start)
