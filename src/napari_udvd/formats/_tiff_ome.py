"""Images of OME-TIFF: which page of which file is which plane.

The header maps planes to pages itself, so every image of a set of files is known from
any of them. See https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import SAMPLES, UNNAMED
from napari_udvd.formats._ome import OmeHeader, OmeImage, parse_ome
from napari_udvd.formats._tiff_checks import check_directories
from napari_udvd.formats._tiff_image import Pages, TiffImage, Unfollowed

if TYPE_CHECKING:
    from napari_udvd.formats._facts import Facts
    from napari_udvd.formats._planes import Page

__all__ = ["ome_header", "ome_images"]

_LISTED: Final = 10

_UUID: Final = re.compile(r'<(?:\w+:)?OME\b[^>]*\sUUID="([^"]*)"')


def ome_header(tif: tifffile.TiffFile, path: str) -> OmeHeader | None:
    """Parse the OME-XML of a file, or of the one that describes its set.

    Returns
    -------
    OmeHeader or None
        None where it is damaged, which tifffile says, too.

    Raises
    ------
    InputError
        If the file that describes the set is not there or does not do so.
    """
    name = os.path.basename(path)
    header = _parsed(tif.ome_metadata, name)
    if header is None or header.master is None:
        return header
    master = os.path.join(os.path.dirname(path), header.master)
    if not os.path.isfile(master):
        raise InputError(
            f"{path!r} is one part of a set of files that {header.master!r} describes, "
            f"which is not in the folder {os.path.dirname(path) or os.curdir!r}: put "
            "it there, or convert the set to one OME-TIFF (for example with bfconvert)"
        )
    if master.lower().endswith((".ome", ".xml")):
        with open(master, encoding="utf-8") as file:
            xml = file.read()
    else:
        with tifffile.TiffFile(master) as tif_of_set:
            xml = tif_of_set.ome_metadata or ""
    described = _parsed(xml, name, header.uuid)
    if described is None or described.master is not None:
        raise InputError(
            f"{path!r} is one part of a set of files that {header.master!r} should "
            "describe, but that one has no OME-XML that can be read: export the set "
            "anew"
        )
    return described


def _parsed(xml: str | None, name: str, uuid: str | None = None) -> OmeHeader | None:
    try:
        return parse_ome(xml or "", name, uuid)
    except (ElementTree.ParseError, KeyError, ValueError):
        return None


def ome_images(tif: tifffile.TiffFile, path: str, header: OmeHeader) -> list[TiffImage]:
    """List all images that an OME-XML header describes."""
    return [_image(tif, path, header, image) for image in header.images]


def _image(
    tif: tifffile.TiffFile, path: str, header: OmeHeader, image: OmeImage
) -> TiffImage:
    sizes = dict(image.sizes)
    axes = [axis for axis in image.axes if axis in "TCZ"]
    if image.samples > 1:
        sizes["C"] //= image.samples
    shape = [sizes[axis] for axis in axes]
    for axis, (letter, length) in image.modulo.items():
        if axis in axes and length > 1 and sizes[axis] % length == 0:
            k = axes.index(axis)
            shape[k : k + 1] = [sizes[axis] // length, length]
            axes[k : k + 1] = [axis, letter]
    tail, frame = "YX", [sizes["Y"], sizes["X"]]
    if image.samples > 1:
        is_planar = tif.pages.first.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        tail = f"{SAMPLES}YX" if is_planar else f"YX{SAMPLES}"
        frame.insert(0 if is_planar else 2, image.samples)
    named = header.annotation.get("axes", "")
    whole = (*shape, *frame)
    others = {block.file for block in image.blocks}
    return TiffImage(
        name=image.name,
        axes="".join(axes) + tail,
        shape=whole,
        find=lambda: _Finder(tif, path, header, image, whole).pages(),
        tell=lambda: _told(tif, path, image),
        droppable="".join(a for a in "TCZ" if a not in named) + UNNAMED,
        here=None in others or not others,
    )


def _told(tif: tifffile.TiffFile, path: str, image: OmeImage) -> Facts:
    """Add a note where the pages are of another type than the header says."""
    stored = np.dtype(tif.pages.first.dtype).name
    if image.dtype in ("", stored):
        return image.facts
    note = (
        f"the OME-XML in {path!r} calls its pixels {image.dtype}, but its pages hold "
        f"{stored}, which is read"
    )
    return replace(image.facts, notes=(*image.facts.notes, note))


class _Finder:
    """Looks up the pages of one image in all its files."""

    def __init__(
        self,
        tif: tifffile.TiffFile,
        path: str,
        header: OmeHeader,
        image: OmeImage,
        shape: tuple[int, ...],
    ) -> None:
        self._tif, self._path, self._header, self._image = tif, path, header, image
        self._shape = shape
        self._folder = os.path.dirname(path)
        self._order = [axis for axis in image.axes if axis in "TCZ"]
        sizes = {**image.sizes, "C": image.sizes["C"] // image.samples}
        self._sizes = [sizes[axis] for axis in self._order]

    def pages(self) -> Pages:
        n_pages = math.prod(self._sizes)
        blocks = self._image.blocks
        self._check_there()
        if not blocks and len(self._header.images) > 1:
            raise Unfollowed(
                f"the OME-XML in {self._path!r} does not say which pages the image "
                f"{self._image.name!r} has: export the image as a file of its own"
            )
        found: list[Page | None] = [None] * n_pages
        loaded: dict[str | None, Any] = {}
        used: dict[str | None, list[int]] = {}
        for block in blocks:
            if block.file not in loaded:
                loaded[block.file] = self._load(block.file, block.page)
            pages = loaded[block.file]
            first = [block.first[axis] for axis in self._order]
            if any(i >= n for i, n in zip(first, self._sizes, strict=True)):
                raise Unfollowed(
                    f"the OME-XML in {self._path!r} names a plane at {block.first}, "
                    f"outside the size {dict(self._image.sizes)} that it states"
                )
            start = int(np.ravel_multi_index(first, self._sizes))
            count = block.length
            if count is None:
                count = min(len(pages) - block.page, n_pages - start)
            for i in range(min(count, n_pages - start)):
                if block.page + i < len(pages):
                    found[start + i] = pages[block.page + i]
                    used.setdefault(block.file, []).append(block.page + i)
        if not blocks:
            own = list(self._load(None, 0))[:n_pages]
            found[: len(own)] = own
        self._check_own(used)
        first_page = next((page for page in found if page is not None), None)
        if first_page is not None:
            self._check_shape(first_page)
        per_page = math.prod(self._shape[:-2]) // n_pages
        numbers = np.arange(n_pages * per_page, dtype=np.int64)
        return Pages(
            [(page, per_page) for page in found], numbers.reshape(self._shape[:-2])
        )

    def _load(self, name: str | None, keyframe: int) -> Any:
        if name is None:
            tif = self._tif
            return _frames(tif, keyframe)
        path = os.path.join(self._folder, name)
        with tifffile.TiffFile(path) as tif:
            check_directories(tif, path)
            self._check_identity(tif, name)
            return list(_frames(tif, keyframe))

    def _check_there(self) -> None:
        names = dict.fromkeys(b.file for b in self._image.blocks if b.file is not None)
        missing = [
            name
            for name in names
            if not os.path.isfile(os.path.join(self._folder, name))
        ]
        if not missing:
            return
        listed = ", ".join(missing[:_LISTED])
        if len(missing) > _LISTED:
            listed += f" and {len(missing) - _LISTED} more"
        is_part = any(block.file is None for block in self._image.blocks)
        raise InputError(
            f"{self._path!r} is one of {len(names) + is_part} files that make up one "
            f"movie, and {len(missing)} of them are not in the folder "
            f"{self._folder or os.curdir!r}: {listed}. Put all of them into one "
            "folder, or save the part you want as a movie of its own"
        )

    def _check_identity(self, tif: tifffile.TiffFile, name: str) -> None:
        """Refuse a file under the name of another one of its set."""
        # Not parsed: there may be thousands of files with a long header.
        found = _UUID.search((tif.ome_metadata or "")[:4096])
        own = None if found is None else found[1]
        expected = self._header.identifiers.get(name)
        if own != expected and own in self._header.identifiers.values():
            raise InputError(
                f"{name!r} beside {self._path!r} is another file of the set under its "
                f"name (its identifier is {own!r}, expected {expected!r}): give the "
                "files the names that they were written with"
            )

    def _check_own(self, used: dict[str | None, list[int]]) -> None:
        """Refuse a header that gives the same page to two images."""
        mine = {(file, page) for file, pages in used.items() for page in pages}
        for other in self._header.images:
            if other is self._image:
                continue
            for block in other.blocks:
                if any(
                    (block.file, block.page + i) in mine
                    for i in range(block.length or 1)
                ):
                    raise Unfollowed(
                        f"the OME-XML in {self._path!r} gives page {block.page} to two "
                        f"images, {self._image.name!r} and {other.name!r}: export the "
                        "images as files of their own"
                    )

    def _check_shape(self, page: Page) -> None:
        promised = self._shape[len(self._shape) - 2 - (self._image.samples > 1) :]
        if tuple(page.shape) != promised:
            raise Unfollowed(
                f"the OME-XML in {self._path!r} does not fit what the file holds: it "
                f"promises pages of {promised}, but they are {page.shape}"
            )


def _frames(tif: tifffile.TiffFile, keyframe: int) -> tifffile.TiffPages:
    """Pages of a file, of which only one is read in full."""
    pages = tif.pages
    pages.cache = True
    pages.useframes = True
    if 0 <= keyframe < len(pages):
        pages.set_keyframe(keyframe)
    return pages
