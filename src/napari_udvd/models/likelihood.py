"""What a network says of a pixel, and how the noisy pixel is put back.

The likelihood head follows Laine et al. 2019 (section 3) in the form that Sheth et
al. 2021 publish: the clean pixel has a Gaussian prior with mean ``m`` and covariance
``A^T A``, the noise adds a known diagonal covariance. All variances are in the
squared units of the network's input.

Nothing is added to either, where the published code adds a constant to both: in units
of a movie's range, a constant is larger than the noise of what is dim beside something
bright, and would put that noise back.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor

__all__ = [
    "Prediction",
    "factor_entries",
    "negative_log_likelihood",
    "posterior",
    "posterior_loss",
    "prior_loss",
    "split",
]

LEAST_VARIANCE = 1e-4
"""Of the prior, relative to the noise, where the truth is known: keeps the loss
bounded."""


class Prediction(NamedTuple):
    """Blind-spot prediction of clean pixels.

    Attributes
    ----------
    mean
        ``(..., C, H, W)``.
    factor
        ``A`` with shape ``(..., C, C, H, W)`` such that ``A^T A`` is the prior
        covariance between channels, or None for a network trained on the mean only.
    """

    mean: Tensor
    factor: Tensor | None = None

    @property
    def std(self) -> Tensor | None:
        """Prior standard deviation per channel, ``(..., C, H, W)``."""
        if self.factor is None:
            return None
        std: Tensor = self.factor.square().sum(dim=-4).sqrt()
        return std


def factor_entries(channels: int) -> int:
    """Count the output channels that hold the factor ``A``."""
    return channels * (channels + 1) // 2


def split(output: Tensor, channels: int) -> Prediction:
    """Read the output channels of a network.

    Parameters
    ----------
    output
        ``(..., K, H, W)`` with ``K = channels`` (mean only) or ``channels +
        factor_entries(channels)``. The entries fill ``A`` row by row; row ``i`` has
        its ``channels - i`` entries in columns ``0 .. channels - 1 - i``.
    channels
        Channels of the movie.
    """
    mean = output[..., :channels, :, :]
    if output.shape[-3] == channels:
        return Prediction(mean)
    if channels == 1:
        return Prediction(mean, output[..., 1:, None, :, :])
    entries = output[..., channels:, :, :].unbind(-3)
    zero = torch.zeros_like(entries[0])
    rows, first = [], 0
    for i in range(channels):
        row = entries[first : first + channels - i]
        rows.append(torch.stack([*row, *[zero] * i], dim=-3))
        first += channels - i
    return Prediction(mean, torch.stack(rows, dim=-4))


def negative_log_likelihood(
    prediction: Prediction, noisy: Tensor, noise_variance: Tensor
) -> Tensor:
    """Negative log likelihood of noisy pixels, without the constant.

    ``(y - m)^T S^-1 (y - m) / 2 + log det S / 2`` with ``S = A^T A + v I``; the
    squared error over the noise variance where the prediction has no factor.

    Parameters
    ----------
    prediction
        Mean ``(..., C, H, W)`` and factor.
    noisy
        ``(..., C, H, W)``.
    noise_variance
        Positive, broadcastable to `noisy`.

    Returns
    -------
    Tensor
        Per pixel, ``(..., H, W)``.
    """
    residual = noisy - prediction.mean
    variance = noise_variance.expand_as(residual)
    if prediction.factor is None:
        return (residual.square() / variance).sum(dim=-3) / 2
    if residual.shape[-3] == 1:
        total = prediction.factor[..., 0, :, :].square() + variance
        return ((residual.square() / total + total.log()) / 2).squeeze(-3)
    exact = _exact(noisy)
    covariance = _prior_covariance(prediction.factor.to(exact)) + torch.diag_embed(
        _channels_last(variance.to(exact))
    )
    residual = _channels_last(residual.to(exact))
    # without a check: what is not finite shall show in the loss
    lower, _ = torch.linalg.cholesky_ex(covariance)
    white = torch.linalg.solve_triangular(lower, residual[..., None], upper=False)
    log_det = 2 * lower.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
    loss: Tensor = (white.squeeze(-1).square().sum(dim=-1) + log_det) / 2
    return loss.to(noisy.dtype)


def posterior(
    prediction: Prediction, noisy: Tensor, noise_variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Combine the blind-spot prediction with the noisy pixel it did not see.

    Precision-weighted mean of the prior ``N(m, A^T A)`` and the observation ``N(y, v
    I)`` with a positive ``v``.

    Returns
    -------
    mean, std
        Posterior mean and standard deviation, ``(..., C, H, W)`` each.

    Raises
    ------
    ValueError
        If the prediction has no factor (a network trained on the mean only).
    """
    if prediction.factor is None:
        raise ValueError("a mean-only prediction has no posterior")
    variance = noise_variance.expand_as(noisy)
    if noisy.shape[-3] == 1:
        prior = prediction.factor[..., 0, :, :].square()
        # a ratio first: products of variances may be too small for float32
        gain = prior / (prior + variance)
        mean = prediction.mean + gain * (noisy - prediction.mean)
        return mean, (gain * variance).sqrt()
    exact = _exact(noisy)
    prior = _prior_covariance(prediction.factor.to(exact))
    noise = torch.diag_embed(_channels_last(variance.to(exact)))
    # gain = prior (prior + noise)^-1; both are symmetric
    gain = torch.linalg.solve(prior + noise, prior).mT
    innovation = _channels_last(noisy - prediction.mean)[..., None]
    step = (gain @ innovation.to(exact)).squeeze(-1)
    mean = prediction.mean + _channels_first(step).to(prediction.mean)
    covariance = prior - gain @ prior
    std = covariance.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt()
    return mean, _channels_first(std).to(mean)


