"""Networks: PyTorch modules that know nothing of stacks, files or training."""

from __future__ import annotations

from napari_udvd.models.prediction import (
    Prediction,
    negative_log_likelihood,
    posterior,
)
from napari_udvd.models.published import from_published, read_published
from napari_udvd.models.udvd import UDVD

__all__ = [
    "UDVD",
    "Prediction",
    "from_published",
    "negative_log_likelihood",
    "posterior",
    "read_published",
]
