"""Moved: `subtract_dark` is in `napari_udvd.noise`."""

from __future__ import annotations

import warnings

from napari_udvd.noise import subtract_dark

__all__ = ["subtract_dark"]

warnings.warn(
    "napari_udvd.dark is deprecated; import subtract_dark from napari_udvd.noise",
    DeprecationWarning,
    stacklevel=2,
)
