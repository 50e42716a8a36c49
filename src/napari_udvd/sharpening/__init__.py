"""The movie as it was before the optics blurred it.

A movie is denoised, and Richardson-Lucy iterations go from the result towards the
scene. How many, an independent noisy copy of the movie says; where they bring out noise
in place of structure is told, and what resolution was gained. A network can learn from
the movie to go on from there; it is used where an independent copy is for it.
"""

from __future__ import annotations

from napari_udvd.sharpening._assess import Assessment, assess
from napari_udvd.sharpening._blocks import SharpenedBlocks
from napari_udvd.sharpening._cells import SURE, cell_sums, sureness
from napari_udvd.sharpening._clock import DEFAULT, Clock, Effort
from napari_udvd.sharpening._copies import (
    Excerpt,
    added_noise,
    lesson_and_test,
    restored,
)
from napari_udvd.sharpening._flow_training import flows_of, is_of_use, learn_flow
from napari_udvd.sharpening._look import Look, SharpLook
from napari_udvd.sharpening._network import Improvement, Learned, learn_to_improve
from napari_udvd.sharpening._optics import Optics, check_zoom
from napari_udvd.sharpening._pairs import Pair
from napari_udvd.sharpening._sharpener import Sharpener
from napari_udvd.sharpening._stop import Choice, choose_iterations

__all__ = [
    "DEFAULT",
    "SURE",
    "Assessment",
    "Choice",
    "Clock",
    "Effort",
    "Excerpt",
    "Improvement",
    "Learned",
    "Look",
    "Optics",
    "Pair",
    "SharpLook",
    "SharpenedBlocks",
    "Sharpener",
    "added_noise",
    "assess",
    "cell_sums",
    "check_zoom",
    "choose_iterations",
    "flows_of",
    "is_of_use",
    "learn_flow",
    "learn_to_improve",
    "lesson_and_test",
    "restored",
    "sureness",
]
