"""TIFF of every dialect: all images of a file are known, and one is read.

tifffile or the file's own description says where the planes are; uncompressed ones are
then read straight from the file, compressed ones are decoded by tifffile, one page at a
time.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tifffile

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import UNNAMED, Found
from napari_udvd.formats._images import Listing, choose, default_image, how_chosen
from napari_udvd.formats._lazy import readable
from napari_udvd.formats._ome import parse_ome
from napari_udvd.formats._planes import (
    DecodedPlanes,
    Page,
    PlaneArray,
    SignedPlanes,
    StoredPlanes,
    keyframe_of,
    tifffile_messages,
)
from napari_udvd.formats._tiff_alike import all_alike, check_alike
from napari_udvd.formats._tiff_axes import all_series
from napari_udvd.formats._tiff_checks import (
    check_codec,
    check_colour,
    check_directories,
    check_extent,
    check_followed,
    check_readable_tags,
    check_segments,
)
from napari_udvd.formats._tiff_facts import (
    fluoview_facts,
    imagej_facts,
    lsm_facts,
    sis_facts,
    stk_facts,
    wavelengths,
)
from napari_udvd.formats._tiff_image import (
    Pages,
    TiffImage,
    Unfollowed,
    one_per_place,
    series_image,
    whole_order,
)
from napari_udvd.formats._tiff_micromanager import mmstack_images, ndtiff_images
from napari_udvd.formats._tiff_ome import ome_header, ome_images
from napari_udvd.formats._tiff_scanimage import scanimage_images
from napari_udvd.formats._tiff_series import is_plain, page_images, series_images

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["find_tiff", "images_in_tiff", "ome_annotation"]

_USUAL: Final = ("correcting LSM bitspersample tag",)
"""What tifffile says of files that are as they should be."""

_SIGNED: Final = (-32768.0, 1.0)
"""Coefficients of ImageJ's calibration that make unsigned pixels signed ones."""


def find_tiff(
    path: str, choice: str | None = None, *, trust_axes: bool = True
) -> Found:
    """Find a movie in a TIFF file.

    Parameters
    ----------
    path
        Any file of the set, if there are several.
    choice
        Which of several images, by number or name. Without it the only image with
        planes in this very file is meant, or the only movie.
    trust_axes
        False where the user names the axes: then metadata that do not fit the pages
        are no error, and the pages are taken as they are.

    Raises
    ------
    InputError
        If the file is no TIFF, truncated, a colour picture, compressed in a way
        that cannot be decoded here, if files or planes of it are missing, or if it is
        not clear which image is meant.
    """
    with readable(path), tifffile_messages() as messages, _opened(path) as tif:
        check_directories(tif, path)
        try:
            images = _images(tif, path, messages, trust_axes)
            return _found(tif, images, choice, path, messages, trust_axes)
        except Unfollowed as error:
            if trust_axes:
                raise
            images = page_images(tif, f"{error}. Its pages are read in their order")
            return _found(tif, images, choice, path, (), trust_axes)


def images_in_tiff(path: str) -> Listing:
    """List the images in a TIFF file and the other files of its set.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    with readable(path), tifffile_messages() as messages, _opened(path) as tif:
        check_directories(tif, path)
        images = _images(tif, path, messages, False)
    listed = tuple(image.listed for image in images)
    default = default_image(listed, [i for i, image in enumerate(images) if image.here])
    if default is not None and images[default].scattered:
        default = None
    return Listing(listed, default)


def _opened(path: str) -> tifffile.TiffFile:
    """Open a file whose pages are those of its directories.

    For ScanImage, tifffile guesses where pages are, and may lose the last one.
    """
    return tifffile.TiffFile(path, is_scanimage=False)


def ome_annotation(path: str) -> dict[str, str]:
    """Read our annotation from an OME-TIFF; empty where there is none.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    with readable(path), tifffile_messages(), tifffile.TiffFile(path) as tif:
        if tif.ome_metadata is None:
            return {}
        return dict(parse_ome(tif.ome_metadata, os.path.basename(path)).annotation)


