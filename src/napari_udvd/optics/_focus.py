"""How light is distributed in the focal plane of an objective.

Vectorial, so that it holds for large apertures, where the scalar Airy pattern is too
narrow: B. Richards and E. Wolf, *Electromagnetic diffraction in optical systems II*,
Proc. R. Soc. A 253 (1959), averaged over the direction of polarisation. By reciprocity
a point that emits is seen through the objective as a focus of its own wavelength.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import j0, j1, jn

__all__ = ["focal_intensity"]

Doubles: TypeAlias = "npt.NDArray[np.float64]"

ANGLES = 128
"""Nodes of the integral over the cone of light: enough for thirty dark rings."""


def focal_intensity(
    radius: Doubles, na: float, wavelength: float, index: float
) -> Doubles:
    """Compute the intensity at distances from the optical axis, one on the axis.

    Parameters
    ----------
    radius
        µm, of any shape.
    na
        Numerical aperture; less than `index`.
    wavelength
        In vacuum, µm.
    index
        Refractive index of the medium.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    nodes, weights = np.polynomial.legendre.leggauss(ANGLES)
    half = math.asin(na / index) / 2
    angle, weights = half * (nodes + 1), half * weights
    sine, cosine = np.sin(angle), np.cos(angle)
    phase = (2 * math.pi * index / wavelength) * np.multiply.outer(radius, sine)
    # an objective that is corrected for a plane (aplanatic)
    common = weights * np.sqrt(cosine) * sine
    parts = (
        j0(phase) @ (common * (1 + cosine)),
        j1(phase) @ (common * sine),
        jn(2, phase) @ (common * (1 - cosine)),
    )
    total: Doubles = parts[0] ** 2 + 2 * parts[1] ** 2 + parts[2] ** 2
    return total / float((common * (1 + cosine)).sum() ** 2)
