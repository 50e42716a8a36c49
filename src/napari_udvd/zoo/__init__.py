"""Trained networks for others: as resources of bioimage.io.

Describing and packing one needs the extra ``zoo``, which is imported when that is
asked for; whoever runs a package needs the network alone, :class:`GreyLevelDenoiser`.
"""

from __future__ import annotations

from napari_udvd.zoo._author import Author
from napari_udvd.zoo._network import GreyLevelDenoiser
from napari_udvd.zoo._package import check_exportable, export_package

__all__ = ["Author", "GreyLevelDenoiser", "check_exportable", "export_package"]
