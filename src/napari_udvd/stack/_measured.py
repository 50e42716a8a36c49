"""What of a movie was measured, as its mask and NaN tell: the part of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.stack._layout import LayoutLike, Plane

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_udvd.stack._mask import Known, Mask

__all__ = ["Measured"]

LOOKED_AT = 64
"""Frames that tell which share of the pixels was measured."""
FEW = 8
"""Frames that tell whether what was measured lies scattered."""
SIDE = 512
"""Longest side of the crop in which distances are looked at, in pixels."""
SCATTERED = 0.1
"""Share of a frame that lies unmeasured between measured pixels, from which on it is
called a scan; a few dead lines or saturated cells are none."""
WIDE = 2.0
"""Distance to the nearest pixel that was measured, in the median and in units of what
parts the measured ones if they are spread evenly, from which on holes are areas that
were left out, and not what lies between the points of a scan."""


class Measured(LayoutLike):
    """What follows from the mask of a movie and from its pixels."""

    if TYPE_CHECKING:

        @property
        def mask(self) -> Mask | None:
            """Which pixels were measured, where that was said."""

        def read(
            self,
            frames: slice | int = slice(None),
            plane: Plane = Plane(),
            rows: slice = slice(None),
            columns: slice = slice(None),
        ) -> npt.NDArray[Any]:
            """Read frames of one plane."""

    def read_mask(
        self,
        frames: slice | int = slice(None),
        plane: Plane = Plane(),
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> Known:
        """Read which pixels of some frames were measured, as mask and NaN tell.

        Parameters as for :meth:`read`, and the shape is the same, ``(T, Y, X)``.
        Borders, dropped frames and hot pixels, which a movie does not tell of itself,
        are not left out: see :mod:`napari_udvd.validity`.
        """
        if isinstance(frames, int | np.integer):
            frames = slice(int(frames), int(frames) + 1)
        spans = {"T": frames, "Y": rows, "X": columns}
        shape = [len(range(self.size(a))[spans[a]]) for a in "TYX"]
        known = np.ones(shape, bool)
        if self.mask is not None:
            order = "TYX" if "T" in self.axes else "YX"
            known &= self.mask.at({**spans, "C": plane.c, "Z": plane.z}, order)
        if self.dtype.kind == "f":
            known &= ~np.isnan(self.read(frames, plane, rows, columns))
        return known

    def share_measured(self, plane: Plane = Plane()) -> float:
        """Share of the pixels of a plane that were measured, as mask and NaN tell.

        Exact for movies of up to 64 frames; of longer ones, 64 are looked at.
        """
        if self.mask is None and self.dtype.kind != "f":
            return 1.0
        frames = _spread(self.n_frames, LOOKED_AT)
        return float(np.mean([self.read_mask(t, plane).mean() for t in frames]))

    @property
    def mask_record(self) -> dict[str, Any]:
        """What a result records of the mask: nothing where there is none."""
        return {} if self.mask is None else self.mask.to_dict()

    @property
    def is_sparse(self) -> bool:
        """Whether a channel is a scan of scattered points, rows or a line.

        Many pixels that were not measured lie between those that were; not so where
        registration left borders. Looks at eight frames of each channel.
        """
        middle = self.n_planes // 2
        return any(self.is_scan(Plane(c, middle)) for c in range(self.n_channels))

    def is_scan(self, plane: Plane) -> bool:
        """Whether one plane is a scan, see :attr:`is_sparse`."""
        if self.mask is None and self.dtype.kind != "f":
            return False
        frames = _spread(self.n_frames, FEW)
        known = np.concatenate([self.read_mask(t, plane) for t in frames])
        return _is_scattered(known)


def _spread(length: int, count: int) -> list[int]:
    """Up to `count` different indices, evenly, with both ends."""
    places = np.linspace(0, length - 1, min(count, length)).astype(int)
    return [int(k) for k in np.unique(places)]


def _is_scattered(known: Known) -> bool:
    """Whether what was not measured lies scattered between what was: a scan.

    Parameters
    ----------
    known
        ``(T, Y, X)`` pixels that were measured in some frames.

    Returns
    -------
    bool
        False for borders, areas that were cut out, and a few dead lines.
    """
    from scipy import ndimage  # takes its time to import

    middle = tuple(
        slice((n - min(n, SIDE)) // 2, (n + min(n, SIDE)) // 2) for n in known.shape[1:]
    )
    shares, distances = [], []
    for frame in known:
        between = ~frame if frame.all() else ~frame & _enclosed(frame)
        shares.append(float(between.mean()))
        if between[middle].any():
            inner = frame[middle]
            away = np.full(inner.shape, np.inf)
            if inner.any():
                away = ndimage.distance_transform_edt(~inner)
            distances.append(away[between[middle]])
    if np.mean(shares) < SCATTERED or not distances:
        return False
    even = float(known.mean()) ** -0.5
    return bool(np.median(np.concatenate(distances)) < WIDE * even)


def _enclosed(frame: Known) -> Known:
    """Pixels with measured ones towards all four corners."""
    inside = np.ones_like(frame)
    for axes in ((), (0,), (1,), (0, 1)):
        turned = np.flip(frame, axes)
        seen = np.logical_or.accumulate(np.logical_or.accumulate(turned, 0), 1)
        inside &= np.flip(seen, axes)
    return inside
