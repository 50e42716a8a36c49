"""One movie and many processes: what is written by whom, and what is gone on with.

An OME-Zarr is written by those who restore it, unit by unit. Every other file has one
writer, which gets the units in their order, a few at a time: whoever writes needs no
more memory for a long movie than for a short one.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack, closing
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.formats import create, create_in_parts, output_kind, to_plain
from napari_udvd.inference.stream import Progress, write_unit
from napari_udvd.inference.units import units_of
from napari_udvd.jobs.events import Stopped

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_udvd.formats import Sink
    from napari_udvd.formats._zarr_parts import PartedZarrSink
    from napari_udvd.inference.flashes import Flash
    from napari_udvd.inference.remote import SharedMovie, Wrote
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.units import Unit
    from napari_udvd.jobs.events import Event

__all__ = ["Target", "key_of", "write_in_order", "write_in_parts", "write_shared"]

Target = tuple["Path", np.dtype[Any], dict[str, Any]]
"""File, data type and record of a result."""


def key_of(denoiser: Denoiser, target: Target) -> str:
    """Tell what a result is made of: another model or movie gives another key."""
    digest = hashlib.sha256()
    for name, tensor in sorted(denoiser.net.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    _, dtype, record = target
    digest.update(json.dumps([str(dtype), to_plain(record)], sort_keys=True).encode())
    return digest.hexdigest()[:16]


def write_shared(
    shared: SharedMovie,
    denoiser: Denoiser,
    targets: Sequence[Target],
    flashes: list[Flash],
    cancel: threading.Event | None,
    *,
    overwrite: bool,
    resume: bool,
    state: Path | None,
) -> Generator[Event, None, bool]:
    """Restore on workers; False if that was cancelled.

    Parameters
    ----------
    shared, targets, flashes, cancel, overwrite, state
        As for :func:`write_in_order`.
    denoiser, resume
        As for :func:`write_in_parts`.
    """
    if all(output_kind(path) == "zarr" for path, _, _ in targets):
        parts = write_in_parts(
            shared,
            denoiser,
            targets,
            flashes,
            cancel,
            overwrite=overwrite,
            resume=resume,
        )
        return (yield from parts)
    in_order = write_in_order(
        shared, targets, flashes, cancel, overwrite=overwrite, state=state
    )
    return (yield from in_order)


def write_in_order(
    shared: SharedMovie,
    targets: Sequence[Target],
    flashes: list[Flash],
    cancel: threading.Event | None,
    *,
    overwrite: bool,
    state: Path | None = None,
) -> Generator[Event, None, bool]:
    """Restore on workers, and write here; False if that was cancelled.

    Parameters
    ----------
    shared
        The movie.
    targets
        Result, and standard deviation where that is asked for.
    flashes
        Gets the events that were put back.
    cancel
        Set it to stop; nothing is left.
    overwrite
        Whether earlier results may be replaced.
    state
        File of the training that goes on after an interruption.
    """
    layout = shared.facts.layout
    units = units_of(shared.facts.series, layout)
    with ExitStack() as open_sinks:
        sinks: list[Sink] = [
            open_sinks.enter_context(
                create(path, like=layout, dtype=kind, record=told, overwrite=overwrite)
            )
            for path, kind, told in targets
        ]
        results = open_sinks.enter_context(closing(shared.frames(units)))
        total, done = sum(unit.pictures for unit in units), 0
        for unit, result in zip(units, results, strict=True):
            write_unit(unit, result, sinks[0], sinks[1] if len(sinks) > 1 else None)
            flashes += result.flashes
            done += unit.pictures
            yield Progress(done, total)
            if cancel is not None and cancel.is_set():
                for sink in sinks:
                    sink.discard()
                yield Stopped(state)
                return False
    return True


def write_in_parts(
    shared: SharedMovie,
    denoiser: Denoiser,
    targets: Sequence[Target],
    flashes: list[Flash],
    cancel: threading.Event | None,
    *,
    overwrite: bool,
    resume: bool,
) -> Generator[Event, None, bool]:
    """Restore on workers, which write; False if that was cancelled.

    Parameters
    ----------
    shared, targets, flashes, overwrite
        As for :func:`write_in_order`.
    denoiser
        The model.
    cancel
        Set it to stop; what is done is kept to be gone on with.
    resume
        Go on with what an earlier run left.
    """
    layout = shared.facts.layout
    with ExitStack() as open_sinks:
        sinks: list[PartedZarrSink] = [
            open_sinks.enter_context(
                create_in_parts(
                    target[0],
                    like=layout,
                    dtype=target[1],
                    record=target[2],
                    overwrite=overwrite,
                    key=key_of(denoiser, target),
                    resume=resume,
                )
            )
            for target in targets
        ]
        units = units_of(shared.facts.series, layout)
        left = [unit for unit in units if not _is_done(unit, sinks)]
        total = sum(unit.pictures for unit in units)
        done = total - sum(unit.pictures for unit in left)
        if done:
            yield Progress(done, total)
        places = tuple(sink.place for sink in sinks)
        coming = takewhile(lambda _: cancel is None or not cancel.is_set(), left)
        results = open_sinks.enter_context(closing(shared.written(coming, places)))
        for unit, result in zip(left, results, strict=False):
            _note(unit, result, sinks)
            flashes += result.flashes
            done += unit.pictures
            yield Progress(done, total)
        if done < total:
            kept = [sink.keep() for sink in sinks]
            yield Stopped(kept[0])
            return False
    return True


def _is_done(unit: Unit, sinks: Sequence[PartedZarrSink]) -> bool:
    return all(
        sink.is_written(unit.start, unit.stop, plane)
        for sink in sinks
        for plane in unit.series.planes()
    )


def _note(unit: Unit, result: Wrote, sinks: Sequence[PartedZarrSink]) -> None:
    for sink, ranges in zip(sinks, result.ranges, strict=True):
        for plane, (low, high) in zip(unit.series.planes(), ranges, strict=True):
            sink.note(unit.start, unit.stop, plane, low, high)
