"""Networks: PyTorch modules that know nothing of stacks, files or training.

Nothing is imported before it is used: what networks there are, `catalogue` says
without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_udvd.models.base import Clip, Geometry, Network
    from napari_udvd.models.camera import CameraNoise
    from napari_udvd.models.catalogue import build_network
    from napari_udvd.models.centerblind.network import CenterBlind
    from napari_udvd.models.deepfovea.network import DeepFovea
    from napari_udvd.models.deepfovea.settings import FoveaSettings
    from napari_udvd.models.flow.base import ClipFlow, FlowNetwork
    from napari_udvd.models.flow.light import LightFlow
    from napari_udvd.models.flow.pwc_net import PWCNet
    from napari_udvd.models.flow.warp import sample_bilinear, sample_nearest
    from napari_udvd.models.improvers import (
        SEEN,
        build_improver,
        check_improver,
        check_student,
        improver_names,
    )
    from napari_udvd.models.labellers import (
        build_labeller,
        find_labeller,
        labeller_names,
    )
    from napari_udvd.models.likelihood import (
        Prediction,
        negative_log_likelihood,
        posterior,
        posterior_loss,
    )
    from napari_udvd.models.published import (
        flow_from_published,
        fovea_from_published,
        from_published,
        read_published,
        s2svr_from_published,
        segments_from_published,
    )
    from napari_udvd.models.s2svr.losses import (
        FlowCriterion,
        distillation_loss,
        flow_loss,
    )
    from napari_udvd.models.s2svr.network import S2SVR
    from napari_udvd.models.s2svr.occlusion import hidden_by_return
    from napari_udvd.models.s2svr.settings import S2SVRSettings
    from napari_udvd.models.segments.network import SequenceToSequence
    from napari_udvd.models.segments.settings import SequenceSettings
    from napari_udvd.models.segments.tcn import TemporalConvolutions
    from napari_udvd.models.spec import (
        Facts,
        NetworkSettings,
        NetworkSpec,
        Recipe,
        Unfit,
    )
    from napari_udvd.models.stbn.network import STBN
    from napari_udvd.models.udvd.network import UDVD
    from napari_udvd.models.views import (
        Views,
        count_views,
        predict_frame_in_views,
        predict_pixel_in_views,
        sweep_views,
    )

    NETWORKS: dict[str, type[Network]]

__all__ = [
    "NETWORKS",
    "S2SVR",
    "SEEN",
    "STBN",
    "UDVD",
    "CameraNoise",
    "CenterBlind",
    "Clip",
    "ClipFlow",
    "DeepFovea",
    "Facts",
    "FlowCriterion",
    "FlowNetwork",
    "FoveaSettings",
    "Geometry",
    "LightFlow",
    "Network",
    "NetworkSettings",
    "NetworkSpec",
    "PWCNet",
    "Prediction",
    "Recipe",
    "S2SVRSettings",
    "SequenceSettings",
    "SequenceToSequence",
    "TemporalConvolutions",
    "Unfit",
    "Views",
    "build_improver",
    "build_labeller",
    "build_network",
    "check_improver",
    "check_student",
    "count_views",
    "distillation_loss",
    "find_labeller",
    "flow_from_published",
    "flow_loss",
    "fovea_from_published",
    "from_published",
    "hidden_by_return",
    "improver_names",
    "labeller_names",
    "negative_log_likelihood",
    "posterior",
    "posterior_loss",
    "predict_frame_in_views",
    "predict_pixel_in_views",
    "read_published",
    "s2svr_from_published",
    "sample_bilinear",
    "sample_nearest",
    "segments_from_published",
    "sweep_views",
]

_HOMES = {
    "S2SVR": "s2svr.network",
    "SEEN": "improvers",
    "STBN": "stbn.network",
    "UDVD": "udvd.network",
    "CameraNoise": "camera",
    "CenterBlind": "centerblind.network",
    "Clip": "base",
    "ClipFlow": "flow.base",
    "DeepFovea": "deepfovea.network",
    "Facts": "spec",
    "FlowCriterion": "s2svr.losses",
    "FlowNetwork": "flow.base",
    "FoveaSettings": "deepfovea.settings",
    "Geometry": "base",
    "LightFlow": "flow.light",
    "Network": "base",
    "NetworkSettings": "spec",
    "NetworkSpec": "spec",
    "PWCNet": "flow.pwc_net",
    "Prediction": "likelihood",
    "Recipe": "spec",
    "S2SVRSettings": "s2svr.settings",
    "SequenceSettings": "segments.settings",
    "SequenceToSequence": "segments.network",
    "TemporalConvolutions": "segments.tcn",
    "Unfit": "spec",
    "Views": "views",
    "build_improver": "improvers",
    "build_labeller": "labellers",
    "build_network": "catalogue",
    "check_improver": "improvers",
    "check_student": "improvers",
    "count_views": "views",
    "distillation_loss": "s2svr.losses",
    "find_labeller": "labellers",
    "flow_from_published": "published",
    "flow_loss": "s2svr.losses",
    "fovea_from_published": "published",
    "from_published": "published",
    "hidden_by_return": "s2svr.occlusion",
    "improver_names": "improvers",
    "labeller_names": "labellers",
    "negative_log_likelihood": "likelihood",
    "posterior": "likelihood",
    "posterior_loss": "likelihood",
    "predict_frame_in_views": "views",
    "predict_pixel_in_views": "views",
    "read_published": "published",
    "s2svr_from_published": "published",
    "segments_from_published": "published",
    "sample_bilinear": "flow.warp",
    "sample_nearest": "flow.warp",
    "sweep_views": "views",
}


def __getattr__(name: str) -> Any:
    if name == "NETWORKS":  # class of each network, by the name that files carry
        found = import_module("napari_udvd.models.catalogue").specs()
        return {spec.name: spec.load() for spec in found.values()}
    if name in _HOMES:
        return getattr(import_module(f"napari_udvd.models.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
