"""Where regions are in a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Footprint", "Regions", "side_of"]


class Footprint(NamedTuple):
    """Pixels of a region in one frame.

    Attributes
    ----------
    rows, columns
        Smallest part of the frame that holds them.
    inside
        Which pixels of this part they are, ``(y, x)``.
    centre
        Row and column of its middle, px.
    """

    rows: slice
    columns: slice
    inside: npt.NDArray[np.bool_]
    centre: tuple[float, float]


@runtime_checkable
class Regions(Protocol):
    """What is watched in a movie."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of all regions, each once."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, in plain sentences."""

    @property
    def crop(self) -> tuple[int, int]:
        """Rows and columns of the part around a centre that shows a region whole."""

    def at(self, t: int) -> Mapping[str, Footprint]:
        """Footprints of the regions that are there in frame `t`, by name."""


def side_of(boxes: list[tuple[int, int]]) -> int:
    """Side of a square that holds most regions and a little around them, px.

    Parameters
    ----------
    boxes
        Rows and columns of the smallest boxes around regions.
    """
    longest = [max(box) for box in boxes]
    return max(8, round(1.25 * float(np.percentile(longest, 90))))
