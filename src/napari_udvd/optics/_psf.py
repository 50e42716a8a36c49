"""Point spread functions, as the kernels that a movie on pixels was blurred with."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Gaussian",
    "PointSpread",
    "Unblurred",
    "Width",
    "describe",
    "sampled",
    "width",
]

Doubles: TypeAlias = "npt.NDArray[np.float64]"

SUBPIXELS = 5
"""Points along the edge of a pixel of the movie, at least, that a mean is taken of."""

FWHM = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian, in standard deviations."""

REACH = 4.5
"""Standard deviations that the kernel of a Gaussian reaches."""

WIDEST = 64.0
"""Standard deviation, px, above which a width cannot be meant in pixels."""

MAGNIFIED = 8
"""Pixels to a pixel of the movie where a width is measured."""


class PointSpread(ABC):
    """The picture of a point."""

    @abstractmethod
    def kernel(self, zoom: int = 1) -> Doubles:
        """Return the picture on pixels, odd in both directions; its sum is one.

        Parameters
        ----------
        zoom
            Pixels to a pixel of the movie, along each edge.
        """

    @abstractmethod
    def describe(self) -> str:
        """Say where it comes from."""

    @property
    def scale(self) -> float | None:
        """Edge of a pixel of the movie, µm; None if it does not matter."""
        return None


@dataclass(frozen=True)
class Gaussian(PointSpread):
    """A Gaussian, what most point spread functions look like in their middle.

    Attributes
    ----------
    sigma
        Standard deviation, px of the movie.

    Raises
    ------
    InputError
        If the width is not positive, or larger than any blur.
    """

    sigma: float

    def __post_init__(self) -> None:
        if not 0 < self.sigma <= WIDEST:
            raise InputError(
                f"the standard deviation of the blur is {self.sigma:g} px; it must be "
                f"positive and at most {WIDEST:g} pixels of the movie"
            )

    def kernel(self, zoom: int = 1) -> Doubles:
        """See :meth:`PointSpread.kernel`."""
        return sampled(
            lambda r: np.exp(-((r / self.sigma) ** 2) / 2), REACH * self.sigma, zoom
        )

    def describe(self) -> str:
        """See :meth:`PointSpread.describe`."""
        return f"a Gaussian of {self.sigma:g} px"


@dataclass(frozen=True)
class Unblurred(PointSpread):
    """Points that stay points: of a movie that is only to be denoised."""

    def kernel(self, zoom: int = 1) -> Doubles:
        """See :meth:`PointSpread.kernel`."""
        return np.ones((1, 1))

    def describe(self) -> str:
        """See :meth:`PointSpread.describe`."""
        return "no blur"


class Width(NamedTuple):
    """Full width at half maximum.

    Attributes
    ----------
    rows, columns
        Along either direction, px of the movie.
    """

    rows: float
    columns: float

    @property
    def sigma(self) -> float:
        """Standard deviation of the Gaussian as wide, px."""
        return math.sqrt(self.rows * self.columns) / FWHM


def sampled(profile: Callable[[Doubles], Doubles], reach: float, zoom: int) -> Doubles:
    """Make a kernel of a function of the distance, averaged over each pixel.

    Parameters
    ----------
    profile
        Takes distances, px of the movie.
    reach
        Distance at which it ends, px of the movie.
    zoom
        Pixels to a pixel of the movie, along each edge.
    """
    edge = max(math.ceil(reach * zoom), 1)
    inside = math.ceil(SUBPIXELS / zoom)
    count = (2 * edge + 1) * inside
    place = (np.arange(count) - (count - 1) / 2) / (inside * zoom)
    values = profile(np.hypot(place[:, None], place))
    means = values.reshape(2 * edge + 1, inside, 2 * edge + 1, inside)
    kernel = means.mean(axis=(1, 3))
    found: Doubles = kernel / kernel.sum()
    return found


def width(psf: PointSpread) -> Width:
    """Measure how wide a point spread function is."""
    kernel = psf.kernel(MAGNIFIED)
    row, column = np.unravel_index(np.argmax(kernel), kernel.shape)
    return Width(
        *(_full_width(line) / MAGNIFIED for line in (kernel[:, column], kernel[row]))
    )


def _full_width(line: Doubles) -> float:
    peak = int(np.argmax(line))
    half = line[peak] / 2

    def crossing(side: Doubles) -> float:
        below = np.flatnonzero(side < half)
        if not below.size:
            return float(len(side) - 1)
        k = int(below[0])
        return float(k - 1 + (side[k - 1] - half) / (side[k - 1] - side[k]))

    return crossing(line[peak:]) + crossing(line[peak::-1])


def describe(psf: PointSpread) -> str:
    """Say how wide a point spread function is, and where it comes from."""
    found = width(psf)
    sizes = (found.rows, found.columns)
    shown = [sizes[0]] if abs(sizes[0] - sizes[1]) < 0.02 * max(sizes) else list(sizes)
    pixels = " x ".join(f"{size:.2f}" for size in shown) + " px"
    if psf.scale is not None:
        nanometres = " x ".join(f"{1000 * psf.scale * size:.0f}" for size in shown)
        pixels = f"{nanometres} nm ({pixels})"
    return f"{pixels} wide at half its height: {psf.describe()}"
