"""Whether one guess is closer to an independent copy than another, and how sure.

Noise that a denoiser left is alike from pixel to pixel, so that differences of squares
are summed over cells first, which are taken as independent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CELL", "SURE", "cell_sums", "sureness"]

Doubles = npt.NDArray[np.float64]

CELL = 16
"""Rows and columns whose differences are taken as independent."""

SURE = 2.0
"""Standard errors that something must bring the result closer by to be believed."""


def cell_sums(squares: Tensor) -> Doubles:
    """Sum frames ``(T, rows, columns)`` over cells; returns one number for each."""
    height, width = squares.shape[-2:]
    padded = F.pad(squares, (0, -width % CELL, 0, -height % CELL))
    sums = F.avg_pool2d(padded, CELL) * CELL**2
    return np.asarray(sums.flatten().double().cpu().numpy())


def sureness(differences: Doubles) -> float:
    """Return the mean of differences over its standard error; 0 for none at all."""
    error = float(differences.std()) / math.sqrt(max(differences.size - 1, 1))
    return float(differences.mean()) / error if error > 0 else 0.0
