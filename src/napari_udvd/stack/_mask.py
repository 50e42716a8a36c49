"""Which pixels of a movie were measured, where a mask or a value of theirs says so."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.stack._index import Part, to_numpy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.stack._layout import LayoutLike
    from napari_udvd.stack._stack import ArrayLike

__all__ = ["Known", "Mask", "given", "unlike"]

Known = npt.NDArray[np.bool_]

NO_AXIS = "."
"""Stands for a dimension of length one of a mask that is no axis of the movie."""

ARRAY = "array"
"""What is recorded of a mask that was in no file."""


@dataclass(frozen=True, eq=False)
class Source:
    """One array that tells of pixels whether they were measured.

    Attributes
    ----------
    data
        The array.
    axes
        A letter of the movie for each dimension of it, or ``.`` for none.
    unmeasured
        What it is where nothing was measured; NaN says so anyway.
    told
        What was said by whoever gave the mask: ``mask`` and its file (or ``array``),
        or ``unmeasured`` and the value.
    """

    data: ArrayLike
    axes: str
    unmeasured: float
    told: tuple[str, Any]

    @property
    def words(self) -> str:
        """Which pixels it calls measured, for people."""
        what, value = self.told
        if what == "unmeasured":
            return f"all but those that are {value:g}"
        return "by the mask" if value == ARRAY else f"by the mask {value!r}"

    def at(self, key: Mapping[str, int | slice], order: str) -> Known:
        """Read a part, see :meth:`Mask.at`."""
        kept, index = "", []
        for axis, length in zip(self.axes, self.data.shape, strict=True):
            part = 0 if axis == NO_AXIS else key[axis]
            if length == 1:  # one for all
                part = 0 if isinstance(part, int) else slice(0, 1)
            index.append(part)
            kept += "" if isinstance(part, int) else axis
        block = to_numpy(self.data[tuple(index)])
        block = block.transpose([kept.index(axis) for axis in order if axis in kept])
        known = block != block.dtype.type(self.unmeasured)
        if block.dtype.kind == "f":
            known &= ~np.isnan(block)
        return np.asarray(
            known[tuple(slice(None) if axis in kept else None for axis in order)]
        )

    def crop(self, inside: Mapping[str, range]) -> Source:
        """Return that of a part of the movie."""
        spans = [
            inside[axis] if axis in inside and length > 1 else range(length)
            for axis, length in zip(self.axes, self.data.shape, strict=True)
        ]
        return replace(self, data=Part(self.data, spans))


@dataclass(frozen=True, eq=False)
class Mask:
    """Which pixels of a movie were measured, read when they are asked for.

    Attributes
    ----------
    sources
        Arrays that tell; a pixel was measured where all of them say so.
    """

    sources: tuple[Source, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Files that the mask is stored in, which no output may replace."""
        stored = (getattr(source.data, "files", ()) for source in self.sources)
        return tuple(file for files in stored for file in files)

    @property
    def words(self) -> str:
        """Which pixels were measured, for people."""
        return " and ".join(source.words for source in self.sources)

    def to_dict(self) -> dict[str, Any]:
        """Return what a result records of it."""
        return dict(source.told for source in self.sources)

    def at(self, key: Mapping[str, int | slice], order: str) -> Known:
        """Read a part of the mask.

        Parameters
        ----------
        key
            Position or range along each axis of the movie.
        order
            Axes with a range, in the order of the result.

        Returns
        -------
        ndarray
            True where a pixel was measured; of length one along an axis along which
            all are alike.
        """
        known = self.sources[0].at(key, order)
        for source in self.sources[1:]:
            known = known & source.at(key, order)
        return known

    def crop(self, inside: Mapping[str, range]) -> Mask:
        """Return that of a part of the movie: ranges by axis."""
        return Mask(tuple(source.crop(inside) for source in self.sources))

    def with_axes(self, before: str, after: str) -> Mask:
        """Return that of a movie whose axes have other names."""
        names = str.maketrans(before, after)
        return Mask(
            tuple(replace(s, axes=s.axes.translate(names)) for s in self.sources)
        )


def given(mask: Any, axes: str | None, like: LayoutLike) -> Source:
    """Find the place of a given mask in a movie; no pixel is read.

    Parameters
    ----------
    mask
        An array, or a napari layer, whose data it is then.
    axes
        Letters of the movie for its dimensions; from its shape if None.
    like
        The movie.

    Raises
    ------
    InputError
        If its shape does not fit, or it does not hold numbers.
    """
    if isinstance(mask, str | os.PathLike):
        raise InputError(
            f"the mask is a name, {os.fspath(mask)!r}, not an array; a file is opened "
            "with napari_udvd.open(movie, mask=FILE)"
        )
    if not hasattr(mask, "shape"):
        mask = mask.data if hasattr(mask, "data") else np.asarray(mask)
    files = getattr(mask, "files", ())
    label = f"the mask {files[0]!r}" if files else "the mask"
    if np.dtype(mask.dtype).kind not in "buif":
        raise InputError(
            f"{label} has pixels of type {mask.dtype}; a mask has numbers, 0 where "
            "nothing was measured"
        )
    shape = tuple(int(n) for n in mask.shape)
    found = _axes_of(shape, like) if axes is None else _named(axes.upper(), shape, like)
    if found is None:
        named = "" if axes is None else f" with axes {axes!r}"
        raise InputError(
            f"{label}{named} has the shape {shape}, which does not fit {_name(like)} "
            f"with axes {like.axes!r} and shape {like.shape}: give one for all frames, "
            f"{like.frame_shape}, one for each frame, "
            f"{(like.n_frames, *like.frame_shape)}, or one for each pixel, {like.shape}"
        )
    return Source(mask, found, 0.0, ("mask", files[0] if files else ARRAY))


def unlike(data: ArrayLike, value: float, like: LayoutLike) -> Source:
    """Take pixels of a movie with a certain value as not measured.

    Parameters
    ----------
    data
        The movie as it was recorded.
    value
        What pixels are that were not measured.
    like
        The movie.

    Raises
    ------
    InputError
        If no pixel can be that.
    """
    dtype = np.dtype(data.dtype)
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        if not (limits.min <= value <= limits.max and float(value).is_integer()):
            raise InputError(
                f"pixels of {_name(like)} are {dtype} and can never be {value:g}, "
                "which was said of those that were not measured; give a number from "
                f"{limits.min} to {limits.max}"
            )
        value = int(value)
    return Source(data, like.axes, value, ("unmeasured", value))


def _axes_of(shape: tuple[int, ...], like: LayoutLike) -> str | None:
    """Axes that a shape can only mean; None where it does not fit."""
    if len(shape) == len(like.shape) and _named(like.axes, shape, like):
        return like.axes
    if len(shape) < 2 or shape[-2:] != like.frame_shape:
        return None
    leading = [NO_AXIS if n == 1 else "T" for n in shape[:-2]]
    lengths = [n for n in shape[:-2] if n != 1]
    if lengths and (lengths != [like.n_frames] or "T" not in like.axes):
        return None
    return "".join(leading) + "YX"


def _named(axes: str, shape: tuple[int, ...], like: LayoutLike) -> str | None:
    """Axes as they were given; None where they do not fit."""
    fits = (
        len(axes) == len(shape)
        and len(set(axes)) == len(axes)
        and {"Y", "X"} <= set(axes) <= set(like.axes)
        and all(
            n == like.size(axis) or (n == 1 and axis not in "YX")
            for axis, n in zip(axes, shape, strict=True)
        )
    )
    return axes if fits else None


def _name(like: LayoutLike) -> str:
    return "the movie" if like.source is None else f"the movie {like.source!r}"
