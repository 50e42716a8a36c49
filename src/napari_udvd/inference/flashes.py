"""Flashes: events of a single frame, which no prediction can know of.

A pixel that is predicted from everything but itself says nothing of what happened in
it alone, and what is left of the prediction in a Gaussian posterior fades with it. So
every frame is searched for templates of an event that the noise cannot explain (a
matched filter, its detection threshold a prior odds ratio), and those that are found
are put back as they were recorded.

Tensors of one frame are ``(H, W)``, in network units.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_udvd.formats import cell, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.models import CameraNoise

__all__ = [
    "KINDS",
    "Candidate",
    "Flash",
    "Frame",
    "Scores",
    "Spread",
    "find",
    "flash_table",
    "put_back",
    "score",
]

KINDS = "pixel", "3x3", "spot"
"""Templates of an event: one pixel, a square, a Gaussian of standard deviation 1."""

REACH = 2
"""Rows and columns from the centre of a template to its edge."""

FOOTPRINT = 0.3
"""Height of a template above which an event takes the place of what was there."""

LEAST_WEIGHT = 0.02
"""Of an event that is worth the trouble."""


@dataclass(frozen=True)
class Flash:
    """An event of a single frame that was put back.

    Attributes
    ----------
    frame, channel, plane, row, column
        Where its centre is.
    kind
        Which template it is like, one of :data:`KINDS`.
    amplitude
        Height above the neighbouring frames, grey levels.
    z
        Height above the prediction, in standard deviations of what noise and
        prediction explain.
    probability
        That it is an event and not noise.
    """

    frame: int
    channel: int
    plane: int
    row: int
    column: int
    kind: str
    amplitude: float
    z: float
    probability: float


def flash_table(flashes: Sequence[Flash]) -> bytes:
    """Return events as a table (CSV), a row for each, counted from zero."""
    head = [each.name for each in fields(Flash)]
    rows = (
        [cell(each) if isinstance(each, float) else each for each in astuple(flash)]
        for flash in flashes
    )
    return table(head, rows)


class Frame(NamedTuple):
    """A frame, and what is said of it without a look at the pixels themselves.

    Attributes
    ----------
    noisy
        As recorded.
    mean, std
        Blind prediction: mean and standard deviation of the clean pixels.
    measured
        Which pixels were measured, bool; None where all were.
    """

    noisy: Tensor
    mean: Tensor
    std: Tensor
    measured: Tensor | None = None


class Scores(NamedTuple):
    """How much better an event explains a frame where a template lies on it.

    Attributes
    ----------
    rise
        ``(K, H, W)`` brighter than predicted, in standard deviations: tells how exact
        noise and prediction are.
    z
        ``(K, H, W)`` root of twice the log likelihood ratio of event and prediction;
        0 where the prediction explains more.
    ratio
        ``(K, H, W)`` log of the variance of the prediction over that of the noise.
    fit
        ``(K, H, W)`` height of an event over its standard deviation: where something
        happens, the largest tells what it is like.
    """

    rise: Tensor
    z: Tensor
    ratio: Tensor
    fit: Tensor


class Candidate(NamedTuple):
    """A place in a frame, its template, and how sure it is that something happened."""

    row: int
    column: int
    kind: int
    z: float
    log_odds: float

    @property
    def weight(self) -> float:
        """Probability that it is an event."""
        return 1 / (1 + math.exp(-max(self.log_odds, -50.0)))


@dataclass(frozen=True)
class Spread:
    """Standard deviation of the scores where nothing happens.

    It would be one everywhere if the network knew its errors, the noise model were
    exact, and noise independent in neighbouring pixels.

    Attributes
    ----------
    ratios
        ``(K, B)`` log ratios, rising: of the prediction's variance to the noise's.
    values
        ``(K, B)`` the spread there, at least one.
    """

    ratios: tuple[tuple[float, ...], ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, ratio: Tensor) -> Tensor:
        """Interpolate for ``(K, H, W)``; constant beyond both ends."""
        found = torch.empty_like(ratio)
        for k, (ratios, values) in enumerate(
            zip(self.ratios, self.values, strict=True)
        ):
            if min(values) == max(values):
                found[k] = values[0]
                continue
            x, y = (torch.tensor(v, device=ratio.device) for v in (ratios, values))
            right = torch.bucketize(ratio[k], x[1:-1]) + 1
            slope = (y[1:] - y[:-1]) / (x[1:] - x[:-1])
            inside = ratio[k].clamp(ratios[0], ratios[-1])
            found[k] = y[right - 1] + slope[right - 1] * (inside - x[right - 1])
        return found


def _templates() -> Tensor:
    """Heights of the templates, ``(K, 5, 5)``, one at the centre."""
    steps = torch.arange(-REACH, REACH + 1, dtype=torch.float32)
    far = torch.maximum(steps.abs()[:, None], steps.abs()[None])
    spot = torch.exp(-(steps[:, None] ** 2 + steps[None] ** 2) / 2)
    return torch.stack([(far == 0).float(), (far <= 1).float(), spot])


TEMPLATES = _templates()

LEAST = 1e-30
"""Stands for nothing where it is divided by."""


def score(frame: Frame, base: Tensor, noise: CameraNoise) -> Scores:
    """Compare a frame with its prediction, under every template.

    Sums of noisy pixels are compared by their deviance, so that a dark place with few
    photons, whose noise is skewed, is judged as a bright one. Where a template has
    several pixels, part of an event is in the prediction, which has seen all of them
    but one, and which is unsure there. So its likelihood, pixel by pixel, is compared
    with that of an event on top of the neighbouring frames.

    Parameters
    ----------
    frame
        What was recorded and predicted.
    base
        What would be there without an event, ``(H, W)``.
    noise
        Of the camera.
    """
    y, m, s, measured = frame
    known = torch.ones_like(m) if measured is None else measured.to(m)
    told = (y - noise.dark, m - noise.dark, s.square(), noise.variance(m))
    # not times the mask: what was not measured may be no number
    planes = torch.stack([*(torch.where(known > 0, each, 0.0) for each in told), known])
    inside = TEMPLATES[1:, 1:-1, 1:-1]  # hardly anything is beyond
    kernels = torch.cat([inside, inside[1:].square()]).to(m)[:, None]
    square, spot, spot_squared = F.conv2d(planes[:, None], kernels, padding=1).unbind(1)
    found = [
        _compared(sums, squares, noise)
        for sums, squares in (
            (planes, planes),
            (square, square),
            (spot, spot_squared),
        )
    ]
    rise, ratio = (torch.stack(each) for each in zip(*found, strict=True))
    evidence, fit = _evidence(frame, base, noise, known > 0)
    z = torch.cat([rise[:1].clamp_min(0), evidence])
    if measured is not None:
        rise, z = (torch.where(measured, each, 0.0) for each in (rise, z))
    return Scores(rise, z, ratio, fit)


def _evidence(
    frame: Frame, base: Tensor, noise: CameraNoise, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Root of twice the log likelihood ratio ``(2, H, W)``, and fits ``(3, H, W)``.

    The ratio is that of event and prediction, of the templates that have several
    pixels. The prediction of a pixel has not seen it but all others, so that the
    product of its likelihoods is a cross-validation.
    """
    y, m, s, _ = frame
    variance, prior = noise.variance(m), s.square()
    weight = 1 / variance
    above, missed = (
        rise * _skewed(noise.gain * rise * weight) for rise in (y - base, y - m)
    )
    lack = missed.square() / (variance + prior) + torch.log1p(prior * weight)
    told = (lack - above.square() * weight, above * weight, weight)
    planes = torch.stack([torch.where(known, each, 0.0) for each in told])[:, None]
    inside = TEMPLATES[:, 1:-1, 1:-1].to(m)[:, None]
    gained = F.conv2d(planes[:1], inside[1:2], padding=1)[0]
    power = F.conv2d(planes[2:], inside.square(), padding=1)[0].clamp_min(LEAST)
    fit = F.conv2d(planes[1:2], inside, padding=1)[0] / power.sqrt()
    twice = gained + fit[1:].square()
    return torch.where(fit[1:] > 0, twice.clamp_min(0), 0.0).sqrt(), fit


