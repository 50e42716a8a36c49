"""Training: patches, loss, validation, checkpoints and the loop that tells events."""

from __future__ import annotations

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
