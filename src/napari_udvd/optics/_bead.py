"""Point spread functions from the picture of a bead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.ndimage import center_of_mass, map_coordinates

from napari_udvd.errors import InputError
from napari_udvd.formats import open_stack
from napari_udvd.optics._psf import PointSpread
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    import os

__all__ = ["Bead", "read_bead"]

Doubles: TypeAlias = "npt.NDArray[np.float64]"

SMALLEST = 3
"""Rows and columns of a picture, at least."""

LARGEST = 1024
"""Rows and columns of a picture, at most: the kernel has as many."""

FARTHEST = 1.0
"""Pixels that the centre of a bead may be away from the middle of its picture."""

NEGATIVE = 0.05
"""Of the peak, that a value may be below zero: the noise of a camera whose offset is
known."""

FAINT = 0.02
"""Of the peak, below which a value counts as background where the centre is sought."""


@dataclass(frozen=True, eq=False)
class Bead(PointSpread):
    """What a bead much smaller than a point's picture looked like.

    Attributes
    ----------
    picture
        ``(rows, columns)``, on pixels as large as those of the movie. The median of
        its outermost pixels is taken for background.
    name
        Where it comes from.

    Raises
    ------
    InputError
        If nothing stands out, values are negative or not finite, or the bead is not
        in the middle.
    """

    picture: Doubles
    name: str = "a picture"

    def __post_init__(self) -> None:
        picture = np.asarray(self.picture, dtype=np.float64)
        if picture.ndim != 2 or min(picture.shape) < SMALLEST:
            raise InputError(
                f"the point spread function {self.name} is of shape {picture.shape}; "
                f"it must be a picture of at least {SMALLEST} x {SMALLEST} pixels"
            )
        if max(picture.shape) > LARGEST:
            raise InputError(
                f"the point spread function {self.name} is of shape {picture.shape}, "
                f"more than {LARGEST} pixels; cut out the bead"
            )
        if not np.isfinite(picture).all():
            raise InputError(
                f"the point spread function {self.name} has pixels that are not finite "
                "numbers; all must be"
            )
        least, most = float(picture.min()), float(picture.max())
        if least < -NEGATIVE * most:
            raise InputError(
                f"the point spread function {self.name} goes down to {least:g}, its "
                f"peak is {most:g}; light is not negative: take the camera's offset "
                "off, not more"
            )
        rim = np.concatenate(
            [picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]]
        )
        light = np.clip(picture - np.median(rim), 0.0, None)
        if not light.max() > 0:
            raise InputError(
                f"the point spread function {self.name} is nowhere brighter than at "
                "its rim; it must be the picture of a bead, in the middle"
            )
        bright = np.where(light > FAINT * light.max(), light, 0.0)
        centre = np.array(center_of_mass(bright))
        middle = (np.array(light.shape) - 1) / 2
        # an even number of pixels has no middle one
        if np.abs(centre - middle).max() > FARTHEST:
            row, column = centre
            raise InputError(
                f"the point spread function {self.name} is centred at row {row:.1f}, "
                f"column {column:.1f}, its picture at {middle[0]:g}, {middle[1]:g}; "
                "crop the picture so that the bead is in its middle, or the result "
                "would be shifted"
            )
        object.__setattr__(self, "picture", light)
        object.__setattr__(self, "_centre", centre)

    _centre: Doubles = None  # type: ignore[assignment]

    def kernel(self, zoom: int = 1) -> Doubles:
        """See :meth:`PointSpread.kernel`."""
        edges = [max((n - 1) * zoom // 2, 1) for n in self.picture.shape]
        rows, columns = (
            start + np.arange(-edge, edge + 1) / zoom
            for start, edge in zip(self._centre, edges, strict=True)
        )
        places = np.stack(np.meshgrid(rows, columns, indexing="ij"))
        # bilinear: a spline would ring, and go below zero
        found = map_coordinates(self.picture, places, order=1, mode="constant")
        kernel: Doubles = found / found.sum()
        return kernel

    def describe(self) -> str:
        """See :meth:`PointSpread.describe`."""
        return f"the bead in {self.name}"


def read_bead(path: str | os.PathLike[str]) -> Bead:
    """Read the picture of a bead; of frames the mean, of a stack the sharpest plane.

    Raises
    ------
    InputError
        If the file cannot be read, has several channels, or is no picture of a bead.
    """
    stack = open_stack(path)
    if stack.n_channels != 1:
        raise InputError(
            f"the point spread function {str(path)!r} has {stack.n_channels} channels; "
            "it must have one"
        )
    planes = [
        stack.read(slice(0, stack.n_frames), Plane(0, z)).astype(np.float64).mean(0)
        for z in range(stack.n_planes)
    ]
    return Bead(max(planes, key=lambda plane: float(plane.max())), repr(str(path)))
