"""The focus of an objective, against diffraction summed up ray by ray."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import j1

from napari_udvd.optics._focus import focal_intensity


def summed_over_rays(x: float, na: float, wavelength: float, index: float) -> float:
    """Intensity at a distance from the axis: plane waves from all over the pupil.

    Each with the polarisation that the lens turns into its direction (Richards and Wolf
    1959, equation 2.23), for light polarised along and across the displacement.
    """
    theta = (np.arange(400) + 0.5) / 400 * math.asin(na / index)
    phi = (np.arange(400) + 0.5) / 400 * 2 * math.pi
    theta, phi = np.meshgrid(theta, phi, indexing="ij")
    weight = np.sqrt(np.cos(theta)) * np.sin(theta)
    wave = np.exp(2j * math.pi * index / wavelength * x * np.sin(theta) * np.cos(phi))
    intensity = 0.0
    for turn in (0.0, math.pi / 2):
        along = phi - turn
        field = (
            np.cos(theta) + (1 - np.cos(theta)) * np.sin(along) ** 2,
            (np.cos(theta) - 1) * np.cos(along) * np.sin(along),
            np.sin(theta) * np.cos(along),
        )
        intensity += sum(abs((weight * part * wave).sum()) ** 2 for part in field)
    return intensity


@pytest.mark.parametrize(("na", "index"), [(0.3, 1.0), (1.2, 1.333), (1.4, 1.515)])
def test_the_intensity_is_that_of_all_rays_together(na: float, index: float) -> None:
    radius = np.array([0.0, 0.05, 0.1, 0.2, 0.4])
    rays = np.array([summed_over_rays(x, na, 0.52, index) for x in radius])
    found = focal_intensity(radius, na, 0.52, index)
    np.testing.assert_allclose(found, rays / rays[0], atol=1e-4)


def test_a_small_aperture_gives_the_airy_pattern() -> None:
    radius = np.linspace(0.01, 20, 500)
    v = 2 * math.pi * 0.1 * radius / 0.52
    airy = (2 * j1(v) / v) ** 2
    np.testing.assert_allclose(focal_intensity(radius, 0.1, 0.52, 1.0), airy, atol=2e-3)
