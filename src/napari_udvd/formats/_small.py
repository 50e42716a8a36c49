"""Checks of small files, before time is spent on their content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_udvd.errors import OutputError
from napari_udvd.formats._output import check_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_small_output"]


def check_small_output(
    path: str | os.PathLike[str], suffixes: Sequence[str], *, overwrite: bool = False
) -> Path:
    """Check that a small file can be written, before time is spent on its content.

    Parameters
    ----------
    path
        File to write.
    suffixes
        Those that it may have, such as ``.csv``; capitals count as small letters.
    overwrite
        Whether an earlier file may be replaced.

    Returns
    -------
    pathlib.Path
        `path`, as it was given.

    Raises
    ------
    OutputError
        If the suffix is another one, the folder is missing or not writable, or the
        file exists.
    """
    target = Path(path)
    if target.suffix.lower() not in suffixes:
        raise OutputError(
            f"{str(target)!r} has no suffix of a format that can be written; use one "
            f"of {', '.join(suffixes)}"
        )
    check_folder(target)
    if target.is_dir():
        raise OutputError(
            f"the output {str(target)!r} is a folder: choose another name"
        )
    if not overwrite and os.path.lexists(target):
        raise OutputError(
            f"the output {str(target)!r} exists: choose another name, or allow it to "
            "be replaced (overwrite)"
        )
    return target
