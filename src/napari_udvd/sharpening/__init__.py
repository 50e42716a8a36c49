"""The movie as it was before the optics blurred it.

A movie is denoised, and Richardson-Lucy iterations go from the result towards the
scene. How many, an independent noisy copy of the movie says; where they bring out noise
in place of structure is told, and what resolution was gained. A network can learn from
the movie to go on from there; it is used where an independent copy is for it.
"""

from __future__ import annotations

from napari_udvd.sharpening._assess import Assessment, assess
from napari_udvd.sharpening._blocks import SharpenedBlocks
from napari_udvd.sharpening._clock import DEFAULT, Effort
from napari_udvd.sharpening._network import Improvement, Learned, learn_to_improve
from napari_udvd.sharpening._optics import Optics, check_zoom
from napari_udvd.sharpening._sharpener import Sharpener
from napari_udvd.sharpening._stop import Choice, choose_iterations

__all__ = [
    "DEFAULT",
    "Assessment",
    "Choice",
    "Effort",
    "Improvement",
    "Learned",
    "Optics",
    "SharpenedBlocks",
    "Sharpener",
    "assess",
    "check_zoom",
    "choose_iterations",
    "learn_to_improve",
]
