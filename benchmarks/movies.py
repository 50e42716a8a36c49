"""Movies with known truth that the benchmarks measure on.

A clean movie gets the noise of a camera that counts photons (Poisson) and reads them
out (Gaussian). No network of this package was trained on any of them: the real movies
are used here alone, and the simulated ones have seeds that no training uses.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, map_coordinates, spline_filter

import napari_udvd as nu
from benchmarks.common import at_most, real_movie
from napari_udvd.simulation import add_noise, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = [
    "FRAMES",
    "MOVIES",
    "PHOTONS",
    "READ_NOISE",
    "SHAPE",
    "Frames",
    "KnownMovie",
    "cancer_cells",
    "scene",
]

Frames = npt.NDArray[np.float32]

PHOTONS = 15.0
"""At the 99.9th percentile of the truth, unless a movie's name says another number."""

READ_NOISE = 0.7
"""In photons."""

SEED = 10_000
"""Of the simulated scenes; training takes smaller ones."""

FRAMES, _EDGE = at_most(48, 128)
"""Of a simulated scene."""

SHAPE = _EDGE, _EDGE
"""Rows and columns of a simulated scene."""

CANCER_CELLS = "bia_cancer_cell_migration_48x130x130.tif"
E_COLI = "arcadia_ecoli_timelapse_53x64x64.nd2"
NANOPARTICLE = "tem_clean_sim/PtNp2-S3_5_240slc_1024x1024_6nmDefocus.tif"

TEM_FRAMES = 40
TEM_SIZE = 192
TEM_CENTRE = 420.0, 250.0
"""Row and column where particle, support and vacuum meet."""


class KnownMovie(NamedTuple):
    """A noisy movie and what it would be without noise.

    Attributes
    ----------
    truth, noisy
        ``(T, Y, X)`` in grey levels.
    gain
        Grey levels per photon.
    offset, read_noise
        In grey levels.
    """

    truth: Frames
    noisy: Frames
    gain: float
    offset: float
    read_noise: float


def cancer_cells(
    data: Path, photons: float = PHOTONS, frames: int | None = None
) -> KnownMovie:
    """Fluorescent nuclei that migrate, recorded with little noise."""
    return _counted(_recorded(real_movie(CANCER_CELLS, data), frames), photons)


def e_coli(data: Path) -> KnownMovie:
    """Bacteria that grow and divide, recorded with little noise."""
    return _counted(_recorded(real_movie(E_COLI, data), None), PHOTONS)


def tem(data: Path) -> KnownMovie:
    """Drift a simulated micrograph of a nanoparticle, one electron per pixel.

    The drift is smooth, at most one pixel per frame, and sampled between the pixels
    with cubic splines. Electrons are counted without read noise.
    """
    micrograph = nu.open(real_movie(NANOPARTICLE, data)).read()[0]
    coefficients = spline_filter(micrograph.astype(np.float64), mode="mirror")
    rng = np.random.default_rng(SEED)
    steps = gaussian_filter1d(rng.normal(size=(TEM_FRAMES, 2)), 6, axis=0)
    steps /= np.hypot(*steps.T).max()
    grid = np.mgrid[:TEM_SIZE, :TEM_SIZE] - (TEM_SIZE - 1) / 2
    at = np.cumsum(steps, axis=0) - steps.sum(axis=0) / 2 + TEM_CENTRE
    drifting = np.stack(
        [
            map_coordinates(coefficients, grid + yx[:, None, None], prefilter=False)
            for yx in at
        ]
    )
    bright = np.percentile(drifting, 99.9) / drifting.mean()
    return _counted(drifting, photons=float(bright), read_noise=0.0)


def scene(
    kind: str,
    data: Path,
    frames: int = FRAMES,
    photons: float = PHOTONS,
    read_noise: float = READ_NOISE,
) -> KnownMovie:
    """Draw a simulated scene; it needs no file of the folder."""
    movie = simulate(
        kind,
        frames=frames,
        shape=SHAPE,
        seed=SEED,
        photons=photons,
        gain=1.0,
        offset=0.0,
        read_noise=read_noise,
        dtype=np.float32,
    )
    return KnownMovie(movie.truth.read(), movie.noisy.read(), 1.0, 0.0, read_noise)


def _recorded(path: Path, frames: int | None) -> Frames:
    """Return a real movie, taken as clean after its background (its median) is off."""
    movie = nu.open(path).read(slice(frames)).astype(np.float32)
    return np.asarray(np.clip(movie - np.median(movie), 0, None))


def _limited(movie: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the middle of a movie, where only small ones are wanted."""
    frames, *sides = movie.shape
    edges = [at_most(frames, side)[1] for side in sides]
    corner = [(side - edge) // 2 for side, edge in zip(sides, edges, strict=True)]
    inner = (slice(k, k + n) for k, n in zip(corner, edges, strict=True))
    return np.ascontiguousarray(movie[(slice(at_most(frames, 0)[0]), *inner)])


def _counted(
    clean: npt.NDArray[np.floating], photons: float, read_noise: float = READ_NOISE
) -> KnownMovie:
    """Count photons, one grey level each."""
    noisy, truth = add_noise(
        _limited(clean),
        photons=photons,
        gain=1.0,
        offset=0.0,
        read_noise=read_noise,
        dtype=np.float32,
    )
    return KnownMovie(truth, noisy, 1.0, 0.0, read_noise)


MOVIES: Mapping[str, Callable[[Path], KnownMovie]] = {
    "cancer-cells-5": partial(cancer_cells, photons=5.0),
    "cancer-cells-15": cancer_cells,
    "cancer-cells-50": partial(cancer_cells, photons=50.0),
    "e-coli": e_coli,
    "tem": tem,
    "nuclei": partial(scene, "nuclei"),
    "calcium": partial(scene, "calcium"),
    "lattice": partial(scene, "lattice"),
}
"""Every movie by its name; each is a function of the folder of the real movies."""
