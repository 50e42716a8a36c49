"""Single pixels all over the frame: at random, or evenly spaced."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.scanning._pattern import Grid, Pattern, Visited, check_share
from napari_udvd.scanning._threshold_matrix import SIDE, cover, threshold_matrix

if TYPE_CHECKING:
    from typing import Self

__all__ = ["BlueNoise", "Random"]


@dataclass(frozen=True)
class Random(Pattern):
    """Pixels drawn at random, as many in every frame.

    Attributes
    ----------
    share
        Share of the pixels.
    """

    share: float

    name: ClassVar[str] = "random"

    @classmethod
    def made(cls, grid: Grid, share: float | None, **parameters: Any) -> Self:
        """Make it."""
        return cls(grid, check_share(share, grid))

    def frame(self, t: int) -> Visited:
        """Draw; each frame has numbers of its own, in whatever order they are asked."""
        numbers = np.random.default_rng((self.grid.seed, t))
        count = round(self.share * self.grid.pixels)
        drawn = numbers.choice(self.grid.pixels, count, replace=False, shuffle=False)
        visited = np.zeros(self.grid.pixels, bool)
        visited[drawn] = True
        return visited.reshape(self.grid.shape)


@dataclass(frozen=True)
class BlueNoise(Pattern):
    """Pixels that keep their distance from one another, in the frame and in time.

    Each frame visits the next ranks of a threshold matrix: those of one frame are
    spread evenly, and no pixel is visited again before all others were.

    Attributes
    ----------
    share
        Share of the pixels.
    """

    share: float

    name: ClassVar[str] = "blue-noise"

    @classmethod
    def made(cls, grid: Grid, share: float | None, **parameters: Any) -> Self:
        """Make it.

        Raises
        ------
        InputError
            If the share is less than one pixel of the matrix.
        """
        share = check_share(share, grid)
        if share * SIDE**2 < 1:
            raise InputError(
                f"`share` is {share:g}; blue noise repeats after {SIDE} pixels and "
                f"cannot have less than {1 / SIDE**2:.2g}: take the pattern random"
            )
        return cls(grid, share)

    def frame(self, t: int) -> Visited:
        """Take the ranks of this frame."""
        first, end = (math.floor(k * self.share * SIDE**2) for k in (t, t + 1))
        ranks = threshold_matrix(self.grid.seed)
        visited: Visited = (ranks - first) % SIDE**2 < end - first
        return cover(visited, self.grid.shape)