def _images(
    tif: tifffile.TiffFile, path: str, messages: Sequence[str], trust_axes: bool
) -> list[TiffImage]:
    """List the images of a file, by the dialect that says most of its pages."""
    if not len(tif.pages):
        raise InputError(f"{path!r} holds no pages: it is empty or damaged")
    if trust_axes:
        check_readable_tags(messages, path)
    if tif.is_mmstack:
        return mmstack_images(tif, path)
    if tif.is_ndtiff:
        return ndtiff_images(tif, path)
    if tif.is_lsm:
        # Every second page is a thumbnail.
        return one_per_place([series_image(all_series(tif)[0], lambda: lsm_facts(tif))])
    if tif.is_ome:
        header = ome_header(tif, path)
        if header is not None:
            return ome_images(tif, path, header)
    if (
        tif.pages.first.is_scanimage
        and (found := scanimage_images(tif, path)) is not None
    ):
        return found
    if is_plain(tif) and not all_alike(tif):
        return page_images(tif)
    series = all_series(tif)[0]
    if trust_axes:
        check_followed(tif, series, path, messages)
    if series.kind == "imagej":
        droppable = "TCZ" + UNNAMED
        return [series_image(series, lambda: imagej_facts(tif), droppable)]
    if series.kind == "stk":
        return [_stk_image(tif, path, trust_axes)]
    if series.kind == "fluoview":
        return one_per_place([series_image(series, lambda: fluoview_facts(tif))])
    if series.kind == "sis":
        return one_per_place([series_image(series, lambda: sis_facts(tif))])
    return series_images(tif, path)


