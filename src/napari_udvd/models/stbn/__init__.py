"""STBN: features that travel along the movie, and what reads its published weights."""

from __future__ import annotations

from napari_udvd.models.stbn.network import STBN

__all__ = ["STBN"]
