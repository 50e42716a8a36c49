"""What a refiner sees of three frames: everything in units of its own uncertainty.

A blind-spot network predicts mean and standard deviation of the clean pixel, the noise
model says how far the noisy pixel may be from it; the posterior combines both, pixel
by pixel. What is left in it shows where neighbours, in space and in time, differ by
more than their uncertainty allows. In these units every movie looks alike, whatever
its grey levels, gain and noise.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["INPUTS", "Evidence", "Posterior", "inputs_of", "posterior_of"]

INPUTS = 12
"""Numbers per pixel."""

BLUR = 5
"""Rows and columns of the average that the posterior mean is compared with."""

STRAIGHT = 20.0
"""Standard deviations of the noise up to which what is seen of noisy pixels is linear.

The noise of few photons is skew: the average of a curved function of it is not zero
where that of the noise is, and dim movies are refined by averages over many pixels.
"""

LEAST_RATIO = 1e-6
"""Smallest prior standard deviation, in units of the noise, that is told apart."""


class Evidence(NamedTuple):
    """What is known of three frames in a row, before the middle one is refined.

    Each is ``(3, ..., H, W)``, in any one unit: the frame before, the frame itself,
    the frame after.

    Attributes
    ----------
    mean, std
        Of the blind-spot prediction: the prior, which has not seen its own pixel.
    noisy
        The movie. Where nothing was measured, the same as `mean`.
    variance
        Of the noise where the clean movie is `mean`; positive.
    """

    mean: Tensor
    std: Tensor
    noisy: Tensor
    variance: Tensor


class Posterior(NamedTuple):
    """Mean and standard deviation with the noisy pixel put back, ``(..., H, W)``."""

    mean: Tensor
    std: Tensor


def posterior_of(evidence: Evidence) -> Posterior:
    """Put the noisy pixel back, weighted by what is known of its noise."""
    prior = _prior_variance(evidence)
    # a ratio first: products of variances may be too small for float32
    gain = prior / (prior + evidence.variance)
    mean = evidence.mean + gain * (evidence.noisy - evidence.mean)
    return Posterior(mean, (gain * evidence.variance).sqrt())


def inputs_of(evidence: Evidence, posterior: Posterior) -> Tensor:
    """Gather what the network sees, ``(N, INPUTS, H, W)``.

    Parameters
    ----------
    evidence
        ``(3, N, H, W)`` each.
    posterior
        Of the evidence, see :func:`posterior_of`.
    """
    mean, _, noisy, variance = evidence
    prior = _prior_variance(evidence)
    surprise = (noisy - mean) / (prior + variance).sqrt()
    certainty = (prior / variance).log() / 4
    sigma = variance[1].sqrt()
    before, own, after = posterior.mean
    rho = posterior.std[1]
    around = own - _blurred(own)
    noises = [*surprise.unbind(), (noisy[1] - own) / sigma]
    differences = [
        (before - own) / rho,
        (after - own) / rho,
        around / rho,
        around / sigma,
        (mean[1] - own) / rho,
    ]
    return torch.cat(
        [
            STRAIGHT * _asinh(torch.stack(noises, dim=1) / STRAIGHT),
            _asinh(torch.stack(differences, dim=1)),
            certainty.transpose(0, 1),
        ],
        dim=1,
    )


def _prior_variance(evidence: Evidence) -> Tensor:
    return torch.maximum(evidence.std.square(), LEAST_RATIO**2 * evidence.variance)


def _blurred(image: Tensor) -> Tensor:
    """Average over a box, ``(N, H, W)``; at the border over what there is of it."""
    for axis in (-2, -1):
        length, reach = image.shape[axis], BLUR // 2
        wide = F.pad(image, (0, 0, reach, reach) if axis == -2 else (reach, reach))
        total = sum(
            (wide.narrow(axis, k, length) for k in range(1, BLUR)),
            wide.narrow(axis, 0, length),
        )
        places = torch.arange(length, device=image.device)
        seen = (places + reach + 1).clamp_max(length) - (places - reach).clamp_min(0)
        image = total / (seen[:, None] if axis == -2 else seen)
    return image


def _asinh(x: Tensor) -> Tensor:
    """Inverse hyperbolic sine, which the library computes one by one on processors."""
    root = torch.addcmul(x.new_ones(()), x, x).sqrt()
    # the logarithm of the sum of both, exact where that is near one
    return torch.log1p(x.abs() + (root - 1)).copysign(x)
