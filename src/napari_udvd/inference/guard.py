"""How much of the refiner a movie gets: decided by a recorrupted copy of it.

A refiner has learned from simulated movies, and may do harm where a movie is unlike
them. There is no truth to tell, but there is an independent judge: two recorrupted
copies of the movie (see :class:`~napari_udvd.noise.Recorruption`). Both stages work on
the first, and the second says which share of the correction brings the result closer to
the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from napari_udvd.inference.scaling import Scaler
from napari_udvd.models.refiner import Evidence, refined
from napari_udvd.models.refiner.inputs import posterior_of
from napari_udvd.noise import Recorruption
from napari_udvd.planes import Series, middle_plane, read_measured, recorded_frames
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_udvd.inference.block_denoiser import BlockDenoiser
    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models.camera import CameraNoise
    from napari_udvd.models.refiner import Refiner

    Predictor = Callable[[Stack, Sequence[Calibration]], BlockDenoiser]
    Doubles = npt.NDArray[np.float64]

__all__ = ["NONE", "Places", "Share", "find_share", "places_of"]

COPIES = Recorruption(0.7)
"""How the movie is made into two."""

PIXELS = 2**17
"""That judge, about."""

EDGE = 192
"""Rows and columns of a place, at most."""

FEWEST_PLACES, MOST_PLACES = 6, 12

CELL = 16
"""Rows and columns of the cells whose votes are taken as independent."""

BLUR = 5
"""Rows and columns over which neighbouring frames are averaged, to guess the noise."""

SURE = 1.0
"""Standard errors that are taken off the share: none is safer than too much."""

SERIES = Series((0,), 0)
"""Of an excerpt."""


@dataclass(frozen=True)
class Share:
    """How much of the correction is taken.

    Attributes
    ----------
    value
        From 0 to 1.
    best
        What would bring the result closest to the truth, as far as the judge can tell.
    error
        Standard error of `best`.
    """

    value: float
    best: float
    error: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a record."""
        return {"share": self.value, "best": self.best, "error": self.error}


NONE = Share(0.0, 0.0, 0.0)
"""The refiner is not used."""


class Places(NamedTuple):
    """How much of a movie is looked at.

    Attributes
    ----------
    number
        Of places.
    pixels
        That are predicted at each of them.
    """

    number: int
    pixels: int


class _Place(NamedTuple):
    """A frame of a plane, and a part of it; ``around`` are the frames that are seen."""

    plane: Series
    around: tuple[int, ...]
    at: int
    rows: slice
    columns: slice


class _Excerpt(NamedTuple):
    """Frames of a part of a movie, in memory."""

    grey: Tensor  # (T, Y, X)
    known: Tensor | None  # (Y, X) of the middle frame
    at: int


def find_share(
    predictor: Predictor,
    stack: Stack,
    channel: int,
    calibration: Calibration,
    refiner: Refiner,
    *,
    context: int,
    precision: torch.dtype = torch.float32,
    seed: int = 0,
    most: int | None = None,
) -> Generator[None, None, Share]:
    """Find how much of the refiner a channel gets, with pauses before each frame.

    The noise must be independent from pixel to pixel and from frame to frame: what is
    drawn of the noise model is.

    Parameters
    ----------
    predictor
        Takes a movie of one channel and its calibration; returns what predicts frames
        of it, blind and with a standard deviation: a
        :class:`~napari_udvd.inference.block_denoiser.BlockDenoiser` whose request says
        ``use_posterior=False, with_std=True``, with as many views as later on.
    stack
        The movie, inspected (see :func:`napari_udvd.validity.inspect`).
    channel
        Of the movie.
    calibration
        Of the channel.
    refiner
        With its weights, on any device.
    context
        Frames before and after that the first stage sees.
    precision
        Floating-point type of the refiner.
    seed
        Of places and noise; the same gives the same share.
    most
        Places, at most.

    Returns
    -------
    Share
        :data:`NONE` where the movie has no two frames or places to judge by.
    """
    votes = []
    for number, place in enumerate(_places(stack, channel, context, seed)[:most]):
        excerpt = _excerpt(stack, place)
        yield
        mean, _ = predictor(_movie(excerpt.grey), [calibration]).block(
            SERIES, excerpt.at, excerpt.at + 1
        )
        scaler = Scaler([calibration])
        noise = _of_one(scaler)
        grey = scaler.normalise(excerpt.grey[:, None])[:, 0]
        blind = scaler.normalise(torch.from_numpy(mean))[0, 0]
        draws = torch.from_numpy(
            np.random.default_rng([seed, number])
            .standard_normal(grey.shape)
            .astype(np.float32)
        )
        draws = draws * _variance(grey, blind, excerpt.at, noise).sqrt()
        first = COPIES.first(grey, draws)
        second = COPIES.second(grey[excerpt.at], draws[excerpt.at])
        noisier = _noisier(calibration)
        blocks = predictor(_movie(scaler.restore(first[:, None])[:, 0]), [noisier])
        start = max(excerpt.at - 1, 0)
        stop = min(excerpt.at + 2, len(grey))
        for result in blocks.steps(SERIES, start, stop):
            if result is None:
                yield
                continue
            mean, std = result
            assert std is not None
            means = scaler.normalise(torch.from_numpy(mean))[:, 0]
            stds = torch.from_numpy(std)[:, 0] / scaler.scale[0]
        three = _three(excerpt.at, start, stop)
        evidence = Evidence(
            means[three],
            stds[three],
            first[start:stop][three],
            COPIES.of_first * noise.variance(means[three]),
        )
        votes.append(_votes(refiner, evidence, second, excerpt.known, precision))
    return _counted(np.concatenate(votes, axis=1)) if votes else NONE


