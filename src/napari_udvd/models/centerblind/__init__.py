"""The centre-blind network: one pass over the middle frame and its neighbours."""

from __future__ import annotations

from napari_udvd.models.centerblind.network import PRESETS, CenterBlind

__all__ = ["PRESETS", "CenterBlind"]
