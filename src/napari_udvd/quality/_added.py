"""What a result shows that may not be there: spots that the noisy data do not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, maximum_filter

from napari_udvd.quality._copies import kernel_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_udvd.noise import NoiseModel
    from napari_udvd.quality._copies import Correlations

__all__ = ["Added", "Looked", "Spot", "SpotFinder", "support"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

SPOT, AROUND = 1.0, 3.0
"""Sigma of a spot and of what it is compared with, px."""

REACH = 9
"""Pixels around the centre that a spot is measured on."""

STANDS_OUT = 6.0
"""Robust standard deviations of the result that a spot stands out by, at least ..."""

IN_NOISE = 1.0
"""... and of the noise of its measurement in one frame: what is less is lost among the
noise that was there."""

SUPPORTED = 3.0
"""Standard deviations that the noisy movie must show it by."""

FRAMES = 16
"""Frames before and after in which the noisy movie is asked for a spot."""

BRIEF = 0.5
"""Share of a spot that is there in the frames beside, below which it is an event."""

MOST = 400
"""Spots of a frame that are asked for, the brightest."""

LEAST_KNOWN = 0.02
"""Share of the weight of a spot that must have been measured in a frame."""

LISTED = 50
"""Spots without support that are told one by one."""


class Spot(NamedTuple):
    """A spot of the result.

    Attributes
    ----------
    frame, row, column
        Its centre.
    amplitude
        In the result, grey levels; negative where it is darker than what is around.
    support
        What the noisy movie shows at its place and times, in standard deviations.
    expected
        What it would show if the result were right.
    brief
        It is there in this frame only: an event.
    """

    frame: int
    row: int
    column: int
    amplitude: float
    support: float = float("nan")
    expected: float = float("nan")
    brief: bool = False


@dataclass(frozen=True)
class Added:
    """What a result shows, and what of it the noisy movie does not.

    Attributes
    ----------
    frames
        How many were searched.
    found
        Spots that stand out in them.
    unsupported
        Those that the noisy movie does not support at 3 standard deviations.
    events
        Those of a single frame.
    unsupported_events
        The same of them.
    listed
        Some of those without support, the brightest first.
    false_expected
        Spots expected in as many frames where there is but noise on a smooth
        background: what the same pipeline makes of it. None without a model.
    noise_frames
        Frames of noise that this is from, in parts of frames.
    """

    frames: int
    found: int
    unsupported: int
    events: int
    unsupported_events: int
    listed: tuple[Spot, ...]
    false_expected: float | None = None
    noise_frames: int = 0


class Looked(NamedTuple):
    """A frame ``(Y, X)`` that is asked for spots.

    Attributes
    ----------
    noisy, result
        The two movies.
    measured
        Which pixels of the noisy one were measured.
    """

    noisy: Floats
    result: Floats
    measured: npt.NDArray[np.bool_]


class SpotFinder:
    """Finds spots of about a diffraction limit, bright or dark.

    Parameters
    ----------
    noise
        Of the channel.
    correlations
        Of its noise.
    """

    def __init__(self, noise: NoiseModel, correlations: Correlations) -> None:
        self._noise = noise
        contrast = _contrast()
        row = np.exp(-(np.arange(-REACH, REACH + 1) ** 2) / (2 * SPOT**2))
        self._peak = float((contrast * np.outer(row, row)).sum())
        self.kernel = contrast / self._peak  # gives a spot's amplitude
        # variance of the measurement, for noise of variance one
        taps = kernel_of(correlations)
        full = np.zeros((2 * REACH + 2, 2 * REACH + 2))
        for i in (0, 1):
            for j in (0, 1):
                full[i : i + 2 * REACH + 1, j : j + 2 * REACH + 1] += (
                    taps[i, j] * self.kernel
                )
        self._share = float((full**2).sum())

    def std(self, level: Floats | float) -> Doubles:
        """Noise of the measurement of a spot in one frame, grey levels."""
        return np.sqrt(self._share * self._noise.variance(level))

    def contrast(self, frame: Floats) -> tuple[Floats, float]:
        """Contrast of every pixel with what is around, and how much of it is chance."""
        near, far = (
            gaussian_filter(frame, sigma, radius=REACH) for sigma in (SPOT, AROUND)
        )
        contrast = (near - far) / np.float32(self._peak)
        middle = float(np.median(contrast))
        return contrast, 1.4826 * float(np.median(np.abs(contrast - middle)))

    def find(
        self,
        frame: Floats,
        measured: npt.NDArray[np.bool_],
        chance: float | None = None,
    ) -> list[tuple[int, int, float]]:
        """Rows, columns and amplitudes of the spots of a frame, the brightest first.

        Parameters
        ----------
        frame
            ``(Y, X)`` of a result.
        measured
            Where spots may be.
        chance
            Standard deviation of the contrast; measured on the frame if None.
        """
        contrast, own = self.contrast(frame)
        size = np.abs(contrast)
        is_top = size == maximum_filter(size, 5)
        least = STANDS_OUT * (own if chance is None else chance)
        is_spot = is_top & (size > least) & (size > IN_NOISE * self.std(frame))
        is_spot &= measured
        for edge in (is_spot[:3], is_spot[-3:], is_spot[:, :3], is_spot[:, -3:]):
            edge[...] = False
        rows, columns = np.nonzero(is_spot)
        order = np.argsort(-size[rows, columns], kind="stable")
        return [
            (int(y), int(x), float(contrast[y, x]))
            for y, x in zip(rows[order], columns[order], strict=True)
        ]


def support(
    finder: SpotFinder,
    spots: Sequence[Spot],
    read: Callable[[int], Looked],
    n_frames: int,
) -> list[Spot]:
    """Ask the noisy movie for spots of the result.

    The contrast of a spot in the noisy frames around is weighted as the result shows
    it there: a matched filter in space and time. A spot of the specimen that stays is
    so supported by all the frames in which it stays. One that is there in a single
    frame is compared with the frames before and after alone: what stands still at its
    place says nothing for it.

    Parameters
    ----------
    finder
        Knows the noise.
    spots
        Of the result.
    read
        Noisy frame and result of a time. Of pixels that were not measured neither
        counts, nor the noise that they would have had.
    n_frames
        Length of the movie.
    """
    span = 2 * FRAMES + 1
    # noisy contrast, that of the result, variance of the first; NaN beyond the ends
    found = np.full((3, len(spots), span), np.nan)
    times = np.array([spot.frame for spot in spots], int)
    wanted = {
        t
        for frame in set(times.tolist())
        for t in range(max(frame - FRAMES, 0), min(frame + FRAMES + 1, n_frames))
    }
    size = 2 * REACH + 1
    for t in sorted(wanted):
        # reflected, so that spots near an edge are measured as the filter does it
        looked = read(t)
        noisy = np.pad(looked.noisy, REACH, mode="symmetric")
        result = np.pad(looked.result, REACH, mode="symmetric")
        known = np.pad(looked.measured, REACH, mode="symmetric")
        for k in np.flatnonzero(np.abs(times - t) <= FRAMES).tolist():
            y, x = spots[k].row, spots[k].column
            window = slice(y, y + size), slice(x, x + size)
            kernel, level, noise = finder.kernel, 0.0, 1.0
            if not known[window].all():
                # weights that no longer sum to zero see the level, too
                kernel = kernel * known[window]
                level = float(result[window].mean(dtype=float))
                noise = float((kernel**2).sum() / (finder.kernel**2).sum())
            if noise < LEAST_KNOWN:
                continue
            found[:, k, t - spots[k].frame + FRAMES] = (
                float((kernel * (noisy[window] - level)).sum(dtype=float)),
                float((kernel * (result[window] - level)).sum(dtype=float)),
                float(finder.std(float(result[y + REACH, x + REACH]))) ** 2 * noise,
            )
    return [_asked(spot, *found[:, k]) for k, spot in enumerate(spots)]


def _asked(spot: Spot, seen: Doubles, shown: Doubles, variance: Doubles) -> Spot:
    sign = float(np.sign(spot.amplitude))
    seen, shown = sign * seen, sign * shown
    sides = [k for k in (FRAMES - 1, FRAMES + 1) if np.isfinite(shown[k])]
    brief = bool(max(shown[sides], default=np.inf) < BRIEF * shown[FRAMES])
    if brief:
        weights = np.zeros(len(shown))
        weights[FRAMES], weights[sides] = 1.0, -1 / len(sides)
    else:
        weights = np.maximum(shown, 0.0) / variance
    there = np.isfinite(shown)
    w = weights[there]
    noise = float(np.sqrt((w**2 * variance[there]).sum()))
    support, expected = (
        float((w * a[there]).sum()) / max(noise, 1e-300) for a in (seen, shown)
    )
    return spot._replace(support=support, expected=expected, brief=brief)


def _line(sigma: float) -> Doubles:
    at = np.arange(-REACH, REACH + 1)
    line = np.exp(-(at**2) / (2 * sigma**2))
    return np.asarray(line / line.sum())


def _contrast() -> Doubles:
    """Weights of a spot less those of what is around it."""
    near, far = _line(SPOT), _line(AROUND)
    return np.asarray(np.outer(near, near) - np.outer(far, far))
