"""Networks: PyTorch modules that know nothing of stacks, files or training."""

from __future__ import annotations

from napari_udvd.models.centerblind import CenterBlind
from napari_udvd.models.ensemble import count_views, sweep_views
from napari_udvd.models.network import Network
from napari_udvd.models.prediction import (
    Prediction,
    negative_log_likelihood,
    posterior,
)
from napari_udvd.models.published import from_published, read_published
from napari_udvd.models.registry import NETWORKS, build_network
from napari_udvd.models.stabilise import CameraNoise
from napari_udvd.models.udvd import UDVD

__all__ = [
    "NETWORKS",
    "UDVD",
    "CameraNoise",
    "CenterBlind",
    "Network",
    "Prediction",
    "build_network",
    "count_views",
    "from_published",
    "negative_log_likelihood",
    "posterior",
    "read_published",
    "sweep_views",
]
