"""What the second stage must know of a movie.

Found by a look at a few frames, spread over the movie: how far scores of events reach
where nothing happens, how large they must be so that what is called an event by chance
does not spoil the result, and how much of the refiner's corrections helps.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from napari_udvd.cutting import window
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.flash_scores import score
from napari_udvd.inference.flashes import Spread
from napari_udvd.inference.guard import NONE, Places, Share, find_share
from napari_udvd.inference.predicted import Predicted, predict, without_events
from napari_udvd.inference.refiner import load_refiner
from napari_udvd.inference.scaling import Scaler
from napari_udvd.planes import (
    Series,
    middle_plane,
    missing_frames,
    recorded_frames,
)
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt

    from napari_udvd.inference.request import Request
    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.models import Network
    from napari_udvd.stack import Stack

__all__ = ["Given", "Survey", "Surveys", "can_refine", "places_of", "survey"]

PIXELS = 100_000
"""Looked at in all, about."""

EDGE = 160
"""Rows and columns of a place that is looked at."""

FEWEST_PLACES, MOST_PLACES = 4, 24
"""Frames that are looked at."""

PIXELS_PER_STEP = 4000
"""That the spread of scores is measured by."""

LEAST_SPREAD = 1.0
"""Of scores: how far the network may have doubted itself too much."""

MOST_STEPS = 12
"""In which the spread follows the ratio of variances."""

FALSE_ENERGY = 0.001
"""Share of the squared error of a result that false events of one kind may add."""

LARGE = 3.0, 3.5, 4.0
"""Scores by which the tails are judged."""

LEAST_TAILS = 0.05
"""Of a Gaussian number's, that they are taken to have."""

LEAST_ODDS = 7.0
"""Log odds against an event: it is rarer than one pixel in a thousand."""

MOST_ODDS = 40.0
"""Where a result errs so little that nothing is called an event."""

FAR, BELOW = 1.5, 93.32
"""Standard deviations above the median, and the percentage of Gaussian numbers below.

Far enough to tell of long tails, and not so far that events, which are rare, matter.
"""


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes
    ----------
    spread
        Of scores where nothing happens.
    odds
        Log odds against an event, for each template.
    share
        How much of the refiner's corrections is taken.
    """

    spread: Spread
    odds: tuple[float, ...]
    share: Share = NONE

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a record."""
        widest = [max(values) for values in self.spread.values]
        return {
            "odds": list(self.odds),
            "widest": widest,
            "refined": self.share.to_dict(),
        }


class _Sample(NamedTuple):
    """Scores ``(K, n)``, and mean variances of the result and of the noise."""

    rise: npt.NDArray[np.float32]
    z: npt.NDArray[np.float32]
    ratio: npt.NDArray[np.float32]
    error: float
    noise: float


@dataclass(eq=False)
class Surveys:
    """Surveys of the movies that a model has met, each made once."""

    _known: weakref.WeakKeyDictionary[Stack, dict[Any, Survey]] = field(
        default_factory=weakref.WeakKeyDictionary, repr=False
    )

    def find(
        self,
        net: Network,
        calibrations: Sequence[Calibration],
        stack: Stack,
        channel: int,
        request: Request,
    ) -> Generator[None, None, Survey]:
        """Return the survey of a channel, or make it with pauses before each frame.

        Parameters
        ----------
        net, calibrations, stack, request
            As for :class:`~napari_udvd.inference.block_denoiser.BlockDenoiser`.
        channel
            Of the movie.
        """
        known = self._known.setdefault(stack, {})
        asked = request.events, request.refine
        key = channel, request.place(), asked, request.views(net)
        if key not in known:
            known[key] = yield from survey(net, calibrations, stack, channel, request)
        return known[key]

    def made(
        self,
        net: Network,
        calibrations: Sequence[Calibration],
        stack: Stack,
        channel: int,
        request: Request,
    ) -> Survey:
        """Return the survey of a channel, see :meth:`find`."""
        steps = self.find(net, calibrations, stack, channel, request)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: Survey = end.value
                return found


