"""Motion of a whole movie as files."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import OutputError
from napari_udvd.formats import (
    cell,
    check_output,
    check_small_output,
    create,
    table,
    to_plain,
    write_small,
)
from napari_udvd.motion._tracks import tracks_through
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from napari_udvd.motion._motion import Motion
    from napari_udvd.stack import Layout, Stack

__all__ = ["MOTION_SUFFIXES", "check_motion_output", "write_motion"]

SMALL: Final = (".npz", ".csv")

MOTION_SUFFIXES: Final = (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".ome.zarr", *SMALL)
"""What :func:`write_motion` can write."""

ASCII: Final = {ord("µ"): "u", 0x3BC: "u", 0xC5: "A", 0x212B: "A"}
"""Units in column names: spreadsheets differ in what they take other letters for."""


def check_motion_output(
    path: str | os.PathLike[str], stack: Stack, *, overwrite: bool = False
) -> Path:
    """Check that the motion of a movie can be written, before time is spent on it.

    Parameters
    ----------
    path
        File to write; its suffix is one of :data:`MOTION_SUFFIXES`.
    stack
        The movie; its files are never replaced.
    overwrite
        Whether an earlier result may be replaced.

    Returns
    -------
    pathlib.Path
        `path`, as it was given.

    Raises
    ------
    OutputError
        Unknown suffix; folder missing or not writable; output is (in, or around) the
        input; output exists; not enough free space.
    """
    target = Path(path)
    if target.suffix.lower() in SMALL:
        return check_small_output(target, SMALL, overwrite=overwrite)
    if not target.name.lower().endswith((*MOTION_SUFFIXES, ".zarr")):
        raise OutputError(
            f"{str(target)!r} has no suffix of a format that motion can be written "
            f"in; use one of {', '.join(MOTION_SUFFIXES)}"
        )
    return check_output(target, like=_flow_of(stack), overwrite=overwrite)


def write_motion(
    path: str | os.PathLike[str],
    stack: Stack,
    motions: Iterable[Motion],
    *,
    overwrite: bool = False,
    least_confidence: float = 0.0,
    record: Mapping[str, Any],
) -> Iterator[int]:
    """Write the motion of a movie, frame by frame as it is found.

    Parameters
    ----------
    path
        File to write; the suffix chooses the format.

        ``.ome.tif``, ``.tif``, ``.ome.zarr``
            A movie of two channels, dy and dx: the motion in px per frame at every
            pixel, float32, interpolated between the grid points. NaN where the
            nearest grid point is less sure than `least_confidence`.
        ``.npz``
            The grid as it is: ``rows`` (R,), ``columns`` (K,), ``to_next`` and
            ``to_previous`` (T, R, K, 2), ``confidence`` (T, R, K), ``frames`` (T,),
            ``scale`` and ``units`` of T, Y and X (NaN and empty where not known),
            ``method``, and ``record`` as JSON.
        ``.csv``
            Tracks through the grid points of the middle frame, see
            :func:`tracks_through`: ``track``, ``frame``, ``y``, ``x`` in pixels and,
            where the movie has a scale, time and place in its units.
    stack
        The movie.
    motions
        Of every frame, in order; asked for one after the other.
    overwrite
        Whether an earlier result may be replaced.
    least_confidence
        From 0 to 1; what is less sure is left out (in ``.npz`` all is kept).
    record
        How it was found, as for :func:`napari_udvd.formats.create`.

    Returns
    -------
    iterator of int
        Frames done so far. The result is there when it ends; closing it before, or an
        exception of `motions`, leaves nothing behind.

    Raises
    ------
    OutputError
        At once as :func:`check_motion_output`; later if the file cannot be written, or
        the motion of a frame is missing.
    """
    target = check_motion_output(path, stack, overwrite=overwrite)
    if target.suffix.lower() not in SMALL:
        return _write_dense(target, stack, motions, overwrite, least_confidence, record)

    def content(motions: list[Motion]) -> bytes:
        if target.suffix.lower() == ".npz":
            return _npz(stack, motions, record)
        return _csv(stack, motions, least_confidence)

    return _write_at_once(target, stack, motions, overwrite, content)


def _write_dense(
    target: Path,
    stack: Stack,
    motions: Iterable[Motion],
    overwrite: bool,
    least_confidence: float,
    record: Mapping[str, Any],
) -> Iterator[int]:
    sink = create(
        target,
        like=_flow_of(stack),
        dtype=np.float32,
        record={**record, "quantity": "motion in px per frame"},
        overwrite=overwrite,
    )
    with sink:
        for done, motion in enumerate(motions, 1):
            for c, part in enumerate(_sure_flow(motion, least_confidence)):
                sink.write(part[None], motion.t, Plane(c))
            yield done


def _write_at_once(
    target: Path,
    stack: Stack,
    motions: Iterable[Motion],
    overwrite: bool,
    content: Callable[[list[Motion]], bytes],
) -> Iterator[int]:
    found: list[Motion] = []
    for motion in motions:
        found.append(motion)
        if len(found) < stack.n_frames:
            yield len(found)
    if len(found) != stack.n_frames:
        raise OutputError(
            f"the motion of {len(found)} frame(s) was found, but the movie has "
            f"{stack.n_frames}: nothing was written to {str(target)!r}"
        )
    write_small(target, content(found), overwrite=overwrite)
    yield len(found)


def _flow_of(stack: Stack) -> Layout:
    """Describe the file that the flow of a movie goes to."""
    flow = stack.layout.without("CZ").with_channels(("dy", "dx"))
    return replace(flow, dtype=np.dtype(np.float32))


def _sure_flow(motion: Motion, least_confidence: float) -> npt.NDArray[np.float32]:
    """Interpolate between the grid points that are sure; NaN around the others."""
    field = motion.per_frame
    sure = (motion.confidence >= least_confidence) & np.isfinite(field).all(axis=-1)
    trusted = replace(motion, confidence=np.where(sure, motion.confidence, 0))
    flow = trusted.dense(np.where(sure[..., None], field, np.nan))
    height, width = motion.shape
    near = np.ix_(_nearest(motion.rows, height), _nearest(motion.columns, width))
    return np.where(sure[near], flow, np.nan).astype(np.float32)


def _nearest(places: npt.NDArray[np.intp], length: int) -> npt.NDArray[np.intp]:
    """Find the grid point next to each pixel of an axis."""
    return np.searchsorted((places[1:] + places[:-1]) / 2, np.arange(length))


def _npz(stack: Stack, motions: list[Motion], record: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(
        file,
        rows=motions[0].rows,
        columns=motions[0].columns,
        to_next=np.stack([motion.to_next for motion in motions]),
        to_previous=np.stack([motion.to_previous for motion in motions]),
        confidence=np.stack([motion.confidence for motion in motions]),
        frames=np.array([motion.t for motion in motions]),
        scale=np.array([stack.scale.get(axis, np.nan) for axis in "TYX"]),
        units=np.array([stack.units.get(axis, "") for axis in "TYX"]),
        times=np.array(stack.times or ()),
        method=motions[0].method,
        record=json.dumps(to_plain(dict(record))),
    )
    return file.getvalue()


def _csv(stack: Stack, motions: list[Motion], least_confidence: float) -> bytes:
    names = {"T": "t", "Y": "y", "X": "x"}
    steps = {axis: stack.scale[axis] for axis in names if axis in stack.scale}
    known = ["T"] * (stack.times is not None) + list(steps)
    columns = [
        f"{names[axis]}_{stack.units.get(axis, '').translate(ASCII) or 'scaled'}"
        for axis in known
    ]
    rows: list[list[str]] = []
    for number, track in enumerate(tracks_through(motions, least_confidence)):
        for motion, (y, x) in zip(motions, track, strict=True):
            if np.isfinite(y):
                place = {"T": motion.t, "Y": y, "X": x}
                scaled = [place[axis] * step for axis, step in steps.items()]
                if stack.times is not None:
                    scaled.insert(0, stack.times[motion.t])
                cells = [cell(float(value)) for value in (y, x, *scaled)]
                rows.append([cell(number), cell(motion.t), *cells])
    return table(("track", "frame", "y", "x", *columns), rows)