def posterior_loss(
    prediction: Prediction, noisy: Tensor, truth: Tensor, noise_variance: Tensor
) -> Tensor:
    """Negative log likelihood of the truth under the posterior, for one channel.

    It is what the user gets that is judged, mean and uncertainty, and on a relative
    scale: halving the error counts the same in dim movies, where hundreds of pixels
    must be averaged, as in bright ones. The likelihood of noisy pixels, which is all
    there is in training on a movie itself, hardly tells good from excellent in the
    dim.

    Parameters
    ----------
    prediction
        Mean ``(..., 1, H, W)`` and factor.
    noisy, truth
        Of the same shape as the mean.
    noise_variance
        Positive, broadcastable to `noisy`.

    Returns
    -------
    Tensor
        Per pixel, ``(..., H, W)``.
    """
    assert prediction.factor is not None
    prior = prediction.factor[..., 0, :, :].square() + LEAST_VARIANCE * noise_variance
    total = noise_variance + prior
    mean = (prediction.mean * noise_variance + noisy * prior) / total
    variance = prior * noise_variance / total
    error = (truth - mean).square()
    return (error / variance + (variance / noise_variance).log()).squeeze(-3) / 2


def prior_loss(prediction: Prediction, truth: Tensor, noise_variance: Tensor) -> Tensor:
    """Negative log likelihood of the truth under the prediction, for one channel.

    What is judged where nothing was measured; on the scale of :func:`posterior_loss`.

    Parameters
    ----------
    prediction
        Mean ``(..., 1, H, W)`` and factor.
    truth
        Of the same shape as the mean.
    noise_variance
        That a measured pixel would have: positive, broadcastable to `truth`.

    Returns
    -------
    Tensor
        Per pixel, ``(..., H, W)``.
    """
    assert prediction.factor is not None
    prior = prediction.factor[..., 0, :, :].square() + LEAST_VARIANCE * noise_variance
    error = (truth - prediction.mean).square()
    return (error / prior + (prior / noise_variance).log()).squeeze(-3) / 2


def _exact(x: Tensor) -> torch.dtype:
    """Type in which channels that move together do not make a singular matrix."""
    return torch.float32 if x.device.type == "mps" else torch.float64


def _prior_covariance(factor: Tensor) -> Tensor:
    """``A^T A`` with the channel axes last: ``(..., H, W, C, C)``."""
    a = rearrange(factor, "... i j h w -> ... h w i j")
    return a.mT @ a


def _channels_last(x: Tensor) -> Tensor:
    return rearrange(x, "... c h w -> ... h w c")


def _channels_first(x: Tensor) -> Tensor:
    return rearrange(x, "... h w c -> ... c h w")
