"""A movie that is shared out: what is known of it first, then its units, anywhere.

What travels: the model, once to each worker; how to open the movie (or its pixels,
where they are in memory, once); what was found out about it; and units. What comes
back: frames, or word that they were written.
"""

from __future__ import annotations

import pickle
import secrets
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_udvd.formats import to_dtype
from napari_udvd.formats._zarr_parts import write_part
from napari_udvd.inference.fits import check_fits
from napari_udvd.inference.units import Restored, Unit, restored
from napari_udvd.noise import check_finite, check_pixels
from napari_udvd.planes import series_of
from napari_udvd.runtime.cluster import Bound, Cluster
from napari_udvd.validity import inspect, remember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from napari_udvd.formats._zarr_parts import PartPlace
    from napari_udvd.inference.block_denoiser import Blocks
    from napari_udvd.inference.flashes import Flash
    from napari_udvd.inference.matching import Match
    from napari_udvd.inference.request import Request
    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.inference.rounding import Loss
    from napari_udvd.inference.survey import Survey
    from napari_udvd.planes import Series
    from napari_udvd.stack import Layout, Stack
    from napari_udvd.validity import Validity

__all__ = ["Facts", "Parcel", "Prepared", "SharedMovie", "Wrote", "facts_of", "prepare"]

LARGE = 2**20
"""Bytes in memory from which on pixels are sent apart, and once."""


@dataclass(frozen=True)
class Parcel:
    """Anything, packed for other processes; pixels in memory lie beside.

    It is opened by whoever works with it, and not on the way: a file that is not to be
    seen there is then told as such.
    """

    content: bytes
    buffers: tuple[npt.NDArray[np.uint8], ...] = ()

    @classmethod
    def of(cls, what: Any) -> Parcel:
        """Pack.

        Raises
        ------
        InputError
            If it reads from a file that was not opened by name.
        """
        found: list[pickle.PickleBuffer] = []

        def is_small(buffer: pickle.PickleBuffer) -> bool:
            if buffer.raw().nbytes < LARGE:
                return True
            found.append(buffer)
            return False

        content = pickle.dumps(what, protocol=5, buffer_callback=is_small)
        return cls(content, tuple(np.frombuffer(b.raw(), np.uint8) for b in found))

    def sent(self, cluster: Cluster) -> Any:
        """Send it to workers, see :meth:`Cluster.send_once`."""
        return cluster.send_once(self, is_large=bool(self.buffers))

    def open(self) -> Any:
        """Unpack."""
        return pickle.loads(self.content, buffers=self.buffers)


@dataclass(frozen=True)
class Facts:
    """What is known of a movie before it is restored.

    Attributes
    ----------
    match
        How the model is used on it.
    dtype
        Of the result.
    loss
        What rounding costs; None where that does not matter.
    looks_for_events
        Whether events of a single frame would be looked for, were they asked for.
    layout
        Of the result.
    record
        How it is made.
    series
        What is restored together.
    """

    match: Match
    dtype: np.dtype[Any]
    loss: Loss | None
    looks_for_events: bool
    layout: Layout
    record: dict[str, Any]
    series: list[Series]


@dataclass(frozen=True)
class Prepared:
    """The same, and what those need who restore its units.

    Attributes
    ----------
    facts
        As they are told.
    request
        How to restore: the precision is that of whoever prepared.
    surveys
        What the second stage knows.
    validity
        What of the movie was measured.
    key
        Tells movies apart.
    """

    facts: Facts
    request: Request
    surveys: list[Survey]
    validity: Validity | None
    key: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True)
class Wrote:
    """A unit that was written where it belongs.

    Attributes
    ----------
    ranges
        Least and largest value of each sink's part, for each plane.
    flashes
        Events that were put back.
    """

    ranges: list[list[tuple[float, float]]]
    flashes: list[Flash]


def facts_of(denoiser: Denoiser, stack: Stack, request: Request) -> Facts:
    """Find out what has to be known of a movie, or said of it."""
    return Facts(
        match=denoiser.match(stack),
        dtype=denoiser.dtype_for(stack, request),
        loss=denoiser.rounding_loss(stack),
        looks_for_events=denoiser.looks_for_events(
            stack, replace(request, events=True)
        ),
        layout=denoiser.layout(stack),
        record=denoiser.provenance(stack, request),
        series=series_of(stack, denoiser.joint),
    )


