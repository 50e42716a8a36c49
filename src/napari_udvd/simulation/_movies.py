"""Scenes by name, recorded by a camera."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.noise import NoiseModel
from napari_udvd.simulation._calcium import draw_calcium
from napari_udvd.simulation._camera import add_noise
from napari_udvd.simulation._filaments import draw_filaments
from napari_udvd.simulation._lattice import draw_lattice
from napari_udvd.simulation._nuclei import draw_nuclei
from napari_udvd.simulation._vesicles import draw_vesicles
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from napari_udvd.simulation._drawing import Drawing, Random


@dataclass(frozen=True, eq=False)
class SimulatedMovie:
    """A noisy movie, its truth, and the noise that lies between them.

    Attributes
    ----------
    noisy
        What a camera would have recorded, axes ``TYX``.
    truth
        The expectation of `noisy` in the same grey levels (offset included),
        ``float32``.
    noise
        Camera that made the noise.
    motion
        Displacement ``(dy, dx)`` in pixels of the whole scene in each frame since
        the first, shape ``(T, 2)``; ``None`` where objects move independently.
    kind
        Which scene.
    """

    noisy: Stack
    truth: Stack
    noise: NoiseModel
    motion: npt.NDArray[np.float64] | None
    kind: str


@dataclass(frozen=True)
class Scene:
    """How to draw one kind of movie, and its physical scale.

    Attributes
    ----------
    draw
        ``draw(frames, height, width, rng)`` returns the clean movie ``(T, Y, X)`` in
        arbitrary non-negative units, and its motion or ``None``.
    pixel, unit
        Width of a pixel.
    interval
        Seconds between frames.
    """

    draw: Callable[[int, int, int, Random], Drawing]
    pixel: float
    unit: str
    interval: float


KINDS: Mapping[str, Scene] = MappingProxyType(
    {
        "nuclei": Scene(draw_nuclei, 0.65, "µm", 30.0),
        "calcium": Scene(draw_calcium, 1.2, "µm", 0.1),
        "lattice": Scene(draw_lattice, 0.025, "nm", 0.05),
        "filaments": Scene(draw_filaments, 0.11, "µm", 1.0),
        "vesicles": Scene(draw_vesicles, 0.11, "µm", 0.2),
    }
)
"""Every scene by its name."""


def simulate(
    kind: str = "nuclei",
    *,
    frames: int = 60,
    shape: tuple[int, int] = (128, 128),
    seed: int = 0,
    photons: float = 30.0,
    gain: float = 2.0,
    offset: float = 100.0,
    read_noise: float = 3.0,
    correlation: npt.ArrayLike | None = None,
    dtype: npt.DTypeLike = "uint16",
) -> SimulatedMovie:
    """Simulate a movie with known truth.

    Parameters
    ----------
    kind
        One of :data:`KINDS`: ``nuclei`` (migrating, textured), ``calcium`` (neurons
        with transients under a breathing motion), ``lattice`` (atomic columns of a
        drifting nanoparticle on a crystal), ``filaments`` (gliding, bending) and
        ``vesicles`` (moving spots).
    frames
        Number of time points.
    shape
        Rows and columns, at least 16 each.
    seed
        The same seed gives the same movie; scene and noise use independent random
        numbers, so the scene does not depend on the camera.
    photons, gain, offset, read_noise, correlation, dtype
        See :func:`add_noise`.

    Raises
    ------
    InputError
        If the kind is unknown or a parameter is out of range.
    """
    check_request(kind, KINDS, frames, shape)
    scene = KINDS[kind]
    clean, motion = scene.draw(frames, *shape, np.random.default_rng(seed))
    return recorded(
        clean,
        motion,
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


def check_request(
    kind: str, kinds: Collection[str], frames: int, shape: tuple[int, int]
) -> None:
    """Refuse a movie that cannot be drawn.

    Raises
    ------
    InputError
        If the kind is unknown, or there are no frames or too few pixels.
    """
    if kind not in kinds:
        raise InputError(
            f"there is no simulated movie {kind!r}; choose one of {', '.join(kinds)}"
        )
    height, width = shape
    if frames < 1 or height < 16 or width < 16:
        raise InputError(
            f"{frames} frames of {height} x {width} pixels cannot be simulated; ask "
            "for at least 1 frame of 16 x 16"
        )


class Scaled(Protocol):
    """What has a physical scale."""

    @property
    def pixel(self) -> float:
        """Width of a pixel."""

    @property
    def unit(self) -> str:
        """Its unit."""

    @property
    def interval(self) -> float:
        """Seconds between frames."""


def recorded(
    clean: npt.NDArray[np.float32],
    motion: npt.NDArray[np.float64] | None,
    kind: str,
    scene: Scaled,
    *,
    gain: float,
    offset: float,
    read_noise: float,
    **camera: Any,
) -> SimulatedMovie:
    """Send a clean movie through a camera, see :func:`add_noise`."""
    noisy, truth = add_noise(
        clean, gain=gain, offset=offset, read_noise=read_noise, **camera
    )
    scale = {"T": scene.interval, "Y": scene.pixel, "X": scene.pixel}
    units = {"T": "s", "Y": scene.unit, "X": scene.unit}

    def stack(data: npt.NDArray[Any], what: str) -> Stack:
        source = f"simulated {kind}, {what}"
        return Stack.from_array(data, "TYX", scale=scale, units=units, source=source)

    return SimulatedMovie(
        noisy=stack(noisy, "noisy"),
        truth=stack(truth, "truth"),
        noise=NoiseModel(gain=gain, offset=offset, read_noise=read_noise),
        motion=motion,
        kind=kind,
    )
