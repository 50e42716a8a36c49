"""Open movies in the viewer with scale, units, axis labels and channel names."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, TypeAlias

from napari_udvd._napari.layer_data import LayerData, layer_data
from napari_udvd.errors import InputError
from napari_udvd.formats import (
    READABLE,
    SAMPLES,
    TIFF,
    list_images,
    movie_name,
    open_series,
    open_stack,
    suffix_of,
)

if TYPE_CHECKING:
    from napari_udvd.formats import Image

__all__ = ["get_reader", "read_layers", "read_series"]

Paths: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Layers: TypeAlias = list[LayerData] | list[tuple[None]]

_OTHERS_READ: Final = (*TIFF, ".npy")
"""Suffixes of files that the viewer itself reads."""

_NOTHING: Final[list[tuple[None]]] = [(None,)]
"""What a reader returns that read a file and adds no layer."""


def get_reader(path: Paths) -> Callable[[Paths], Layers] | None:
    """Return a function that reads the file or files, or None.

    Parameters
    ----------
    path
        A file or folder. A list is what the viewer hands over where the user asked for
        one stack of all files: it is never taken apart.

    Returns
    -------
    callable or None
        None for what is no movie and which the viewer itself reads: colour pictures
        and single pictures.
    """
    paths = _listed(path)
    if len(paths) > 1:
        return read_series if all(suffix_of(p) in TIFF for p in paths) else None
    return read_layers if paths and _is_readable(paths[0]) else None


def read_layers(path: Paths) -> Layers:
    """Open a file as an image layer; pixels are read when they are shown.

    Channels stay an axis of the layer, with a slider. Where the file holds several
    images, a list asks which ones to open.

    Raises
    ------
    InputError
        As :func:`napari_udvd.formats.open_stack`; the viewer shows its message.
    """
    (name,) = _listed(path)
    chosen = _chosen(name)
    if chosen is None:
        return _NOTHING
    return [layer_data(open_stack(each), movie_name(each)) for each in chosen]


def read_series(paths: Paths) -> Layers:
    """Open TIFF files of one picture each as one movie.

    Raises
    ------
    InputError
        As :func:`napari_udvd.formats.open_series`.
    """
    files = _listed(paths)
    folder = os.path.basename(os.path.dirname(os.path.abspath(files[0])))
    return [layer_data(open_series(files), folder or movie_name(files[0]))]


def _listed(path: Paths) -> list[str]:
    if isinstance(path, str | os.PathLike):
        return [os.fspath(path)]
    return [os.fspath(p) for p in path]


def _is_readable(path: str) -> bool:
    if "://" in path:
        return False
    pure, suffix = PurePath(path), suffix_of(path)
    if os.path.isdir(path) and suffix not in READABLE:
        inside_zarr = any(p.suffix.lower() == ".zarr" for p in pure.parents)
        return inside_zarr or any(suffix_of(name) in TIFF for name in os.listdir(path))
    if suffix in _OTHERS_READ and os.path.isfile(path):
        return _is_movie(path)
    return suffix in READABLE or (
        not suffix and any(p.suffix.lower() == ".zarr" for p in pure.parents)
    )


def _is_movie(path: str) -> bool:
    """Whether a file that the viewer itself reads is more than a picture."""
    try:
        images = list_images(path)
    except InputError:
        return True  # opening it says what is wrong
    grey = [image for image in images if SAMPLES not in image.axes]
    return len(grey) > 1 or any(len([n for n in i.shape if n > 1]) > 2 for i in grey)


def _chosen(path: str) -> list[str] | None:
    """Ask which of several images are meant; None where none is."""
    images = list_images(path) if os.path.exists(path) else ()
    if len(images) < 2 or not _has_window() or _decided(path):
        return [path]
    numbers = _asked(images, path)
    names = [image.name for image in images]
    return [
        f"{path}#{names[k] if _tells(names, k) else k + 1}" for k in numbers
    ] or None


def _tells(names: Sequence[str], k: int) -> bool:
    """Whether an image can be told by its name, which goes before its number."""
    return bool(names[k]) and names.count(names[k]) == 1


def _decided(path: str) -> bool:
    """Whether one of a set of TIFFs says by itself which image is meant."""
    if suffix_of(path) not in TIFF:
        return False
    try:
        open_stack(path)
    except InputError:
        return False
    return True


def _has_window() -> bool:
    from qtpy.QtWidgets import QApplication

    return QApplication.instance() is not None


def _asked(images: Sequence[Image], path: str) -> list[int]:
    from napari_udvd._napari.image_list import ask_for_images

    return ask_for_images(images, os.path.basename(path))
