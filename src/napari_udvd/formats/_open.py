"""Which module reads which file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from napari_udvd.errors import InputError
from napari_udvd.formats._contents import Contents, one

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OTHERS", "ZIPPED", "open_contents", "suffix_of"]

ZIPPED: Final = (".zarr.zip", ".ozx")
"""Suffixes of an OME-Zarr in one file."""

_ROSETTA: Final = (".hspy", ".dm3", ".dm4", ".emd")

OTHERS: Final = (
    ".npy",
    ".zarr",
    *ZIPPED,
    *_ROSETTA,
    ".zspy",
    ".mrc",
    ".mrcs",
    ".nd2",
    ".czi",
    ".lif",
    ".oif",
    ".oib",
)
"""Suffixes of everything but TIFF that is read."""


def open_contents(path: str, *, readable: tuple[str, ...] = OTHERS) -> Contents:
    """List the images of a file or folder that is no TIFF.

    Parameters
    ----------
    path
        It has to be there.
    readable
        All suffixes that are read, for messages.

    Raises
    ------
    InputError
        If its kind is unknown, it is damaged, or a package to read it is missing.
    """
    suffix = suffix_of(path)
    if os.path.isdir(path) and suffix != ".zspy":
        return _folder(path)
    opener = _openers().get(suffix)
    if opener is None:
        kind = (
            "is a file, but a zarr is a folder" if suffix == ".zarr" else "is unknown"
        )
        raise InputError(
            f"{path!r}: the suffix {suffix!r} {kind}. Movies are read from "
            f"{', '.join(readable)}"
        )
    return opener(path)


def suffix_of(path: str) -> str:
    """Return the suffix that says what kind of file it is, in small letters."""
    name = os.path.basename(path.rstrip("/\\")).lower()
    zipped = next((suffix for suffix in ZIPPED if name.endswith(suffix)), None)
    return zipped or os.path.splitext(name)[1]


def _folder(path: str) -> Contents:
    from napari_udvd.formats._zarr import is_zarr, open_zarr

    if is_zarr(path):
        return open_zarr(path)
    from napari_udvd.formats._folder import find_folder

    return one(find_folder(path))


def _openers() -> dict[str, Callable[[str], Contents]]:
    """Functions that import what they need when they are called."""
    return {
        ".npy": _npy,
        ".nd2": _nd2,
        ".czi": _czi,
        ".lif": _lif,
        ".oif": _olympus,
        ".oib": _olympus,
        ".zspy": _zspy,
        **dict.fromkeys(ZIPPED, _zipped),
        **dict.fromkeys((".mrc", ".mrcs"), _mrc),
        **dict.fromkeys(_ROSETTA, _rosetta),
    }


def _npy(path: str) -> Contents:
    from napari_udvd.formats._npy import find_npy

    return one(find_npy(path))


def _nd2(path: str) -> Contents:
    from napari_udvd.formats._nd2 import open_nd2

    return open_nd2(path)


def _czi(path: str) -> Contents:
    from napari_udvd.formats._czi import open_czi

    return open_czi(path)


def _lif(path: str) -> Contents:
    from napari_udvd.formats._lif import open_lif

    return open_lif(path)


def _olympus(path: str) -> Contents:
    from napari_udvd.formats._olympus import find_olympus

    return one(find_olympus(path))


def _zipped(path: str) -> Contents:
    from napari_udvd.formats._zarr import open_zipped_zarr

    return open_zipped_zarr(path)


def _mrc(path: str) -> Contents:
    from napari_udvd.formats._mrc import find_mrc

    return one(find_mrc(path))


def _zspy(path: str) -> Contents:
    from napari_udvd.formats._microscope import find_zspy

    return one(find_zspy(path))


def _rosetta(path: str) -> Contents:
    from napari_udvd.formats._microscope import find_rosetta

    return one(find_rosetta(path, suffix_of(path)))
