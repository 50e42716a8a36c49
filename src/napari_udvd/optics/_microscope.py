"""Point spread functions from the numbers of the objective."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from napari_udvd.errors import InputError
from napari_udvd.optics._focus import focal_intensity
from napari_udvd.optics._psf import PointSpread, sampled

__all__ = ["MEDIA", "Microscope"]

Doubles: TypeAlias = "npt.NDArray[np.float64]"

MEDIA = {"air": 1.0, "water": 1.333, "glycerol": 1.47, "oil": 1.515}
"""Usual immersion media, and their refractive index."""

USUAL = "air", "water", "oil"
"""Those that are taken if nobody says; glycerol is rare."""

FILLED = 0.96
"""Share of a medium's index that apertures reach, but for TIRF in oil."""

SHORTEST, LONGEST = 150.0, 3000.0
"""Wavelengths of light that microscopes use, nm."""

SMALLEST, LARGEST = 0.001, 20.0
"""Edges of pixels in the specimen, µm."""

RADII = 3.0
"""Radii of the first dark ring that a kernel reaches: 96 % of the light."""

FIRST_DARK = 0.61
"""Radius of the first dark ring, in wavelengths over the aperture."""

STEPS = 24
"""Points to that radius where the pinhole is taken account of."""


@dataclass(frozen=True, kw_only=True)
class Microscope(PointSpread):
    """What a point looks like through an objective, in focus.

    Attributes
    ----------
    na
        Numerical aperture.
    wavelength
        That is detected, nm.
    pixel_size
        Edge of a pixel in the specimen, µm.
    index
        Refractive index of the immersion medium. If None that of air, water or oil,
        the first that objectives of this aperture are made for.
    pinhole
        Diameter of a confocal microscope's pinhole, in Airy units (diameters of the
        first dark ring at `wavelength`); None for a widefield microscope.
    excitation
        Wavelength of a confocal microscope's laser, nm; `wavelength` if None, which
        says a little too wide.

    Raises
    ------
    InputError
        If a number cannot be meant as it is.
    """

    na: float
    wavelength: float
    pixel_size: float
    index: float | None = None
    pinhole: float | None = None
    excitation: float | None = None

    def __post_init__(self) -> None:
        _check_wavelength("wavelength", self.wavelength, self)
        if self.excitation is not None:
            _check_wavelength("excitation", self.excitation, self)
        if not SMALLEST <= self.pixel_size <= LARGEST:
            told = f"the pixel size is {self.pixel_size:g} µm"
            hint = ""
            if self.pixel_size > LARGEST:
                width = self._width(self.wavelength / 1000) / self.pixel_size
                told += f", so that a point would be {width:.2g} px wide"
                hint = f"; {self.pixel_size:g} nm are {self.pixel_size / 1000:g} µm"
            raise InputError(
                f"{told}; it must be the edge of a pixel in the specimen, from "
                f"{SMALLEST:g} to {LARGEST:g} µm{hint}"
            )
        if not 0 < self.na < self.medium[1]:
            raise InputError(
                f"the numerical aperture is {self.na:g} in a medium of refractive "
                f"index {self.medium[1]:g}; it must be positive and less than that: "
                f"{', '.join(f'{name} {n:g}' for name, n in MEDIA.items())}"
            )
        if self.pinhole is not None and not self.pinhole > 0:
            raise InputError(
                f"the pinhole is {self.pinhole:g} Airy units; it must be positive, or "
                "left out for a widefield microscope"
            )
        if self.pinhole is None and self.excitation is not None:
            raise InputError(
                f"the excitation is {self.excitation:g} nm, but there is no pinhole: "
                "what a widefield microscope resolves is up to the light that is "
                "detected; leave it out, or give the pinhole of a confocal microscope"
            )

    @property
    def medium(self) -> tuple[str, float]:
        """Name and refractive index of the medium."""
        if self.index is not None:
            near = [name for name, n in MEDIA.items() if abs(n - self.index) < 0.005]
            return (near or ["a medium"])[0], self.index
        fits = [name for name in USUAL if self.na <= FILLED * MEDIA[name]]
        name = fits[0] if fits else USUAL[-1]
        return name, MEDIA[name]

    @property
    def scale(self) -> float:
        """See :meth:`PointSpread.scale`."""
        return self.pixel_size

    def kernel(self, zoom: int = 1) -> Doubles:
        """See :meth:`PointSpread.kernel`."""
        dark = FIRST_DARK * self.wavelength / 1000 / self.na
        reach = 2 * RADII * dark
        radius = np.linspace(0.0, math.sqrt(2) * reach + dark, 512)
        values = self._profile(radius)
        return sampled(
            lambda r: np.interp(r * self.pixel_size, radius, values),
            reach / self.pixel_size,
            zoom,
        )

    def describe(self) -> str:
        """See :meth:`PointSpread.describe`."""
        name, index = self.medium
        parts = [
            f"NA {self.na:g} in {name} ({index:g})",
            f"{self.wavelength:g} nm",
            f"{1000 * self.pixel_size:g} nm a pixel",
        ]
        if self.pinhole is not None:
            laser = self.excitation or self.wavelength
            parts.append(f"a pinhole of {self.pinhole:g} AU, excited at {laser:g} nm")
        return ", ".join(parts)

    def _width(self, wavelength: float) -> float:
        """About how wide a point is, µm."""
        return 0.51 * wavelength / self.na if self.na > 0 else math.inf

    def _profile(self, radius: Doubles) -> Doubles:
        """Intensity at distances from the axis, µm."""
        index, wavelength = self.medium[1], self.wavelength / 1000
        detected = focal_intensity(radius, self.na, wavelength, index)
        if self.pinhole is None:
            return detected
        # a point is seen where the laser reaches it and its light meets the pinhole
        dark = FIRST_DARK * wavelength / self.na
        step, end = dark / STEPS, radius[-1]
        edge = math.ceil((end + self.pinhole * dark) / step)
        line = step * np.arange(-edge, edge + 1)
        far = np.hypot(line[:, None], line)
        grid = np.linspace(0.0, far.max(), 1024)
        image = np.interp(far, grid, focal_intensity(grid, self.na, wavelength, index))
        from scipy.signal import fftconvolve  # takes its time to import

        # the share of each point that is within the pinhole: its rim has no steps
        hole = np.clip((self.pinhole * dark - far) / step + 0.5, 0.0, 1.0)
        through = fftconvolve(image, hole, mode="same")[edge, edge:]
        laser = (self.excitation or self.wavelength) / 1000
        lit = focal_intensity(radius, self.na, laser, index)
        seen = np.interp(radius, line[edge:], through / through[0])
        confocal: Doubles = lit * seen
        return confocal


def _check_wavelength(name: str, value: float, microscope: Microscope) -> None:
    if SHORTEST <= value <= LONGEST:
        return
    width = microscope._width(value / 1000)
    nanometres = 1000 * value
    hint = (
        f"; {value:g} µm are {nanometres:g} nm"
        if SHORTEST <= nanometres <= LONGEST
        else ""
    )
    raise InputError(
        f"the {name} is {value:g} nm, so that a point would be {1000 * width:.3g} nm "
        f"wide; it must be in nanometres, from {SHORTEST:g} to {LONGEST:g}{hint}"
    )
