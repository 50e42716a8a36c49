"""Filters as files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_udvd.filters._drawing import draw_filter
from napari_udvd.formats import cell, check_small_output, table, write_small

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from napari_udvd.filters._filter import AdaptiveFilter

__all__ = ["FILTER_SUFFIXES", "check_filter_output", "save_filter"]

FILTER_SUFFIXES: Final = (".png", ".npz", ".csv")
"""What :func:`save_filter` can write."""


def check_filter_output(
    path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Check that a filter can be written there.

    Raises
    ------
    OutputError
        As :func:`save_filter`.
    """
    return check_small_output(path, FILTER_SUFFIXES, overwrite=overwrite)


def save_filter(
    found: AdaptiveFilter, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a filter: as a picture, as arrays, or as a table.

    Parameters
    ----------
    found
        The filter.
    path
        File to write; the suffix chooses the format.

        ``.png``
            The picture of :func:`draw_filter`.
        ``.npz``
            Arrays under the names of the attributes of :class:`AdaptiveFilter`:
            ``weights`` (frames, rows, columns), ``origin`` (time, row and column of
            the first weight), ``bias``, ``prediction``, ``by_channel``, ``channels``,
            ``pixel`` (time, channel, depth, row, column), ``frames``, ``shares``,
            ``centroids``, ``sum``, ``averaged``, ``width``, ``std`` (NaN where there
            is none), ``is_posterior``.
        ``.csv``
            One row per frame; the numbers of the whole filter stand in every row, so
            that the tables of several pixels can be put below one another. Frames,
            rows and columns count from zero, lengths are in px. A cell without a
            number is empty.
    overwrite
        Whether an earlier file may be replaced.

    Raises
    ------
    OutputError
        If the suffix is another one, the file exists, or it cannot be written; nothing
        is left behind.
    """
    target = check_filter_output(path, overwrite=overwrite)
    contents = {".png": _png, ".npz": _npz, ".csv": _csv}
    content = contents[target.suffix.lower()](found)
    write_small(target, content, overwrite=overwrite)


def _png(found: AdaptiveFilter) -> bytes:
    file = io.BytesIO()
    Image.fromarray(draw_filter(found)).save(file, "PNG")
    return file.getvalue()


def _npz(found: AdaptiveFilter) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(
        file,
        weights=found.weights,
        origin=np.array(found.origin),
        bias=found.bias,
        prediction=found.prediction,
        by_channel=found.by_channel,
        channels=np.array(found.channels),
        pixel=np.array(found.pixel),
        frames=np.array(found.frames),
        shares=found.shares,
        centroids=found.centroids,
        sum=found.sum,
        averaged=found.averaged,
        width=found.width,
        std=np.nan if found.std is None else found.std,
        is_posterior=found.is_posterior,
    )
    return file.getvalue()


def _csv(found: AdaptiveFilter) -> bytes:
    t, c, z, y, x = found.pixel
    whole = {
        "pixel_frame": t,
        "pixel_channel": c,
        "pixel_plane": z,
        "pixel_y": y,
        "pixel_x": x,
        "value": found.prediction,
        "std": np.nan if found.std is None else found.std,
        "bias": found.bias,
        "sum_of_all_weights": found.sum,
        "pixels_averaged": found.averaged,
        "width_px": found.width,
        "velocity_y_px": np.nan if found.velocity is None else found.velocity[0],
        "velocity_x_px": np.nan if found.velocity is None else found.velocity[1],
        "posterior": int(found.is_posterior),
    }
    rows = [
        {
            "frame": frame,
            "share": found.shares[k],
            "sum_of_weights": found.weights[k].sum(dtype=float),
            "centroid_y": found.centroids[k, 0],
            "centroid_x": found.centroids[k, 1],
            "shift_y_px": found.shifts[k, 0],
            "shift_x_px": found.shifts[k, 1],
            "extent_px": found.spread.longest[k],
            **whole,
        }
        for k, frame in enumerate(found.frames)
    ]
    return table(rows[0], (map(cell, row.values()) for row in rows))
