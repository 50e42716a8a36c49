"""The centre-blind network (*Fast*): neighbours in full, its own pixel not at all."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_udvd.models.centerblind.network import PRESETS, CenterBlind
    from napari_udvd.models.centerblind.sparse import SparseCenterBlind

__all__ = ["PRESETS", "CenterBlind", "SparseCenterBlind"]

_HOMES = {"PRESETS": "network", "CenterBlind": "network", "SparseCenterBlind": "sparse"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # its spec is read without torch
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
