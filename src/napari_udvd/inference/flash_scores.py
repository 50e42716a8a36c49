"""Scores of events: how much better than the prediction they explain a frame.

Sums over templates are taken along rows and columns, one after the other, of strips of
rows: what is computed on the way is many times as large as a frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_udvd.cutting import cores, place_in

if TYPE_CHECKING:
    from napari_udvd.models import CameraNoise

__all__ = ["REACH", "TEMPLATES", "Frame", "Scores", "score"]

REACH = 2
"""Rows and columns from the centre of a template to its edge."""

STRIP = 2**16
"""Pixels that a processor scores at once, about."""

INNER = 1
"""Rows and columns from the centre that count for a score; hardly any is beyond."""

NEAR = math.exp(-1 / 2)
"""Height of a spot beside its centre; at a corner it is the square of that."""

SKEWED = 0.03
"""Relative deviation from which the skew of photons is computed as it is."""


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


@dataclass(frozen=True, eq=False)
class Scores:
    """How much better an event explains a frame where a template lies on it.

    Attributes
    ----------
    frame, noise
        What was looked at, and the noise of the camera.
    z
        ``(K, H, W)`` root of twice the log likelihood ratio of event and prediction;
        0 where the prediction explains more.
    fit
        ``(K, H, W)`` height of an event over its standard deviation: where something
        happens, the largest tells what it is like.
    """

    frame: Frame
    noise: CameraNoise
    z: Tensor
    fit: Tensor

    @property
    def rise(self) -> Tensor:
        """How much brighter than predicted, ``(K, H, W)``, in standard deviations.

        It tells how exact noise and prediction are.
        """
        return self._compared[0]

    @property
    def ratio(self) -> Tensor:
        """Log of the variance of the prediction over the noise's, ``(K, H, W)``."""
        return self._compared[1]

    def ratio_at(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the same at some places alone, ``(K, n)``."""
        _, m, s, measured = self.frame
        height, width = m.shape
        steps = torch.arange(-INNER, INNER + 1, device=m.device)
        y = rows[:, None, None] + steps[:, None]
        x = columns[:, None, None] + steps
        known = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        here = y.clamp(0, height - 1), x.clamp(0, width - 1)
        if measured is not None:
            known = known & measured[here]
        prior = torch.where(known, s[here].square(), 0.0)
        variance = torch.where(known, self.noise.variance(m[here]), 0.0)
        kernels = _kernels(m)
        return _share(
            torch.einsum("kij,nij->kn", kernels, prior),
            torch.einsum("kij,nij->kn", kernels, known.to(m)),
            torch.einsum("kij,nij->kn", kernels.square(), variance),
        ).log()

    @cached_property
    def _compared(self) -> tuple[Tensor, Tensor]:
        return _compared(self.frame, self.noise)


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

    A pixel is compared by its deviance, so that a dark place with few photons, whose
    noise is skewed, is judged as a bright one. Where a template has several pixels,
    part of an event is in the prediction, which has seen all of them but one, and which
    is unsure there. So its likelihood, pixel by pixel, is compared with that of an
    event on top of the neighbouring frames.

    Parameters
    ----------
    frame
        What was recorded and predicted.
    base
        What would be there without an event, ``(H, W)``.
    noise
        Of the camera.
    """
    height, width = base.shape
    rows = max(STRIP // width, 1) if base.device.type == "cpu" else height
    z, fit = (base.new_empty((len(TEMPLATES), height, width)) for _ in range(2))
    for own in cores(height, rows):
        seen = slice(max(own.start - INNER, 0), min(own.stop + INNER, height))
        inner = place_in(seen, own)
        y, m, s, measured = frame
        known = None if measured is None else measured[seen]
        part = Frame(y[seen], m[seen], s[seen], known)
        found = _evidence(part, base[seen], noise)
        for whole, each in zip((z, fit), found, strict=True):
            whole[:, own] = each[:, inner]
    return Scores(frame, noise, z, fit)


def _evidence(frame: Frame, base: Tensor, noise: CameraNoise) -> tuple[Tensor, Tensor]:
    """Root of twice the log likelihood ratio, and fits, ``(K, H, W)`` each.

    The ratio is that of event and prediction. The prediction of a pixel has not seen it
    but all others, so that the product of its likelihoods is a cross-validation.
    """
    y, m, s, measured = frame
    variance, prior = noise.variance(m), s.square()
    weight = 1 / variance
    plain = _plain_variance(m - noise.dark, noise)
    above, missed = y - base, y - m
    excess = torch.stack([above * weight, missed * weight, missed / plain])
    skewed = _skewed(excess.mul_(noise.gain))
    # a single pixel: by how much it is brighter than predicted
    single = (missed * skewed[2]).div_(plain.mul_(1 + prior * weight).sqrt_())
    above *= skewed[0]
    missed *= skewed[1]
    lack = torch.log1p(prior * weight).add_(missed.square_() / (variance + prior))
    risen = above * weight
    told = (lack.sub_(above.mul_(risen)), risen, weight)
    planes = m.new_zeros((len(told), m.shape[0] + 2 * INNER, m.shape[1] + 2 * INNER))
    for plane, each in zip(planes[:, INNER:-INNER, INNER:-INNER], told, strict=True):
        # not times the mask: what was not measured may be no number
        plane.copy_(each if measured is None else torch.where(measured, each, 0.0))
    gained, *_ = _summed(planes[:1], 1.0)
    fit = _under_each(planes[1:2], 1.0)
    fit /= _under_each(planes[2:], 2.0).clamp_min_(LEAST).sqrt_()
    z = fit.square()
    z[1:] = z[1:].add_(gained).clamp_min_(0).mul_(_is_positive(fit[1:])).sqrt_()
    z[0] = single.clamp_min_(0)
    return z if measured is None else torch.where(measured, z, 0.0), fit


def _compared(frame: Frame, noise: CameraNoise) -> tuple[Tensor, Tensor]:
    """Rise, and log ratio of variances, ``(K, H, W)`` each.

    Sums of noisy pixels are compared by their deviance.
    """
    y, m, s, measured = frame
    known = torch.ones_like(m) if measured is None else measured.to(m)
    told = (y - noise.dark, m - noise.dark, s.square(), noise.variance(m), known)
    planes = torch.stack([torch.where(known > 0, each, 0.0) for each in told])
    planes = F.pad(planes, (INNER,) * 4)[:, None]
    sums = (_under_each(each, 1.0) for each in planes[[0, 1, 2, 4]])
    light, predicted, prior, known = sums
    total = known.clamp_min(LEAST)
    # as many, alike in weight
    pixels = total.square() / _under_each(planes[4], 2.0).clamp_min(LEAST)
    light, predicted = light / total, predicted / total
    variance = _plain_variance(predicted, noise)
    rise = (light - predicted) / (variance / pixels).sqrt()
    rise = rise * _skewed(noise.gain * (light - predicted) / variance)
    share = _share(prior, total, _under_each(planes[3], 2.0))
    rise = rise / (1 + share).sqrt()
    if measured is not None:
        rise = torch.where(measured, rise, 0.0)
    return rise, share.log()


def _plain_variance(light: Tensor, noise: CameraNoise) -> Tensor:
    """Variance of the noise at so much light, which may be none."""
    return noise.gain * light.clamp_min(0) + noise.read_variance


def _share(prior: Tensor, total: Tensor, variance: Tensor) -> Tensor:
    """Ratio of variances of prediction and noise, from sums over templates.

    Parameters
    ----------
    prior, total
        Variances of the prediction, and what was measured, with a template as weights.
    variance
        Of the noise, with the square of the template as weights.
    """
    # a prediction errs alike in neighbours, the noise of each is its own
    return (prior * total / variance.clamp_min(LEAST)).clamp_min(LEAST)


def _under_each(plane: Tensor, power: float) -> Tensor:
    """Sum up ``(1, H + 2, W + 2)`` under each template to this power, ``(K, H, W)``."""
    pixel = plane[:, INNER:-INNER, INNER:-INNER]
    return torch.cat([pixel, *(_summed(plane, near**power) for near in (1.0, NEAR))])


def _summed(plane: Tensor, near: float) -> Tensor:
    """Add to every pixel of ``(1, H + 2, W + 2)`` those around it, times a factor.

    At corners its square: along the columns first, then along the rows.
    """
    row = torch.add(plane[..., 1:-1], plane[..., :-2] + plane[..., 2:], alpha=near)
    return torch.add(row[:, 1:-1], row[:, :-2] + row[:, 2:], alpha=near)


def _kernels(like: Tensor) -> Tensor:
    """Inner part of the templates, ``(K, 3, 3)``."""
    first = REACH - INNER
    return TEMPLATES[:, first:-first, first:-first].to(like)


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
    squared = u.square()
    series = 1 - u / 3 + squared / 6
    exact = (1 + u).mul_(torch.log1p(u)).sub_(u).mul_(2).div_(squared.clamp_min(1e-4))
    return series.lerp_(exact, _is_positive(u.abs() - SKEWED)).sqrt_()


def _is_positive(x: Tensor) -> Tensor:
    """One where numbers are positive, else zero.

    To choose by this is many times faster on a processor than by truth values.
    """
    return x.sign().clamp_min_(0)
