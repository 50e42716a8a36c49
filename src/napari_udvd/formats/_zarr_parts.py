"""Write one OME-Zarr from several processes, and go on with it after an interruption.

Whoever writes the movie makes the store, under a hidden name, and is the only one to
give it its own name. Workers write frames into it. A chunk, and a shard where there are
shards, belongs to one block: no two processes ever write the same file. What is done is
noted in a file inside the store, line by line; that is how an interrupted run is gone
on with, and how a second one sees that the first is still there.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import OutputError, WorkersLost, system_reason
from napari_udvd.formats._sinks import FULL, block_key, to_dtype
from napari_udvd.formats._zarr_sink import ZarrSink
from napari_udvd.small_files import (
    UNFINISHED,
    Partial,
    partials_of,
    remove,
)
from napari_udvd.stack import LayoutLike, Plane

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["PartPlace", "PartedZarrSink", "write_part"]

_KEPT: Final = (WorkersLost, KeyboardInterrupt, GeneratorExit)
"""What may interrupt a run that is worth to be gone on with: nothing is wrong."""

NOTES: Final = "napari-udvd-parts.jsonl"
"""File in the store that says what is done."""

SILENT_SECONDS = 900.0
"""Time without a note after which a run on another machine is taken to be over."""


@dataclass(frozen=True)
class PartPlace:
    """Where workers write.

    Attributes
    ----------
    path
        The store, as all of them see it.
    target
        What it will be called, for messages.
    axes
        Of its array.
    """

    path: str
    target: str
    axes: str


def write_part(
    place: PartPlace, frames: npt.NDArray[Any], start: int, plane: Plane
) -> tuple[float, float]:
    """Write frames ``(T, Y, X)`` of one plane, in whatever process this is.

    Returns
    -------
    low, high
        Least and largest finite value; infinite where there is none.

    Raises
    ------
    OutputError
        If the disk is full or fails, or the store is not to be seen here.
    ValueError
        If the frames end inside a chunk or shard: another process might write it.
    """
    import zarr

    host = socket.gethostname()
    try:
        array: Any = zarr.open_array(place.path, path="0", mode="r+")
        check_aligned(array, place.axes, start, start + len(frames))
        stored = to_dtype(frames, array.dtype)
        array[block_key(place.axes, slice(start, start + len(stored)), plane)] = (
            stored if "T" in place.axes else stored[0]
        )
    except FileNotFoundError as error:
        raise OutputError(
            f"{place.path!r}, which becomes {place.target!r}, is not there on {host}: "
            "write to a folder that all machines share, and leave hidden files in it "
            "alone while work is being done"
        ) from error
    except OSError as error:
        reason = system_reason(error) or "writing failed"
        remedy = "make room" if error.errno in FULL else "check the disk"
        raise OutputError(
            f"frames {start} to {start + len(frames) - 1} of {place.target!r} could "
            f"not be written on {host} ({reason}): {remedy}, and run it again with "
            "--resume"
        ) from error
    finite = stored[np.isfinite(stored)]
    if not finite.size:
        return float("inf"), float("-inf")
    return float(finite.min()), float(finite.max())


def check_aligned(array: Any, axes: str, start: int, stop: int) -> None:
    """Check that frames fill whole chunks, or whole shards.

    Raises
    ------
    ValueError
        If they do not.
    """
    if "T" not in axes:
        return
    at = axes.index("T")
    length, step = array.shape[at], (array.shards or array.chunks)[at]
    if start % step or (stop % step and stop != length):
        raise ValueError(
            f"frames {start} to {stop - 1} end inside a chunk of {step} frames, which "
            "another process may write"
        )


class PartedZarrSink(ZarrSink):
    """OME-Zarr that others may write to, and that can be gone on with.

    Parameters
    ----------
    target, like, dtype, record, overwrite
        As for :class:`~napari_udvd.formats._sinks.FileSink`.
    key
        Tells what is written: a run goes on with what has the same.
    resume
        Go on with what an interrupted run left.
    """

    def __init__(
        self,
        target: Path,
        like: LayoutLike,
        dtype: npt.DTypeLike,
        record: Any,
        overwrite: bool,
        *,
        key: str,
        resume: bool = False,
    ) -> None:
        super().__init__(target, like, dtype, record, overwrite)
        self._key, self._resume = key, resume

    @property
    def place(self) -> PartPlace:
        """Where workers write, as long as the sink is open."""
        return PartPlace(
            os.path.abspath(self._partial), str(self.target), self.like.canonical_axes
        )

    @property
    def unfinished(self) -> Path:
        """What is left of a run that was interrupted."""
        return self.target.with_name(f".{self.target.name}{UNFINISHED}")

    def is_written(self, start: int, stop: int, plane: Plane) -> bool:
        """Whether frames ``start .. stop - 1`` of a plane are done."""
        return bool(self._written[start:stop, plane.c, plane.z].all())

    def note(
        self, start: int, stop: int, plane: Plane, low: float, high: float
    ) -> None:
        """Take note that frames were written, by whomever."""
        self._take(start, stop, plane, low, high)
        line = {"frames": [start, stop], "c": plane.c, "z": plane.z}
        if np.isfinite(low):
            line |= {"range": [low, high]}
        with self._failing_cleanly():
            _append(self._partial / NOTES, line)

    def _take(
        self, start: int, stop: int, plane: Plane, low: float, high: float
    ) -> None:
        self._written[start:stop, plane.c, plane.z] = True
        known = self._ranges[plane.c]
        self._ranges[plane.c] = min(known[0], low), max(known[1], high)

    def __enter__(self) -> PartedZarrSink:
        """Start writing, or go on.

        Raises
        ------
        OutputError
            If another process is writing the same file, or what it left is of another
            kind.
        """
        super().__enter__()
        for line in self._found:
            plane = Plane(line["c"], line["z"])
            low, high = line.get("range", (np.inf, -np.inf))
            start, stop = line["frames"]
            self._take(start, stop, plane, low, high)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit; leave what is done where it can be gone on with; or discard."""
        if self._open and kind is not None and issubclass(kind, _KEPT):
            self.keep()
        super().__exit__(kind, error, trace)

    def keep(self) -> Path:
        """Leave what is done; another run can go on with it.

        Returns
        -------
        pathlib.Path
            Where it is.
        """
        self._open = False
        self._close()
        remove(self.unfinished)
        os.rename(self._partial, self.unfinished)
        return self.unfinished

    def _begin(self) -> None:
        # what others left is looked at before any of it is removed
        self._bytes_written = 0
        with self._failing_cleanly():
            self._create(self._partial)

    def _create(self, path: Path) -> None:
        self._found: list[dict[str, Any]] = []
        left = self._left_by_others()
        if left is not None:
            self._go_on_with(left, path)
            return
        super()._create(path)
        _append(path / NOTES, {"key": self._key})

    def _left_by_others(self) -> Path | None:
        """Find what an interrupted run left.

        Raises
        ------
        OutputError
            If a run is not interrupted, but goes on; or if it was not said what to do
            with what is left.
        """
        left = []
        for each in partials_of(self.target):
            if each.path == self._partial:
                continue
            if _is_alive(each):
                raise OutputError(
                    f"{str(self.target)!r} is being written by process {each.pid} on "
                    f"{each.host}: wait until that is done, or stop it; two programs "
                    "cannot write one file"
                )
            left.append(each.path)
        if self.unfinished.exists():
            left.append(self.unfinished)
        if not self._resume:
            if self.unfinished.exists() and not self._overwrite:
                raise OutputError(
                    f"{str(self.unfinished)!r} holds an interrupted run: continue it "
                    "with `resume`, or start anew with `overwrite`"
                )
            for path in left:
                remove(path)
            return None
        mine = [path for path in left if _key_of(path) == self._key]
        for path in left:
            if path not in mine[:1]:
                remove(path)
        return mine[0] if mine else None

    def _go_on_with(self, left: Path, path: Path) -> None:
        """Take over a store; only one process can."""
        import zarr

        os.rename(left, path)
        self._found = _read(path / NOTES)[1:]
        self._group = zarr.open_group(str(path), mode="r+", zarr_format=3)
        self._array = self._group["0"]
        self._prepare()

    def _finish(self, path: Path) -> None:
        (path / NOTES).unlink()
        super()._finish(path)


def _append(path: Path, line: dict[str, Any]) -> None:
    """Add a line, whole, and see it onto the disk."""
    content = (json.dumps(line) + "\n").encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> list[dict[str, Any]]:
    """Read lines; what a killed run left of the last one is none."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found


def _key_of(store: Path) -> str | None:
    """Read what a store becomes; None where it does not say, or is none."""
    try:
        lines = _read(store / NOTES)
    except OSError:
        return None
    return lines[0].get("key") if lines else None


def _is_alive(partial: Partial) -> bool:
    """Whether who writes may still be there."""
    if partial.is_here:
        return partial.may_be_running
    try:
        last = (partial.path / NOTES).stat().st_mtime
    except OSError:
        return False
    return time.time() - last < SILENT_SECONDS
