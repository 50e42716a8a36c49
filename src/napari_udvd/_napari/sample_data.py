"""Sample movies for the viewer: noisy, each with its truth."""

from __future__ import annotations

from typing import Final

from napari_udvd._napari.layer_data import LayerData, contrast_limits, layer_data
from napari_udvd.simulation import simulate

__all__ = ["calcium", "lattice", "nuclei"]

_FRAMES: Final = 60
_SHAPE: Final = (256, 256)


def nuclei() -> list[LayerData]:
    """Migrating nuclei in fluorescence, 60 frames of 256 x 256, and their truth."""
    return _noisy_and_truth("nuclei", "Nuclei", photons=12.0)


def calcium() -> list[LayerData]:
    """Neurons with calcium transients, 60 frames of 256 x 256, and their truth."""
    return _noisy_and_truth("calcium", "Calcium", photons=12.0)


def lattice() -> list[LayerData]:
    """Atomic columns of a drifting particle, 60 frames of 256 x 256, and their truth.

    Electron microscopy at a low dose.
    """
    return _noisy_and_truth("lattice", "Nanoparticle", photons=8.0)


def _noisy_and_truth(kind: str, name: str, *, photons: float) -> list[LayerData]:
    movie = simulate(kind, frames=_FRAMES, shape=_SHAPE, seed=1, photons=photons)
    limits = contrast_limits(movie.noisy)
    # The truth lies on top, hidden: one sees the noisy movie, as from a microscope, and
    # one click on the eye of the truth compares. Both in the same grey levels.
    return [
        layer_data(movie.noisy, f"{name} (noisy)", contrast_limits=limits),
        layer_data(
            movie.truth, f"{name} (truth)", contrast_limits=limits, visible=False
        ),
    ]
