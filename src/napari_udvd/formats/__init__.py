"""Files in and out.

In: TIFF of many dialects (also in several files), folders of TIFFs, NPY, MRC, OME-Zarr
and zarr arrays, also zipped; with the ``formats`` extra also Zeiss CZI, Leica LIF,
Olympus OIF and OIB, Nikon ND2, HyperSpy, Digital Micrograph and EMD. All are read
lazily. Out: OME-TIFF and OME-Zarr, block by block, under a temporary name until
complete; and arrays in memory.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from napari_udvd.formats._axes import SAMPLES, to_stack
from napari_udvd.formats._finding import READABLE, TIFF, check_there, find, is_tiff
from napari_udvd.formats._finding import series as found_series
from napari_udvd.formats._images import (
    Image,
    Listing,
    default_image,
    movie_name,
    split_choice,
)
from napari_udvd.formats._masks import mask_in
from napari_udvd.formats._open import open_contents, suffix_of
from napari_udvd.formats._output import check_output, output_kind
from napari_udvd.formats._plain import to_plain
from napari_udvd.formats._sinks import ArraySink, Sink, to_dtype
from napari_udvd.formats._small import check_small_output
from napari_udvd.formats._units import seconds_between_frames
from napari_udvd.noise import AUTO, subtract_dark
from napari_udvd.small_files import (
    UNFINISHED,
    cell,
    remove_stale_partials,
    table,
    temporary_name,
    write_small,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from napari_udvd.formats._zarr_parts import PartedZarrSink
    from napari_udvd.stack import LayoutLike, Stack

__all__ = [
    "READABLE",
    "SAMPLES",
    "TIFF",
    "UNFINISHED",
    "ArraySink",
    "Image",
    "Listing",
    "Sink",
    "cell",
    "check_output",
    "check_small_output",
    "create",
    "create_in_parts",
    "list_images",
    "listing",
    "movie_name",
    "open_series",
    "open_stack",
    "output_kind",
    "read_record",
    "remove_stale_partials",
    "seconds_between_frames",
    "split_choice",
    "suffix_of",
    "table",
    "temporary_name",
    "to_dtype",
    "to_plain",
    "write_small",
]


def open_stack(
    path: str | os.PathLike[str],
    axes: str | None = None,
    *,
    dark: str | os.PathLike[str] | None = None,
    mask: Any = None,
    unmeasured: float | None = None,
) -> Stack:
    """Open a movie; pixels are read only when they are asked for.

    Parameters
    ----------
    path
        File, or a folder: of a zarr, or of numbered TIFF files with one picture each,
        see :func:`open_series`. One of a set of OME-TIFF files opens the set. Where
        there are several images in it, ``movie.lif#2`` is the second, and
        ``movie.lif#Series 3`` the one of that name; see :func:`list_images`.
    axes
        One letter of ``TCZYX`` per dimension, where the file does not name them or
        the user knows better. Dimensions of length one may be left out. Calibration
        is kept for every axis that the file calls the same.
    dark
        File with one frame or several that were recorded without light; their pattern
        is subtracted as the movie is read, see :func:`napari_udvd.noise.subtract_dark`.
        ``"auto"`` estimates offsets of single pixels from the movie itself.
    mask
        File with a mask of the pixels that were measured, or an array: 0 where nothing
        was measured. One picture for all frames, or one for each frame, for all
        channels or for each; see :meth:`Stack.with_mask`. NaN needs no mask.
    unmeasured
        Value of pixels that were not measured, such as 0, in the movie as recorded.

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
        several images is meant, if a package to read it is not installed, or if the
        dark frame or the mask does not fit.
    """
    name = os.fspath(path)
    file, choice = split_choice(name)
    stack = to_stack(find(file, choice, trust_axes=axes is None), axes, source=name)
    its_axes = None
    if isinstance(mask, str | os.PathLike):
        found = find(*split_choice(os.fspath(mask)), trust_axes=True)
        mask, its_axes = mask_in(found, stack.layout)
    stack = stack.with_mask(mask, its_axes, unmeasured=unmeasured)
    if dark is None:
        return stack
    is_auto = os.fspath(dark) == AUTO
    return subtract_dark(stack, AUTO if is_auto else open_stack(dark))


def open_series(
    paths: Sequence[str | os.PathLike[str]], axes: str | None = None
) -> Stack:
    """Open TIFF files of one picture each as one movie.

    Parameters
    ----------
    paths
        The files. They are sorted naturally, 2 before 10; the numbers in their names
        say what they count: times, or also channels (``c2``) and depths (``z03``).
    axes
        As for :func:`open_stack`.

    Returns
    -------
    Stack
        With the calibration of the first file.

    Raises
    ------
    InputError
        If a file is missing or not readable, the pictures are not alike, or it is not
        clear in which order they belong.
    """
    return to_stack(found_series([os.fspath(path) for path in paths]), axes)


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
    return listing(path).images


def listing(path: str | os.PathLike[str]) -> Listing:
    """List the images in a file, and say which is read without a choice.

    Raises
    ------
    InputError
        As :func:`list_images`.
    """
    file, _ = split_choice(os.fspath(path))
    check_there(file)
    if is_tiff(file):
        from napari_udvd.formats._tiff import images_in_tiff

        return images_in_tiff(file)
    images = tuple(open_contents(file, readable=READABLE).images)
    return Listing(images, default_image(images))


def create(
    path: str | os.PathLike[str],
    *,
    like: LayoutLike,
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
        Size, scale, units and channel names of the result: a movie, where they are its
        own, or a layout. Axes are written in the order ``TCZYX``.
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


def create_in_parts(
    path: str | os.PathLike[str],
    *,
    like: LayoutLike,
    dtype: npt.DTypeLike,
    record: Mapping[str, Any],
    overwrite: bool = False,
    key: str = "",
    resume: bool = False,
) -> PartedZarrSink:
    """Prepare to let several processes write an OME-Zarr; use it in a ``with``.

    Parameters
    ----------
    path, like, dtype, record, overwrite
        As for :func:`create`.
    key
        Tells what the pixels are made with, and of.
    resume
        Go on with what an interrupted run with the same key left.

    Raises
    ------
    OutputError
        As :func:`check_output`.
    """
    from napari_udvd.formats._zarr_parts import PartedZarrSink

    target = check_output(path, like=like, dtype=dtype, overwrite=overwrite)
    plain = to_plain(dict(record))
    return PartedZarrSink(target, like, dtype, plain, overwrite, key=key, resume=resume)


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
    suffix = suffix_of(name)
    check_there(name)
    if suffix in TIFF:
        from napari_udvd.formats._tiff import ome_annotation

        record = ome_annotation(name).get("record")
        return None if record is None else dict(json.loads(record))
    if suffix == ".zarr":
        from napari_udvd.formats._zarr import zarr_attributes

        record = zarr_attributes(name).get("record")
        return None if record is None else dict(record)
    return None
