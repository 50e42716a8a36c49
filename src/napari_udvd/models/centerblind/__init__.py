"""Centre-blind network: neighbouring frames in full, the output pixel not at all."""

from __future__ import annotations

from napari_udvd.models.centerblind.network import PRESETS, CenterBlind

__all__ = ["PRESETS", "CenterBlind"]
