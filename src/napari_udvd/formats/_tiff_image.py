"""One image of a TIFF file: where its planes are, as every dialect tells it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import SAMPLES, UNNAMED
from napari_udvd.formats._facts import Facts
from napari_udvd.formats._images import Image
from napari_udvd.formats._tiff_axes import whole_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import tifffile

    from napari_udvd.formats._planes import Page

__all__ = [
    "PLACES",
    "Pages",
    "TiffImage",
    "Unfollowed",
    "microns",
    "one_per_place",
    "runs_of",
    "series_image",
    "whole_order",
]

PLACES: Final = "RPM"
"""Letters of axes along which another place of the sample was recorded."""


class Unfollowed(InputError):
    """What a file says of its pages does not fit them, which may be whole."""


class Pages(NamedTuple):
    """Where the planes of an image are.

    Attributes
    ----------
    runs
        Pages, and how many planes begin with each of them; None for one that is
        missing. A plane is what the last two axes of the image span.
    order
        Number of each plane, counted along the runs, in the shape of the image
        without its last two axes.
    """

    runs: Sequence[tuple[Page | None, int]]
    order: npt.NDArray[np.int64]


@dataclass(frozen=True)
class TiffImage:
    """One image of a TIFF file.

    Attributes
    ----------
    name
        What the file calls it.
    axes
        A letter for each axis; ``S`` for the values that a pixel of a colour picture
        has, and ``?`` for what the file does not name.
    shape
        Length of each axis.
    find
        Looks up the pages.
    tell
        Looks up what the file says of it.
    droppable
        Which of its axes are dropped where their length is one.
    here
        Whether it has planes in the file that was named.
    scattered
        Whether pages of other kinds lie between its own without a rule.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    find: Callable[[], Pages]
    tell: Callable[[], Facts] = Facts
    droppable: str = "CZ" + UNNAMED
    here: bool = True
    scattered: bool = False

    @property
    def listed(self) -> Image:
        """Shape as a list shows it: without axes of length one that will be dropped."""
        kept = [
            (axis, n)
            for axis, n in zip(self.axes, self.shape, strict=True)
            if n != 1 or axis not in self.droppable
        ]
        return Image(self.name, "".join(a for a, _ in kept), tuple(n for _, n in kept))


def whole_order(shape: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return the order of planes that are stored as the axes of the image say."""
    leading = tuple(shape[:-2])
    return np.arange(math.prod(leading), dtype=np.int64).reshape(leading)


def series_image(
    series: tifffile.TiffPageSeries,
    tell: Callable[[], Facts] = Facts,
    droppable: str = "CZ" + UNNAMED,
) -> TiffImage:
    """Take an image as tifffile found it."""
    pairs = [
        (UNNAMED if axis in "QI" else axis, int(n))
        for axis, n in zip(*whole_axes(series), strict=True)
        if axis != SAMPLES or n > 1
    ]
    while pairs[-1][0] not in "YX" and pairs[-1][1] == 1:
        pairs.pop()  # one value per pixel
    shape = tuple(n for _, n in pairs)
    return TiffImage(
        name=series.name,
        axes="".join(axis for axis, _ in pairs),
        shape=shape,
        find=lambda: Pages(runs_of(series, shape), whole_order(shape)),
        tell=tell,
        droppable=droppable,
    )


def runs_of(
    series: tifffile.TiffPageSeries, shape: Sequence[int]
) -> list[tuple[Page | None, int]]:
    """List the pages of an image that tifffile found, with the planes of each."""
    n_planes = math.prod(shape[:-2])
    if series.dataoffset is not None and not series.is_multifile:
        return [(series[0], n_planes)]
    per_page = math.prod(series.keyframe.shape) // math.prod(shape[-2:])
    return [(page, per_page) for page in series]


def one_per_place(images: Sequence[TiffImage]) -> list[TiffImage]:
    """Make several images of one with an axis that stands for places."""
    result: list[TiffImage] = []
    for image in images:
        axis = next((axis for axis in image.axes if axis in PLACES), None)
        if axis is None:
            result.append(image)
        else:
            k = image.axes.index(axis)
            parts = [_part(image, k, i) for i in range(image.shape[k])]
            result += one_per_place(parts)
    return result


def _part(image: TiffImage, axis: int, index: int) -> TiffImage:
    def find() -> Pages:
        pages = image.find()
        return pages._replace(order=np.take(pages.order, index, axis=axis))

    return replace(
        image,
        name=f"{image.name} position {index + 1}".strip(),
        axes=image.axes[:axis] + image.axes[axis + 1 :],
        shape=image.shape[:axis] + image.shape[axis + 1 :],
        find=find,
    )


def microns(metres: object) -> tuple[float | None, str]:
    """Return a length that a file has in metres in µm."""
    if not isinstance(metres, int | float):
        return None, ""
    return float(f"{metres * 1e6:.12g}"), "µm"
