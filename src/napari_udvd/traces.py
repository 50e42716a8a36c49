"""Mean grey level of regions in every frame: what is measured on a movie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.draw import polygon2mask

from napari_udvd.errors import InputError
from napari_udvd.formats import cell, table, write_small
from napari_udvd.stack import Plane

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_udvd.stack import Stack

__all__ = ["masks_of_labels", "masks_of_polygons", "mean_traces", "write_traces"]


def masks_of_polygons(
    polygons: Sequence[npt.NDArray[np.float64]], shape: tuple[int, int]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Pixels inside of polygons, by their number from 1 on.

    Parameters
    ----------
    polygons
        Corners ``(n, 2)``, row and column in pixels.
    shape
        Rows and columns of a frame.

    Raises
    ------
    InputError
        If a polygon holds no pixel of the frame.
    """
    masks = {
        str(k): polygon2mask(shape, polygon)
        for k, polygon in enumerate(polygons, start=1)
    }
    return _checked(masks, "shape")


def masks_of_labels(
    labels: npt.NDArray[np.integer[Any]], shape: tuple[int, int]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Pixels of every label but 0, by the label.

    Raises
    ------
    InputError
        If the labels are no image of the frame's shape, or all are 0.
    """
    if labels.shape != shape:
        raise InputError(
            f"the labels have the shape {labels.shape}; they must be one image of "
            f"{shape[0]} x {shape[1]} pixels, as the frames of the movie"
        )
    return _checked({str(k): labels == k for k in np.unique(labels) if k}, "label")


def _checked(
    masks: dict[str, npt.NDArray[np.bool_]], what: str
) -> dict[str, npt.NDArray[np.bool_]]:
    if not masks:
        raise InputError(f"there is no {what}; draw around what shall be measured")
    for name, mask in masks.items():
        if not mask.any():
            raise InputError(
                f"{what} {name} holds no pixel of the movie; draw it on the movie"
            )
    return masks


def mean_traces(
    stack: Stack,
    denoised: Any,
    masks: Mapping[str, npt.NDArray[np.bool_]],
    plane: Plane = Plane(),
    cancel: threading.Event | None = None,
) -> dict[str, npt.NDArray[np.float64]]:
    """Mean of each region in each frame, before and after denoising.

    The noisy mean is that of the pixels which were measured; in a sparse scan they are
    others in every frame, and where the region is uneven the trace shows that.

    Parameters
    ----------
    stack
        The noisy movie; one frame is read at a time.
    denoised
        Has ``has(t, plane)`` and ``frame(t, plane)``, such as
        :class:`~napari_udvd.inference.frame_store.FrameArray`.
    masks
        Pixels ``(Y, X)`` of each region, by name.
    plane
        Channel and depth.
    cancel
        Set it to stop; what was not looked at is NaN.

    Returns
    -------
    dict
        ``"NAME noisy"`` and ``"NAME denoised"`` of each region: ``(T,)``, grey levels;
        NaN where a frame is not denoised yet, or no pixel of the region was measured.
    """
    found = {
        f"{name} {kind}": np.full(stack.n_frames, np.nan)
        for name in masks
        for kind in ("noisy", "denoised")
    }
    for t in range(stack.n_frames):
        if cancel is not None and cancel.is_set():
            break
        noisy, known = stack.read(t, plane)[0], stack.read_mask(t, plane)[0]
        clean = denoised.frame(t, plane) if denoised.has(t, plane) else None
        for name, mask in masks.items():
            if (seen := mask & known).any():
                found[f"{name} noisy"][t] = noisy[seen].mean(dtype=float)
            if clean is not None:
                found[f"{name} denoised"][t] = _mean(clean[mask])
    return found


def _mean(values: npt.NDArray[Any]) -> float:
    """Mean of what is a number: a denoised movie keeps the gaps that it had."""
    there = values[np.isfinite(values)]
    return float(there.mean(dtype=float)) if there.size else float("nan")


def write_traces(
    path: Path, traces: Mapping[str, npt.NDArray[np.float64]], stack: Stack
) -> None:
    """Write traces as a table (CSV): a row for each frame, with its time.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    interval, unit = stack.scale.get("T"), stack.units.get("T")
    head = ["frame"] if interval is None else ["frame", f"time ({unit or 'frames'})"]
    rows: list[list[object]] = []
    for t in range(stack.n_frames):
        time = [] if interval is None else [f"{t * interval:.10g}"]
        rows.append([t, *time, *(cell(trace[t], 8) for trace in traces.values())])
    write_small(path, table([*head, *traces], rows), overwrite=True)
