"""A threshold matrix of blue noise: an order of pixels that is even at every share.

Void-and-cluster (Ulichney 1993), written here because SciPy has no such order:
``scipy.stats.qmc.PoissonDisk`` fills a continuous square point by point, can neither
hit a share nor follow a probability, and knows nothing of the frame before. A matrix is
made once, in a tenth of a second, holds every share, and can be repeated over a frame
of any size, since its edges meet.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SIDE", "cover", "threshold_matrix"]

SIDE = 64
"""Rows and columns of the matrix: it repeats after so many pixels."""

WIDTH = 1.5
"""Standard deviation, px, of the Gaussian that tells how crowded a place is (the value
that Ulichney recommends)."""

START = 0.1
"""Share of the pixels from which the order is built up and down."""

Ranks = npt.NDArray[np.intp]


@lru_cache(maxsize=8)
def threshold_matrix(seed: int) -> Ranks:
    """Return the rank, from 0 on, of each pixel of a square whose edges meet.

    The pixels of the lowest `n` ranks are spread evenly for every `n`; nearly as evenly
    those of any `n` ranks in a row.

    Parameters
    ----------
    seed
        Of the random numbers that the search begins with.

    Returns
    -------
    numpy.ndarray
        ``(SIDE, SIDE)``; not to be written to.
    """
    crowd = _Crowd(SIDE)
    first = np.random.default_rng(seed).permutation(SIDE**2)[: int(START * SIDE**2)]
    for place in first.tolist():
        crowd.add(place)
    for _ in range(SIDE**2):  # far more than it takes
        tightest = crowd.tightest()
        crowd.remove(tightest)
        void = crowd.void()
        crowd.add(void)
        if void == tightest:
            break
    order = np.empty(SIDE**2, np.intp)
    points = np.flatnonzero(crowd.taken).tolist()
    for rank in reversed(range(len(points))):
        tightest = crowd.tightest()
        crowd.remove(tightest)
        order[tightest] = rank
    for place in points:
        crowd.add(place)
    for rank in range(len(points), SIDE**2):
        void = crowd.void()
        crowd.add(void)
        order[void] = rank
    ranks = order.reshape(SIDE, SIDE)
    ranks.setflags(write=False)
    return ranks


def cover(square: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Repeat a square of this side over a frame of this shape."""
    rows, columns = (np.arange(n) % SIDE for n in shape)
    return square[np.ix_(rows, columns)]


class _Crowd:
    """Points on a square whose edges meet, and how crowded each place is."""

    def __init__(self, side: int) -> None:
        steps = np.minimum(np.arange(side), side - np.arange(side))
        bell = np.exp(-(steps**2) / (2 * WIDTH**2))
        # four times side by side: that around any place is a part of it
        self._kernel = np.tile(np.outer(bell, bell), (2, 2))
        self._density = np.zeros((side, side))
        self._side = side
        self.taken = np.zeros(side**2, bool)

    def add(self, place: int) -> None:
        """Put a point at a free place, by its number in the order of reading."""
        self.taken[place] = True
        self._density += self._around(place)

    def remove(self, place: int) -> None:
        """Take a point away."""
        self.taken[place] = False
        self._density -= self._around(place)

    def tightest(self) -> int:
        """Place of the point that is most crowded."""
        return int(np.argmax(np.where(self.taken, self._density.ravel(), -np.inf)))

    def void(self) -> int:
        """Free place that is least crowded."""
        return int(np.argmin(np.where(self.taken, np.inf, self._density.ravel())))

    def _around(self, place: int) -> npt.NDArray[np.float64]:
        row, column = divmod(place, self._side)
        rows = slice(self._side - row, 2 * self._side - row)
        return self._kernel[rows, self._side - column : 2 * self._side - column]
