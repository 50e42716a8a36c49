"""What a microscope does to a scene before it is measured: blur, and large pixels.

A point spread function comes from the numbers of the objective, from a width, or from
the picture of a bead. :class:`Blur` applies it, and Richardson-Lucy iterations undo it
as far as that goes.

>>> from napari_udvd.optics import Microscope, describe
>>> print(describe(Microscope(na=1.4, wavelength=520, pixel_size=0.065)))
217 nm (3.33 px) wide at half its height: NA 1.4 in oil (1.515), 520 nm, 65 nm a pixel
"""

from __future__ import annotations

from napari_udvd.optics._bead import Bead, read_bead
from napari_udvd.optics._blur import Blur
from napari_udvd.optics._microscope import MEDIA, Microscope
from napari_udvd.optics._psf import (
    Gaussian,
    PointSpread,
    Unblurred,
    Width,
    describe,
    width,
)
from napari_udvd.optics._richardson_lucy import Iterate, richardson_lucy

__all__ = [
    "MEDIA",
    "Bead",
    "Blur",
    "Gaussian",
    "Iterate",
    "Microscope",
    "PointSpread",
    "Unblurred",
    "Width",
    "describe",
    "read_bead",
    "richardson_lucy",
    "width",
]