def prepare(model: Parcel, movie: Parcel, request: Request) -> Prepared:
    """Look at a movie, on a worker: what one finds out, the others need not.

    Raises
    ------
    InputError
        If it cannot be restored by this model.
    """
    denoiser, stack = model.open(), movie.open()
    if stack.n_frames > 1:
        check_pixels(stack)
    check_finite(stack)
    check_fits(denoiser, stack)
    request = replace(request, precision=request.place().precision)
    request.check(denoiser.net)
    return Prepared(
        facts=facts_of(denoiser, stack, request),
        request=request,
        surveys=denoiser.survey(stack, request),
        validity=inspect(stack).validity,
    )


def _told(prepared: Prepared) -> Facts:
    return prepared.facts


class SharedMovie:
    """A movie and a model on a cluster.

    Parameters
    ----------
    cluster
        The workers.
    denoiser
        The model.
    stack
        The movie.
    request
        How to restore it.
    """

    def __init__(
        self, cluster: Cluster, denoiser: Denoiser, stack: Stack, request: Request
    ) -> None:
        self._cluster = cluster
        sent = [Parcel.of(each).sent(cluster) for each in (denoiser, stack)]
        prepared = cluster.submit(prepare, *sent, request)
        self._common = (*sent, prepared.future)
        self.facts: Facts = cluster.submit(_told, prepared).result()
        """What is known of the movie."""

    def frames(self, units: Iterable[Unit]) -> Any:
        """Restore units; yield them as :class:`Restored`, in their order."""
        return self._cluster.map(Bound(_restore, self._common), units)

    def written(self, units: Iterable[Unit], places: tuple[PartPlace, ...]) -> Any:
        """Restore units, and let the workers write them; yield :class:`Wrote`.

        Parameters
        ----------
        units
            Which ones.
        places
            Of the result, and of its standard deviation where that is asked for.
        """
        return self._cluster.map(Bound(_write, (*self._common, places), True), units)


def _restore(model: Parcel, movie: Parcel, prepared: Prepared, unit: Unit) -> Restored:
    """Restore a unit on a worker; numbers travel as they will be stored."""
    result = restored(_blocks(model, movie, prepared), unit)
    # half as much to carry, where grey levels are whole numbers
    stored = to_dtype(result.mean, prepared.facts.dtype)
    return result._replace(mean=stored)


def _write(
    model: Parcel,
    movie: Parcel,
    prepared: Prepared,
    places: tuple[PartPlace, ...],
    unit: Unit,
) -> Wrote:
    """Restore a unit on a worker, and write it."""
    result = restored(_blocks(model, movie, prepared), unit)
    ranges = []
    for place, block in zip(places, (result.mean, result.std), strict=False):
        assert block is not None
        ranges.append(
            [
                write_part(place, block[:, k], unit.start, plane)
                for k, plane in enumerate(unit.series.planes())
            ]
        )
    return Wrote(ranges, result.flashes)


# --- what a worker keeps --------------------------------------------------------------


class _Kept(threading.local):
    """The last of what was made, for each thread of a worker."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[Any, Any]] = {}

    def get(self, kind: str, key: Any, make: Callable[[], Any]) -> Any:
        """Return what was made for a key, or make it."""
        known = self.known.get(kind)
        if known is None or known[0] != key:
            self.known.pop(kind, None)  # let go before more is made
            known = self.known[kind] = (key, make())
        return known[1]


_KEPT = _Kept()


def _blocks(model: Parcel, movie: Parcel, prepared: Prepared) -> Blocks:
    """Return what restores the units of a movie; made once."""

    def make() -> Blocks:
        denoiser = model.open()
        stack = remember(movie.open(), prepared.validity)
        told = denoiser.told(stack, prepared.facts.match.calibrations)
        surveys = prepared.surveys or None
        blocks: Blocks = told.blocks(stack, prepared.request, surveys)
        return blocks

    found: Blocks = _KEPT.get("blocks", prepared.key, make)
    return found
