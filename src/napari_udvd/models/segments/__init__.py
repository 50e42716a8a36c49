"""Networks that say what happens when: a label for each frame, or a sequence of them.

Temporal convolutions label every frame. The sequence-to-sequence network of Kaku et al.
2021 (arXiv 2111.02521) writes the actions of a window one after the other. Nothing is
imported before it is used, so the settings are read without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_udvd.models.segments.encoders import DilatedEncoder, PyramidEncoder
    from napari_udvd.models.segments.losses import (
        frame_loss,
        sequence_loss,
        smoothed_sequence_loss,
    )
    from napari_udvd.models.segments.network import SequenceToSequence
    from napari_udvd.models.segments.published import from_published
    from napari_udvd.models.segments.settings import SequenceSettings
    from napari_udvd.models.segments.speller import Attention, Spelled, Speller
    from napari_udvd.models.segments.tcn import TemporalConvolutions

__all__ = [
    "Attention",
    "DilatedEncoder",
    "PyramidEncoder",
    "SequenceSettings",
    "SequenceToSequence",
    "Spelled",
    "Speller",
    "TemporalConvolutions",
    "frame_loss",
    "from_published",
    "sequence_loss",
    "smoothed_sequence_loss",
]

_HOMES = {
    "Attention": "speller",
    "DilatedEncoder": "encoders",
    "PyramidEncoder": "encoders",
    "SequenceSettings": "settings",
    "SequenceToSequence": "network",
    "Spelled": "speller",
    "Speller": "speller",
    "TemporalConvolutions": "tcn",
    "frame_loss": "losses",
    "from_published": "published",
    "sequence_loss": "losses",
    "smoothed_sequence_loss": "losses",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
