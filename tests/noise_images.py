"""Images of plain noise."""

from __future__ import annotations

import numpy as np
import torch


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))
