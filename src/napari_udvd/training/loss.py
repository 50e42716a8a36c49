"""The training loss, with the movie's own noise model in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.models import CameraNoise, Prediction, negative_log_likelihood

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["pixel_loss"]


def pixel_loss(prediction: Prediction, noisy: Tensor, noise: CameraNoise) -> Tensor:
    """Negative log likelihood of noisy pixels under prediction and noise.

    The noise is Poisson-Gaussian: its variance follows the predicted mean, as a
    constant (the gradient would otherwise reward a bright prediction for its large
    variance). Without a likelihood head this is the squared error, weighted by the
    inverse noise variance.

    Parameters
    ----------
    prediction
        Mean ``(N, T, C, H, W)``, in network units.
    noisy
        ``(N, T, C, H, W)``, in network units.
    noise
        In network units.

    Returns
    -------
    Tensor
        ``(N, T, H, W)``.
    """
    variance = noise.variance(prediction.mean.detach())
    return negative_log_likelihood(prediction, noisy, variance)
