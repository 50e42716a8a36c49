"""Directories of TIFF pages, read one by one without making a page of each."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    import tifffile

__all__ = ["Entry", "entries"]

_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 16: 8}
"""Length of one number or letter in a tag, by its type."""


class Entry(NamedTuple):
    """A tag of a page.

    Attributes
    ----------
    code
        Which tag it is.
    length
        How many numbers or letters it has.
    value
        The number, where there is one.
    offset
        Where its numbers or letters are in the file.
    """

    code: int
    length: int
    value: int
    offset: int

    def text(self, file: BinaryIO) -> bytes:
        """Read the letters of the tag."""
        file.seek(self.offset)
        return file.read(self.length)


def entries(
    file: BinaryIO, tif: tifffile.TiffFile, offset: int, codes: Container[int]
) -> Iterator[Entry]:
    """Read tags of the page whose directory is at `offset`.

    Only those with one of `codes`, and of them only whole numbers and text.
    """
    layout = tif.tiff
    order: Literal["little", "big"] = "little" if layout.byteorder == "<" else "big"
    file.seek(offset)
    number = file.read(layout.tagnosize)
    if len(number) < layout.tagnosize:
        return
    (n_tags,) = struct.unpack(layout.tagnoformat, number)
    directory = file.read(n_tags * layout.tagsize)
    head = layout.tagsize - layout.offsetsize
    unpack = struct.Struct(f"{layout.byteorder}HH").unpack_from
    for start in range(0, len(directory) - layout.tagsize + 1, layout.tagsize):
        code, kind = unpack(directory, start)
        if code not in codes or kind not in _BYTES:
            continue
        entry = directory[start : start + layout.tagsize]
        count = int.from_bytes(entry[4:head], order)
        place = offset + layout.tagnosize + start + head
        if count * _BYTES[kind] > layout.offsetsize:
            place = int.from_bytes(entry[head:], order)
        value = int.from_bytes(entry[head : head + _BYTES[kind]], order)
        yield Entry(code, count, value, place)
