"""What blurred a movie: told by the user, or by the file that it is in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd.errors import InputError
from napari_udvd.optics import MEDIA, Gaussian, Microscope, read_bead
from napari_udvd.sharpening import Optics
from napari_udvd.stack import Instrument, Light

if TYPE_CHECKING:
    import os

    from napari_udvd.optics import PointSpread
    from napari_udvd.stack import LayoutLike, Stack

__all__ = ["optics_of"]

MICROMETRES = {"µm": 1.0, "um": 1.0, "micrometer": 1.0, "nm": 1e-3, "mm": 1e3, "m": 1e6}
"""Units that a pixel size may be in."""

CONFOCAL = (
    "LaserScanningConfocalMicroscopy",
    "SpinningDiskConfocal",
    "SlitScanConfocal",
    "SweptFieldConfocal",
    "LCM",
)
"""Kinds of microscope with a pinhole, in the words of OME."""

OTHER_BLUR = (
    "MultiPhotonMicroscopy",
    "StructuredIllumination",
    "SecondHarmonicGenerationImaging",
    "SingleMoleculeImaging",
    "NearFieldScanningOpticalMicroscopy",
    "PALM",
    "STORM",
    "STED",
)
"""Kinds whose blur does not follow from aperture and detected wavelength."""

USUAL_PINHOLE = 1.0
"""Airy units that are taken where a file says that there is a pinhole: it states the
size in micrometres, and nothing of the magnification on the way there."""


@dataclass(frozen=True)
class _Told:
    """What the user said of the microscope; None leaves it to the file."""

    na: float | None
    wavelength: float | None
    pixel_size: float | None
    index: float | None
    pinhole: float | None
    excitation: float | None


def optics_of(
    movie: Stack,
    *,
    na: float | None = None,
    wavelength: float | None = None,
    pixel_size: float | None = None,
    index: float | None = None,
    pinhole: float | None = None,
    excitation: float | None = None,
    sigma: float | None = None,
    psf: str | os.PathLike[str] | None = None,
    zoom: int = 1,
) -> Optics:
    """Find out what blurred a movie: from the objective, a width, or a bead.

    Parameters
    ----------
    movie
        Says how large its pixels are and, in some files, what microscope it is from.
    na, wavelength, index, pinhole, excitation
        Of the microscope, see :class:`~napari_udvd.optics.Microscope`; that of the
        file where None.
    pixel_size
        Edge of a pixel in the specimen, µm; that of the movie if None.
    sigma
        Standard deviation of a Gaussian blur, px, in place of a microscope.
    psf
        File with the picture of a bead, in place of a microscope.
    zoom
        Pixels of the result to a pixel of the movie, along each edge.

    Raises
    ------
    InputError
        If none or several of these are given, a number cannot be meant, or the blur
        is larger than the frames.
    """
    of_microscope = _Told(na, wavelength, pixel_size, index, pinhole, excitation)
    options = {**asdict(of_microscope), "sigma": sigma, "psf": psf}
    _check_one_blur([name for name, value in options.items() if value is not None])
    points: tuple[PointSpread, ...]
    notes: tuple[str, ...] = ()
    if sigma is not None:
        points = (Gaussian(sigma),)
    elif psf is not None:
        points = (read_bead(psf),)
    else:
        points, notes = _microscopes(movie, of_microscope)
    alike = all(point == points[0] for point in points)
    optics = Optics(points[0], zoom, () if alike else points, notes)
    for channel in range(len(points)):  # says what does not fit
        optics.blur(movie.frame_shape, channel)
    return optics


def _check_one_blur(given: list[str]) -> None:
    """See that the blur is given in one way only."""
    chosen = [name for name in given if name in ("sigma", "psf")]
    if len(chosen) > 1 or (chosen and len(given) > 1):
        raise InputError(
            f"the blur is given by {' and '.join(f'`{name}`' for name in given)}; give "
            "one of: `na` and `wavelength` of the microscope, `sigma` in pixels, or "
            "`psf`, a file with the picture of a bead"
        )


def _microscopes(
    movie: Stack, told: _Told
) -> tuple[tuple[PointSpread, ...], tuple[str, ...]]:
    """Describe what each channel was seen through, and say what the file told."""
    known = movie.instrument or Instrument()
    name = movie.source or "the movie"
    if told.na is None and known.na is None:
        raise InputError(
            f"nothing says what blurred {name!r}, nor does its file; give one of: `na` "
            "and `wavelength` of the microscope, `sigma` in pixels, or `psf`, a file "
            "with the picture of a bead"
        )
    na = _first_known(told.na, known.na)
    assert na is not None
    index, taken = told.index, []
    if told.na is None:
        taken.append(f"NA {na:g}")
        if index is None:
            index = known.index or MEDIA.get((known.medium or "")[:5].lower())
        if index is not None and told.index is None:
            taken.append(f"a medium of refractive index {index:g}")
    pixel = _pixel_size(movie) if told.pixel_size is None else told.pixel_size
    points: list[PointSpread] = []
    lights = known.channels or (Light(),) * movie.n_channels
    several = len(lights) > 1
    assumed: list[str] = []
    for channel, light in enumerate(lights):
        where = f"channel {channel}: " if several else ""
        if told.na is None and light.mode in OTHER_BLUR:
            raise InputError(
                f"{where}{name!r} was recorded with {light.mode!r}, whose blur does "
                "not follow from the aperture; give it as `sigma` in pixels, or `psf`, "
                "a file with the picture of a bead"
            )
        wavelength = _first_known(told.wavelength, light.emission)
        if wavelength is None:
            raise InputError(
                f"{where}the numerical aperture is {na:g}, but there is no "
                "`wavelength`; give that of the light that is detected, in nanometres"
            )
        if told.wavelength is None:
            taken.append(f"{where}light of {wavelength:g} nm")
        pinhole, excitation = told.pinhole, told.excitation
        if pinhole is None and (light.mode in CONFOCAL or light.has_pinhole):
            pinhole = USUAL_PINHOLE
            assumed.append(where)
        if pinhole is not None and excitation is None and light.excitation is not None:
            excitation = light.excitation
            taken.append(f"{where}a laser of {excitation:g} nm")
        points.append(
            Microscope(
                na=na,
                wavelength=wavelength,
                pixel_size=pixel,
                index=index,
                pinhole=pinhole,
                excitation=excitation,
            )
        )
    notes = [f"taken from the file: {', '.join(taken)}"] if taken else []
    notes += [
        f"{where}the file says that there is a pinhole, but not its size in Airy "
        f"units; {USUAL_PINHOLE:g} is taken, `pinhole` tells it otherwise"
        for where in assumed
    ]
    return tuple(points), tuple(notes)


def _first_known(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _pixel_size(movie: LayoutLike) -> float:
    """Edge of a pixel, µm."""
    name = movie.source or "the movie"
    sizes = {axis: movie.scale.get(axis) for axis in "YX"}
    factors = {axis: MICROMETRES.get(movie.units.get(axis, "")) for axis in "YX"}
    if None in sizes.values() or None in factors.values():
        raise InputError(
            f"{name!r} does not say how large its pixels are, in µm or nm; give "
            "`pixel_size`, the edge of a pixel in the specimen in µm"
        )
    rows, columns = (
        float(sizes[axis] or 0.0) * float(factors[axis] or 0.0) for axis in "YX"
    )
    if not np.isclose(rows, columns, rtol=0.01):
        raise InputError(
            f"pixels of {name!r} are {rows:g} x {columns:g} µm; for pixels that are "
            "not square give the blur as `psf`, the picture of a bead"
        )
    return columns
