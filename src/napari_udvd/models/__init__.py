"""Networks: PyTorch modules that know nothing of stacks, files or training."""

from __future__ import annotations

from napari_udvd.models.base import Clip, Geometry, Network
from napari_udvd.models.camera import CameraNoise
from napari_udvd.models.catalogue import NETWORKS, build_network
from napari_udvd.models.centerblind import CenterBlind
from napari_udvd.models.flow.base import ClipFlow, FlowNetwork
from napari_udvd.models.flow.light import LightFlow
from napari_udvd.models.flow.pwc_net import PWCNet
from napari_udvd.models.flow.warp import sample_bilinear, sample_nearest
from napari_udvd.models.likelihood import Prediction, negative_log_likelihood, posterior
from napari_udvd.models.published import (
    flow_from_published,
    from_published,
    read_published,
)
from napari_udvd.models.stbn.network import STBN
from napari_udvd.models.udvd.network import UDVD
from napari_udvd.models.views import count_views, sweep_views

__all__ = [
    "NETWORKS",
    "STBN",
    "UDVD",
    "CameraNoise",
    "CenterBlind",
    "Clip",
    "ClipFlow",
    "FlowNetwork",
    "Geometry",
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
