"""Open movies in the viewer with scale, units, axis labels and channel names."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TypeAlias

from napari_udvd._layer_data import LayerData, layer_data
from napari_udvd.formats import READABLE, movie_name, open_stack

__all__ = ["get_reader", "read_layers"]

Paths: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return :func:`read_layers` if all paths have suffixes that it reads.

    Nothing is opened. Folders inside a zarr, such as an image of a plate, count too.
    """
    paths = _listed(path)
    return read_layers if paths and all(map(_is_readable, paths)) else None


def read_layers(path: Paths) -> list[LayerData]:
    """Open each file as one image layer; pixels are read when they are shown.

    Channels stay an axis of the layer, with a slider.

    Raises
    ------
    InputError
        As :func:`napari_udvd.formats.open_stack`; the viewer shows its message.
    """
    return [layer_data(open_stack(p), movie_name(p)) for p in _listed(path)]


def _listed(path: Paths) -> list[str]:
    if isinstance(path, str | os.PathLike):
        return [os.fspath(path)]
    return [os.fspath(p) for p in path]


def _is_readable(path: str) -> bool:
    if "://" in path:
        return False
    pure = PurePath(path)
    return pure.suffix.lower() in READABLE or (
        not pure.suffix and any(p.suffix.lower() == ".zarr" for p in pure.parents)
    )
