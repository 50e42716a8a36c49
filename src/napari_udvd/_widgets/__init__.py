"""Dock widgets of napari: what a user sees and presses.

They hold no numerics. A section of a dock builds a request, hands it to the core in a
worker and shows what comes back.
"""

from __future__ import annotations

from napari_udvd._widgets.denoise_movie import DenoiseMovie
from napari_udvd._widgets.motion import MotionDock
from napari_udvd._widgets.pixel_inspector import PixelInspector

__all__ = ["DenoiseMovie", "MotionDock", "PixelInspector"]
