"""Recorrupted copies: two of a movie, whose noise is independent, from one.

With noise ``z`` of the strength of the movie's own, ``y + a z`` and ``y - z / a`` have
independent noise where it is Gaussian (Pang et al. 2021, "Recorrupted-to-Recorrupted";
Oliveira et al. 2022). What a program makes of one can be judged by the other, of which
it has seen nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

__all__ = ["Recorruption"]

Pixels = TypeVar("Pixels", "Tensor", "npt.NDArray[np.float32]")


@dataclass(frozen=True)
class Recorruption:
    """How a movie is made into two copies.

    Attributes
    ----------
    added
        Standard deviation of the noise that the first copy gets, in units of the
        movie's own: ``a``. Little leaves it nearly as good as the movie and makes a
        noisy judge of the second; at one both are alike.
    """

    added: float

    @property
    def of_first(self) -> float:
        """Variance of the first copy's noise, over that of the movie's own."""
        return 1 + self.added**2

    @property
    def of_second(self) -> float:
        """Variance of the second copy's noise, over that of the movie's own."""
        return 1 + self.added**-2

    def first(self, noisy: Pixels, drawn: Pixels) -> Pixels:
        """Return the copy that a program works on.

        Parameters
        ----------
        noisy
            As it was recorded, any shape.
        drawn
            Noise of the strength of the movie's own, of the same shape. It must follow
            what the movie shows without its noise: pixels that are low by chance would
            get too little, and the copies would not be independent.
        """
        return noisy + self.added * drawn

    def second(self, noisy: Pixels, drawn: Pixels) -> Pixels:
        """Return the copy that judges; parameters as for the first."""
        return noisy - drawn / self.added