def _stk_image(tif: tifffile.TiffFile, path: str, trust_axes: bool) -> TiffImage:
    """Take a MetaMorph stack, whose planes may be those of several wavelengths."""
    image = series_image(all_series(tif)[0], lambda: stk_facts(tif))
    n, _ = wavelengths(tif.stk_metadata or {})
    if not n and trust_axes:
        raise InputError(
            f"{path!r} holds planes of several wavelengths in no regular order: save "
            "each wavelength as a stack of its own, or name the axes to read them all, "
            'for example axes="TYX"'
        )
    if n > 1:
        length, *frame = image.shape
        shape = (length // n, n, *frame)
        image = replace(
            image,
            axes=f"{image.axes[0]}C{image.axes[1:]}",
            shape=shape,
            find=lambda: Pages([(tif.pages.first, length)], whole_order(shape)),
        )
    return replace(image, name="")


def _found(
    tif: tifffile.TiffFile,
    images: Sequence[TiffImage],
    choice: str | None,
    path: str,
    messages: Sequence[str],
    trust_axes: bool,
) -> Found:
    listed = [image.listed for image in images]
    here = [i for i, image in enumerate(images) if image.here]
    number = choose(listed, choice, path, among=here)
    notes = how_chosen(listed, number, choice, path)
    if choice is None and len(here) == 1 < len(images):
        notes = (
            f"{path!r} holds one of the {len(images)} images of its set, "
            f"{number + 1}: {listed[number]}, which is read",
        )
    image = images[number]
    if choice is None and image.scattered:
        raise InputError(
            f"{path!r} holds pages of {len(images)} kinds that lie between one another "
            f"without a rule, so that frames may be missing in {listed[number]}. Name "
            f"it if you want it all the same: {path + f'#{number + 1}'!r}"
        )
    pages = image.find()
    check_colour(_first(pages, path), image.axes, path, named=not trust_axes)
    data = _plane_array(image, pages, path)
    facts = image.tell()
    axes = image.axes
    is_timed = "T" in facts.scale or facts.times is not None
    if is_timed and axes.count(UNNAMED) == 1 and "T" not in axes:
        if image.shape[axes.index(UNNAMED)] > 1:
            axes = axes.replace(UNNAMED, "T")  # it says how far frames are apart
    times = facts.times
    if times is not None and (
        "T" not in axes or len(times) != image.shape[axes.index("T")]
    ):
        times = None
        notes = (
            *notes,
            f"{path!r} has {len(facts.times or ())} times, which are not those of its "
            f"{listed[number]}: they are left out",
        )
    unusual = [text for text in messages if not any(u in text for u in _USUAL)]
    if unusual:
        notes = (
            f"{path!r} says some things that are damaged or not known here, and they "
            "were passed over: check axes, pixel size and number of frames",
            *notes,
        )
    more, signed = _meaning(tif, path)
    return Found(
        data=SignedPlanes(data) if signed and data.dtype.str[1:] == "u2" else data,
        axes=axes,
        path=path,
        scale={a: step for a, step in facts.scale.items() if a in axes},
        units={a: unit for a, unit in facts.units.items() if a in axes},
        channel_names=facts.channel_names,
        droppable=image.droppable,
        files=data.files,
        notes=(*notes, *facts.notes, *more),
        times=times,
        instrument=facts.instrument,
    )


def _meaning(tif: tifffile.TiffFile, path: str) -> tuple[tuple[str, ...], bool]:
    """Say where pixels mean other grey levels, and whether they are signed ones."""
    notes: tuple[str, ...] = ()
    signed = False
    metadata = (tif.imagej_metadata if tif.is_imagej else None) or {}
    if metadata.get("cf") == 0:
        factors = float(metadata.get("c0", 0)), float(metadata.get("c1", 1))
        signed = factors == _SIGNED
        if not signed and factors != (0.0, 1.0):
            notes = (
                f"ImageJ shows the pixels of {path!r} as {factors[0]:g} + "
                f"{factors[1]:g} x their value; their values are read",
            )
    if tif.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        notes += (
            f"0 is white in {path!r}, says its header; the values are read as they are",
        )
    return notes, signed


def _first(pages: Pages, path: str) -> tifffile.TiffPage:
    page = next((page for page, _ in pages.runs if page is not None), None)
    if page is None:
        raise InputError(f"{path!r} holds no pages of the image: it is incomplete")
    return keyframe_of(page)


def _plane_array(image: TiffImage, pages: Pages, path: str) -> PlaneArray:
    """Find the planes of an image and check that all of them are in the files."""
    shape = image.shape
    if 0 in shape:
        raise InputError(f"{path!r} with shape {shape} is empty")
    runs = _present(pages, path)
    keyframe = _first(pages, path)
    dtype = np.dtype(keyframe.dtype)
    plane_bytes = shape[-2] * shape[-1] * dtype.itemsize
    check_alike(runs, path)
    kinds = {id(page.keyframe): keyframe_of(page) for page, _ in runs}.values()
    for kind in kinds:
        if (kind.dtype, kind.shape[-2:]) != (keyframe.dtype, keyframe.shape[-2:]):
            raise Unfollowed(
                f"the pages of {path!r} that should be planes of one image are of "
                f"{keyframe.dtype} {keyframe.shape}, and of {kind.dtype} {kind.shape} "
                f"in {str(kind.parent.filehandle.path)!r}: save the part you want as a "
                "movie of its own"
            )
    is_plain = all(page.is_final for page, _ in runs)
    names = [str(page.parent.filehandle.path) for page, _ in runs]
    ends: dict[str, int] = {}
    for (page, n), name in zip(runs, names, strict=True):
        end = page.dataoffsets[0] + n * plane_bytes if is_plain else _end(page)
        ends[name] = max(end, ends.get(name, 0))
    for name, end in ends.items():
        check_extent(name, end)
    files = tuple(ends)
    if is_plain and len({page.parent.byteorder for page, _ in runs}) == 1:
        counts = np.array([n for _, n in runs], np.int64)
        starts = np.array([page.dataoffsets[0] for page, _ in runs], np.int64)
        within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
        number_of = {name: number for number, name in enumerate(files)}
        numbers = np.array([number_of[name] for name in names], np.int64)
        return StoredPlanes(
            shape,
            dtype.newbyteorder(runs[0][0].parent.byteorder),
            files,
            pages.order,
            np.repeat(numbers, counts),
            np.repeat(starts, counts) + plane_bytes * within,
        )
    if any(np.prod(page.shape) != n * shape[-2] * shape[-1] for page, n in runs):
        raise InputError(
            f"the pages of {path!r} are of different sizes: save the part you want as "
            "a movie of its own"
        )
    for kind in kinds:
        check_codec(kind, path)
    check_segments([page for page, _ in runs], path)
    return DecodedPlanes(
        shape,
        dtype.newbyteorder("="),
        files,
        pages.order,
        runs,
    )


def _present(pages: Pages, path: str) -> list[tuple[Page, int]]:
    there = [(page, n) for page, n in pages.runs if page is not None]
    promised = int(pages.order.size)
    if len(there) < len(pages.runs) or pages.order.max() >= sum(n for _, n in there):
        held = sum(n for _, n in there)
        raise Unfollowed(
            f"{path!r} promises {promised} planes but holds {held}: the recording was "
            "stopped, or the file is incomplete. Export what there is as a new file, "
            'or name the axes to read its pages as they are, for example axes="TYX"'
        )
    return there


def _end(page: Page) -> int:
    """Offset of the first byte after the data of a page."""
    parts: Any = zip(page.dataoffsets, page.databytecounts, strict=False)
    return max((int(offset + count) for offset, count in parts), default=0)
