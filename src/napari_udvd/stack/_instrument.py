"""What a file says of the microscope that a movie was recorded with."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Instrument", "Light"]


@dataclass(frozen=True)
class Light:
    """What a channel was lit with, and what was detected of it; None if not known.

    Attributes
    ----------
    emission, excitation
        Wavelengths, nm.
    mode
        Kind of microscope, as OME calls it: ``"WideField"``,
        ``"LaserScanningConfocalMicroscopy"``, ``"SpinningDiskConfocal"``, ...
    has_pinhole
        Whether the size of a pinhole is stated.
    """

    emission: float | None = None
    excitation: float | None = None
    mode: str | None = None
    has_pinhole: bool = False


@dataclass(frozen=True)
class Instrument:
    """Objective and light; None for what is not known.

    Attributes
    ----------
    na
        Numerical aperture.
    medium
        Between objective and specimen, as OME calls it: ``"Oil"``, ``"Water"``, ...
    index
        Refractive index, of the medium or as it was set.
    channels
        Light of each channel; empty if nothing is known.
    """

    na: float | None = None
    medium: str | None = None
    index: float | None = None
    channels: tuple[Light, ...] = ()
