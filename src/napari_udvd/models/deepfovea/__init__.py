"""DeepFovea++: a dense movie from a sparse one, with what its authors train it by.

Reich, Memmel and Grebe (2020). Nothing is imported before it is used, so the settings
are read without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_udvd.models.deepfovea.adversarial import (
        discriminator_loss,
        generator_loss,
        wasserstein_discriminator_loss,
        wasserstein_generator_loss,
    )
    from napari_udvd.models.deepfovea.discriminators import (
        Discriminator,
        FFTDiscriminator,
    )
    from napari_udvd.models.deepfovea.flow import FoveaFlow, flow_loss
    from napari_udvd.models.deepfovea.network import DeepFovea
    from napari_udvd.models.deepfovea.perceptual import VGGFeatures, perceptual_loss
    from napari_udvd.models.deepfovea.robust import RobustLoss
    from napari_udvd.models.deepfovea.sampling import fovea_masks, keep_probability
    from napari_udvd.models.deepfovea.scores import published_psnr, published_ssim
    from napari_udvd.models.deepfovea.settings import PUBLISHED, FoveaSettings

__all__ = [
    "PUBLISHED",
    "DeepFovea",
    "Discriminator",
    "FFTDiscriminator",
    "FoveaFlow",
    "FoveaSettings",
    "RobustLoss",
    "VGGFeatures",
    "discriminator_loss",
    "flow_loss",
    "fovea_masks",
    "generator_loss",
    "keep_probability",
    "perceptual_loss",
    "published_psnr",
    "published_ssim",
    "wasserstein_discriminator_loss",
    "wasserstein_generator_loss",
]

_HOMES = {
    "PUBLISHED": "settings",
    "DeepFovea": "network",
    "Discriminator": "discriminators",
    "FFTDiscriminator": "discriminators",
    "FoveaFlow": "flow",
    "FoveaSettings": "settings",
    "RobustLoss": "robust",
    "VGGFeatures": "perceptual",
    "discriminator_loss": "adversarial",
    "flow_loss": "flow",
    "fovea_masks": "sampling",
    "generator_loss": "adversarial",
    "keep_probability": "sampling",
    "perceptual_loss": "perceptual",
    "published_psnr": "scores",
    "published_ssim": "scores",
    "wasserstein_discriminator_loss": "adversarial",
    "wasserstein_generator_loss": "adversarial",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
