"""Dock widgets of napari: what a user sees and presses.

They hold no numerics. A section of a dock builds a request, hands it to the core in a
worker and shows what comes back. A dock is imported when it is asked for, without the
others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_udvd._widgets.batch.dock import BatchDock
    from napari_udvd._widgets.events.dock import EventsDock
    from napari_udvd._widgets.inspector.dock import PixelInspector
    from napari_udvd._widgets.motion.dock import MotionDock
    from napari_udvd._widgets.quality.dock import QualityDock
    from napari_udvd._widgets.restore.dock import DenoiseMovie
    from napari_udvd._widgets.scan.dock import ScanDock

__all__ = [
    "BatchDock",
    "DenoiseMovie",
    "EventsDock",
    "MotionDock",
    "PixelInspector",
    "QualityDock",
    "ScanDock",
]

_FOLDERS = {
    "BatchDock": "batch",
    "DenoiseMovie": "restore",
    "EventsDock": "events",
    "MotionDock": "motion",
    "PixelInspector": "inspector",
    "QualityDock": "quality",
    "ScanDock": "scan",
}


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return getattr(import_module(f"{__name__}.{_FOLDERS[name]}.dock"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
