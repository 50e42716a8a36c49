"""Movies whose truth is known: for samples, demonstrations, tests and benchmarks.

A scene is drawn without noise in arbitrary units, scaled to a number of photons and
sent through a camera::

    grey level = gain * Poisson(photons) + offset + Normal(0, read_noise)

which is the noise that :class:`napari_udvd.noise.NoiseModel` describes. Motion is
smooth and sub-pixel, and everything follows from the seed.

In some, things happen, and it is known when: :func:`simulate_events`.

>>> movie = simulate("calcium", frames=20, shape=(64, 64), seed=1)
>>> movie.noisy.describe()
'20 frames, 64 x 64, 1.2 µm, 0.1 s'
"""

from __future__ import annotations

from napari_udvd.simulation._camera import add_noise
from napari_udvd.simulation._events import (
    EVENT_KINDS,
    EventMovie,
    EventScene,
    simulate_events,
)
from napari_udvd.simulation._movies import KINDS, Scene, SimulatedMovie, simulate

__all__ = [
    "EVENT_KINDS",
    "KINDS",
    "EventMovie",
    "EventScene",
    "Scene",
    "SimulatedMovie",
    "add_noise",
    "simulate",
    "simulate_events",
]
