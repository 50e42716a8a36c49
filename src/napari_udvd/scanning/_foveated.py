"""Dense around a point of interest, sparse elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.scanning._centre import Points, check_centre, distance, place
from napari_udvd.scanning._pattern import GOLDEN, Grid, Pattern, Visited, check_share
from napari_udvd.scanning._threshold_matrix import SIDE, cover, threshold_matrix

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Foveated"]

INNER, OUTER = 0.98, 0.15
"""Probabilities of DeepFovea++ (Reich) ..."""

RADII = 0.1, 0.2
"""... and about its radii, in units of the shorter side: 20 and 40 of 192 pixels."""

FRAMES = 32
"""Frames that the mean of a moving fovea is found from."""


@dataclass(frozen=True)
class Foveated(Pattern):
    """A probability of being visited that falls linearly between two radii.

    That of DeepFovea (Kaplanyan et al. 2019) and DeepFovea++. Where those draw at
    random, pixels are taken by a threshold matrix: as many, evenly spaced, and over the
    frames as regularly as their probability allows.

    Attributes
    ----------
    centre
        Row and column of each point of its path; one where it stays.
    inner, outer
        Probability up to the inner radius, and from the outer one on.
    inner_radius, outer_radius
        Pixels.
    """

    centre: Points
    inner: float
    outer: float
    inner_radius: float
    outer_radius: float

    name: ClassVar[str] = "foveated"
    parameters: ClassVar[tuple[str, ...]] = (
        "centre",
        "inner",
        "outer",
        "inner_radius",
        "outer_radius",
    )

    @classmethod
    def made(cls, grid: Grid, share: float | None, **parameters: Any) -> Self:
        """Make it; a share is reached by the probability outside.

        Raises
        ------
        InputError
            If the centre lies outside of the frame, a probability or radius is none,
            or the fovea alone is more than the share, or cannot make up for the rest.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        short = min(grid.shape)
        if share is not None and "outer" in given:
            raise InputError(
                f"`share` is {share:g} and `outer` is {given['outer']:g}: give one of "
                "the two, since the probability outside follows from the share"
            )
        pattern = cls(
            grid,
            check_centre(grid, given.get("centre")),
            float(given.get("inner", INNER)),
            float(given.get("outer", 0.0 if share is not None else OUTER)),
            float(given.get("inner_radius", RADII[0] * short)),
            float(given.get("outer_radius", RADII[1] * short)),
        )
        pattern._check(has_outer=share is None)
        if share is None:
            return pattern
        return pattern._with_share(check_share(share, grid))

    def frame(self, t: int) -> Visited:
        """Take what the matrix, turned on from frame to frame, puts below."""
        ranks = cover(threshold_matrix(self.grid.seed), self.grid.shape)
        level = (ranks + 0.5) / SIDE**2
        visited: Visited = (level - t * GOLDEN) % 1 < self.probability(t)
        return visited

    def probability(self, t: int) -> npt.NDArray[np.float64]:
        """Probability ``(Y, X)`` that a pixel is visited in frame `t`."""
        return self.outer + (self.inner - self.outer) * self._weight(t)

    def _weight(self, t: int) -> npt.NDArray[np.float64]:
        """How much a pixel belongs to the fovea: 1 inside, 0 outside."""
        far = distance(self.grid.shape, place(self.grid, self.centre, t))
        radii = self.inner_radius, self.outer_radius
        weight: npt.NDArray[np.float64] = np.interp(far, radii, (1.0, 0.0))
        return weight

    def _check(self, *, has_outer: bool) -> None:
        probabilities = {"inner": self.inner} | (
            {"outer": self.outer} if has_outer else {}
        )
        for name, value in probabilities.items():
            if not 0 <= value <= 1:
                raise InputError(
                    f"`{name}` is {value:g}; a probability is a number from 0 to 1"
                )
        if self.outer > self.inner:
            raise InputError(
                f"`outer` is {self.outer:g}, more than `inner`, {self.inner:g}: the "
                "fovea is where more pixels are visited"
            )
        if not 0 <= self.inner_radius < self.outer_radius < np.inf:
            raise InputError(
                f"`inner_radius` is {self.inner_radius:g} and `outer_radius` "
                f"{self.outer_radius:g}; both are pixels, the outer one is larger"
            )

    def _with_share(self, share: float) -> Self:
        """Find the probability outside, of which the share is a linear function."""
        moments = np.unique(
            np.linspace(0, self.grid.frames - 1, FRAMES).round().astype(int)
        )
        inside = float(np.mean([self._weight(int(t)).mean() for t in moments]))
        least = self.inner * inside
        if not least <= share <= self.inner:
            raise InputError(
                f"`share` is {share:g}; with a probability of {self.inner:g} within "
                f"{self.inner_radius:g} px, falling to that outside at "
                f"{self.outer_radius:g} px, it is from {least:.3g} to {self.inner:g}: "
                "change the share, the radii or `inner`"
            )
        outer = (share - least) / (1 - inside) if inside < 1 else 0.0
        return type(self)(
            self.grid,
            self.centre,
            self.inner,
            min(outer, self.inner),
            self.inner_radius,
            self.outer_radius,
        )
