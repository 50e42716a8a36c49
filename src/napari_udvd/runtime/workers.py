"""Whether workers can do what is asked of them, before they are asked."""

from __future__ import annotations

import os
import secrets
import socket
from importlib import metadata
from typing import TYPE_CHECKING, Any

from napari_udvd._version import __version__
from napari_udvd.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["CONNECT_SECONDS", "check_paths", "check_workers"]

CONNECT_SECONDS = 10.0
"""Time in which a scheduler has to answer, and to have a worker."""


def check_workers(client: Any, seconds: float = CONNECT_SECONDS) -> None:
    """Check that there are workers, and that they run the same program.

    Raises
    ------
    InputError
        If there is none, or one has another version of this package or of torch, or
        none.
    """
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError as error:
        raise InputError(
            f"the scheduler {client.scheduler.address!r} had no worker within "
            f"{seconds:g} s: start some with `dask worker {client.scheduler.address}`"
        ) from error

    def found(names: tuple[str, ...]) -> dict[str, str | None]:
        # goes there by value: the package may not be there
        from importlib import metadata

        versions: dict[str, str | None] = {}
        for name in names:
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                versions[name] = None
        try:
            from napari_udvd import _version
        except ImportError:
            versions["napari-udvd"] = None
        else:
            versions["napari-udvd"] = _version.__version__
        return versions

    here = {"napari-udvd": __version__, "torch": metadata.version("torch")}
    for worker, there in client.run(found, ("torch",)).items():
        for name, version in here.items():
            # builds for another device compute the same
            own, other = (_public(v) for v in (version, there[name]))
            if own != other:
                told = "does not have it" if other is None else f"has {other}"
                raise InputError(
                    f"this program runs with {name} {own}, but worker {worker} {told}: "
                    f'pip install "{name}=={own}" in the environment of the workers, '
                    "and start them again"
                )


def check_paths(client: Any, files: Sequence[Path], folder: Path | None = None) -> None:
    """Check that every worker sees the files, and can write where results go.

    Parameters
    ----------
    client
        Of the workers.
    files
        They have to be the same everywhere; those that are not here are left out.
    folder
        Of what workers write; it has to be the very folder that is seen here. None
        where they write nothing.

    Raises
    ------
    InputError
        If a file is not there, or another one.
    OutputError
        If the folder is not there, or cannot be written to.
    """
    sizes = {os.path.abspath(f): os.path.getsize(f) for f in files if os.path.exists(f)}
    marker = None
    if folder is not None:
        marker = folder / f".{secrets.token_hex(8)}.seen"
        try:
            marker.touch()
        except OSError as error:
            raise OutputError(
                f"cannot write in {str(folder)!r} ({error.strerror}); name another "
                "folder"
            ) from error
    try:
        seen = client.run(_seen, sizes, marker and os.path.abspath(marker))
    finally:
        if marker is not None:
            marker.unlink(missing_ok=True)
    for worker, (host, missing, problem) in seen.items():
        if missing:
            raise InputError(
                f"worker {worker} on {host} does not see {missing!r} as this machine "
                "does: keep movies in a folder that all machines share, and name it "
                "by the same path"
            )
        if problem:
            raise OutputError(
                f"worker {worker} on {host} cannot write in {str(folder)!r} "
                f"({problem}): name a folder that all machines share"
            )


def _seen(
    sizes: Mapping[str, int], marker: str | None
) -> tuple[str, str | None, str | None]:
    """Host, a file that is missing, and why nothing can be written; on a worker."""
    host = socket.gethostname()
    for name, size in sizes.items():
        if not os.path.exists(name) or os.path.getsize(name) != size:
            return host, name, None
    if marker is None:
        return host, None, None
    if not os.path.exists(marker):
        return host, None, "it is not the folder that the program sees"
    if not os.access(os.path.dirname(marker), os.W_OK | os.X_OK):
        return host, None, "permission denied"
    return host, None, None


def _public(version: str | None) -> str | None:
    return None if version is None else version.partition("+")[0]
