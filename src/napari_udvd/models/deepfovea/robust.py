"""The adaptive robust loss (Barron, CVPR 2019): its shape and scale are learned.

Between the logarithm of a Cauchy density (alpha 0) and a square (alpha 2), by way of
Charbonnier's loss (alpha 1). As the loss is the negative logarithm of a density, it can
choose alpha and scale by itself. The logarithm of the density's normalisation is
integrated here, where others read a table.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["RobustLoss", "log_partition"]

ALPHAS = 0.001, 1.999
"""Range of alpha: at the ends, 0 and 2, the formula divides by zero."""

LEAST_SCALE = 1e-5

STEP, REACH = 0.05, 36.0
"""Nodes of the integral, in asinh of the residual: the rest is below 1e-15."""


class RobustLoss(nn.Module):
    """Adaptive robust loss with parameters of its own, to be optimised with the net's.

    Parameters
    ----------
    shape
        Of alpha and scale, broadcast with the residuals: ``(channels, 1, 1)`` has one
        pair for each channel. The published training has a pair for each value of its
        output, 14 million.
    """

    def __init__(self, shape: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.latent_alpha = nn.Parameter(torch.zeros(shape))
        self.latent_scale = nn.Parameter(torch.zeros(shape))

    @property
    def alpha(self) -> Tensor:
        """Shape of the loss, 0.001 to 1.999; 1 to begin with."""
        low, high = ALPHAS
        return low + (high - low) * self.latent_alpha.sigmoid()

    @property
    def scale(self) -> Tensor:
        """Residual at which the loss bends, in units of the frames; 1 to begin with."""
        grown = F.softplus(self.latent_scale + math.log(math.e - 1))
        return LEAST_SCALE + (1 - LEAST_SCALE) * grown

    def elements(self, residual: Tensor) -> Tensor:
        """Return the negative logarithm of the density of each residual."""
        alpha, scale = self.alpha, self.scale
        return _rho(residual / scale, alpha) + scale.log() + log_partition(alpha)

    def forward(self, residual: Tensor, where: Tensor | None = None) -> Tensor:
        """Return the mean over all residuals, or over some.

        Parameters
        ----------
        residual
            Prediction minus label.
        where
            Bool, broadcast with the residuals: those that count. Elsewhere they may be
            any number, or none.

        Returns
        -------
        Tensor
            One number; zero if no residual counts.
        """
        if where is None:
            return self.elements(residual).mean()
        where = where.expand_as(residual)
        elements = self.elements(torch.where(where, residual, 0))
        return torch.where(where, elements, 0).sum() / where.sum().clamp(min=1)


def log_partition(alpha: Tensor) -> Tensor:
    """Return the logarithm of ``∫ exp(-rho(x, alpha)) dx``, by integration.

    Parameters
    ----------
    alpha
        Any shape, strictly between 0 and 2; its entries are a few, since each is
        integrated over 720 nodes.

    Returns
    -------
    Tensor
        In the shape and type of `alpha`, with its gradient.
    """
    nodes = torch.arange(
        STEP / 2, REACH, STEP, device=alpha.device, dtype=torch.float64
    )
    # x = sinh(u): nodes are dense where the density is, and reach as far as its tails
    densities = nodes.cosh().log() - _rho(nodes.sinh(), alpha.double().unsqueeze(-1))
    return (densities.logsumexp(-1) + math.log(2 * STEP)).to(alpha.dtype)


def _rho(x: Tensor, alpha: Tensor) -> Tensor:
    """Return Barron's general loss for scale 1."""
    bend = 2 - alpha
    # expm1 and log1p keep the digits that a power near 1 would lose
    power = torch.expm1(alpha / 2 * torch.log1p(x.square() / bend))
    return bend / alpha * power
