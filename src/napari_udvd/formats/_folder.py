"""Folders and lists of TIFF files, one picture a file, as one movie.

What the files count is told by the numbers in their names: ``t012`` is a time, ``z03``
a depth, ``c1`` a channel; a number that nothing stands for is a time, too, and a note
says so.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.formats._axes import UNNAMED, Found
from napari_udvd.formats._planes import PlaneArray
from napari_udvd.formats._tiff import find_tiff

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["TIFF_SUFFIXES", "find_folder", "find_series"]

TIFF_SUFFIXES: Final = (".tif", ".tiff", ".btf", ".tf8")
"""Suffixes of TIFF files."""

_NUMBER: Final = re.compile(r"(\d+)")
_WORD: Final = re.compile(r"[a-z]*$")
_MEANING: Final = {
    **dict.fromkeys(("t", "tp", "time", "timepoint", "frame", "fr"), "T"),
    **dict.fromkeys(("c", "ch", "chan", "channel", "w", "wv", "wave"), "C"),
    **dict.fromkeys(("z", "zs", "slice", "plane", "depth"), "Z"),
    **dict.fromkeys(
        "p pos position xy s series scene f field fov site well tile m roi".split(),
        "P",
    ),
}


def find_folder(path: str) -> Found:
    """Find the movie that the TIFF files of a folder make up.

    Raises
    ------
    InputError
        If there is no TIFF file in it, or they are no movie; see :func:`find_series`.
    """
    files = [
        os.path.join(path, name)
        for name in os.listdir(path)
        if name.lower().endswith(TIFF_SUFFIXES) and not name.startswith(".")
    ]
    if not files:
        raise InputError(
            f"{path!r} is a folder but no zarr (it holds no zarr.json, .zgroup or "
            ".zarray), and it holds no TIFF files either. Name the file of the movie"
        )
    return find_series(files, path)


def find_series(files: Sequence[str], path: str, *, as_listed: bool = False) -> Found:
    """Find the movie that files of one picture each make up.

    Parameters
    ----------
    files
        In any order; they are sorted naturally, 2 before 10.
    path
        What to call all of them.
    as_listed
        Whether the user named them one by one: then names that have no numbers are
        frames in the order of the alphabet.

    Raises
    ------
    InputError
        If the pictures differ in size or data type, are no single grey pictures, or
        if it is not clear from their names in which order they belong.
    """
    files = sorted(files, key=_natural)
    first = find_tiff(files[0])
    if set(map(os.path.abspath, files)) <= set(map(os.path.abspath, first.files)):
        return first  # a set of files that say themselves what they are
    pictures = [first, *(find_tiff(name) for name in files[1:])]
    frame, dtype = _check_alike(pictures, path)
    names = [os.path.splitext(os.path.basename(name))[0] for name in files]
    if as_listed and not any(map(_NUMBER.search, names)):
        axes, grid, more = _in_order(names)
    else:
        axes, grid, more = _grid(names, path)
    ordered = [files[k] for k in grid.ravel()]
    ends = f"{os.path.basename(ordered[0])!r} to {os.path.basename(ordered[-1])!r}"
    shape = (*grid.shape, *frame)
    found = replace(
        first,
        data=_Pictures(shape, dtype, pictures, grid),
        axes=axes + "YX",
        path=path,
        scale={a: s for a, s in first.scale.items() if a in axes + "YX"},
        units={a: u for a, u in first.units.items() if a in axes + "YX"},
        channel_names=(),
        droppable="CZ" + UNNAMED,
        files=tuple(ordered),
        times=None,
        others=(),
    )
    said = (
        f"{path!r}: {len(files)} files, {ends}, are read as {axes}YX; calibration is "
        "that of the first"
    )
    return replace(found, notes=(said, *more, *first.notes))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which 2 comes before 10."""
    parts = _NUMBER.split(os.path.basename(name).lower())
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts] + [(-1, name)]


