"""Make the predicted standard deviation hold what it promises.

A network learns a variance, and rare surprises (flashes, cuts) widen it: one standard
deviation then holds more than 68 % of the errors. How many it really holds on a movie
is measured by doing the experiment again (a parametric bootstrap): the denoised movie
is taken as the truth, gets simulated noise, and is denoised once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["StdCalibration", "fit_std"]

ONE_STD = 0.6827
"""Share of the errors within one standard deviation of a normal distribution."""

CLASSES = 12
"""Classes of predicted uncertainty that get a factor of their own."""


@dataclass(frozen=True)
class StdCalibration:
    """Factor of the predicted standard deviation, by how uncertain it is.

    Attributes
    ----------
    levels
        Predicted standard deviation over that of the noise, rising.
    factors
        What to multiply it by there; in between by interpolation on a log scale.
    """

    levels: tuple[float, ...] = (1.0,)
    factors: tuple[float, ...] = (1.0,)

    def apply(self, std: Tensor, noise_std: Tensor) -> Tensor:
        """Correct a standard deviation; any shape, and units that are the same."""
        if len(self.levels) == 1:
            return std * self.factors[0]
        levels = torch.tensor(self.levels, device=std.device).log()
        factors = torch.tensor(self.factors, device=std.device)
        level = (std / noise_std).clamp_min(1e-12).log()
        level = level.clamp(levels[0], levels[-1])
        right = torch.searchsorted(levels, level).clamp(1, len(levels) - 1)
        low, high = levels[right - 1], levels[right]
        share = (level - low) / (high - low)
        return std * torch.lerp(factors[right - 1], factors[right], share)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"levels": list(self.levels), "factors": list(self.factors)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> StdCalibration:
        """Rebuild from what :meth:`to_dict` returned."""
        levels, factors = values["levels"], values["factors"]
        return cls(tuple(map(float, levels)), tuple(map(float, factors)))


def fit_std(
    error: npt.NDArray[np.float32],
    std: npt.NDArray[np.float32],
    noise_std: npt.NDArray[np.float32],
) -> StdCalibration:
    """Choose factors such that one standard deviation holds 68 % in every class.

    Parameters
    ----------
    error
        Of the repeated experiment, any sign.
    std
        Predicted for it.
    noise_std
        Of the noise; shapes and units of all three are the same.
    """
    level = (std / noise_std).ravel()
    ratio = np.abs(error / std).ravel()
    edges = np.unique(np.quantile(level, np.linspace(0, 1, CLASSES + 1)))
    which = np.clip(np.searchsorted(edges, level, side="right") - 1, 0, len(edges) - 2)
    levels, factors = [], []
    for k in range(max(len(edges) - 1, 1)):
        here = which == k
        if here.any():
            levels.append(float(np.median(level[here])))
            factors.append(float(np.quantile(ratio[here], ONE_STD)))
    return StdCalibration(tuple(levels), tuple(factors))
