"""Where results go: checks before any work, and names of unfinished files."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import OutputError
from napari_udvd.formats._zarr import is_zarr

if TYPE_CHECKING:
    from napari_udvd.stack import LayoutLike

__all__ = [
    "check_folder",
    "check_output",
    "output_kind",
    "readable_size",
]

_SUFFIXES: Final[dict[str, Literal["tiff", "zarr"]]] = {
    ".ome.tif": "tiff",
    ".ome.tiff": "tiff",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".ome.zarr": "zarr",
    ".zarr": "zarr",
}

_OME_DTYPES: Final = ("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8")
_DTYPES: Final = {"tiff": _OME_DTYPES, "zarr": (*_OME_DTYPES, "u8", "i8", "f2")}


def check_output(
    path: str | os.PathLike[str],
    *,
    like: LayoutLike,
    dtype: npt.DTypeLike | None = None,
    overwrite: bool = False,
) -> Path:
    """Check that a result can be written, before hours are spent on it.

    Parameters
    ----------
    path
        File to write; its suffix chooses the format (``.ome.tif``, ``.ome.tiff``,
        ``.tif``, ``.tiff``, ``.ome.zarr``, ``.zarr``).
    like
        The movie, or the layout of the result: its size, and the files of the movie,
        which are never replaced.
    dtype
        Of the pixels to be written; that of `like` where not given.
    overwrite
        Whether an earlier result may be replaced.

    Returns
    -------
    pathlib.Path
        `path`, as it was given.

    Raises
    ------
    OutputError
        Unknown suffix or dtype; folder missing or not writable; output is (in, or
        around) the input, also through links; output exists; not enough free space.
    """
    target = Path(path)
    kind = output_kind(target)
    dtype = np.dtype(like.dtype if dtype is None else dtype)
    if dtype.str[1:] not in _DTYPES[kind]:
        known = ", ".join(np.dtype(code).name for code in _DTYPES[kind])
        raise OutputError(
            f"{str(target)!r} cannot hold {dtype}: OME-{kind.upper()} knows "
            f"{known}. Choose one of them, for example float32"
        )
    check_folder(target)
    _check_not_input(target, like)
    if os.path.lexists(target):
        _check_replaceable(target, kind, overwrite)
    needed = math.prod(like.shape) * dtype.itemsize
    folder = target.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{str(target)!r} needs {readable_size(needed)} ({needed} bytes) but only "
            f"{readable_size(free)} ({free} bytes) are free in {str(folder)!r}: make "
            "room, or write to another disk"
        )
    return target


def check_folder(target: Path) -> None:
    """Check that a file can be made in its folder.

    Raises
    ------
    OutputError
        If the folder is missing or not writable.
    """
    folder = target.parent
    if not folder.is_dir():
        raise OutputError(
            f"the folder {str(folder)!r} of the output {target.name!r} "
            + ("is not a folder" if folder.exists() else "does not exist: create it")
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"the folder {str(folder)!r} is not writable: choose another one for "
            f"the output {target.name!r}"
        )


def output_kind(path: Path) -> Literal["tiff", "zarr"]:
    """Format that the suffix of `path` asks for.

    Raises
    ------
    OutputError
        If it is none of those that can be written.
    """
    for suffix, kind in _SUFFIXES.items():
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return kind
    raise OutputError(
        f"{str(path)!r} has no suffix of a format that can be written; use one of "
        f"{', '.join(_SUFFIXES)}"
    )


def readable_size(n_bytes: int) -> str:
    """Return a number of bytes in words: ``"1.5 GB"``."""
    value = float(n_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _check_not_input(target: Path, like: LayoutLike) -> None:
    sources = like.files or (like.source,)
    for source in (Path(name) for name in sources if name is not None):
        if not source.exists():
            continue
        inner, outer = target.resolve(), source.resolve()
        if (
            inner == outer
            or (target.exists() and os.path.samefile(target, source))
            or outer in inner.parents
            or inner in outer.parents
        ):
            raise OutputError(
                f"the output {str(target)!r} is the input {str(source)!r}, or lies in "
                "it: the recorded data are never changed. Choose another name"
            )


def _check_replaceable(
    target: Path, kind: Literal["tiff", "zarr"], overwrite: bool
) -> None:
    if not overwrite:
        raise OutputError(
            f"the output {str(target)!r} exists: choose another name, or allow it to "
            "be replaced (overwrite)"
        )
    replaceable = is_zarr(str(target)) if kind == "zarr" else not target.is_dir()
    if not replaceable:
        raise OutputError(
            f"the output {str(target)!r} exists and is "
            + ("a folder" if target.is_dir() else "a file")
            + f", not a {kind} written earlier: it is not replaced. Choose another name"
        )
