"""What generator and discriminator are told of a discriminator's answers.

Logistic as in the published training, without saturation for the generator; Wasserstein
as the published program offers it. An answer is large where a clip is taken for a real
one.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "discriminator_loss",
    "generator_loss",
    "wasserstein_discriminator_loss",
    "wasserstein_generator_loss",
]


def generator_loss(fake: Tensor) -> Tensor:
    """Return the logistic loss of the generator.

    Parameters
    ----------
    fake
        Answers to clips that it made, any shape.
    """
    return F.softplus(-fake).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logistic losses of the discriminator, which are added.

    Parameters
    ----------
    real, fake
        Answers to recorded clips, and to those that the generator made.

    Returns
    -------
    real, fake : Tensor
        What each costs.
    """
    return F.softplus(-real).mean(), F.softplus(fake).mean()


def wasserstein_generator_loss(fake: Tensor) -> Tensor:
    """Return the Wasserstein loss of the generator; see :func:`generator_loss`."""
    return -fake.mean()


def wasserstein_discriminator_loss(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return those of the discriminator; see :func:`discriminator_loss`."""
    return -real.mean(), fake.mean()