def _compared(
    sums: Tensor, squares: Tensor, noise: CameraNoise
) -> tuple[Tensor, Tensor]:
    """Rise of one template, and log ratio of variances, ``(H, W)`` each.

    Parameters
    ----------
    sums, squares
        ``(5, H, W)``: light, predicted light, variances of prediction and noise, and
        what was measured, summed up with the template and with its square as weights.
    noise
        Of one pixel.
    """
    total = sums[4].clamp_min(LEAST)
    pixels = total.square() / squares[4].clamp_min(LEAST)  # as many, alike in weight
    light, predicted = sums[0] / total, sums[1] / total
    variance = noise.gain * predicted.clamp_min(0) + noise.read_variance
    rise = (light - predicted) / (variance / pixels).sqrt()
    rise = rise * _skewed(noise.gain * (light - predicted) / variance)
    # a prediction errs alike in neighbours, the noise of each is its own
    share = (sums[2] * total / squares[3].clamp_min(LEAST)).clamp_min(LEAST)
    return rise / (1 + share).sqrt(), share.log()


def _skewed(excess: Tensor) -> Tensor:
    """Factor that makes a deviation from a mean of few photons a Gaussian one.

    The deviance residual of a Poisson variable: half its square is the logarithm of the
    likelihood ratio.

    Parameters
    ----------
    excess
        Deviation over the mean, both in photons; the mean with read noise counted as
        photons.
    """
    u = excess.clamp_min(-0.99)
    series = 1 - u / 3 + u.square() / 6
    exact = 2 * ((1 + u) * torch.log1p(u) - u) / u.square().clamp_min(1e-4)
    return torch.where(u.abs() < 0.03, series, exact).sqrt()


