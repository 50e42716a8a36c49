"""What blurred a movie: told, or read from the file, or asked for in clear words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_udvd.errors import InputError
from napari_udvd.jobs.optics import optics_of
from napari_udvd.optics import Bead, Gaussian, Microscope
from napari_udvd.stack import Instrument, Light, Stack

if TYPE_CHECKING:
    from pathlib import Path

CONFOCAL = "LaserScanningConfocalMicroscopy"


def movie(
    axes: str = "TYX", pixel: float | None = 0.1, unit: str = "µm", **instrument: Any
) -> Stack:
    shape = {"T": 3, "C": 2, "Y": 60, "X": 64}
    stack = Stack.from_array(
        np.zeros([shape[axis] for axis in axes], np.uint16),
        axes,
        scale={} if pixel is None else {"Y": pixel, "X": pixel},
        units={} if pixel is None else {"Y": unit, "X": unit},
        source="movie.tif",
    )
    return replace(stack, instrument=Instrument(**instrument) if instrument else None)


def test_from_the_numbers_of_the_objective() -> None:
    optics = optics_of(movie(), na=0.8, wavelength=520)
    assert optics.psf == Microscope(na=0.8, wavelength=520, pixel_size=0.1)
    assert optics.by_channel == () and optics.notes == ()
    told = optics_of(movie(pixel=None), na=0.8, wavelength=520, pixel_size=0.2)
    assert told.psf.scale == 0.2


@pytest.mark.parametrize(("pixel", "unit"), [(100.0, "nm"), (1e-7, "m"), (1e-4, "mm")])
def test_pixels_in_other_units(pixel: float, unit: str) -> None:
    optics = optics_of(movie(pixel=pixel, unit=unit), na=0.8, wavelength=520)
    assert optics.psf.scale == pytest.approx(0.1)


def test_from_a_width_or_the_picture_of_a_bead(tmp_path: Path) -> None:
    assert optics_of(movie(), sigma=1.3, zoom=1).psf == Gaussian(1.3)
    y, x = np.mgrid[-5:6, -5:6]
    path = tmp_path / "bead.tif"
    tifffile.imwrite(path, np.exp(-(x**2 + y**2) / 4).astype(np.float32))
    assert isinstance(optics_of(movie(), psf=path).psf, Bead)


def test_all_from_the_file() -> None:
    stack = movie(na=1.2, medium="WaterDipping", channels=(Light(emission=610.0),))
    optics = optics_of(stack)
    expected = Microscope(na=1.2, wavelength=610, pixel_size=0.1, index=1.333)
    assert optics.psf == expected
    (note,) = optics.notes
    for part in ("NA 1.2", "1.333", "610 nm"):
        assert part in note


def test_what_is_told_counts_more_than_the_file() -> None:
    stack = movie(na=1.2, index=1.4, channels=(Light(emission=610.0),))
    optics = optics_of(stack, na=0.8, wavelength=520)
    assert optics.psf == Microscope(na=0.8, wavelength=520, pixel_size=0.1)
    assert optics.notes == ()
    optics = optics_of(stack, na=0.8)
    assert optics.psf == Microscope(na=0.8, wavelength=610, pixel_size=0.1)
    assert optics.notes == ("taken from the file: light of 610 nm",)


def test_each_channel_has_its_own_colour() -> None:
    lights = Light(emission=525.0), Light(emission=610.0)
    optics = optics_of(movie("TCYX", na=1.2, channels=lights))
    assert [psf.wavelength for psf in optics.by_channel] == [525.0, 610.0]  # type: ignore[attr-defined]
    alike = optics_of(movie("TCYX", na=1.2, channels=lights), wavelength=520)
    assert alike.by_channel == ()


@pytest.mark.parametrize(
    "light",
    [Light(525.0, 488.0, CONFOCAL), Light(525.0, 488.0, None, has_pinhole=True)],
)
def test_a_pinhole_of_unknown_size_is_taken_for_one_airy_unit(light: Light) -> None:
    stack = movie(na=1.2, channels=(light,))
    optics = optics_of(stack)
    expected = Microscope(
        na=1.2, wavelength=525, pixel_size=0.1, pinhole=1.0, excitation=488
    )
    assert optics.psf == expected
    assert "1 is taken, `pinhole`" in optics.notes[1]
    told = optics_of(stack, pinhole=2.5)
    assert told.psf == replace(expected, pinhole=2.5)
    assert len(told.notes) == 1


def test_microscopes_whose_blur_is_another_one() -> None:
    light = Light(emission=525.0, mode="STED")
    with pytest.raises(InputError, match=r"'STED'.*`sigma`.*`psf`"):
        optics_of(movie(na=1.2, channels=(light,)))


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ({}, ["movie.tif", "`na`", "`sigma`", "`psf`"]),
        ({"na": 0.8}, ["0.8", "`wavelength`", "nanometres"]),
        ({"na": 0.0, "wavelength": 520}, ["aperture is 0", "positive"]),
        ({"na": 1.6, "wavelength": 520}, ["1.6", "1.515", "water 1.333"]),
        ({"na": 1.1, "wavelength": 520, "index": 1.0}, ["1.1", "index 1"]),
        ({"na": 0.8, "wavelength": 0.52}, ["0.52 nm", "wide", "0.52 µm are 520 nm"]),
        ({"na": 0.8, "wavelength": 520000}, ["520000 nm", "wide"]),
        (
            {"na": 0.8, "wavelength": 520, "pixel_size": 100},
            ["100 µm", "px wide", "100 nm are 0.1 µm"],
        ),
        ({"na": 0.8, "sigma": 1.0}, ["`na` and `sigma`"]),
        ({"sigma": 1.0, "psf": "bead.tif"}, ["`sigma` and `psf`"]),
        ({"sigma": -1.0}, ["-1 px", "positive"]),
        ({"sigma": 10.0}, ["91 x 91", "60 x 64", "crop"]),
        ({"sigma": 1.2, "zoom": 2}, ["zoom 2", "1.20 px"]),
        ({"sigma": 0.7, "zoom": 5}, ["zoom is 5", "1, 2, 3"]),
        ({"psf": "nowhere.tif"}, ["nowhere.tif", "does not exist"]),
        ({"na": 0.8, "wavelength": 520, "pinhole": -1}, ["-1 Airy"]),
        ({"na": 0.8, "wavelength": 520, "excitation": 488}, ["488", "no pinhole"]),
    ],
)
def test_what_cannot_be_meant(how: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        optics_of(movie(), **how)
    for part in parts:
        assert part in str(caught.value)


def test_a_movie_whose_pixels_are_not_known() -> None:
    for stack in (movie(pixel=None), movie(unit="pixel"), movie(unit="")):
        with pytest.raises(InputError, match=r"movie\.tif.*`pixel_size`"):
            optics_of(stack, na=0.8, wavelength=520)


def test_pixels_that_are_not_square() -> None:
    stack = replace(movie(), scale={"Y": 0.1, "X": 0.2})
    with pytest.raises(InputError, match=r"0\.1 x 0\.2 µm.*`psf`"):
        optics_of(stack, na=0.8, wavelength=520)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("shifted", ["centred at row 3", "middle"]),
        ("negative", ["goes down to", "light is not negative"]),
        ("large", ["larger than", "60 x 64"]),
    ],
)
def test_files_that_hold_no_bead(tmp_path: Path, change: str, parts: list[str]) -> None:
    edge = 40 if change == "large" else 7
    y, x = np.mgrid[-edge : edge + 1, -edge : edge + 1]
    picture = np.exp(-(x**2 + y**2) / (2 * (edge / 5) ** 2))
    if change == "shifted":
        picture = np.roll(picture, -4, axis=0)
    if change == "negative":
        picture -= 0.5
    path = tmp_path / "bead.tif"
    tifffile.imwrite(path, picture.astype(np.float32))
    with pytest.raises(InputError) as caught:
        optics_of(movie(), psf=path)
    for part in parts:
        assert part in str(caught.value)