def _check_alike(
    pictures: Sequence[Found], path: str
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return size and type of all pictures; a training should not end at the 1000th."""
    first = pictures[0]
    frame, dtype = first.data.shape[-2:], np.dtype(first.data.dtype)
    for picture in pictures:
        shape = tuple(map(int, picture.data.shape))
        if math.prod(shape[:-2]) > 1 or picture.axes[-2:] not in ("YX", UNNAMED * 2):
            raise InputError(
                f"{picture.path!r} holds more than one picture ({picture.axes} "
                f"{shape}): the files of {path!r} are no single pictures of one movie. "
                "Open them one by one"
            )
        if (shape[-2:], np.dtype(picture.data.dtype)) != (tuple(frame), dtype):
            raise InputError(
                f"the files of {path!r} are not alike: "
                f"{os.path.basename(picture.path)!r} holds a picture of {shape[-2:]}, "
                f"{picture.data.dtype}, and {os.path.basename(first.path)!r} one of "
                f"{tuple(frame)}, {dtype}. Put the pictures of one movie into a folder "
                "of their own"
            )
    return tuple(map(int, frame)), dtype.newbyteorder("=")


def _in_order(
    names: Sequence[str],
) -> tuple[str, npt.NDArray[np.int64], tuple[str, ...]]:
    return "T", np.arange(len(names), dtype=np.int64), ()


def _grid(
    names: Sequence[str], path: str
) -> tuple[str, npt.NDArray[np.int64], tuple[str, ...]]:
    """Tell the axes from the names; the positions in `names` at each place."""
    pieces = [_NUMBER.split(name) for name in names]
    texts = {tuple(piece[::2]) for piece in pieces}
    if len(texts) > 1:
        raise InputError(
            f"the names of the files of {path!r} differ in more than numbers "
            f"({names[0]!r}, {names[-1]!r}): it is not clear in which order they "
            "belong. Put the pictures of one movie, numbered, into a folder of their "
            "own"
        )
    (text,) = texts
    numbers = np.array([[int(n) for n in piece[1::2]] for piece in pieces], np.int64)
    counting = [k for k in range(numbers.shape[1]) if np.ptp(numbers[:, k])]
    if len(names) == 1:
        return "T", np.zeros(1, np.int64), ()
    words = [_WORD.search(text[k].lower())[0] for k in counting]  # type: ignore[index]
    meanings = [_MEANING.get(word, UNNAMED) for word in words]
    notes = []
    if meanings == [UNNAMED]:
        meanings = ["T"]
        notes.append(
            f"the numbers in the names of the files of {path!r} are taken for times"
        )
    shown = ", ".join(f"{text[k]}{{number}}" for k in counting)
    if "P" in meanings or UNNAMED in meanings or max(Counter(meanings).values()) > 1:
        raise InputError(
            f"the names of the files of {path!r} count {len(counting)} things ({shown})"
            ", and not only times (t), channels (c) and depths (z): put the pictures "
            "of one movie into a folder of their own, or save them as one TIFF"
        )
    order = sorted(range(len(counting)), key=lambda k: "TCZ".index(meanings[k]))
    steps = [np.unique(numbers[:, counting[k]]) for k in order]
    shape = tuple(len(s) for s in steps)
    grid = np.full(shape, -1, np.int64)
    places = tuple(
        np.searchsorted(s, numbers[:, counting[k]])
        for s, k in zip(steps, order, strict=True)
    )
    grid[places] = np.arange(len(names))
    if len(names) != grid.size or (grid < 0).any():
        raise InputError(
            f"the names of the files of {path!r} count {shape} pictures ({shown}), but "
            f"there are {len(names)}: some are missing or there twice"
        )
    axes = "".join(meanings[k] for k in order)
    for axis, step in zip(axes, steps, strict=True):
        gaps = np.diff(step)
        if axis == "T" and gaps.size and gaps.max() > gaps.min():
            k = int(np.argmax(gaps))
            notes.append(
                f"the numbers of the files of {path!r} jump from {step[k]} to "
                f"{step[k + 1]}: frames may be missing"
            )
    return axes, grid, tuple(notes)


class _Pictures(PlaneArray):
    """Planes that are files of their own, each as its own reader found it."""

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        pictures: Sequence[Found],
        order: npt.NDArray[np.int64],
    ) -> None:
        files = tuple(picture.path for picture in pictures)
        super().__init__(shape, dtype, files, order)
        self._data = [picture.data for picture in pictures]

    def _planes(
        self, numbers: Sequence[int], top: int, bottom: int
    ) -> Iterator[npt.NDArray[Any]]:
        for number in numbers:
            data = self._data[number]
            rows = (slice(0, 1),) * (len(data.shape) - 2) + (slice(top, bottom),)
            block = np.asarray(data[(*rows, slice(None))])
            yield block.reshape(bottom - top, self.shape[-1])
