"""The microscope, as OME-XML describes it.

An image refers to an objective, which an instrument of the same header lists, and its
channels say what light they are of. See "OME 2016-06",
https://docs.openmicroscopy.org/ome-model/.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_udvd.formats._ome_elements import first_child, tag_of
from napari_udvd.formats._units import METRES, normalise_unit
from napari_udvd.stack import Instrument, Light

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree import ElementTree

__all__ = ["instrument_of"]


def instrument_of(
    root: ElementTree.Element,
    image: ElementTree.Element,
    channels: Sequence[ElementTree.Element],
) -> Instrument | None:
    """Gather what a header tells of objective and light; None if nothing.

    Parameters
    ----------
    root
        The header.
    image
        One of its images.
    channels
        Those of the image.
    """
    settings = first_child(image, "ObjectiveSettings")
    objective = None
    if settings is not None:
        objective = next(
            (
                element
                for element in root.iter()
                if tag_of(element) == "Objective"
                and element.get("ID") == settings.get("ID")
            ),
            None,
        )
    found = Instrument(
        na=None if objective is None else _positive(objective.get("LensNA")),
        medium=_word(settings, "Medium") or _word(objective, "Immersion"),
        index=None if settings is None else _positive(settings.get("RefractiveIndex")),
        channels=tuple(map(_light, channels)),
    )
    if not any(light != Light() for light in found.channels):
        found = Instrument(found.na, found.medium, found.index)
    return None if found == Instrument() else found


def _light(channel: ElementTree.Element) -> Light:
    return Light(
        emission=_wavelength(channel, "Emission"),
        excitation=_wavelength(channel, "Excitation"),
        mode=_word(channel, "AcquisitionMode"),
        has_pinhole=_positive(channel.get("PinholeSize")) is not None,
    )


def _wavelength(channel: ElementTree.Element, which: str) -> float | None:
    """Wavelength in nanometres; None for placeholders and unknown units."""
    value = _positive(channel.get(f"{which}Wavelength"))
    unit = normalise_unit(channel.get(f"{which}WavelengthUnit", "nm"))
    if value is None or unit not in METRES:
        return None
    return value * (1.0 if unit == "nm" else METRES[unit] / METRES["nm"])


def _positive(text: str | None) -> float | None:
    """Read a number; None for what is none, or cannot be meant."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _word(element: ElementTree.Element | None, name: str) -> str | None:
    word = None if element is None else element.get(name)
    return None if word in (None, "", "Other", "Unknown") else word
