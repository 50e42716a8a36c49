"""Small files, written in one go."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_udvd.errors import OutputError, system_reason
from napari_udvd.formats._output import (
    check_folder,
    remove_stale_partials,
    temporary_name,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_small_output", "write_small"]


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


def write_small(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write a file under a hidden name beside `path`, and rename it when complete.

    Raises
    ------
    OutputError
        If it cannot be written, or was created by someone else meanwhile; nothing is
        left behind.
    """
    partial = temporary_name(path, "partial")
    try:
        remove_stale_partials(path)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not overwrite and os.path.lexists(path):
            raise OutputError(
                f"the output {str(path)!r} was created by someone else meanwhile: it "
                "is not replaced"
            )
        partial.replace(path)
    except OutputError:
        raise
    except OSError as error:
        reason = system_reason(error) or "the disk failed"
        raise OutputError(
            f"{reason}: cannot write {str(path)!r}; nothing is left "
            "behind. Choose a folder that exists, can be written and has space"
        ) from error
    finally:
        with suppress(NotADirectoryError):  # then nothing was written
            partial.unlink(missing_ok=True)
