"""Dock widgets of napari: what a user sees and presses.

They hold no numerics. A section of a dock builds a request, hands it to the core in a
worker and shows what comes back.
"""

from __future__ import annotations

from napari_udvd._widgets.inspector.dock import PixelInspector
from napari_udvd._widgets.motion.dock import MotionDock
from napari_udvd._widgets.restore.dock import DenoiseMovie

__all__ = ["DenoiseMovie", "MotionDock", "PixelInspector"]
