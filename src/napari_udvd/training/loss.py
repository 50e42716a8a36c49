"""The training loss, with the movie's own noise model in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.models import Prediction, negative_log_likelihood

if TYPE_CHECKING:
    from torch import Tensor

    from napari_udvd.calibration import Scaler

__all__ = ["pixel_loss"]


def pixel_loss(prediction: Prediction, noisy: Tensor, scaler: Scaler) -> Tensor:
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
    scaler
        Carries the noise model in network units.

    Returns
    -------
    Tensor
        ``(N, T, H, W)``.
    """
    variance = scaler.noise_variance(prediction.mean.detach())
    return negative_log_likelihood(prediction, noisy, variance)
