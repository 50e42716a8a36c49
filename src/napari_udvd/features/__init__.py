"""What is watched in a movie, and numbers that describe it in every frame.

*Regions* are pixels with a name: polygons, labels, discs that follow tracks, the whole
frame. *Features* are some numbers of each region in each frame, all on one scale.
"""

from __future__ import annotations

from napari_udvd.features._crops import Components
from napari_udvd.features._features import FeatureTable, feature_names, features_of
from napari_udvd.features._files import read_regions
from napari_udvd.features._footprint import Footprint, Regions
from napari_udvd.features._labels import regions_of_labels
from napari_udvd.features._still import (
    regions_of_places,
    regions_of_polygons,
    whole_frame,
)
from napari_udvd.features._tracks import regions_of_points, regions_of_tracks

__all__ = [
    "Components",
    "FeatureTable",
    "Footprint",
    "Regions",
    "feature_names",
    "features_of",
    "read_regions",
    "regions_of_labels",
    "regions_of_places",
    "regions_of_points",
    "regions_of_polygons",
    "regions_of_tracks",
    "whole_frame",
]
