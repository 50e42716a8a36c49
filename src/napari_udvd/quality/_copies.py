"""What a program makes of noisy copies of a movie, or of fresh noise on it.

Two recorrupted copies (see :class:`~napari_udvd.noise.Recorruption`) have independent
noise, so that one judges what was made of the other. They are alike here, and their
noise is correlated within frames as that of the movie.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_udvd.noise import Recorruption
from napari_udvd.planes import Series, read_measured
from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    import threading

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.noise import NoiseModel
    from napari_udvd.quality._pair import Pair
    from napari_udvd.quality._sampling import Part

__all__ = [
    "Cancelled",
    "Correlations",
    "Pipeline",
    "Restored",
    "as_drawn",
    "draw",
    "kernel_of",
    "noise_on",
    "spread_noise",
]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

ALIKE = Recorruption(1.0)
"""Copies with twice the variance of the movie's noise each."""

MOST_CORRELATED = 0.49
"""A moving average of two pixels has at most a correlation of one half."""

LEAST_CORRELATED = 0.05
"""Correlation of neighbours below which the noise counts as white."""


class Correlations(NamedTuple):
    """Correlation of the noise of neighbouring rows, and columns."""

    rows: float
    columns: float


class Restored(NamedTuple):
    """What the model makes of a part, ``(T, Y, X)``, grey levels; std may be None."""

    mean: Floats
    std: Floats | None


def kernel_of(correlations: Correlations) -> Doubles:
    """Kernel of unit energy that gives white noise such a correlation, ``(2, 2)``."""
    rows, columns = (_taps(r) for r in as_drawn(correlations))
    kernel: Doubles = rows[:, None] * columns
    return kernel


def as_drawn(correlations: Correlations) -> Correlations:
    """Return what noise that is drawn has: 0 where it counts as white."""
    rows, columns = (
        float(np.clip(r, -MOST_CORRELATED, MOST_CORRELATED))
        if abs(r) >= LEAST_CORRELATED
        else 0.0
        for r in correlations
    )
    return Correlations(rows, columns)


def _taps(r: float) -> Doubles:
    if r == 0:
        return np.array([1.0, 0.0])
    second = (1 - np.sqrt(1 - 4 * r * r)) / (2 * r)
    return np.asarray([1.0, second]) / float(np.hypot(1.0, second))


def draw(
    rng: np.random.Generator, shape: tuple[int, ...], correlations: Correlations
) -> Floats:
    """Draw normal noise of variance one, correlated within frames as the movie's."""
    *frames, height, width = shape
    white = rng.standard_normal((*frames, height + 1, width + 1), dtype=np.float32)
    kernel = kernel_of(correlations).astype(np.float32)
    found = np.zeros(shape, np.float32)
    for i in (0, 1):
        for j in (0, 1):
            if kernel[i, j]:
                found += kernel[i, j] * white[..., i : height + i, j : width + j]
    return found


def noise_on(
    background: Floats,
    noise: NoiseModel,
    correlations: Correlations,
    rng: np.random.Generator,
) -> Floats:
    """Record a scene once more: with photons that are counted, where they are white."""
    kernel = kernel_of(correlations)
    light = np.maximum(background - noise.offset, 0.0)
    if noise.gain == 0 or kernel[0, 0] < 1:
        return background + spread_noise(background, noise, correlations, rng)
    counted = noise.gain * rng.poisson(light / noise.gain) - light
    dark = noise.read_noise * rng.standard_normal(background.shape, dtype=np.float32)
    return np.asarray(background + counted + dark, np.float32)


def spread_noise(
    level: Floats,
    noise: NoiseModel,
    correlations: Correlations,
    rng: np.random.Generator,
) -> Floats:
    """Draw normal noise of the strength that the movie has at these grey levels."""
    size = np.sqrt(noise.variance(level)).astype(np.float32)
    return size * draw(rng, level.shape, correlations)