def find(scores: Scores, spread: Spread, odds: Sequence[float]) -> list[Candidate]:
    """Find what is likely to be an event, the surest first.

    Parameters
    ----------
    scores
        Of a frame.
    spread
        Of scores where nothing happens.
    odds
        Log odds against an event, for each template.

    Returns
    -------
    list of Candidate
        None is in the middle of another.
    """
    z = scores.z / spread.at(scores.ratio)
    positive = z.clamp_min(0)
    against = torch.tensor(odds, device=z.device)[:, None, None]
    log_odds = positive.square() / 2 - against - torch.log1p(positive)
    best, kind = log_odds.max(dim=0)
    least = math.log(LEAST_WEIGHT / (1 - LEAST_WEIGHT))
    if not bool(best.max() > least):
        return []
    places = (best > least).nonzero()
    heights = best.cpu().numpy()
    highest = [
        heights[
            max(y - REACH, 0) : y + REACH + 1, max(x - REACH, 0) : x + REACH + 1
        ].max()
        == heights[y, x]
        for y, x in places.tolist()  # few: quicker than a filter of the whole frame
    ]
    places = places[torch.tensor(highest, device=places.device)]
    rows, columns = places.unbind(1)
    which, alike = kind[rows, columns], scores.fit[:, rows, columns].argmax(dim=0)
    found = [
        Candidate(*each)
        for each in zip(
            rows.tolist(),
            columns.tolist(),
            alike.tolist(),
            z[which, rows, columns].tolist(),
            best[rows, columns].tolist(),
            strict=True,
        )
    ]
    return sorted(found, key=lambda each: -each.log_odds)


def put_back(
    mean: Tensor,
    std: Tensor,
    frame: Frame,
    base: Tensor,
    base_std: Tensor,
    noise: CameraNoise,
    found: Candidate,
) -> float:
    """Put an event into a result, in place, as likely as it is one.

    Parameters
    ----------
    mean, std
        The result.
    frame
        What was recorded.
    base, base_std
        What would be there without the event, from the frames before and after, and
        its standard deviation.
    noise
        Of the camera.
    found
        The event.

    Returns
    -------
    float
        Its amplitude above the base, at least 0.
    """
    height, width = mean.shape
    rows = slice(max(found.row - REACH, 0), min(found.row + REACH + 1, height))
    columns = slice(max(found.column - REACH, 0), min(found.column + REACH + 1, width))
    here = rows, columns
    inside = (
        slice(rows.start - found.row + REACH, rows.stop - found.row + REACH),
        slice(
            columns.start - found.column + REACH, columns.stop - found.column + REACH
        ),
    )
    template = TEMPLATES[found.kind].to(mean)[inside]
    if frame.measured is not None:
        template = template * frame.measured[here]
    power = template.square().sum()
    above = torch.where(template > 0, frame.noisy[here] - base[here], 0.0)
    amplitude = ((template * above).sum() / power).clamp_min(0)
    event = base[here] + amplitude * template
    variance = torch.where(template > 0, noise.variance(event), 0.0)
    fitted = (template.square() * variance).sum() / power.square()
    unsure = (
        template.square() * fitted + (1 - template).square() * base_std[here].square()
    )
    weight = found.weight * (template / FOOTPRINT).clamp_max(1)
    before, spread = mean[here], std[here].square()
    # of a mixture: what each says of its own, and how far they are apart
    mixed = (
        (1 - weight) * spread
        + weight * unsure
        + weight * (1 - weight) * (event - before).square()
    )
    is_touched = template > 0
    mean[here] = torch.where(is_touched, before + weight * (event - before), before)
    std[here] = torch.where(is_touched, mixed.sqrt(), std[here])
    return float(amplitude)
