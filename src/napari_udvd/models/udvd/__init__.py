"""UDVD, and how it is computed fast and exactly."""

from __future__ import annotations

from napari_udvd.models.udvd.network import UDVD

__all__ = ["UDVD"]
