"""Files in and out.

In: TIFF of many dialects (also in several files), NPY, OME-Zarr and zarr arrays; with
the ``formats`` extra also HyperSpy, Digital Micrograph, EMD, MRC and Nikon ND2. All are
read lazily. Out: OME-TIFF and OME-Zarr, block by block, under a temporary name until
complete; and arrays in memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import Found, to_stack
from napari_udvd.formats._images import (
    Image,
    choose,
    movie_name,
    split_choice,
)
from napari_udvd.formats._output import (
    check_output,
    output_kind,
    remove_stale_partials,
    temporary_name,
)
from napari_udvd.formats._sinks import ArraySink, Sink, to_dtype
from napari_udvd.formats._small import check_small_output, write_small

if TYPE_CHECKING:
    from napari_udvd.stack import Stack

__all__ = [
    "READABLE",
    "ArraySink",
    "Image",
    "Sink",
    "check_output",
    "check_small_output",
    "create",
    "list_images",
    "movie_name",
    "open_stack",
    "read_record",
    "remove_stale_partials",
    "temporary_name",
    "to_dtype",
    "to_plain",
    "write_small",
]

_TIFF: Final = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")
_EXTRA: Final = (".hspy", ".zspy", ".dm3", ".dm4", ".emd", ".mrc", ".mrcs", ".nd2")

READABLE: Final = (*_TIFF, ".npy", ".zarr", *_EXTRA)
"""Suffixes of files that can be opened."""


def open_stack(path: str | os.PathLike[str], axes: str | None = None) -> Stack:
    """Open a movie; pixels are read only when they are asked for.

    Parameters
    ----------
    path
        File, or folder for zarr. One of a set of OME-TIFF files opens the set. Where
        there are several images in it, ``movie.lif#2`` is the second, and
        ``movie.lif#Series 3`` the one of that name; see :func:`list_images`.
    axes
        One letter of ``TCZYX`` per dimension, where the file does not name them or
        the user knows better. Dimensions of length one may be left out. Calibration
        is kept for every axis that the file calls the same.

    Returns
    -------
    Stack
        With scale, units and channel names as the file states them, never
        converted. Axes of length one are dropped, except Y, X and a T that the
        file names. A file with one unnamed axis in front of Y and X opens as
        ``TYX``, and `notes` says so. So it does where one image of several is read
        because it is the only movie.

    Raises
    ------
    InputError
        If the file is missing, not readable, damaged, incomplete, a colour picture
        or of an unknown kind, if its axes are ambiguous, if it is not clear which of
        several images is meant, or if a package to read it is not installed.
    """
    name = os.fspath(path)
    file, choice = split_choice(name)
    return to_stack(_find(file, choice, trust_axes=axes is None), axes, source=name)


def list_images(path: str | os.PathLike[str]) -> tuple[Image, ...]:
    """List the images in a file; no pixel is read.

    Parameters
    ----------
    path
        File, or folder for zarr. The second image of the list opens with ``path#2``.

    Returns
    -------
    tuple of Image
        Name, axes and shape of each; one where the format knows no more.

    Raises
    ------
    InputError
        As :func:`open_stack`.
    """
    file, _ = split_choice(os.fspath(path))
    if _suffix(file) in _TIFF and not os.path.isdir(file):
        from napari_udvd.formats._tiff import images_in_tiff

        _check_there(file)
        return images_in_tiff(file)
    return (_image(_find(file, None, trust_axes=False)),)


def create(
    path: str | os.PathLike[str],
    *,
    like: Stack,
    dtype: npt.DTypeLike,
    record: Mapping[str, Any],
    overwrite: bool = False,
) -> Sink:
    """Prepare to write a movie block by block; use the result in a ``with``.

    Parameters
    ----------
    path
        File to write; the suffix chooses OME-TIFF (``.ome.tif``, ``.ome.tiff``,
        ``.tif``, ``.tiff``) or OME-Zarr (``.ome.zarr``, ``.zarr``).
    like
        The movie whose size, scale, units and channel names the result has. Its
        axes are written in the order ``TCZYX``.
    dtype
        Data type of the pixels.
    record
        How the result is made; what JSON can hold, and NumPy numbers and arrays.
    overwrite
        Whether an earlier result may be replaced, once the new one is complete.

    Raises
    ------
    OutputError
        As :func:`check_output`.
    TypeError
        If `record` holds something that has no place in a file.
    """
    target = check_output(path, like=like, dtype=dtype, overwrite=overwrite)
    plain = to_plain(dict(record))
    if output_kind(target) == "tiff":
        from napari_udvd.formats._tiff_sink import TiffSink

        return TiffSink(target, like, dtype, plain, overwrite)
    from napari_udvd.formats._zarr_sink import ZarrSink

    return ZarrSink(target, like, dtype, plain, overwrite)


def read_record(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read how a file written by :func:`create` was made.

    Returns
    -------
    dict or None
        The record; None for files of others.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    name, _ = split_choice(os.fspath(path))
    suffix = _suffix(name)
    _check_there(name)
    if suffix in _TIFF:
        from napari_udvd.formats._tiff import ome_annotation

        record = ome_annotation(name).get("record")
        return None if record is None else dict(json.loads(record))
    if suffix == ".zarr":
        from napari_udvd.formats._zarr import zarr_attributes

        record = zarr_attributes(name).get("record")
        return None if record is None else dict(record)
    return None


def _find(path: str, choice: str | None, *, trust_axes: bool) -> Found:
    """Find the chosen image of a file."""
    _check_there(path)
    if _suffix(path) in _TIFF and not os.path.isdir(path):
        from napari_udvd.formats._tiff import find_tiff

        return find_tiff(path, choice, trust_axes=trust_axes)
    found = _find_only(path)
    choose([_image(found)], choice, path)
    return found


def _image(found: Found) -> Image:
    return Image("", found.axes, tuple(int(n) for n in found.data.shape))


def _find_only(path: str) -> Found:
    """Find the image in a file of a format that holds one."""
    suffix = _suffix(path)
    if os.path.isdir(path) and suffix != ".zspy":
        from napari_udvd.formats._zarr import find_zarr

        return find_zarr(path)
    if suffix == ".npy":
        from napari_udvd.formats._npy import find_npy

        return find_npy(path)
    if suffix == ".nd2":
        from napari_udvd.formats._nd2 import find_nd2

        return find_nd2(path)
    if suffix == ".zspy":
        from napari_udvd.formats._microscope import find_zspy

        return find_zspy(path)
    if suffix in _EXTRA:
        from napari_udvd.formats._microscope import find_rosetta

        return find_rosetta(path, suffix)
    kind = "is a file, but a zarr is a folder" if suffix == ".zarr" else "is unknown"
    raise InputError(
        f"{path!r}: the suffix {suffix!r} {kind}. Movies are read from "
        f"{', '.join(READABLE)}"
    )


def _suffix(path: str) -> str:
    return os.path.splitext(path.rstrip("/\\"))[1].lower()


def _check_there(path: str) -> None:
    if not os.path.exists(path):
        raise InputError(f"{path!r} does not exist: check the name and the folder")
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            with open(path, "rb"):
                pass
    except OSError as error:
        raise InputError(
            f"{path!r} cannot be opened: {error.strerror}. Check its permissions and "
            "that no other program holds it"
        ) from error


def to_plain(value: Any) -> Any:
    """Return `value` in types that JSON knows; a number not finite becomes None.

    Raises
    ------
    TypeError
        If it holds something that has no place in a file.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    raise TypeError(
        f"the record holds {value!r} of type {type(value).__name__}, which a file "
        "cannot keep: use numbers, text, lists and mappings"
    )
