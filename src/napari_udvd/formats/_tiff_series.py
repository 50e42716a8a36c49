"""Images of TIFF files without a dialect of their own, as tifffile groups the pages.

Files that were written piece by piece (``append=True``) are put together again: pieces
that are alike are one movie.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from napari_udvd.formats._axes import SAMPLES, UNNAMED
from napari_udvd.formats._planes import keyframe_of
from napari_udvd.formats._tiff_axes import all_series
from napari_udvd.formats._tiff_facts import resolution_facts, shaped_facts
from napari_udvd.formats._tiff_image import (
    Pages,
    TiffImage,
    series_image,
    whole_order,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tifffile

    from napari_udvd.formats._facts import Facts
    from napari_udvd.formats._planes import Page

__all__ = ["is_plain", "page_images", "series_images"]

_DIALECTS: Final = (
    "shaped",
    "imagej",
    "fluoview",
    "stk",
    "sis",
    "svs",
    "scn",
    "qpi",
    "ndpi",
    "bif",
    "avs",
    "eer",
    "philips",
    "nih",
    "mdgel",
)
"""What tifffile knows of that says how pages belong together."""


def series_images(tif: tifffile.TiffFile, path: str) -> list[TiffImage]:
    """List the images of a file, thumbnails aside."""
    series = [s for s in all_series(tif) if s.keyframe is not None]
    full = [s for s in series if not s.keyframe.is_reduced] or series
    if series[0].kind == "generic":
        return _by_shape(tif, full)
    is_shaped = all(s.kind == "shaped" for s in full)
    images = [
        series_image(s, lambda: (shaped_facts if is_shaped else resolution_facts)(tif))
        for s in full
    ]
    if len(full) > 1 and is_shaped:
        joined = _joined(full, _as_frames(images), path)
        if joined is not None:
            return [joined]
    return images


def is_plain(tif: tifffile.TiffFile) -> bool:
    """Whether a file says nothing of how its pages belong together."""
    return not any(getattr(tif, f"is_{dialect}") for dialect in _DIALECTS)


def page_images(tif: tifffile.TiffFile, note: str | None = None) -> list[TiffImage]:
    """List the pages as they are, whatever the file says of them."""
    tif.pages.useframes = False
    tif.pages._clear(fully=False)
    pages = [tif.pages[i] for i in range(len(tif.pages))]
    full = [page for page in pages if not keyframe_of(page).is_reduced] or pages

    def tell() -> Facts:
        facts = resolution_facts(tif)
        return replace(facts, notes=(note,)) if note else facts

    return [replace(image, tell=tell) for image in _grouped(full)]


def _by_shape(
    tif: tifffile.TiffFile, series: Sequence[tifffile.TiffPageSeries]
) -> list[TiffImage]:
    """Put pages of one shape and type together, however they are compressed."""
    pages = [page for s in series for page in s if page is not None]
    pages.sort(key=lambda page: page.treeindex)
    return [
        replace(image, tell=lambda: resolution_facts(tif)) for image in _grouped(pages)
    ]


def _grouped(pages: Sequence[Page]) -> list[TiffImage]:
    groups: dict[object, list[Page]] = {}
    for page in pages:
        groups.setdefault((page.shape, page.dtype, page.axes), []).append(page)
    return [_image(group) for group in groups.values()]


def _image(group: Sequence[Page]) -> TiffImage:
    first = group[0]
    shape = (len(group), *first.shape)
    gaps = {late.index - early.index for early, late in pairwise(group)}
    per_page = math.prod(first.shape[:-2])
    return TiffImage(
        name="",
        axes=UNNAMED + first.axes,
        shape=shape,
        find=lambda: Pages([(page, per_page) for page in group], whole_order(shape)),
        scattered=len(gaps) > 1,
    )


def _as_frames(images: Sequence[TiffImage]) -> list[TiffImage]:
    """Take a piece of three or four frames for what the others are.

    tifffile stores such a piece like the planes of a colour picture. Pieces of
    different lengths are no colour pictures.
    """
    colour = f"{SAMPLES}YX"
    axes = next((image.axes for image in images if image.axes != colour), None)
    if axes is None and len({image.shape for image in images}) > 1:
        axes = f"{UNNAMED}YX"
    if axes not in (f"{UNNAMED}YX", "TYX"):
        return list(images)
    return [
        replace(image, axes=axes) if image.axes == colour else image for image in images
    ]


def _joined(
    series: Sequence[tifffile.TiffPageSeries], images: Sequence[TiffImage], path: str
) -> TiffImage | None:
    """Make one movie of pieces that are alike; None where they are not.

    The last piece may have fewer frames than the others.
    """
    first, last = images[0], images[-1]
    has_frames = len(first.axes) > 2 and first.axes[0] in "T" + UNNAMED
    k = 1 if has_frames else 0
    if "T" in first.axes[k:] or any(
        (s.dtype, image.axes, image.shape[k:])
        != (series[0].dtype, first.axes, first.shape[k:])
        for s, image in zip(series, images, strict=True)
    ):
        return None
    lengths = [image.shape[0] if has_frames else 1 for image in images]
    if len(set(lengths[:-1])) > 1 or lengths[-1] > lengths[0]:
        return None
    n_frames = sum(lengths)
    shape = (n_frames, *first.shape[k:])
    pieces = f"{len(images)} images of {first.axes[k:]} {first.shape[k:]}"
    if has_frames:
        pieces = f"{len(images)} pieces of {lengths[0]} frames"
        if last.shape != first.shape:
            pieces += f" (the last of {lengths[-1]})"
    note = (
        f"{path!r} holds {pieces} that were appended one after another: they are read "
        f"as one movie of {n_frames} frames"
    )

    def find() -> Pages:
        runs = [run for image in images for run in image.find().runs]
        return Pages(runs, whole_order(shape))

    def tell() -> Facts:
        facts = first.tell()
        return replace(facts, notes=(*facts.notes, note))

    return TiffImage(
        name="",
        axes=first.axes if has_frames else UNNAMED + first.axes,
        shape=shape,
        find=find,
        tell=tell,
    )
