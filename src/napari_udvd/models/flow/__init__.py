"""Optical flow: what its networks share, the networks, fetching along a flow."""

from __future__ import annotations

from napari_udvd.models.flow.base import ClipFlow, FlowNetwork
from napari_udvd.models.flow.light import LightFlow
from napari_udvd.models.flow.pwc_net import PWCNet

__all__ = ["ClipFlow", "FlowNetwork", "LearnedFlow", "LightFlow", "PWCNet"]

LearnedFlow = LightFlow
"""The network that learns motion, of simulated and of recorded movies; its weights are
shipped."""