class Given(Surveys):
    """Surveys of a movie, one for each channel, that hold for parts of it as well.

    Parameters
    ----------
    surveys
        One for each channel.
    """

    def __init__(self, surveys: Sequence[Survey]) -> None:
        super().__init__()
        self._surveys = tuple(surveys)

    def find(
        self,
        net: Network,
        calibrations: Sequence[Calibration],
        stack: Stack,
        channel: int,
        request: Request,
    ) -> Generator[None, None, Survey]:
        """Return what is known, whatever the stack."""
        yield from ()
        return self._surveys[channel]


def survey(
    net: Network,
    calibrations: Sequence[Calibration],
    stack: Stack,
    channel: int,
    request: Request,
    most: int | None = None,
) -> Generator[None, None, Survey]:
    """Look at a channel of a movie, see :meth:`Surveys.find`.

    With `most`, at so many places at most: to see how long it takes.
    """
    samples = []
    blind = replace(request, use_posterior=False, with_std=True, tile=None)
    place = request.place()
    scaler = Scaler([calibrations[channel]], place.device)
    stack = inspect(stack)
    places = _places(stack, channel) if request.events else []
    seen: _Seen | None = None
    for t, z, rows, columns in places[:most]:
        part = stack.crop(slice(0, stack.n_frames), rows, columns)
        series = Series((channel,), z)
        around = window(t, 1, stack.n_frames, missing_frames(stack, series))
        # small frames are looked at as a whole, and their neighbours next; what a
        # recurrent network says of a frame depends on what it is asked for beside it
        if seen is None or seen.at != (rows, columns) or net.geometry.recurrent:
            inner = BlockDenoiser(net, calibrations, part, blind)
            seen = _Seen((rows, columns), inner, {})
        wanted = sorted(set(around) - seen.frames.keys())
        new = yield from predict(seen.inner, part, series, scaler, wanted)
        predicted = seen.frames | new
        seen = seen._replace(frames={k: predicted[k] for k in around})
        before, own, after = (predicted[k] for k in around)
        samples.append(_sampled(before, own, after, scaler))
    found = judged(samples)
    if not can_refine(net, request):
        return found
    share = yield from find_share(
        lambda movie, known: BlockDenoiser(net, known, movie, blind),
        stack,
        channel,
        calibrations[channel],
        load_refiner().to(place.device),
        context=net.geometry.context,
        precision=place.precision,
        most=most,
    )
    return replace(found, share=share)


class _Seen(NamedTuple):
    """A part of all frames, what predicts it, and what it has said of some frames."""

    at: tuple[slice, slice]
    inner: BlockDenoiser
    frames: dict[int, Predicted]


def can_refine(net: Network, request: Request) -> bool:
    """Tell whether the refiner may be of use: it takes noise for independent."""
    return bool(request.refine) and net.hole == (1, 1)


