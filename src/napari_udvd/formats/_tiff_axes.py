"""Series of pages with all their axes, through tifffile as it is and as it was.

Up to 2026.3 a series tells its axes with and without those of length one; from 2026.5
on one has to ask the file for series that have kept them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tifffile

__all__ = ["all_series", "whole_axes"]


def all_series(tif: tifffile.TiffFile) -> Sequence[tifffile.TiffPageSeries]:
    """Return the series of a file, each with axes of length one."""
    found: Any = tif.series
    series: Sequence[tifffile.TiffPageSeries] = (
        found(squeeze=False) if callable(found) else found
    )
    return series


def whole_axes(series: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    """Return the letters and lengths of all axes of a series of :func:`all_series`."""
    old: Any = series
    if hasattr(old, "get_axes"):
        return old.get_axes(squeeze=False), old.get_shape(squeeze=False)
    return series.axes, series.shape
