"""Movies whose truth is known: for samples, demonstrations, tests and benchmarks.

A scene is drawn without noise in arbitrary units, scaled to a number of photons and
sent through a camera::

    grey level = gain * Poisson(photons) + offset + Normal(0, read_noise)

which is the noise that :class:`napari_udvd.noise.NoiseModel` describes. Motion is
smooth and sub-pixel, and everything follows from the seed.

>>> movie = simulate("calcium", frames=20, shape=(64, 64), seed=1)
>>> movie.noisy.describe()
'20 frames, 64 x 64, 1.2 µm, 0.1 s'
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_udvd.errors import InputError
from napari_udvd.noise import NoiseModel
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KINDS", "Scene", "SimulatedMovie", "add_noise", "simulate"]

Floats = npt.NDArray[np.float32]
Random = np.random.Generator


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

    draw: Callable[
        [int, int, int, Random], tuple[Floats, npt.NDArray[np.float64] | None]
    ]
    pixel: float
    unit: str
    interval: float


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
    if kind not in KINDS:
        raise InputError(
            f"there is no simulated movie {kind!r}; choose one of {', '.join(KINDS)}"
        )
    height, width = shape
    if frames < 1 or height < 16 or width < 16:
        raise InputError(
            f"{frames} frames of {height} x {width} pixels cannot be simulated; ask "
            "for at least 1 frame of 16 x 16"
        )
    scene = KINDS[kind]
    clean, motion = scene.draw(frames, height, width, np.random.default_rng(seed))
    noisy, truth = add_noise(
        clean,
        photons=photons,
        gain=gain,
        offset=offset,
        read_noise=read_noise,
        correlation=correlation,
        seed=seed,
        dtype=dtype,
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


def add_noise(
    clean: npt.ArrayLike,
    *,
    photons: float = 30.0,
    gain: float = 2.0,
    offset: float = 100.0,
    read_noise: float = 3.0,
    correlation: npt.ArrayLike | None = None,
    seed: int = 0,
    dtype: npt.DTypeLike = "uint16",
) -> tuple[npt.NDArray[Any], Floats]:
    """Record a clean movie with a camera that counts photons.

    Parameters
    ----------
    clean
        Non-negative intensities ``(T, Y, X)`` in any unit.
    photons
        Photons of the 99.9th percentile of the movie.
    gain
        Grey levels per photon, positive.
    offset, read_noise
        In grey levels.
    correlation
        Kernel ``(rows, columns)`` that the noise, and not the signal, is convolved
        with in every frame; scaled so that the variance of the noise stays.
    seed
        The same seed gives the same noise.
    dtype
        Integers are rounded and clipped to their range, as a converter does.

    Returns
    -------
    noisy, truth
        The movie as recorded, and its expectation in the same grey levels
        (``float32``), which rounding shifts by nothing and clipping is ignored in.

    Raises
    ------
    InputError
        If the movie is not ``(T, Y, X)``, negative, or all zero, or a camera
        parameter is out of range.
    """
    clean = np.asarray(clean, dtype=np.float32)
    if clean.ndim != 3:
        raise InputError(
            f"a clean movie has shape (T, Y, X); this one has shape {clean.shape}"
        )
    if not (photons > 0 and gain > 0 and read_noise >= 0 and np.isfinite(offset)):
        raise InputError(
            f"photons {photons:g} and gain {gain:g} must be positive, read noise "
            f"{read_noise:g} must not be negative and offset {offset:g} must be finite"
        )
    low, bright = float(clean.min()), float(np.percentile(clean, 99.9))
    if not (low >= 0 and bright > 0):
        raise InputError(
            f"a clean movie must not be negative (its minimum is {low:g}) nor empty "
            f"(its 99.9th percentile is {bright:g})"
        )
    kernel = None if correlation is None else _unit_energy(correlation)
    # Not the stream that draws the scene: the noise must not repeat its randomness.
    rng = np.random.default_rng([seed, 1])
    pixel_type = np.dtype(dtype)
    noisy = np.empty(clean.shape, pixel_type)
    truth = np.empty(clean.shape, np.float32)
    for t, frame in enumerate(clean):
        expected = frame.astype(np.float64) * (photons / bright)
        noise = gain * (rng.poisson(expected) - expected)
        noise += rng.normal(0.0, read_noise, frame.shape)
        if kernel is not None:
            noise = ndimage.convolve(noise, kernel, mode="reflect")
        truth[t] = gain * expected + offset
        noisy[t] = _digitise(truth[t] + noise, pixel_type)
    return noisy, truth


def _unit_energy(kernel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    kernel = np.asarray(kernel, dtype=np.float64)
    energy = float(np.sqrt((kernel**2).sum()))
    if kernel.ndim != 2 or not (np.isfinite(energy) and energy > 0):
        raise InputError(
            f"the correlation kernel has shape {kernel.shape} and root sum of squares "
            f"{energy:g}; it must be 2-D (rows, columns) and not zero"
        )
    return kernel / energy


def _digitise(
    frame: npt.NDArray[np.floating[Any]], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        frame = np.clip(np.rint(frame), limits.min, limits.max)
    return np.asarray(frame.astype(dtype))


# --- scenes -------------------------------------------------------------------------


def _nuclei(
    frames: int, height: int, width: int, rng: Random
) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """Nuclei that migrate, turn and change shape, with chromatin and nucleoli."""
    clean = np.zeros((frames, height, width), np.float32)
    centres = _scatter(rng, height, width, spacing=28.0)
    for y, x in centres:
        _add_nucleus(clean, rng, y, x)
    haze = np.exp(0.5 * _field(rng, (height, width), 25.0))
    clean += (0.03 * haze).astype(np.float32)
    return ndimage.gaussian_filter(clean, (0.0, 1.1, 1.1)), None


def _add_nucleus(clean: Floats, rng: Random, y: float, x: float) -> None:
    """Draw one nucleus into every frame of `clean`, ``(T, Y, X)``."""
    frames, height, width = clean.shape
    path = np.array([y, x])[:, None] + np.stack(
        [_wander(rng, frames, speed=0.35) for _ in "yx"]
    )
    angle = rng.uniform(0, np.pi) + _wander(rng, frames, speed=0.02)
    radius = rng.uniform(8.5, 12.5)
    stretch = rng.uniform(1.1, 1.5) + 0.1 * np.sin(_wander(rng, frames, speed=0.1))
    lobes = [(k, rng.normal(0, 0.06), rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4)]
    wobble = [_wander(rng, frames, speed=0.06) for _ in lobes]
    brightness = rng.lognormal(-0.5, 0.35) * np.exp(
        0.15 * np.sin(_wander(rng, frames, speed=0.08))
    )
    # Two textures that fade into one another: chromatin moves inside the nucleus.
    textures = [_chromatin(rng) for _ in range(2)]
    fade = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, frames))
    reach = int(2.0 * radius)
    for t in range(frames):
        cy, cx = path[:, t]
        rows = np.arange(max(0, int(cy) - reach), min(height, int(cy) + reach + 1))
        columns = np.arange(max(0, int(cx) - reach), min(width, int(cx) + reach + 1))
        if not (rows.size and columns.size):
            continue
        dy, dx = rows[:, None] - cy, columns[None, :] - cx
        cos, sin = np.cos(angle[t]), np.sin(angle[t])
        v = (cos * dy - sin * dx) / radius * np.sqrt(stretch[t])
        u = (sin * dy + cos * dx) / radius / np.sqrt(stretch[t])
        r = np.hypot(u, v)
        theta = np.arctan2(v, u)
        edge = 1.0 + sum(
            amplitude * np.cos(k * theta + phase + wobble[i][t])
            for i, (k, amplitude, phase) in enumerate(lobes)
        )
        # Thickness of a flattened ellipsoid, with a membrane that is not a step.
        body = np.clip(1.0 - (r / edge) ** 4, 0.0, None) ** 0.6
        size = textures[0].shape[0]
        where = [(v / 1.6 + 1.0) / 2.0 * (size - 1), (u / 1.6 + 1.0) / 2.0 * (size - 1)]
        texture = (1.0 - fade[t]) * textures[0] + fade[t] * textures[1]
        chromatin = ndimage.map_coordinates(texture, where, order=1, mode="nearest")
        light = (brightness[t] * body * chromatin).astype(np.float32)
        clean[t, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += light


def _chromatin(rng: Random) -> npt.NDArray[np.float64]:
    """Grainy texture around one with dark nucleoli, on 64 x 64 points."""
    texture = np.exp(0.22 * _field(rng, (64, 64), 1.7) + 0.2 * _field(rng, (64, 64), 5))
    grid = np.mgrid[:64, :64]
    for _ in range(rng.integers(1, 4)):
        cy, cx = rng.uniform(20, 44, 2)
        distance = np.hypot(grid[0] - cy, grid[1] - cx)
        depth = rng.uniform(0.4, 0.7)
        size = rng.uniform(3, 5.5)
        texture *= 1.0 - depth / (1.0 + np.exp((distance - size) / 0.9))
    return texture


def _calcium(
    frames: int, height: int, width: int, rng: Random
) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """Neurons that light up, in a neuropil that glows, under a rigid wobble."""
    margin = 8
    tall, wide = height + 2 * margin, width + 2 * margin
    grid_y, grid_x = np.mgrid[:tall, :wide].astype(np.float64)
    neuropil = np.exp(
        0.3 * _field(rng, (tall, wide), 1.2) + 0.3 * _field(rng, (tall, wide), 16.0)
    )
    still = 0.2 * neuropil
    somata, traces = [], []
    for y, x in _scatter(rng, tall, wide, spacing=22.0):
        radius = rng.uniform(4.8, 6.6)
        tilt, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.3)
        dy, dx = grid_y - y, grid_x - x
        u = (np.cos(tilt) * dy + np.sin(tilt) * dx) * stretch
        v = (np.cos(tilt) * dx - np.sin(tilt) * dy) / stretch
        r = np.hypot(u, v) / radius
        # The indicator stays out of the nucleus: a ring with a dim centre.
        ring = _step((1.0 - r) / 0.12) * (1.0 - 0.6 * _step((0.5 - r) / 0.15))
        still = still * (1.0 - 0.5 * _step((1.0 - r) / 0.12))
        somata.append(ring)
        traces.append(rng.lognormal(-1.3, 0.3) * (1.0 + _transients(rng, frames)))
    glow = 1.0 + 0.12 * np.sin(_wander(rng, frames, speed=0.25))
    motion = 0.8 * np.stack(
        [np.sin(_wander(rng, frames, speed=0.25)) for _ in "yx"], axis=1
    )
    motion -= motion[0]
    active = np.tensordot(np.array(traces).T, np.array(somata), axes=1)
    active += glow[:, None, None] * still
    active = ndimage.gaussian_filter(active, (0.0, 0.8, 0.8))
    clean = np.stack(
        [
            ndimage.shift(f, d, mode="nearest")
            for f, d in zip(active, motion, strict=True)
        ]
    )
    clean = clean[:, margin : margin + height, margin : margin + width]
    return np.clip(clean, 0.0, None).astype(np.float32), motion


def _transients(rng: Random, frames: int) -> npt.NDArray[np.float64]:
    """Relative fluorescence of one neuron: bursts with a fast rise and slow decay."""
    history = 40
    rate = rng.choice([0.004, 0.015, 0.04])
    spikes = rng.poisson(rate, frames + history) * rng.uniform(0.8, 2.5)
    age = np.arange(history, dtype=np.float64)
    response = (1.0 - np.exp(-age / 1.2)) * np.exp(-age / 9.0)
    return np.convolve(spikes, response)[history : history + frames]


def _lattice(
    frames: int, height: int, width: int, rng: Random
) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """Atomic columns of a faceted particle on a crystal, seen from the side."""
    drift = np.stack([_wander(rng, frames, speed=0.12) for _ in "yx"], axis=1)
    drift -= drift[0]
    margin = 12.0 + np.abs(drift).max()
    surface = 0.68 * height
    support = _columns((6.3, 10.4), 0.0, (surface, 0.0), (height, width), margin)
    support = support[support[:, 0] > surface]
    tilt = rng.uniform(-0.35, 0.35)
    centre = np.array([surface - 0.26 * min(height, width), 0.5 * width])
    particle = _columns((7.6, 8.8), tilt, tuple(centre), (height, width), margin)
    depth = _depth(particle - centre, tilt, 0.3 * min(height, width))
    particle, depth = particle[depth > 0], depth[depth > 0]
    particle, depth = (v[particle[:, 0] < surface - 3.0] for v in (particle, depth))
    spots = np.concatenate([support, particle])
    weight = np.concatenate(
        [rng.normal(0.42, 0.02, len(support)), 0.45 + 0.3 * np.clip(depth / 25, 0, 1)]
    )
    weight = np.repeat(weight[None], frames, axis=0)
    # Columns at the particle's surface come and go; those inside stay.
    for i in np.flatnonzero(depth < 6.0) + len(support):
        weight[:, i] *= 0.5 + 0.5 * np.tanh(
            2.0 * (0.6 + np.sin(_wander(rng, frames, 0.2)))
        )
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float64)
    clean = np.empty((frames, height, width), np.float32)
    for t in range(frames):
        clean[t] = _spots(spots + drift[t], weight[t], 1.9, height, width)
        y, x = grid_y - drift[t, 0], grid_x - drift[t, 1]
        inside = _depth(np.stack([y, x], -1) - centre, tilt, 0.3 * min(height, width))
        inside = np.where(y < surface, inside, -10.0)
        solid = np.maximum(_step(inside / 1.5), _step((y - surface + 2) / 1.5))
        clean[t] += 0.5 - 0.22 * solid
    return clean, drift


def _columns(
    spacing: tuple[float, float],
    tilt: float,
    origin: tuple[float, ...],
    shape: tuple[int, int],
    margin: float,
) -> npt.NDArray[np.float64]:
    """Return a centred rectangular lattice as ``(N, 2)`` row, column positions."""
    reach = int(np.hypot(*shape) / min(spacing)) + 2
    i, j = (k.ravel() for k in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    y, x = spacing[0] * i, spacing[1] * (j + 0.5 * (i % 2))
    cos, sin = np.cos(tilt), np.sin(tilt)
    at = np.stack([cos * y - sin * x, sin * y + cos * x], axis=1) + np.array(origin)
    near = (at > -margin).all(axis=1) & (at < np.array(shape) + margin).all(axis=1)
    return np.asarray(at[near])


def _depth(
    at: npt.NDArray[np.float64], tilt: float, radius: float
) -> npt.NDArray[np.float64]:
    """Pixels below the nearest facet of an octagonal particle at the origin."""
    facets = tilt + np.arange(8) * (np.pi / 4)
    size = radius * np.where(np.arange(8) % 2, 1.0, 1.06)
    normals = np.stack([np.sin(facets), np.cos(facets)])
    return np.asarray((size - at @ normals).min(axis=-1))


def _filaments(
    frames: int, height: int, width: int, rng: Random
) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """Semi-flexible filaments that glide along themselves and sway."""
    haze = np.exp(0.5 * _field(rng, (height, width), 20.0))
    clean = np.repeat((0.05 * haze).astype(np.float32)[None], frames, axis=0)
    paths = []
    for _ in range(max(5, height * width // 1300)):
        points = 160
        bend = ndimage.gaussian_filter1d(rng.normal(0, 1, points), 12.0) * 0.12
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(bend)
        curve = np.cumsum(np.stack([np.sin(heading), np.cos(heading)], 1), axis=0)
        start = rng.uniform((0, 0), (height, width))
        curve += start - curve[points // 2]
        paths.append((curve, rng.uniform(30, 70), rng.uniform(0.5, 1.0)))
    glide = [_wander(rng, frames, speed=0.5) for _ in paths]
    sway = [
        np.stack([_wander(rng, frames, speed=0.08) for _ in "yx"], 1) for _ in paths
    ]
    for t in range(frames):
        spots, weights = [], []
        for (curve, length, weight), along, shift in zip(
            paths, glide, sway, strict=True
        ):
            first = (len(curve) - length) / 2 + along[t]
            position = np.clip(first + np.arange(0, length, 0.8), 0, len(curve) - 1)
            index = np.arange(len(curve))
            at = np.stack([np.interp(position, index, c) for c in curve.T], axis=1)
            spots.append(at + shift[t])
            weights.append(np.full(len(at), 0.22 * weight))
        clean[t] += _spots(
            np.concatenate(spots), np.concatenate(weights), 1.25, height, width
        )
    return clean, None


def _vesicles(
    frames: int, height: int, width: int, rng: Random
) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """Spots of many brightnesses: some run, some jitter, some stay."""
    haze = np.exp(0.6 * _field(rng, (height, width), 18.0))
    clean = np.repeat((0.07 * haze).astype(np.float32)[None], frames, axis=0)
    n = max(10, height * width // 220)
    start = rng.uniform((0, 0), (height, width), (n, 2))
    speed = rng.choice([0.02, 0.25, 0.9], n, p=[0.3, 0.4, 0.3])
    paths = np.stack(
        [[_wander(rng, frames, speed=v) for _ in "yx"] for v in speed]
    )  # (N, 2, T)
    weight = rng.lognormal(-1.2, 0.6, n)
    for t in range(frames):
        clean[t] += _spots(start + paths[:, :, t], weight, 1.4, height, width)
    return clean, None


KINDS: Mapping[str, Scene] = MappingProxyType(
    {
        "nuclei": Scene(_nuclei, 0.65, "µm", 30.0),
        "calcium": Scene(_calcium, 1.2, "µm", 0.1),
        "lattice": Scene(_lattice, 0.025, "nm", 0.05),
        "filaments": Scene(_filaments, 0.11, "µm", 1.0),
        "vesicles": Scene(_vesicles, 0.11, "µm", 0.2),
    }
)
"""Every scene by its name."""


# --- pieces of scenes ---------------------------------------------------------------


def _wander(
    rng: Random, frames: int, speed: float, memory: float = 6.0
) -> npt.NDArray[np.float64]:
    """Return a smooth random walk from 0 with a typical step of `speed` a frame.

    The velocity keeps its direction for about `memory` frames.
    """
    steps = rng.normal(0.0, 1.0, frames + 8 * int(memory))
    velocity = ndimage.gaussian_filter1d(steps, memory)[4 * int(memory) :][:frames]
    # Standard deviation of white noise after a Gaussian filter, 1 / (4 pi s^2)^(1/4).
    velocity *= speed * (4.0 * np.pi * memory**2) ** 0.25
    return np.asarray(np.cumsum(velocity) - velocity[0])


def _field(
    rng: Random, shape: tuple[int, int], grain: float
) -> npt.NDArray[np.float64]:
    """Smooth random field of mean about 0 and standard deviation 1."""
    # A field that fits the frame less than three times would be flat.
    grain = min(grain, min(shape) / 3)
    field = ndimage.gaussian_filter(rng.normal(0, 1, shape), grain, mode="wrap")
    return np.asarray((field - field.mean()) / field.std())


def _scatter(
    rng: Random, height: int, width: int, spacing: float
) -> npt.NDArray[np.float64]:
    """Positions ``(N, 2)`` on a jittered grid: they fill the frame, not overlap."""
    rows = np.arange(0.5 * spacing, height + 0.5 * spacing, spacing)
    columns = np.arange(0.5 * spacing, width + 0.5 * spacing, spacing)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    grid = grid[rng.random(len(grid)) < 0.85] if len(grid) > 4 else grid
    return np.asarray(grid + rng.uniform(-0.4, 0.4, grid.shape) * spacing)


def _spots(
    at: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    sigma: float,
    height: int,
    width: int,
) -> npt.NDArray[np.float64]:
    """Sum of Gaussians of height `weight` at sub-pixel positions ``(N, 2)``.

    A Gaussian is a product of a row and a column profile, so the frame is one
    matrix product.
    """
    rows, columns = (
        # Cut before the tails become denormal numbers, which are slow.
        np.exp(-0.5 * np.clip((np.arange(size)[:, None] - centre) / sigma, -9, 9) ** 2)
        for size, centre in ((height, at[:, 0]), (width, at[:, 1]))
    )
    return np.asarray((rows * weight) @ columns.T)


def _step(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Smooth step from 0 to 1."""
    return np.asarray(0.5 + 0.5 * np.tanh(x))
