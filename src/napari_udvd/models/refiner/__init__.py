"""A second look at a denoised movie, with every pixel of it in sight."""

from __future__ import annotations

from napari_udvd.models.refiner.inputs import Evidence
from napari_udvd.models.refiner.network import RADIUS, Refiner
from napari_udvd.models.refiner.refine import refined

__all__ = ["RADIUS", "Evidence", "Refiner", "refined"]
