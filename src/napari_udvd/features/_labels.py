"""Regions of a movie of labels, whose shape is another one in every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.features._footprint import Footprint, Regions, side_of
from napari_udvd.features._still import footprints, regions_of_label_image
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.stack import LayoutLike

__all__ = ["LabelMovie", "regions_of_labels"]


class LabelMovie:
    """Regions that are the pixels of one label in every frame.

    A region is not there in frames without its label.
    """

    def __init__(self, labels: Stack) -> None:
        """Look through all frames once; pixels are not kept."""
        self._labels = labels
        found: dict[str, list[tuple[int, int]]] = {}
        for t in range(labels.n_frames):
            for name, footprint in self.at(t).items():
                found.setdefault(name, []).append(footprint.inside.shape)
        if not found:
            raise InputError(
                "there is no label, all pixels are 0; paint what shall be watched"
            )
        self.names = tuple(sorted(found, key=int))
        self.notes: tuple[str, ...] = ()
        side = side_of([box for boxes in found.values() for box in boxes])
        self.crop = side, side

    def at(self, t: int) -> Mapping[str, Footprint]:
        """Footprints of the labels of frame `t`."""
        return footprints(_whole(self._labels.read(t)[0]))


def regions_of_labels(labels: Any, like: LayoutLike) -> Regions:
    """Regions of pixels with the same label.

    Parameters
    ----------
    labels
        Whole numbers, 0 where there is no region: an image ``(Y, X)`` for all frames,
        or ``(T, Y, X)``, one for each, read frame by frame. The name of a region is its
        label. An array, or a :class:`~napari_udvd.stack.Stack`.
    like
        The movie.

    Raises
    ------
    InputError
        If the labels have another size than the movie, are no whole numbers, negative,
        or all 0.
    """
    shape = tuple(labels.shape)
    wanted = {2: like.frame_shape, 3: (like.n_frames, *like.frame_shape)}
    if shape != wanted.get(len(shape)):
        height, width = like.frame_shape
        raise InputError(
            f"the labels have the shape {shape}; expected {height} x {width} as the "
            f"frames of the movie, or {like.n_frames} of them. They may be of another "
            "movie"
        )
    movie = (
        labels
        if isinstance(labels, Stack)
        else Stack.from_array(labels, "TYX" if len(shape) == 3 else "YX")
    )
    if len(shape) == 2:
        return regions_of_label_image(_whole(movie.read()[0]), like)
    return LabelMovie(movie)


def _whole(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return labels as whole numbers."""
    if labels.dtype.kind == "f" and not (np.rint(labels) == labels).all():
        raise InputError(
            "the labels are no whole numbers; give an image whose pixels are the "
            "numbers of regions"
        )
    if labels.size and labels.min() < 0:
        raise InputError(
            f"a label is {labels.min()}; labels are whole numbers from 1 on, and 0 "
            "where there is no region"
        )
    return labels.astype(np.int64)
