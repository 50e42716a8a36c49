"""Files that are there whole or not at all.

Every file of this program is written under a hidden name beside its own, seen onto the
disk, and renamed. Whoever is interrupted or fails leaves nothing behind; what a run
that was killed left is removed by the next one that writes the same file.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from napari_udvd.errors import OutputError, system_reason

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "UNFINISHED",
    "Partial",
    "partials_of",
    "put_in_place",
    "remove",
    "remove_stale_partials",
    "temporary_name",
    "write_small",
]


UNFINISHED = ".unfinished"
"""Last part of the hidden name of what was interrupted, and can be gone on with."""


def write_small(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write a file in one go.

    Parameters
    ----------
    path
        File to write.
    content
        All of it.
    overwrite
        Whether an earlier file may be replaced.

    Raises
    ------
    OutputError
        If it cannot be written, or was created by someone else meanwhile; nothing is
        left behind.
    """
    partial = temporary_name(path, "partial")
    try:
        remove_stale_partials(path)
        # a plain file, which others may read, not one of tempfile
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(partial, path, overwrite=overwrite)
    except OutputError:
        raise
    except OSError as error:
        reason = system_reason(error) or "the disk failed"
        raise OutputError(
            f"cannot write {str(path)!r} ({reason}); nothing was left behind. Choose a "
            "folder that exists, can be written and has space"
        ) from error
    finally:
        with suppress(NotADirectoryError):  # then nothing was written
            partial.unlink(missing_ok=True)


def put_in_place(partial: Path, target: Path, *, overwrite: bool) -> None:
    """Give a complete file or folder its name.

    Parameters
    ----------
    partial
        What was written, on the disk already.
    target
        Its name.
    overwrite
        Whether what has that name may be replaced.

    Raises
    ------
    OutputError
        If it was created by someone else meanwhile; or if the new one is in place, but
        the old one cannot be removed.
    OSError
        If it cannot be renamed; what was there is there still.
    """
    if not overwrite and os.path.lexists(target):
        raise OutputError(
            f"the output {str(target)!r} was created by someone else meanwhile: it is "
            "not replaced"
        )
    aside = temporary_name(target, "replaced")
    if partial.is_file() or not os.path.lexists(target):
        os.replace(partial, target)
    else:
        # A folder cannot be replaced in one step: the old one steps aside.
        os.rename(target, aside)
        try:
            os.rename(partial, target)
        except BaseException:
            os.rename(aside, target)
            raise
    _sync_folder(target.parent)
    try:
        remove(aside)
    except OSError as error:
        raise OutputError(
            f"{str(target)!r} is complete, but the result it replaces is still at "
            f"{str(aside)!r} and cannot be removed: {error.strerror}"
        ) from error


def temporary_name(target: Path, purpose: Literal["partial", "replaced"]) -> Path:
    """Name beside `target`, hidden and unique, that says who made it."""
    return target.with_name(
        f".{target.name}.{purpose}-{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    )


class Partial(NamedTuple):
    """An unfinished file or folder, and who makes it.

    Attributes
    ----------
    path
        Its hidden name.
    host, pid
        Machine and process.
    """

    path: Path
    host: str
    pid: int

    @property
    def is_here(self) -> bool:
        """Whether it is made on this machine."""
        return self.host == _host()

    @property
    def may_be_running(self) -> bool:
        """Whether there is such a process; of this machine alone."""
        return _may_be_running(self.pid)


def partials_of(target: Path) -> list[Partial]:
    """List what is unfinished of `target`, of this machine and of others."""
    pattern = re.compile(
        re.escape(f".{target.name}.partial-") + r"(\w+)-(\d+)-[0-9a-f]{8}"
    )
    found = (
        (entry, pattern.fullmatch(entry.name)) for entry in target.parent.iterdir()
    )
    return [Partial(e, each[1], int(each[2])) for e, each in found if each is not None]


def remove_stale_partials(target: Path) -> None:
    """Remove what killed runs on this machine left of `target`."""
    for each in partials_of(target):
        if each.is_here and not each.may_be_running:
            remove(each.path)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """See a rename onto the disk, where the file system can do that for folders."""
    if os.name != "posix":
        return
    with suppress(OSError):  # it cannot: the result is complete all the same
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", socket.gethostname())[:32]


def _may_be_running(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # asking would end the process there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
