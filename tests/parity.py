"""The rule by which the weights of the published results were drawn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["published_weights"]


def published_weights(case: Mapping[str, Any]) -> dict[str, Tensor]:
    """Draw the weights by the rule that the published numbers were computed with."""
    rng = np.random.default_rng(int(case["seed"]))
    weights = {}
    names = case["names"]
    gains = case.get("gains", np.full(len(names), case.get("gain")))
    for name, shape, gain in zip(names, case["shapes"], gains, strict=True):
        shape = tuple(int(n) for n in re.findall(r"\d+", str(shape)))
        weight = rng.standard_normal(shape).astype(np.float32)
        if len(shape) > 1:
            weight *= float(gain) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            weight *= 0.05
        weights[str(name)] = torch.from_numpy(weight.astype(np.float32))
    return weights
