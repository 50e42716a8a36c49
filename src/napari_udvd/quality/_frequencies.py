"""Power of a movie by frequency, in boxes of a few frames.

Frequencies in time, and distances from zero in the frame, are taken together in bins.
Noise that is independent from pixel to pixel has the same power in each of them; what
a network gets wrong has most of it where the frequency is low.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft

if TYPE_CHECKING:
    from napari_udvd.quality._copies import Correlations

__all__ = ["Boxes", "Power"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

EDGE = 56
"""Rows and columns of a box, about."""

RINGS = 14
"""Bins of a frequency in time, up to half a period per pixel."""

LOWEST = 0.02
"""Periods per pixel below which all is one bin."""


class Power(NamedTuple):
    """Sums over boxes.

    Attributes
    ----------
    sums
        Of the power of each bin, as :attr:`Boxes.modes` are many.
    boxes
        How many there are.
    """

    sums: Doubles
    boxes: int


class Boxes:
    """Boxes of one size, and the bins of their frequencies.

    Parameters
    ----------
    frames
        Of a box.
    height, width
        Of the smallest part that is cut into boxes; a box has about `EDGE` of each.
    """

    def __init__(self, frames: int, height: int, width: int) -> None:
        self.shape = frames, _edge(height), _edge(width)
        t, y, x = (np.abs(fft.fftfreq(n)) for n in self.shape)
        edges = np.linspace(LOWEST, 0.5, RINGS)
        ring = np.digitize(np.hypot(y[:, None], x), edges)
        times = np.unique(np.rint(t * self.shape[0]), return_inverse=True)[1]
        bins = times.reshape(-1, 1, 1) * (RINGS + 1) + ring
        found, inverse, modes = np.unique(bins, return_inverse=True, return_counts=True)
        self._bins = inverse.ravel()
        self.modes: Doubles = modes.astype(np.float64)
        self.count = len(found)

    @property
    def size(self) -> int:
        """Pixels of a box."""
        return int(np.prod(self.shape))

    def cut(self, movie: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Cut a part ``(T, Y, X)`` into boxes ``(n, t, y, x)``; a rest is left out."""
        many = [n // m for n, m in zip(movie.shape, self.shape, strict=True)]
        # the rest on both sides alike in the frame, and at the end in time
        starts = [
            (n - k * m) // 2 if axis else 0
            for axis, (n, k, m) in enumerate(
                zip(movie.shape, many, self.shape, strict=True)
            )
        ]
        kept = movie[
            tuple(
                slice(start, start + k * m)
                for start, k, m in zip(starts, many, self.shape, strict=True)
            )
        ]
        (a, b, c), (t, y, x) = many, self.shape
        split = kept.reshape(a, t, b, y, c, x)
        return split.transpose(0, 2, 4, 1, 3, 5).reshape(-1, t, y, x)

    def power(self, one: Floats, other: Floats | None = None) -> Power:
        """Sum the power of a part, or the cross power of two, over its boxes.

        The sums over all bins are the sum of squares, or of products.
        """
        spectra = fft.fftn(self.cut(one), axes=(1, 2, 3), norm="ortho")
        if other is None:
            products = spectra.real**2 + spectra.imag**2
        else:
            second = fft.fftn(self.cut(other), axes=(1, 2, 3), norm="ortho")
            products = spectra.real * second.real + spectra.imag * second.imag
        total = products.sum(axis=0, dtype=np.float64).ravel()
        sums = np.bincount(self._bins, total, self.count).astype(np.float64)
        return Power(sums, len(products))

    def of_noise(self, correlations: Correlations) -> Doubles:
        """Mean power in each bin of noise of variance 1 that is correlated so."""
        _, height, width = self.shape
        rows, columns = (
            1 + 2 * r * (1 - 1 / n) * np.cos(2 * np.pi * fft.fftfreq(n))
            for r, n in zip(correlations, (height, width), strict=True)
        )
        plane = np.broadcast_to(rows[:, None] * columns, self.shape)
        return np.asarray(
            np.bincount(self._bins, plane.ravel(), self.count) / self.modes
        )


def _edge(length: int) -> int:
    return length // max(round(length / EDGE), 1)
