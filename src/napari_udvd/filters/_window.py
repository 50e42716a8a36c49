"""The frames that an output pixel sees, as a tensor that gradients flow back to."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_udvd.cutting import place_in, window, with_halo
from napari_udvd.errors import InputError
from napari_udvd.inference.fits import check_fits
from napari_udvd.inference.scaling import Scaler
from napari_udvd.models import Clip, count_views
from napari_udvd.planes import (
    Series,
    measured_box,
    missing_frames,
    read_measured,
    series_of,
)
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.models import Geometry, Network
    from napari_udvd.stack import Stack

__all__ = [
    "Window",
    "check_index",
    "check_place",
    "device_of",
    "frozen",
    "read_window",
    "series_with",
    "views_of",
]


@dataclass(frozen=True, eq=False)
class Window:
    """Part of a movie around one output frame.

    Attributes
    ----------
    grey
        Frames of the movie in order, each once, ``(F, C, h, w)``, grey levels.
    frames
        Their numbers.
    order
        For each frame that the network sees, the index in `grey`: beyond the ends of
        the movie it sees frames twice, unless it is recurrent.
    at
        Which of the frames that it sees is the output frame.
    reflected
        Frames that the network wants to see and that lie beyond the movie.
    rows, columns
        The part of the frame.
    scaler
        Calibration of the channels.
    measured
        Of the shape of `grey`: which pixels were measured; None where all were.
    """

    grey: npt.NDArray[np.float32]
    frames: list[int]
    order: list[int]
    at: int
    reflected: int
    rows: slice
    columns: slice
    scaler: Scaler
    measured: npt.NDArray[np.bool_] | None = None

    def leaf(self, device: torch.device) -> Tensor:
        """Return the frames in network units, ready to collect gradients."""
        grey = torch.from_numpy(self.grey).to(device)
        return self.scaler.normalise(grey).requires_grad_()

    def holds(self, t: int, row: int, column: int) -> bool:
        """Tell whether a pixel of the part was measured, in all channels."""
        if self.measured is None:
            return True
        return bool(self.measured[self.frames.index(t), :, row, column].all())

    def seen(self, leaf: Tensor) -> Clip:
        """Put the frames in the order in which the network sees them."""
        is_plain = self.order == list(range(len(self.frames)))
        frames, mask = leaf, None
        if self.measured is not None:
            mask = torch.from_numpy(self.measured).to(leaf.device)
        if not is_plain:
            frames, mask = leaf[self.order], None if mask is None else mask[self.order]
        mask = None if mask is None else mask[None]
        return Clip(frames[None], self.scaler.noise, mask)


def series_with(denoiser: Denoiser, stack: Stack, c: int, z: int) -> tuple[Series, int]:
    """Find the series that a channel is denoised in, and its place there."""
    for series in series_of(stack, denoiser.joint):
        if series.z == z and c in series.channels:
            return series, series.channels.index(c)
    raise AssertionError(f"no series holds channel {c} at depth {z}")


def check_place(denoiser: Denoiser, stack: Stack, **place: int) -> None:
    """Check that a model fits a movie, and that the movie has this place.

    Parameters
    ----------
    denoiser, stack
        The model and the movie.
    **place
        Indices by axis: t, c, z, y, x.

    Raises
    ------
    InputError
        If not.
    """
    check_fits(denoiser, stack)
    check_index(stack, **place)


def check_index(stack: Stack, **place: int) -> None:
    """Check that a movie has a place, given as indices by axis: t, c, z, y, x.

    Raises
    ------
    InputError
        If not.
    """
    names = {"t": "frame", "c": "channel", "z": "plane", "y": "row", "x": "column"}
    for axis, index in place.items():
        size = stack.size(axis.upper())
        if not 0 <= index < size:
            raise InputError(
                f"{axis} is {index}, but {stack.source or 'the movie'!r} has "
                f"{size} {names[axis]}(s): choose 0 to {size - 1}"
            )


def read_window(
    denoiser: Denoiser,
    stack: Stack,
    series: Series,
    t: int,
    rows: slice,
    columns: slice,
) -> Window:
    """Read everything that a part of an output frame depends on."""
    net, stack = denoiser.net, inspect(stack)
    geometry = net.geometry
    rows, columns = (
        _with_halo_inside(part, box, length, geometry)
        for part, box, length in zip(
            (rows, columns),
            measured_box(stack, series),
            stack.frame_shape,
            strict=True,
        )
    )
    seen = window(t, geometry.context, stack.n_frames, missing_frames(stack, series))
    frames = sorted(set(seen))
    reflected = len(seen) - len(frames)
    if geometry.recurrent:  # it takes what there is
        seen = frames = [k for k in frames if abs(k - t) <= geometry.context]
        reflected = 0
    calibrations = denoiser.calibrations_for(stack)
    grey, measured = read_measured(stack, series, frames, rows, columns)
    return Window(
        grey=grey,
        measured=measured,
        frames=frames,
        order=[frames.index(frame) for frame in seen],
        at=frames.index(t) if geometry.recurrent else geometry.context,
        reflected=reflected,
        rows=rows,
        columns=columns,
        scaler=Scaler([calibrations[c] for c in series.channels], device_of(net)),
    )


def _with_halo_inside(
    part: slice, box: slice, length: int, geometry: Geometry
) -> slice:
    """Widen to what the network sees: nothing of a border that was not measured."""
    if not box.start <= part.start < part.stop <= box.stop:
        return with_halo(part, length, geometry.radius, geometry.grid)
    inside, size = place_in(box, part), box.stop - box.start
    seen = with_halo(inside, size, geometry.radius, geometry.grid)
    return slice(seen.start + box.start, seen.stop + box.start)


def views_of(denoiser: Denoiser) -> int:
    """Count the views that filters are averaged over: the fewest of a result."""
    return 1 if denoiser.single_view else count_views(denoiser.net)


def device_of(net: Network) -> torch.device:
    """Tell where a network is: it is not moved, someone else may be using it."""
    return next(net.parameters()).device


@contextmanager
def frozen(net: Network) -> Iterator[None]:
    """Compute gradients with respect to the movie only, and in full precision."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    was_training = net.training
    net.eval().requires_grad_(False)
    try:
        # without `enabled` this context would switch cuDNN off
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.enable_grad(), exact:
            yield
    finally:
        net.train(was_training)
        for parameter in parameters:
            parameter.requires_grad_()
