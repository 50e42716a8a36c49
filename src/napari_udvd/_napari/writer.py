"""Save image layers as OME-TIFF and OME-Zarr, with scale, units and axis labels."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_udvd import formats
from napari_udvd._napari.layer_data import KEPT, guess_axes, stack_from
from napari_udvd._version import __version__
from napari_udvd.cutting import stretches
from napari_udvd.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.stack import Stack

__all__ = ["write_image", "write_ome_tiff", "write_ome_zarr"]

_SUFFIXES: Final = (".tif", ".tiff", ".zarr")


def write_ome_tiff(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a layer; a name without suffix becomes an OME-TIFF. See `write_image`."""
    return write_image(_with_suffix(path, ".ome.tif"), data, attributes)


def write_ome_zarr(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a layer; a name without suffix becomes an OME-Zarr. See `write_image`."""
    return write_image(_with_suffix(path, ".ome.zarr"), data, attributes)


def write_image(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save an image layer, block by block, in its own data type.

    An earlier file is replaced once the new one is complete: the viewer has asked. The
    files that the movie is read from are never replaced.

    Parameters
    ----------
    path
        File to write; the suffix chooses OME-TIFF (``.ome.tif``, ``.ome.tiff``,
        ``.tif``, ``.tiff``) or OME-Zarr (``.ome.zarr``, ``.zarr``).
    data
        Array of the layer, or its levels; then the finest is saved.
    attributes
        The layer's state as the viewer hands it to writers.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    OutputError
        If the layer is a colour picture, its axes, scale or data type cannot be saved,
        or the file cannot be written.
    """
    name = str(attributes.get("name") or "the layer")
    try:
        stack = _stack(data, attributes)
    except InputError as error:
        # The viewer takes a ValueError of a writer for "there is no such writer", and
        # says that; the user is to read what is wrong with the layer.
        raise OutputError(f"{name!r} cannot be saved: {error}") from error
    record = {
        "program": "napari-udvd",
        "version": __version__,
        "source": stack.source,
        "saved layer": name,
    }
    with formats.create(
        path, like=stack, dtype=stack.dtype, record=record, overwrite=True
    ) as sink:
        for plane in stack.planes():
            for start, stop in stretches(stack):
                sink.write(stack.read(slice(start, stop), plane), start, plane)
    _tell_what_is_lost(name, attributes)
    return [path]


def _stack(data: Any, attributes: Mapping[str, Any]) -> Stack:
    if attributes.get("rgb"):
        raise InputError(
            "it is a colour picture (RGB). Split it into grey layers (right click on "
            "the layer, Split RGB) and save those, or choose another file type"
        )
    if attributes.get("multiscale"):
        data = data[0]
    n = len(data.shape)
    return stack_from(
        data,
        axes=guess_axes(attributes.get("axis_labels", ("",) * n), data.shape),
        scale=attributes.get("scale", (1.0,) * n),
        units=attributes.get("units", ("pixel",) * n),
        kept=attributes.get("metadata", {}).get(KEPT),
    )


def _tell_what_is_lost(name: str, attributes: Mapping[str, Any]) -> None:
    """Tell the user of a position in the viewer, which the formats do not keep."""
    neutral = {"translate": 0.0, "rotate": None, "shear": 0.0, "affine": None}
    moved = [
        key
        for key, value in neutral.items()
        if key in attributes and not _is_neutral(attributes[key], value)
    ]
    if moved:
        from napari.utils.notifications import show_warning

        show_warning(
            f"{name!r} is saved without its place in the viewer ({', '.join(moved)}): "
            "the file keeps pixels, scale and units"
        )


def _is_neutral(value: Any, neutral: float | None) -> bool:
    array = np.asarray(value, dtype=float)
    return bool(
        np.allclose(array, np.eye(*array.shape) if neutral is None else neutral)
    )


def _with_suffix(path: str, suffix: str) -> str:
    known = PurePath(path).suffix.lower() in _SUFFIXES
    return path if known else path + suffix
