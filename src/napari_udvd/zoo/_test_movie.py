"""The movie that a package carries, so that others can see that the model works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.stack import Stack

__all__ = ["part_of", "simulated"]

MOST_FRAMES, MOST_EDGE = 8, 64
"""Of the movie; a package shall be quick to test, and small."""


def simulated(
    calibrations: Sequence[Calibration], least_frames: int
) -> npt.NDArray[np.float32]:
    """Simulate nuclei with the grey levels and the noise that a model knows.

    Parameters
    ----------
    calibrations
        Of each channel.
    least_frames
        Of the shortest movie that the model takes.

    Returns
    -------
    ndarray
        ``(C, T, Y, X)`` float32, grey levels.
    """
    frames = max(MOST_FRAMES, least_frames)
    scene = simulate("nuclei", frames=frames, shape=(MOST_EDGE, MOST_EDGE)).truth
    truth = scene.read(slice(None), next(iter(scene.planes()))).astype(np.float64)
    share = (truth - truth.min()) / np.ptp(truth)
    rng = np.random.default_rng(0)
    return np.stack([_recorded(share, one, rng) for one in calibrations])


def part_of(stack: Stack, channels: int, least_frames: int) -> npt.NDArray[np.float32]:
    """Take the middle of the first frames of a movie.

    Parameters
    ----------
    stack
        A movie that the model is for; of several depth planes the middle one.
    channels
        That the model takes.
    least_frames
        As for :func:`simulated`.

    Returns
    -------
    ndarray
        As from :func:`simulated`.

    Raises
    ------
    InputError
        If the movie has other channels, too few frames, or pixels that were not
        measured there.
    """
    if stack.n_channels != channels or stack.n_frames < least_frames:
        raise InputError(
            f"the movie has {stack.n_channels} channel(s) and {stack.n_frames} "
            f"frame(s); the model takes {channels}, and {least_frames} frames at least"
        )
    frames = slice(0, max(MOST_FRAMES, least_frames))
    middle = tuple(
        slice((side - edge) // 2, (side + edge) // 2)
        for side in stack.frame_shape
        for edge in [min(side, MOST_EDGE)]
    )
    depth = stack.n_planes // 2
    planes = [plane for plane in stack.planes() if plane.z == depth]
    movie = np.stack([stack.read(frames, plane)[:, *middle] for plane in planes])
    if not np.isfinite(movie).all():
        raise InputError(
            "the middle of the movie has pixels that were not measured (NaN), for "
            "which bioimage.io has no words; name another movie, or none"
        )
    return movie.astype(np.float32)


def _recorded(
    share: npt.NDArray[np.float64], calibration: Calibration, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Give light of 0 to 1 the grey levels of a movie, and its noise."""
    noise, levels = calibration.noise, calibration.levels
    low, high = levels[0], levels[-1]
    signal = low + share * (high - low)
    random = rng.normal(size=share.shape) * np.sqrt(noise.variance(signal))
    return (signal + random).astype(np.float32)