class Pipeline:
    """The model and all that comes after it, on parts of a movie of one plane.

    What a part gives is what a user gets, but for the edges of a crop, where less is
    seen.

    Parameters
    ----------
    denoiser
        The model.
    pair
        The movie, and the result that tells how bright it is.
    plane
        Channel and depth.
    noise
        Of the channel.
    correlations
        Of its noise.
    request
        How the result was made.
    cancel
        Set it to stop soon: then :class:`Cancelled` is raised.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        pair: Pair,
        plane: Plane,
        noise: NoiseModel,
        correlations: Correlations,
        request: Request,
        cancel: threading.Event | None,
    ) -> None:
        self._denoiser, self._pair, self._plane = denoiser, pair, plane
        self._request, self._cancel = request, cancel
        self.noise, self.correlations = noise, correlations
        self._known = denoiser.calibrations_for(pair.noisy)
        joint = denoiser.joint
        self._channels = tuple(range(pair.noisy.n_channels)) if joint else (plane.c,)
        # what was decided for the movie holds for its parts and copies
        found = denoiser.survey(pair.noisy, request)
        self._surveys = [found[c] for c in self._channels] if found else None

    @property
    def has_std(self) -> bool:
        """Whether the model tells how sure it is."""
        return bool(self._denoiser.net.likelihood)

    def restored(self, part: Part, *, blind: bool = False) -> Restored:
        """Restore a part of the noisy movie; if `blind`, without the pixel's own."""
        clip, inner = self._clip(part)
        request = (
            replace(self._request, use_posterior=False) if blind else self._request
        )
        return self._run(clip, inner, 1.0, request)

    def of_copies(self, part: Part, seed: int) -> tuple[Restored, Restored]:
        """Restore both copies of a part: plus, and minus noise that is drawn.

        The model is told twice the variance.
        """
        clip, inner = self._clip(part)
        added = self._added(part, seed)
        plus, minus = (
            self._run(copy, inner, variance, self._request)
            for copy, variance in (
                (ALIKE.first(clip, added), ALIKE.of_first),
                (ALIKE.second(clip, added), ALIKE.of_second),
            )
        )
        return plus, minus

    def nudged(self, part: Part, size: float, seed: int) -> tuple[Floats, Restored]:
        """Restore a part of the movie with a little noise, of which it is not told.

        Parameters
        ----------
        part
            Of the movie.
        size
            Standard deviation of the noise, over that of the movie's own.
        seed
            Of the noise.

        Returns
        -------
        e, restored
            Noise of the strength of the movie's own, ``(T, Y, X)``, and the result of
            the movie plus `size` times it.
        """
        clip, inner = self._clip(part)
        added = self._added(part, seed)
        nudged = clip + np.float32(size) * added
        own = self._channels.index(self._plane.c)
        return added[inner, own], self._run(nudged, inner, 1.0, self._request)

    def _added(self, part: Part, seed: int) -> Floats:
        """Draw noise of the strength of the movie's own for all that is seen."""
        level = self._level(part)
        rng = np.random.default_rng([seed, part.start])
        added = np.zeros_like(level)
        for k, c in enumerate(self._channels):
            noise = self._known[c].noise if len(self._channels) > 1 else self.noise
            drawn = spread_noise(level[:, k], noise, self.correlations, rng)
            added[:, k] = drawn
        series = Series(self._channels, self._plane.z)
        frames = range(*self._outer(part)[0].indices(self._pair.noisy.n_frames))
        _, known = read_measured(
            self._pair.noisy, series, frames, part.rows, part.columns
        )
        if known is not None:  # what was not measured stays as it is
            added[~known] = 0.0
        return added

    def of_noise(self, background: Floats, part: Part, seed: int) -> Restored:
        """Restore a part of which but the smooth background is left, and fresh noise.

        Parameters
        ----------
        background
            ``(Y, X)``, in the place of every frame.
        """
        outer, inner = self._outer(part)
        length = outer.stop - outer.start
        rng = np.random.default_rng([seed, part.start, 1])
        still = np.broadcast_to(background, (length, *background.shape))
        clip = noise_on(np.asarray(still), self.noise, self.correlations, rng)
        clips = np.repeat(clip[:, None], len(self._channels), axis=1)
        clips[np.isnan(self._clip(part)[0])] = np.nan  # a scan has its gaps
        return self._run(clips, inner, 1.0, self._request)

    def _outer(self, part: Part) -> tuple[slice, slice]:
        """Frames that the network sees, and where the part is in them."""
        reach = self._denoiser.net.geometry.context + 1
        start = max(part.start - reach, 0)
        stop = min(part.stop + reach, self._pair.noisy.n_frames)
        return slice(start, stop), slice(part.start - start, part.stop - start)

    def _clip(self, part: Part) -> tuple[Floats, slice]:
        """Frames ``(T, C, Y, X)`` as they were recorded, and the part's among them."""
        outer, inner = self._outer(part)
        noisy = self._pair.noisy
        clip = self._read(noisy, outer, part)
        if noisy.mask is not None:  # a movie of its own needs to know no mask
            for k, c in enumerate(self._channels):
                plane = Plane(c, self._plane.z)
                known = noisy.read_mask(outer, plane, part.rows, part.columns)
                clip[:, k][~known] = np.nan
        return clip, inner

    def _level(self, part: Part) -> Floats:
        level = self._read(self._pair.result, self._outer(part)[0], part)
        return np.nan_to_num(level, nan=0.0)

    def _read(self, stack: Stack, frames: slice, part: Part) -> Floats:
        return np.stack(
            [
                stack.read(frames, Plane(c, self._plane.z), part.rows, part.columns)
                for c in self._channels
            ],
            axis=1,
        ).astype(np.float32)

    def _run(
        self, clip: Floats, inner: slice, variances: float, request: Request
    ) -> Restored:
        stack = Stack.from_array(clip, "TCYX")
        known = [self._known[c] for c in self._channels]
        louder = [replace(one, noise=one.noise.louder(variances)) for one in known]
        denoiser = self._denoiser.told(stack, louder)
        request = replace(request, with_std=self.has_std)
        blocks = denoiser.blocks(stack, request, self._surveys)
        for found in blocks.steps(blocks.series[0], inner.start, inner.stop):
            if self._cancel is not None and self._cancel.is_set():
                raise Cancelled
            if found is not None:
                own = 0 if len(blocks.series[0].channels) == 1 else self._plane.c
                mean, std = found
                return Restored(mean[:, own], None if std is None else std[:, own])
        raise AssertionError("the steps ended without a result")


class Cancelled(Exception):
    """The user does not want the report any more."""
