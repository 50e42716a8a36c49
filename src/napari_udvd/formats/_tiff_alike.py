"""Whether pages of a TIFF are stored alike, which tifffile takes for granted.

It reads one page of a kind in full and takes the others to be like it: a page of
another size or compression among them would come back as noise.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

from napari_udvd.formats._planes import keyframe_of
from napari_udvd.formats._tiff_directory import entries
from napari_udvd.formats._tiff_image import Unfollowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tifffile

    from napari_udvd.formats._planes import Page

__all__ = ["all_alike", "check_alike"]

_Way: TypeAlias = tuple[int | None, ...]

_TAGS: Final = {
    256: None,  # columns
    257: None,  # rows
    258: 1,  # bits
    259: 1,  # compression
    277: 1,  # values per pixel
    284: 1,  # values apart
    317: 1,  # predictor
    322: None,  # tiles
    323: None,
    339: 1,  # kind of number
}
"""Tags that say how the pixels of a page are stored, and what they are if missing."""


def all_alike(tif: tifffile.TiffFile) -> bool:
    """Whether all pages of a file are stored in the same way."""
    n_pages = len(tif.pages)
    with open(tif.filehandle.path, "rb") as file:
        ways = _Ways(file, tif)
        return len({ways.of(offset) for offset in tif.pages._offsets[:n_pages]}) < 2


def check_alike(runs: Sequence[tuple[Page, int]], path: str) -> None:
    """Refuse pages that are stored in another way than the page that stands for them.

    Raises
    ------
    Unfollowed
        With the number of the first such page.
    """
    by_keyframe: dict[int, list[Page]] = {}
    for page, _ in runs:
        if page.offset > 0 and keyframe_of(page) is not page:
            by_keyframe.setdefault(id(page.keyframe), []).append(page)
    for pages in by_keyframe.values():
        keyframe = keyframe_of(pages[0])
        name = str(keyframe.parent.filehandle.path)
        with open(name, "rb") as file:
            ways = _Ways(file, keyframe.parent)
            expected = ways.of(keyframe.offset)
            for page in pages:
                if ways.of(page.offset) != expected:
                    raise Unfollowed(
                        f"page {page.index} of {name!r} has another size, type or "
                        f"compression than page {keyframe.index}, though the file says "
                        f"that they are planes of one image: {path!r} was put together "
                        "of different pictures. Save the part you want as a movie of "
                        "its own"
                    )


class _Ways:
    """In which ways the pages of a file are stored.

    Most directories differ in offsets only: where the tags that matter are the same
    bytes, they are not read again.
    """

    def __init__(self, file: BinaryIO, tif: tifffile.TiffFile) -> None:
        self._file, self._tif = file, tif
        self._places: dict[bytes, list[int]] = {}
        self._known: dict[tuple[bytes, ...], _Way] = {}

    def of(self, offset: int) -> _Way:
        """Return how the page is stored whose directory is at `offset`."""
        layout, size = self._tif.tiff, self._tif.tiff.tagsize
        self._file.seek(offset)
        number = self._file.read(layout.tagnosize)
        if len(number) < layout.tagnosize:
            return ()
        (n_tags,) = struct.unpack(layout.tagnoformat, number)
        directory = self._file.read(n_tags * size)
        codes = directory[::size] + directory[1::size]
        if codes not in self._places:
            code_of = struct.Struct(f"{layout.byteorder}H").unpack_from
            starts = range(0, len(directory) - size + 1, size)
            self._places[codes] = [
                s for s in starts if code_of(directory, s)[0] in _TAGS
            ]
        key = (codes, *(directory[s : s + size] for s in self._places[codes]))
        if key not in self._known:
            self._known[key] = self._read(offset)
        return self._known[key]

    def _read(self, offset: int) -> _Way:
        found = dict(_TAGS)
        for entry in entries(self._file, self._tif, offset, _TAGS):
            # Several numbers may stand elsewhere: how many is enough.
            found[entry.code] = entry.value if entry.length == 1 else -entry.length
        return tuple(found.values())
