"""What every pattern is: pixels of a frame, in the order in which they are visited."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from typing import Self

__all__ = ["DEFAULT_SHARE", "GOLDEN", "Grid", "Pattern", "Visited", "check_share"]

Visited = npt.NDArray[np.bool_]

GOLDEN = (3 - math.sqrt(5)) / 2
"""The golden section, 0.382: multiples of it, modulo 1, are spread as evenly as those
of any number, however many there are (the three-gap theorem)."""

DEFAULT_SHARE = 0.2
"""One pixel in five."""


@dataclass(frozen=True)
class Grid:
    """Frames that are scanned.

    Attributes
    ----------
    frames
        How many.
    shape
        Rows and columns.
    seed
        Of the random numbers.
    """

    frames: int
    shape: tuple[int, int]
    seed: int = 0

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class Pattern(ABC):
    """Pixels that are visited in each frame.

    Attributes
    ----------
    grid
        Frames that are scanned. The other fields are parameters of the pattern.
    """

    grid: Grid

    name: ClassVar[str]
    """What it is called."""
    parameters: ClassVar[tuple[str, ...]] = ()
    """What can be chosen of it, beside the share."""
    by_rows: ClassVar[bool] = True
    """Whether pixels are visited row by row, from left to right."""

    @classmethod
    @abstractmethod
    def made(cls, grid: Grid, share: float | None, **parameters: Any) -> Self:
        """Make the pattern with this share of the pixels; None for the usual one.

        Raises
        ------
        InputError
            If it cannot have the share or a parameter.
        """

    @abstractmethod
    def frame(self, t: int) -> Visited:
        """Pixels ``(Y, X)`` that are visited in frame `t`."""

    def path(self, t: int) -> npt.NDArray[np.intp]:
        """Rows and columns ``(n, 2)`` of these pixels, in the order of the visits."""
        return np.argwhere(self.frame(t))

    @property
    def settings(self) -> dict[str, Any]:
        """Parameters by name, as they were chosen or found."""
        own = (field.name for field in fields(self) if field.name != "grid")
        return {name: getattr(self, name) for name in own}


def check_share(share: float | None, grid: Grid) -> float:
    """Return the share of the pixels to be visited.

    Raises
    ------
    InputError
        If it is not above 0 and at most 1, or less than a pixel of a frame.
    """
    if share is None:
        share = DEFAULT_SHARE
    if not 0 < share <= 1:
        raise InputError(
            f"`share` is {share:g}; choose a number above 0 and at most 1, such as 0.2 "
            "for one pixel in five"
        )
    if share * grid.pixels < 1:
        rows, columns = grid.shape
        raise InputError(
            f"`share` is {share:g}, less than one pixel of a frame of {rows} x "
            f"{columns}; choose at least {1 / grid.pixels:.2g}"
        )
    return float(share)
