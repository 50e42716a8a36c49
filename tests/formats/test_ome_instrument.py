"""What OME-TIFF tells of the microscope comes with the movie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import napari_udvd as nu
from napari_udvd.stack import Instrument, Light

if TYPE_CHECKING:
    from pathlib import Path

HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Instrument ID="Instrument:0">
<Objective ID="Objective:0" LensNA="0.3" Immersion="Air"/>
<Objective ID="Objective:1" {objective}/>
</Instrument>
<Image ID="Image:0">
<InstrumentRef ID="Instrument:0"/>
{settings}
<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="20" SizeY="16"
 SizeZ="1" SizeC="{channels}" SizeT="4" PhysicalSizeX="0.1" PhysicalSizeY="0.1">
{lights}
<TiffData/>
</Pixels></Image></OME>"""

USED = '<ObjectiveSettings ID="Objective:1"{}/>'
OIL = 'LensNA="1.4" Immersion="Oil"'


def written(
    folder: Path, *lights: str, objective: str = OIL, settings: str = USED.format("")
) -> Path:
    path = folder / "movie.ome.tif"
    channels = "".join(
        f'<Channel ID="Channel:0:{c}" SamplesPerPixel="1" {light}/>'
        for c, light in enumerate(lights)
    )
    header = HEADER.format(
        objective=objective, settings=settings, channels=len(lights), lights=channels
    )
    pixels = np.arange(4 * len(lights) * 320, dtype=np.uint16)
    tifffile.imwrite(
        path,
        pixels.reshape(-1, 16, 20),
        description=header.encode(),
        metadata=None,
        photometric="minisblack",
    )
    return path


GREEN = 'EmissionWavelength="525" ExcitationWavelength="488"'
RED = (
    'EmissionWavelength="0.61" EmissionWavelengthUnit="µm" PinholeSize="95" '
    'AcquisitionMode="LaserScanningConfocalMicroscopy"'
)


def test_objective_and_light_of_each_channel(tmp_path: Path) -> None:
    path = written(
        tmp_path, GREEN, RED, settings=USED.format(' RefractiveIndex="1.518"')
    )
    stack = nu.open(path)
    found = stack.instrument
    assert found is not None
    assert (found.na, found.medium, found.index) == (1.4, "Oil", 1.518)
    green, red = found.channels
    assert green == Light(emission=525.0, excitation=488.0)
    assert red.emission == pytest.approx(610.0)
    assert red.mode == "LaserScanningConfocalMicroscopy" and red.has_pinhole
    part = stack.crop(slice(1, 3), slice(2, 9))
    assert part.instrument == found
    assert stack.with_mask(np.ones((16, 20), bool)).instrument == found


def test_the_medium_that_was_set_counts_more_than_that_of_the_objective(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, GREEN, settings=USED.format(' Medium="Glycerol"'))
    found = nu.open(path).instrument
    assert found is not None and found.medium == "Glycerol"


def test_no_objective_of_the_image_no_aperture(tmp_path: Path) -> None:
    found = nu.open(written(tmp_path, GREEN, settings="")).instrument
    assert found == Instrument(channels=(Light(525.0, 488.0),))


@pytest.mark.parametrize(
    "objective", ['LensNA="0"', 'LensNA="nan"', 'LensNA="high"', 'Immersion="Other"']
)
def test_placeholders_say_nothing(tmp_path: Path, objective: str) -> None:
    light = 'EmissionWavelength="-1" ExcitationWavelength="0" PinholeSize="0"'
    path = written(tmp_path, light, objective=objective)
    assert nu.open(path).instrument is None


def test_a_unit_that_is_not_known_is_not_guessed(tmp_path: Path) -> None:
    light = 'EmissionWavelength="525" EmissionWavelengthUnit="reference frame"'
    found = nu.open(written(tmp_path, light)).instrument
    assert found == Instrument(na=1.4, medium="Oil")


def test_channels_that_are_taken_for_something_else(tmp_path: Path) -> None:
    path = written(tmp_path, GREEN, RED)
    found = nu.open(path, axes="TZYX").instrument
    assert found == Instrument(na=1.4, medium="Oil")


def test_files_that_say_nothing(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((5, 16, 20), np.uint8))
    assert nu.open(tmp_path / "plain.tif").instrument is None
