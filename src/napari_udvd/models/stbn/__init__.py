"""STBN: features that travel along the movie, and what reads its published weights."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_udvd.models.stbn.network import STBN

__all__ = ["STBN"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # its spec is read without torch
        return getattr(import_module(f"{__name__}.network"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
