"""Training: patches, loss, validation, checkpoints and the loop that tells events.

Nothing is imported before it is used: settings are read without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_udvd.inference.live_view import LiveView, View
    from napari_udvd.training.events import (
        Checkpoint,
        Failed,
        Finished,
        LivePreview,
        Preview,
        Started,
        Step,
        TrainingEvent,
    )
    from napari_udvd.training.settings import TrainingSettings
    from napari_udvd.training.trainer import train_events

__all__ = [
    "Checkpoint",
    "Failed",
    "Finished",
    "LivePreview",
    "LiveView",
    "Preview",
    "Started",
    "Step",
    "TrainingEvent",
    "TrainingSettings",
    "View",
    "train_events",
]

_HOMES = {
    "LiveView": "inference.live_view",
    "TrainingSettings": "training.settings",
    "View": "inference.live_view",
    "train_events": "training.trainer",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = _HOMES.get(name, "training.events")
        return getattr(import_module(f"napari_udvd.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
