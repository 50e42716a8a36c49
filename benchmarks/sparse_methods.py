"""Sparse scans of movies with known truth, and what fills them.

Which pixels are kept, and every way to make a movie of them that `reconstruct`
measures. See there.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from skimage.restoration import inpaint_biharmonic

import napari_udvd as nu
from napari_udvd import metrics
from napari_udvd.formats import ArraySink
from napari_udvd.inference.interpolation import (
    FRAMES,
    PIXELS,
    Widths,
    choose_widths,
    interpolate,
)
from napari_udvd.inference.request import Request
from napari_udvd.tasks import DENOISE, RECONSTRUCT
from napari_udvd.training import Failed, Finished, train_events
from napari_udvd.training.settings import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.movies import Frames, KnownMovie

__all__ = [
    "MASKS",
    "Mask",
    "Result",
    "best_average",
    "biharmonic",
    "denoised",
    "full",
    "ours",
    "preview",
    "psnr",
    "trained",
]

Mask = npt.NDArray[np.bool_]

SIGMAS = 0.5, 0.8, 1.2, 1.8, 2.7, 4.0
"""Widths of the Gaussian after biharmonic inpainting."""


class Result(NamedTuple):
    """What a method makes of a sparse movie.

    Attributes
    ----------
    mean
        ``(T, Y, X)`` in grey levels.
    std
        Likewise; None where the method knows none.
    frames
        Which of the frames it has done.
    """

    mean: Frames
    std: Frames | None = None
    frames: slice = slice(None)


# --- which pixels are kept ------------------------------------------------------------


def _random(shape: tuple[int, ...], rng: np.random.Generator, share: float) -> Mask:
    return rng.random(shape) < share


def _rows(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    """One row in five, moved on by two in every frame."""
    t, y, _ = np.indices(shape)
    return np.asarray((y + 2 * t) % 5 == 0)


def _fovea(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    """All pixels in the middle, fewer and fewer towards the border."""
    _, y, x = np.indices(shape)
    far = np.hypot(y - shape[1] / 2, x - shape[2] / 2)
    dense = np.exp(-6 * far / shape[2])
    return np.asarray(rng.random(shape) < 0.06 + 0.94 * dense)


def _fixed(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    """Keep the same pixels in every frame."""
    return np.broadcast_to(rng.random(shape[1:]) < 0.2, shape).copy()


MASKS: Mapping[str, Callable[[tuple[int, ...], np.random.Generator], Mask]] = {
    "random-20": partial(_random, share=0.2),
    "random-10": partial(_random, share=0.1),
    "rows-5": _rows,
    "fovea": _fovea,
    "fixed-20": _fixed,
}
"""Every mask by its name; each is a function of shape and source of randomness."""


# --- methods --------------------------------------------------------------------------


def psnr(truth: Frames, estimate: Frames) -> float:
    """PSNR in dB, see above."""
    low, high = np.percentile(truth, (0.1, 99.9))
    return metrics.psnr(truth, estimate, peak=float(high - low))


def best_average(movie: KnownMovie, measured: Mask) -> Result:
    """Average with the best widths of a grid."""
    found = (
        interpolate(movie.noisy, measured, Widths(*widths))
        for widths in product(PIXELS, FRAMES)
    )
    return Result(max(found, key=lambda mean: psnr(movie.truth, mean)))


def preview(movie: KnownMovie, measured: Mask) -> Result:
    """Average with the widths that it finds."""
    widths = choose_widths(movie.noisy, measured)
    return Result(interpolate(movie.noisy, measured, widths))


def biharmonic(movie: KnownMovie, measured: Mask) -> Result:
    """Inpaint two frames, then smooth them."""
    some = slice(len(measured) // 2, len(measured) // 2 + 2)
    filled = np.stack(
        [
            inpaint_biharmonic(np.where(known, frame, 0), ~known)
            for frame, known in zip(movie.noisy[some], measured[some], strict=True)
        ]
    )
    found = (gaussian_filter(filled, (0, s, s)) for s in (0.0, *SIGMAS))
    best = max(found, key=lambda mean: psnr(movie.truth[some], mean))
    return Result(best.astype(np.float32), frames=some)


def trained(
    frames: Frames, movie: KnownMovie, task: str, seed: int, **budget: Any
) -> Result:
    """Train a network on frames and apply it to them."""
    stack = nu.Stack.from_array(frames, "TYX")
    noise = movie.gain, movie.offset, movie.read_noise
    settings = make_settings(seed=seed, device="cpu", noise=noise, **budget)
    for event in train_events([stack], settings, follows=Request(), task=task):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Finished):
            denoiser = event.denoiser
    request = Request(device="cpu", with_std=True, dtype=np.float32)
    dtype = np.dtype(np.float32)
    with (
        ArraySink(stack.layout, dtype) as mean,
        ArraySink(stack.layout, dtype) as std,
    ):
        for _ in denoiser.restore(stack, mean, request, std_sink=std):
            pass
    return Result(mean.array, std.array)


def ours(movie: KnownMovie, measured: Mask, seed: int, **budget: Any) -> Result:
    """Train on the measured pixels alone."""
    sparse = np.where(measured, movie.noisy, np.float32(np.nan))
    return trained(sparse, movie, RECONSTRUCT.name, seed, **budget)


def full(movie: KnownMovie, seed: int, **budget: Any) -> Result:
    """Denoise a movie of which every pixel was measured."""
    return trained(movie.noisy, movie, DENOISE.name, seed, **budget)


def denoised(
    movie: KnownMovie, measured: Mask, filling: Frames, seed: int, **budget: Any
) -> Result:
    """Fill the gaps with something, then denoise that as if it had been measured."""
    filled = np.where(measured, movie.noisy, filling)
    return trained(filled, movie, DENOISE.name, seed, **budget)
