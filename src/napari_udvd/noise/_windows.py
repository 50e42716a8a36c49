"""A sample of short windows of a movie, small enough for memory and two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.noise._checks import check_time, check_varies
from napari_udvd.noise._levels import is_clipped, local_step
from napari_udvd.planes import Series, read_clip, read_measured, recorded_frames

if TYPE_CHECKING:
    from napari_udvd.stack import Plane, Stack

__all__ = ["Sample", "check_side", "limits", "sample_windows"]

Floats = npt.NDArray[np.float32]

WINDOW = 3
"""Frames of a window: a second difference in time cancels steady motion."""
SIDE = 512
"""Longest side of a crop, in pixels."""
PIXELS = 2_500_000
"""Pixels of all windows together, counted once: 30 MB, and a tenth of them gives a
correlation to 0.003."""
MIN_WINDOWS, MAX_WINDOWS = 8, 64
GLANCE_SIDE, GLANCE_PIXELS = 256, 500_000
"""The same of a glance, which shall not take longer than the picture that it is for."""
MIN_SIDE = 16
MAX_REPEATS = 12
"""Frames looked at to find the three different ones of a window."""


@dataclass(frozen=True)
class Sample:
    """Windows of consecutive, different frames.

    Attributes
    ----------
    windows
        Each ``(3, Y, X)``, or ``(2, Y, X)`` where the movie has no third frame.
    around
        Mean of a frame before and a frame after each window, ``(Y, X)``, whose noise
        is not that of the window; empty where the movie has no frames to spare.
    measured
        ``(Y, X)`` for each window: pixels that were measured in all of its frames.
    corners
        Row and column of the frame where each window begins.
    repeated, compared
        How many frames equal their predecessor, of how many looked at.
    step
        Smallest difference between grey levels that the pixel type can hold, at the
        movie's brightest pixel.
    saturation
        Grey level at which the detector or the file ends, or infinity.
    saturated
        Share of pixels there.
    floor
        Grey level at which values pile up, or minus infinity.
    clipped
        Whether what was darker than the floor was cut off. Counted photons pile up
        at zero, too, but nothing is cut there.
    coarseness
        Distance of neighbouring grey levels that occur, in small places: more than
        `step` where values were rounded, as some compression does.
    """

    windows: tuple[Floats, ...]
    around: tuple[Floats, ...]
    measured: tuple[npt.NDArray[np.bool_], ...]
    corners: tuple[tuple[int, int], ...]
    repeated: int
    compared: int
    step: float
    saturation: float
    saturated: float
    floor: float
    clipped: bool
    coarseness: float


def sample_windows(stack: Stack, plane: Plane, *, glance: bool = False) -> Sample:
    """Read windows spread evenly over time, from crops spread over the frame.

    Parameters
    ----------
    stack, plane
        Movie and series.
    glance
        Read fewer pixels.

    Raises
    ------
    InputError
        If there are fewer than two frames, frames are smaller than 16 x 16, pixels
        are not finite, or all pixels or all frames are the same.
    """
    check_time(stack)
    check_side(stack)
    height, width = stack.frame_shape
    side, pixels = (GLANCE_SIDE, GLANCE_PIXELS) if glance else (SIDE, PIXELS)
    crop = min(height, side), min(width, side)
    starts = max(1, stack.n_frames - WINDOW + 1)
    n = min(starts, MAX_WINDOWS, max(MIN_WINDOWS, pixels // (crop[0] * crop[1])))
    windows: list[Floats] = []
    around: list[Floats] = []
    measured: list[npt.NDArray[np.bool_]] = []
    corners: list[tuple[int, int]] = []
    repeats: dict[int, bool] = {}
    series = Series((plane.c,), plane.z)
    there = recorded_frames(stack, series)
    if len(there) < 2:
        raise InputError(
            f"something was measured in {len(there)} of the frames of "
            f"{stack.describe()}, the others are empty; at least 2 are needed: noise "
            "is told from signal by comparing frames"
        )
    starts = max(1, len(there) - WINDOW + 1)
    for i, start in enumerate(np.linspace(0, starts - 1, n).astype(int)):
        # Multiples of the golden ratio and its square spread over the unit square.
        y = int((0.5 + 0.7548776662 * i) % 1.0 * (height - crop[0] + 1))
        x = int((0.5 + 0.5698402910 * i) % 1.0 * (width - crop[1] + 1))
        crops = slice(y, y + crop[0]), slice(x, x + crop[1])
        times = _different_frames(stack, plane, there[start:], crops, repeats)
        if len(times) > 1:
            frames, known = read_measured(stack, series, times, *crops)
            windows.append(frames[:, 0])
            whole = np.ones(frames.shape[2:], bool)
            measured.append(
                whole if known is None else np.asarray(known[:, 0].all(axis=0))
            )
            corners.append((y, x))
            spare = _spare(there, times)
            if spare:
                others = read_clip(stack, series, spare, *crops)
                around.append(np.asarray(others[:, 0].mean(axis=0)))
    if not windows:
        check_varies(stack, plane)
        raise InputError(
            f"the {sum(repeats.values())} consecutive frames of {stack.describe()} "
            "that were compared are all identical; a movie whose frames repeat holds "
            "no noise to measure or remove"
        )
    return Sample(
        windows=tuple(windows),
        around=tuple(around) if len(around) == len(windows) else (),
        measured=tuple(measured),
        corners=tuple(corners),
        repeated=sum(repeats.values()),
        compared=len(repeats),
        **limits(windows, stack.dtype),
        clipped=is_clipped(windows),
        coarseness=local_step(windows),
    )


def check_side(stack: Stack) -> None:
    """Check that frames are large enough to measure their noise.

    Raises
    ------
    InputError
        If they are not.
    """
    height, width = stack.frame_shape
    if min(height, width) < MIN_SIDE:
        raise InputError(
            f"frames of {height} x {width} pixels are too small to measure their "
            f"noise; at least {MIN_SIDE} x {MIN_SIDE} are needed"
        )


def _different_frames(
    stack: Stack,
    plane: Plane,
    there: list[int],
    crops: tuple[slice, slice],
    repeats: dict[int, bool],
) -> list[int]:
    """Up to three different consecutive frames; notes in `repeats` which repeat."""
    times = [there[0]]
    last = stack.read(there[0], plane, *crops)[0]
    for t in there[1:MAX_REPEATS]:
        if len(times) == WINDOW:
            break
        frame = stack.read(t, plane, *crops)[0]
        is_float = frame.dtype.kind == "f"
        repeats[t] = bool(np.array_equal(frame, last, equal_nan=is_float))
        if not repeats[t]:
            times.append(t)
            last = frame
    return times


def _spare(there: list[int], times: list[int]) -> list[int]:
    """Two frames that are not in a window, the nearest: before and after it."""
    first, last = there.index(times[0]), there.index(times[-1])
    near = [first - 1, last + 1, first - 2, last + 2]
    inside = [there[k] for k in near if 0 <= k < len(there)]
    return inside[:2] if len(inside) > 1 else []


def limits(windows: list[Floats], dtype: np.dtype[Any]) -> dict[str, float]:
    """Say where grey levels end and how finely they are divided.

    Returns
    -------
    dict
        `step`, `saturation`, `saturated` and `floor` of a :class:`Sample`.
    """
    low = float(min(window.min() for window in windows))
    high = float(max(window.max() for window in windows))
    at_low, above = _crowd(windows, low, np.greater, np.min)
    at_high, below = _crowd(windows, high, np.less, np.max)
    total = sum(window.size for window in windows)
    # Where a detector or a file ends, pixels pile up on the last level (also below
    # the limit of the type: 12 bits in uint16); an ordinary tail thins out.
    crowded = max(10.0, 1e-5 * total)
    ends = at_high > max(crowded, 2 * below)
    cut = at_low > max(crowded, 2 * above)
    if dtype.kind in "ui":
        step = 1.0
    else:
        step = float(np.spacing(np.abs(np.array([low, high], dtype)).max()))
    return {
        "step": step,
        "saturation": high if ends else np.inf,
        "saturated": at_high / total if ends else 0.0,
        "floor": low if cut else -np.inf,
    }


def _crowd(
    windows: list[Floats], level: float, beyond: np.ufunc, nearest: Any
) -> tuple[int, int]:
    """Count the pixels at `level` and at the next level that occurs."""
    candidates = [
        float(nearest(window[beyond(window, level)]))
        for window in windows
        if beyond(window, level).any()
    ]
    if not candidates:
        return sum(window.size for window in windows), 0
    neighbour = float(nearest(candidates))
    at, near = (
        sum(int((window == value).sum()) for window in windows)
        for value in (level, neighbour)
    )
    return at, near
