"""A spiral, from the centre outwards."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.scanning._centre import Points, check_centre, place
from napari_udvd.scanning._pattern import (
    GOLDEN,
    Grid,
    Pattern,
    Visited,
    check_share,
)

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Spiral"]

MOST = 0.5
"""Share above which turns would run through the same pixels."""

STEP = 0.5
"""Length along the spiral, px, after which the pixel below it is looked up."""

PITCHES = 0.5, 4.0
"""Pitches times shares between which one is looked for ..."""

TRIES = 12
"""... by halving the interval so often."""

PIXELS, FRAMES = 2**16, 8
"""Pixels whose share is told of each, of so many frames at most."""


@dataclass(frozen=True)
class Spiral(Pattern):
    """Archimedean spiral: turns at equal distances, thus equally dense everywhere.

    It is turned from frame to frame by the golden section, so that the turns of a frame
    lie between those of its neighbours. What lies outside of the frame is left out.

    Attributes
    ----------
    centre
        Row and column of each point of the path of its middle; one where it stays.
    pitch
        Distance between turns, px.
    """

    centre: Points
    pitch: float

    name: ClassVar[str] = "spiral"
    parameters: ClassVar[tuple[str, ...]] = ("centre",)
    by_rows: ClassVar[bool] = False

    @classmethod
    def made(cls, grid: Grid, share: float | None, **parameters: Any) -> Self:
        """Make it; the pitch follows from the share.

        Raises
        ------
        InputError
            If the share is too large, or so small that no turn fits into the frame, or
            the centre lies outside of it.
        """
        share = check_share(share, grid)
        if share > MOST:
            raise InputError(
                f"`share` is {share:g}; the turns of a spiral would run through the "
                f"same pixels above {MOST}: choose less, or another pattern"
            )
        centre = check_centre(grid, parameters.get("centre"))
        # the wider the pitch, the fewer pixels, but for the edges of small frames
        low, high = (math.log(factor / share) for factor in PITCHES)
        tried: list[tuple[float, Self]] = []
        for _ in range(TRIES):
            middle = (low + high) / 2
            spiral = cls(grid, centre, math.exp(middle))
            excess = spiral._mean_share() - share
            tried.append((abs(excess), spiral))
            low, high = (middle, high) if excess > 0 else (low, middle)
        found = min(tried, key=operator.itemgetter(0))[1]
        if found.pitch > min(grid.shape) / 2:
            raise InputError(
                f"`share` is {share:g}; the turns of a spiral would be "
                f"{found.pitch:.3g} px apart, and not one would fit into a frame of "
                f"{grid.shape[0]} x {grid.shape[1]}: choose more, or another pattern"
            )
        return found

    def frame(self, t: int) -> Visited:
        """Mark the path."""
        visited = np.zeros(self.grid.shape, bool)
        visited[tuple(self.path(t).T)] = True
        return visited

    def path(self, t: int) -> npt.NDArray[np.intp]:
        """Rows and columns ``(n, 2)`` in the order of the visits, each pixel once."""
        rows, columns = self.grid.shape
        y, x = place(self.grid, self.centre, t)
        reach = math.hypot(max(y, rows - 1 - y), max(x, columns - 1 - x)) + 1
        growth = self.pitch / (2 * math.pi)  # of the radius, in a radian
        # length = growth * angle^2 / 2, but for the first turn, which is shorter
        lengths = np.arange(0, reach**2 / (2 * growth), STEP)
        angle = np.sqrt(2 * lengths / growth)
        radius = growth * angle
        angle += 2 * math.pi * self._turned(t)
        at = np.stack([y + radius * np.sin(angle), x + radius * np.cos(angle)], axis=1)
        places = np.rint(at).astype(np.intp)
        inside = ((places >= 0) & (places < self.grid.shape)).all(axis=1)
        numbers = places[inside] @ (columns, 1)
        _, first = np.unique(numbers, return_index=True)
        once: npt.NDArray[np.intp] = np.stack(
            np.divmod(numbers[np.sort(first)], columns), axis=1
        )
        return once

    def _mean_share(self) -> float:
        """Share of the pixels, of as many frames as even out what the edges do."""
        few = min(PIXELS // self.grid.pixels + 1, FRAMES, self.grid.frames)
        return sum(len(self.path(t)) for t in range(few)) / (few * self.grid.pixels)

    def _turned(self, t: int) -> float:
        """Return where it begins, in turns: by the seed, then the golden section."""
        return float(np.random.default_rng(self.grid.seed).random() + t * GOLDEN)