def places_of(stack: Stack) -> Places:
    """Tell how much of a movie is predicted: three frames at each place."""
    rows, columns = (min(n, EDGE) for n in stack.frame_shape)
    wanted = max(PIXELS // (rows * columns), FEWEST_PLACES)
    count = min(wanted, MOST_PLACES, stack.n_frames)
    return Places(count, 3 * rows * columns)


def _places(stack: Stack, channel: int) -> list[tuple[int, int, slice, slice]]:
    """Frame, depth, rows and columns of what is looked at; none where all is empty."""
    plane = middle_plane(stack, channel)
    if plane is None:
        return []
    height, width = stack.frame_shape
    rows, columns = min(height, EDGE), min(width, EDGE)
    recorded = recorded_frames(stack, Series((channel,), plane.z))
    count = min(places_of(stack).number, len(recorded))
    rng = np.random.default_rng(count)
    places = []
    for k in range(count):
        t = recorded[int((k + 0.5) * len(recorded) / count)]
        top = int(rng.integers(height - rows + 1))
        left = int(rng.integers(width - columns + 1))
        here = slice(top, top + rows), slice(left, left + columns)
        places.append((t, plane.z, *here))
    return places


def _sampled(
    before: Predicted, own: Predicted, after: Predicted, scaler: Scaler
) -> _Sample:
    noise, frame = scaler.noise_of(0), own.frame
    with torch.inference_mode():
        base, _ = without_events(before, own, after)
        scores = score(frame, base, noise)
        inside = frame.measured
        if inside is None:
            inside = torch.ones_like(frame.noisy, dtype=torch.bool)
        told = scores.rise, scores.z, scores.ratio
        rise, z, ratio = (each[:, inside].cpu().numpy() for each in told)
        error = float(own.std[inside].square().mean())
        return _Sample(
            rise, z, ratio, error, float(noise.variance(frame.mean)[inside].mean())
        )


def judged(samples: Sequence[_Sample]) -> Survey:
    """Draw the conclusions from what was looked at."""
    if not samples:
        one = ((0.0,),) * 3
        return Survey(Spread(one, ((1.0,),) * 3), (LEAST_ODDS,) * 3)
    rise, z, ratio = (
        np.concatenate([sample[k] for sample in samples], axis=1) for k in (0, 1, 2)
    )
    found = [_spread(*each) for each in zip(rise, ratio, strict=True)]
    spread = Spread(tuple(f[0] for f in found), tuple(f[1] for f in found))
    error = float(np.mean([sample.error for sample in samples]))
    noise = float(np.mean([sample.noise for sample in samples]))
    scaled = z / spread.at(torch.from_numpy(ratio)).numpy()
    odds = [
        odds_against(error / noise, max(_tail(each), LEAST_TAILS)) for each in scaled
    ]
    return Survey(spread, tuple(odds))


def _spread(
    z: npt.NDArray[np.float32], ratio: npt.NDArray[np.float32]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Robust standard deviation of scores."""
    order = np.argsort(ratio, kind="stable")
    steps = int(np.clip(len(z) // PIXELS_PER_STEP, 1, MOST_STEPS))
    ratios, values = [], []
    for part in np.array_split(order, steps):
        middle, high = np.percentile(z[part], (50, BELOW))
        ratios.append(float(np.median(ratio[part])))
        values.append(max(float(high - middle) / FAR, LEAST_SPREAD))
    # interpolation needs ratios that rise
    kept = [k for k in range(steps) if k == 0 or ratios[k] > ratios[k - 1] + 1e-6]
    return tuple(ratios[k] for k in kept), tuple(values[k] for k in kept)


def odds_against(error: float, tails: float = 1.0) -> float:
    """Choose log odds such that false events hardly add to the error of a result.

    A false one at a score of z adds z squared times the variance of the noise, as far
    as it is put back.

    Parameters
    ----------
    error
        Mean variance of the result, over that of the noise.
    tails
        How many times as often as a Gaussian number a score is large by chance.
    """
    z = np.linspace(0, 12, 2401)
    energy = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * z**2 * (z[1] - z[0])
    for odds in np.arange(LEAST_ODDS, MOST_ODDS, 0.05):
        log_odds = z**2 / 2 - odds - np.log1p(z)
        added = tails * (energy / (1 + np.exp(-log_odds)) ** 2).sum()
        if added <= FALSE_ENERGY * error:
            return float(odds)
    return MOST_ODDS


def _tail(z: npt.NDArray[np.float32]) -> float:
    """Tell how many times as often as a Gaussian number scores are large, at most."""
    found = []
    for large in LARGE:
        expected = len(z) * math.erfc(large / math.sqrt(2)) / 2
        count = int((z > large).sum())
        found.append((count + math.sqrt(count)) / expected)
    return max(found)
