"""Networks: PyTorch modules that know nothing of stacks, files or training."""

from __future__ import annotations

from napari_udvd.models.centerblind import CenterBlind
from napari_udvd.models.ensemble import count_views, sweep_views
from napari_udvd.models.flow import ClipFlow, FlowNetwork
from napari_udvd.models.light_flow import LightFlow
from napari_udvd.models.network import Network
from napari_udvd.models.prediction import (
    Prediction,
    negative_log_likelihood,
    posterior,
)
from napari_udvd.models.published import (
    flow_from_published,
    from_published,
    read_published,
)
from napari_udvd.models.pwc_net import PWCNet
from napari_udvd.models.registry import NETWORKS, build_network
from napari_udvd.models.stabilise import CameraNoise
from napari_udvd.models.stbn import STBN
from napari_udvd.models.udvd import UDVD
from napari_udvd.models.warp import sample_bilinear, sample_nearest

__all__ = [
    "NETWORKS",
    "STBN",
    "UDVD",
    "CameraNoise",
    "CenterBlind",
    "ClipFlow",
    "FlowNetwork",
    "LightFlow",
    "Network",
    "PWCNet",
    "Prediction",
    "build_network",
    "count_views",
    "flow_from_published",
    "from_published",
    "negative_log_likelihood",
    "posterior",
    "read_published",
    "sample_bilinear",
    "sample_nearest",
    "sweep_views",
]
