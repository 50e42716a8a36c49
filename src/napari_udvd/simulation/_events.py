"""Movies in which it is known what happens when."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.simulation._calcium import draw_onsets
from napari_udvd.simulation._divisions import draw_divisions
from napari_udvd.simulation._movies import SimulatedMovie, check_request, recorded
from napari_udvd.simulation._particles import draw_particles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from napari_udvd.simulation._drawing import EventDrawing, Random
    from napari_udvd.spans import Span

__all__ = ["EVENT_KINDS", "EventMovie", "EventScene", "simulate_events"]


@dataclass(frozen=True, eq=False)
class EventMovie(SimulatedMovie):
    """A noisy movie, its truth, and what happens in it.

    Attributes
    ----------
    spans
        State of every region in every frame in which it is there.
    tracks
        Regions that move: rows of number, frame, y and x in pixels, ``(N, 4)``, as a
        Tracks layer of napari has them; the name of a region is its number. None where
        regions stay.
    labels
        Regions that stay: an image ``(Y, X)`` of their numbers, 0 elsewhere. None where
        they move.
    """

    spans: tuple[Span, ...]
    tracks: npt.NDArray[np.float64] | None
    labels: npt.NDArray[np.int32] | None


@dataclass(frozen=True)
class EventScene:
    """How to draw one kind of movie with events, and its physical scale.

    Attributes
    ----------
    draw
        ``draw(frames, height, width, rng)``.
    pixel, unit
        Width of a pixel.
    interval
        Seconds between frames.
    """

    draw: Callable[[int, int, int, Random], EventDrawing]
    pixel: float
    unit: str
    interval: float


EVENT_KINDS: Mapping[str, EventScene] = MappingProxyType(
    {
        "divisions": EventScene(draw_divisions, 0.65, "µm", 180.0),
        "onsets": EventScene(draw_onsets, 1.2, "µm", 0.1),
        "particles": EventScene(draw_particles, 0.11, "µm", 0.2),
    }
)
"""Every scene by its name."""


def simulate_events(
    kind: str = "divisions",
    *,
    frames: int = 72,
    shape: tuple[int, int] = (128, 128),
    seed: int = 0,
    photons: float = 30.0,
    gain: float = 2.0,
    offset: float = 100.0,
    read_noise: float = 3.0,
    correlation: npt.ArrayLike | None = None,
    dtype: npt.DTypeLike = "uint16",
) -> EventMovie:
    """Simulate a movie of which it is known what happens when.

    Parameters
    ----------
    kind
        One of :data:`EVENT_KINDS`: ``divisions`` (nuclei that divide up to two times;
        labels ``interphase``, ``rounding``, ``plate`` and ``separation``), ``onsets``
        (the neurons of ``simulate("calcium")``; ``onset`` for the three frames from the
        first one that a spike makes brighter to the brightest one, else ``rest``) and
        ``particles`` (spots that appear and vanish; ``present`` and ``absent``).
    frames, shape, seed, photons, gain, offset, read_noise, correlation, dtype
        See :func:`simulate`.

    Raises
    ------
    InputError
        If the kind is unknown or a parameter is out of range.
    """
    check_request(kind, EVENT_KINDS, frames, shape)
    scene = EVENT_KINDS[kind]
    drawn = scene.draw(frames, *shape, np.random.default_rng(seed))
    movie = recorded(
        drawn.clean,
        drawn.motion,
        kind,
        scene,
        photons=photons,
        gain=gain,
        offset=offset,
        read_noise=read_noise,
        correlation=correlation,
        seed=seed,
        dtype=dtype,
    )
    return EventMovie(
        noisy=movie.noisy,
        truth=movie.truth,
        noise=movie.noise,
        motion=movie.motion,
        kind=movie.kind,
        spans=drawn.spans,
        tracks=drawn.tracks,
        labels=drawn.labels,
    )
