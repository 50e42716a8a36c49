"""S2SVR: blurred, small video restored along optical flow, with what trains its flow.

Lin et al., ICML 2022. Nothing is imported before it is used, so the settings are read
without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_udvd.models.s2svr.decoder import Decoder
    from napari_udvd.models.s2svr.encoder import Encoded, Encoder
    from napari_udvd.models.s2svr.flow import PWCLite
    from napari_udvd.models.s2svr.losses import (
        CENSUS,
        CENSUS_SECOND_ORDER,
        SSIM,
        FlowCriterion,
        FlowLoss,
        census_distance,
        charbonnier,
        distillation_loss,
        flow_loss,
        smoothness,
        ssim_distance,
    )
    from napari_udvd.models.s2svr.network import S2SVR
    from napari_udvd.models.s2svr.occlusion import hidden_by_return, hidden_by_sources
    from napari_udvd.models.s2svr.settings import (
        PUBLISHED_DEBLUR,
        PUBLISHED_X4,
        S2SVRSettings,
    )

__all__ = [
    "CENSUS",
    "CENSUS_SECOND_ORDER",
    "PUBLISHED_DEBLUR",
    "PUBLISHED_X4",
    "S2SVR",
    "SSIM",
    "Decoder",
    "Encoded",
    "Encoder",
    "FlowCriterion",
    "FlowLoss",
    "PWCLite",
    "S2SVRSettings",
    "census_distance",
    "charbonnier",
    "distillation_loss",
    "flow_loss",
    "hidden_by_return",
    "hidden_by_sources",
    "smoothness",
    "ssim_distance",
]

_HOMES = {
    "CENSUS": "losses",
    "CENSUS_SECOND_ORDER": "losses",
    "PUBLISHED_DEBLUR": "settings",
    "PUBLISHED_X4": "settings",
    "S2SVR": "network",
    "SSIM": "losses",
    "Decoder": "decoder",
    "Encoded": "encoder",
    "Encoder": "encoder",
    "FlowCriterion": "losses",
    "FlowLoss": "losses",
    "PWCLite": "flow",
    "S2SVRSettings": "settings",
    "census_distance": "losses",
    "charbonnier": "losses",
    "distillation_loss": "losses",
    "flow_loss": "losses",
    "hidden_by_return": "occlusion",
    "hidden_by_sources": "occlusion",
    "smoothness": "losses",
    "ssim_distance": "losses",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
