"""Whole rows, one in so many, shifted from frame to frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.scanning._pattern import (
    GOLDEN,
    Grid,
    Pattern,
    Visited,
    check_share,
)

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Rows"]

CLOSE = 0.02
"""How far, relatively, a share may be from one row in so many."""


@dataclass(frozen=True)
class Rows(Pattern):
    """One row in so many; each frame visits others than the one before.

    Attributes
    ----------
    every
        Rows from one that is visited to the next.
    shift
        Rows that they move down by from frame to frame.
    """

    every: int
    shift: int

    name: ClassVar[str] = "rows"
    parameters: ClassVar[tuple[str, ...]] = ("every", "shift")

    @classmethod
    def made(cls, grid: Grid, share: float | None, **parameters: Any) -> Self:
        """Make it.

        Raises
        ------
        InputError
            If the share is not one row in so many, or rows or shift are none that
            there can be.
        """
        every, shift = parameters.get("every"), parameters.get("shift")
        if every is None:
            every = _one_in(check_share(share, grid))
        elif share is not None:
            raise InputError(
                f"`share` is {share:g} and `every` is {every}: give one of the two, "
                "since one row in so many is a share"
            )
        if not 1 <= every <= grid.shape[0]:
            raise InputError(
                f"`every` is {every}, for a frame of {grid.shape[0]} row(s) of which "
                f"one in so many is visited: choose a whole number from 1 to "
                f"{grid.shape[0]}, or the share that belongs to it"
            )
        if shift is None:
            shift = _even_shift(every)
        if not 0 <= shift < every:
            raise InputError(
                f"`shift` is {shift}; of one row in {every} choose a whole number from "
                f"0 (the same rows in every frame) to {every - 1}"
            )
        return cls(grid, every, shift)

    def frame(self, t: int) -> Visited:
        """Take the rows of this frame."""
        rows = (np.arange(self.grid.shape[0]) - t * self.shift) % self.every == 0
        return np.repeat(rows[:, None], self.grid.shape[1], axis=1)


def _one_in(share: float) -> int:
    """Rows that one is visited of."""
    every = max(round(1 / share), 1)
    if abs(share * every - 1) <= CLOSE:
        return every
    fewer = math.ceil(1 / share)
    denser = "1 (all rows)" if fewer == 2 else f"{1 / (fewer - 1):.4g}"
    raise InputError(
        f"`share` is {share:g}; whole rows are one in so many: choose {denser} or "
        f"{1 / fewer:.4g} (one row in {fewer}), or a pattern that takes any share, "
        "such as blue-noise"
    )


def _even_shift(every: int) -> int:
    """Shift that visits all rows in turn, neighbours far apart in time: 2 of 5."""
    shifts = (k for k in range(1, every) if math.gcd(k, every) == 1)
    return min(shifts, key=lambda k: abs(k / every - GOLDEN), default=0)