def places_of(stack: Stack) -> Places:
    """Tell how much of a movie is predicted.

    At each place a frame, and on the copy its neighbours too.
    """
    rows, columns = (min(n, EDGE) for n in stack.frame_shape)
    wanted = int(np.clip(PIXELS // (rows * columns), FEWEST_PLACES, MOST_PLACES))
    return Places(min(wanted, stack.n_frames), 4 * rows * columns)


def _places(stack: Stack, channel: int, context: int, seed: int) -> list[_Place]:
    """Spread places over the movie: frames evenly, parts of them at random."""
    plane = middle_plane(stack, channel)
    if plane is None:
        return []
    series = Series((channel,), plane.z)
    recorded = recorded_frames(stack, series)
    if len(recorded) < 3:
        return []
    height, width = stack.frame_shape
    rows, columns = min(height, EDGE), min(width, EDGE)
    count = min(places_of(stack).number, len(recorded))
    rng = np.random.default_rng(seed)
    places = []
    for k in range(count):
        middle = int((k + 0.5) * len(recorded) / count)
        first = max(middle - 1 - context, 0)
        around = tuple(recorded[first : middle + 2 + context])
        top = int(rng.integers(height - rows + 1))
        left = int(rng.integers(width - columns + 1))
        here = slice(top, top + rows), slice(left, left + columns)
        places.append(_Place(series, around, middle - first, *here))
    return places


def _excerpt(stack: Stack, place: _Place) -> _Excerpt:
    """Read a place; what was not measured is filled, and does not judge."""
    clip, measured = read_measured(
        stack, place.plane, place.around, place.rows, place.columns
    )
    known = None if measured is None else torch.from_numpy(measured[place.at, 0])
    return _Excerpt(torch.from_numpy(clip[:, 0]), known, place.at)


def _movie(grey: Tensor) -> Stack:
    return Stack.from_array(grey.numpy(), "TYX")


def _of_one(scaler: Scaler) -> CameraNoise:
    """Noise of the only channel, to go with ``(..., H, W)``."""
    return type(scaler.noise)(*(entry[0] for entry in scaler.noise))


def _noisier(calibration: Calibration) -> Calibration:
    """Return the calibration of a movie with noise added."""
    return replace(calibration, noise=calibration.noise.louder(COPIES.of_first))


def _variance(grey: Tensor, blind: Tensor, at: int, noise: CameraNoise) -> Tensor:
    """Guess the variance of the noise of all frames, of frame `at` from its prediction.

    Of the others from an average over pixels and frames: they do not judge.
    """
    smooth = F.avg_pool3d(
        grey[None, None],
        (3, BLUR, BLUR),
        stride=1,
        padding=(1, BLUR // 2, BLUR // 2),
        count_include_pad=False,
    )[0, 0]
    smooth[at] = blind
    return noise.variance(smooth)


def _three(at: int, start: int, stop: int) -> list[int]:
    """Places of the frame before, the frame and the frame after in a block."""
    before = at - 1 if at > start else at + 1
    after = at + 1 if at + 1 < stop else at - 1
    return [t - start for t in (before, at, after)]


def _votes(
    refiner: Refiner,
    evidence: Evidence,
    judge: Tensor,
    known: Tensor | None,
    precision: torch.dtype,
) -> Doubles:
    """Correlate the correction with what the judge says, ``(2, cells)``.

    First the product of both, then the square of the correction.
    """
    device = next(refiner.parameters()).device
    there = Evidence(*(each.to(device) for each in evidence))
    mean, _ = refined(refiner, there, precision=precision)
    posterior = posterior_of(evidence).mean[1]
    correction = mean.cpu() - posterior
    weight = 1 / evidence.variance[1]
    if known is not None:
        weight = weight * known
    products = torch.stack(
        [weight * (judge - posterior) * correction, weight * correction.square()]
    )
    height, width = judge.shape
    products = F.pad(products, (0, -width % CELL, 0, -height % CELL))
    cells = F.avg_pool2d(products, CELL) * CELL**2
    return cells.flatten(1).double().numpy()


def _counted(votes: Doubles) -> Share:
    """Fit one share to all cells, and tell by their scatter how well it is known."""
    product, square = votes
    total = square.sum()
    if not total > 0:
        return NONE
    best = product.sum() / total
    error = float(np.sqrt(np.square(product - best * square).sum()) / total)
    value = float(np.clip(best - SURE * error, 0.0, 1.0))
    return Share(value, float(best), error)
