"""What is no measurement in a movie, and what stands for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.cutting import runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.stack import Mask as Given
    from napari_udvd.stack import Plane

__all__ = ["LONGEST_RUN", "Mask", "PlaneValidity", "Validity"]

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

LONGEST_RUN = 3
"""Empty frames in a row that are predicted; more are left as they are."""


@dataclass(frozen=True, eq=False)
class PlaneValidity:
    """What is no measurement in one plane.

    Attributes
    ----------
    constant
        ``(Y, X)`` pixels that never change.
    hot
        ``(Y, X)`` pixels that always stand out as no specimen can.
    empty
        Frames in which all pixels are the same.
    filled
        For frames with an area of a fill value that moves, its pixels as packed bits.
    background
        ``(Y, X)`` mean of what was measured.
    has_nan
        Whether pixels are NaN where others of the movie are not.
    is_empty
        Nothing was measured in this plane.
    value
        What the pixels of an empty plane, or most constant pixels, are.
    share
        Share of the pixels that were measured, as NaN and the movie's mask tell.
    """

    constant: Mask
    hot: Mask
    empty: frozenset[int]
    filled: Mapping[int, npt.NDArray[np.uint8]]
    background: Floats
    has_nan: bool = False
    is_empty: bool = False
    value: float = 0.0
    share: float = 1.0

    @property
    def is_plain(self) -> bool:
        """Whether every pixel of every frame was measured."""
        return not (
            self.is_empty
            or self.empty
            or self.filled
            or self.has_nan
            or self.constant.any()
            or self.hot.any()
        )

    def kept(
        self, raw: npt.NDArray[Any], first: int, known: Mask | None = None
    ) -> Mask:
        """Pixels that stay as they are in a result, ``(T, Y, X)``.

        Parameters
        ----------
        raw
            Whole frames as stored, ``(T, Y, X)``.
        first
            Number of the first of them.
        known
            Pixels that were measured, as the movie's mask says; all if None.
        """
        mask = np.broadcast_to(self.constant, raw.shape).copy()
        if self.has_nan and raw.dtype.kind == "f":
            mask |= np.isnan(raw)
        if known is not None:
            mask |= ~known
        for k in range(len(raw)):
            if (bits := self.filled.get(first + k)) is not None:
                mask[k] |= self._unpacked(bits)
            if self.is_empty or first + k in self.long_runs:
                mask[k] = True
            elif first + k in self.empty:
                mask[k] = self.constant
        return mask

    def measured(
        self, raw: npt.NDArray[Any], first: int, known: Mask | None = None
    ) -> Mask:
        """Pixels that were measured, ``(T, Y, X)``; parameters as :meth:`kept`."""
        mask = ~self.kept(raw, first, known) & ~self.hot
        for k in range(len(raw)):
            if first + k in self.empty:
                mask[k] = False
        return mask

    def _unpacked(self, bits: npt.NDArray[np.uint8]) -> Mask:
        shape = self.constant.shape
        flat = np.unpackbits(bits, count=shape[0] * shape[1])
        return flat.reshape(shape).astype(bool)

    @property
    def long_runs(self) -> frozenset[int]:
        """Empty frames that follow one another for too long to be predicted."""
        return frozenset(
            t for run in runs(sorted(self.empty)) if len(run) > LONGEST_RUN for t in run
        )


@dataclass(frozen=True, eq=False)
class Validity:
    """What is no measurement in a movie.

    Attributes
    ----------
    planes
        By plane.
    notes
        What a user should know, in plain sentences.
    rows, columns, first
        Where a part of the movie begins and what it holds, see :meth:`crop`.
    mask
        That of the whole movie; None where it has none.
    """

    planes: Mapping[Plane, PlaneValidity]
    notes: tuple[str, ...] = ()
    rows: slice = field(default_factory=lambda: slice(None))
    columns: slice = field(default_factory=lambda: slice(None))
    first: int = 0
    mask: Given | None = None

    def missing(self, plane: Plane) -> frozenset[int]:
        """Frames of a plane in which nothing was measured."""
        return frozenset(t - self.first for t in self.planes[plane].empty)

    def is_empty(self, plane: Plane) -> bool:
        """Whether nothing was measured in a plane at all."""
        return self.planes[plane].is_empty

    def box(self, plane: Plane) -> tuple[slice, slice]:
        """Return the smallest rows and columns that hold all that was measured."""
        seen = ~self.planes[plane].constant[self.rows, self.columns]
        spans = [np.flatnonzero(seen.any(axis=1 - axis)) for axis in (0, 1)]
        if not all(len(span) for span in spans):
            return slice(0, seen.shape[0]), slice(0, seen.shape[1])
        rows, columns = (slice(int(s[0]), int(s[-1]) + 1) for s in spans)
        return rows, columns

    def crop(self, first: int, rows: slice, columns: slice) -> Validity:
        """Return that of a part of the movie."""
        return replace(
            self,
            rows=_inside(self.rows, rows),
            columns=_inside(self.columns, columns),
            first=self.first + first,
        )

    def measured(
        self,
        raw: npt.NDArray[Any],
        plane: Plane,
        first: int,
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> Mask:
        """Pixels of a part of frames that were measured.

        Parameters
        ----------
        raw
            ``(T, y, x)`` as stored.
        plane
            Where they are from.
        first
            Number of the first frame.
        rows, columns
            The part.
        """
        return self._part(raw, plane, first, rows, columns).measured(
            raw, self.first + first, self._known(raw, plane, first, rows, columns)
        )

    def kept(self, raw: npt.NDArray[Any], plane: Plane, first: int) -> Mask:
        """Pixels of whole frames that stay as they are in a result."""
        where = raw, plane, first, slice(None), slice(None)
        known = self._known(*where)
        return self._part(*where).kept(raw, self.first + first, known)

    def background(self, plane: Plane, rows: slice, columns: slice) -> Floats:
        """Return what stands for pixels that were not measured, ``(y, x)``."""
        rows, columns = _inside(self.rows, rows), _inside(self.columns, columns)
        return self.planes[plane].background[rows, columns]

    def _known(
        self,
        raw: npt.NDArray[Any],
        plane: Plane,
        first: int,
        rows: slice,
        columns: slice,
    ) -> Mask | None:
        """Pixels that were measured, as the mask says; parameters as `measured`."""
        if self.mask is None:
            return None
        start = self.first + first
        key: dict[str, int | slice] = {
            "T": slice(start, start + len(raw)),
            "C": plane.c,
            "Z": plane.z,
            "Y": _inside(self.rows, rows),
            "X": _inside(self.columns, columns),
        }
        return np.broadcast_to(self.mask.at(key, "TYX"), raw.shape)

    def _part(
        self,
        raw: npt.NDArray[Any],
        plane: Plane,
        first: int,
        rows: slice,
        columns: slice,
    ) -> PlaneValidity:
        rows, columns = _inside(self.rows, rows), _inside(self.columns, columns)
        whole = self.planes[plane]
        times = range(self.first + first, self.first + first + len(raw))
        filled = {
            t: np.packbits(whole._unpacked(whole.filled[t])[rows, columns])
            for t in times
            if t in whole.filled
        }
        return replace(
            whole,
            constant=whole.constant[rows, columns],
            hot=whole.hot[rows, columns],
            filled=filled,
        )


def _inside(outer: slice, inner: slice) -> slice:
    start = outer.start or 0
    stop = outer.stop if inner.stop is None else start + inner.stop
    return slice(start + (inner.start or 0), stop)
