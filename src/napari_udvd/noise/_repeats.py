"""Whether frames come again, nearly or after some others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.cutting import central, spread
from napari_udvd.noise._blocks import BLOCK
from napari_udvd.planes import Series, read_measured, recorded_frames

if TYPE_CHECKING:
    from napari_udvd.noise._photon_transfer import NoiseModel
    from napari_udvd.stack import Plane, Stack

__all__ = ["FARTHEST", "Repeats", "find_repeats"]

Floats = npt.NDArray[np.float32]

FARTHEST = 8
"""Frames between two that are compared: as far as networks look."""
RUN = 2 * FARTHEST + 1
RUNS = 4
SIDE = 128
"""Longest side of the crop that is compared, in pixels."""
SAME = 0.45
"""Noise of a difference, relative to that of independent frames, below which one
frame was made from the other: 0 for a copy, 0.25 for the mean of two frames (more
where many are blended, since the noise looks weaker then)."""

ALIKE = 0.5
"""Difference of the light of two frames, relative to their mean, up to which they are
equally bright."""


@dataclass(frozen=True)
class Repeats:
    """Frames that hold noise of another one.

    Attributes
    ----------
    frames, compared
        How many, of how many looked at.
    noise
        Median variance of their difference from the other frame, relative to that of
        independent frames.
    """

    frames: int
    compared: int
    noise: float


def find_repeats(stack: Stack, plane: Plane, model: NoiseModel) -> Repeats:
    """Compare every frame of four runs of 17 with the eight before it.

    Motion adds to the difference of two frames, nothing but common noise takes away
    from it. Frames that repeat the one before exactly are passed over: they are
    counted elsewhere.
    """
    rows, columns = (central(size, SIDE) for size in stack.frame_shape)
    series = Series((plane.c,), plane.z)
    there = recorded_frames(stack, series)
    compared: set[int] = set()
    found: dict[int, float] = {}
    for start in spread(max(1, len(there) - RUN + 1), RUNS):
        times = there[start : start + RUN]
        clip, measured = read_measured(stack, series, times, rows, columns)
        block = clip[:, 0]
        known = np.asarray(
            True if measured is None else measured[:, 0].all(axis=0), bool
        )
        known = np.broadcast_to(known, block.shape[1:])
        changed = (block[1:] != block[:-1]).any(axis=(1, 2))
        kept = np.flatnonzero(np.concatenate([[True], changed]))
        numbers = np.array(times)[kept]
        shared = _least_noise(numbers, block[kept], known, model)
        compared.update(numbers[1:].tolist())
        found |= {int(numbers[j]): noise for j, noise in shared.items()}
    return Repeats(
        frames=len(found),
        compared=len(compared),
        noise=float(np.median(list(found.values()))) if found else np.nan,
    )


def _least_noise(
    times: npt.NDArray[np.intp],
    frames: Floats,
    known: npt.NDArray[np.bool_],
    model: NoiseModel,
) -> dict[int, float]:
    """Find frames that hold noise of one before, and how much is left of theirs."""
    # Smoothed, as the darker half of the noise would be cut off at the offset.
    levels = ndimage.uniform_filter(frames, (0, BLOCK, BLOCK))
    if known.any():
        levels, frames = levels[:, known], frames[:, known]
    levels, frames = (x.reshape(len(x), -1) for x in (levels, frames))
    expected = model.variance(levels).mean(axis=1)
    total = expected[:, None] + expected
    noise = _variance_of_differences(frames) / total
    distance = times[:, None] - times
    near = (distance != 0) & (np.abs(distance) <= FARTHEST)
    # The noise model may be wrong for a frame (noise finer than a grey level, light
    # that flickers), but then it is so for all that are as bright.
    light = np.maximum(levels.mean(axis=1) - model.offset, 0.0)
    alike = np.abs(light[:, None] - light) <= 0.5 * ALIKE * (light[:, None] + light)
    found = {}
    for j in range(1, len(frames)):
        before = near[j] & (distance[j] > 0)
        others = near[j] & alike[j]
        usual = float(np.median(noise[j, others])) if others.any() else 0.0
        least = float(noise[j, before].min(initial=np.inf))
        if least < SAME * min(1.0, usual):
            found[j] = least
    return found


def _variance_of_differences(frames: Floats) -> npt.NDArray[np.float64]:
    """Variance of the difference of every two frames, ``(T, T)``; frames ``(T, n)``.

    From their covariance, of what is not the same in all of them.
    """
    apart = frames.astype(np.float64) - frames.mean(axis=0, dtype=np.float64)
    apart -= apart.mean(axis=1, keepdims=True)
    shared = apart @ apart.T / frames.shape[1]
    own = np.diagonal(shared)
    return np.asarray(np.maximum(own[:, None] + own - 2.0 * shared, 0.0))
