"""Kernels: their widths, their sums, and what cannot be one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_udvd.errors import InputError
from napari_udvd.optics import (
    Bead,
    Gaussian,
    Microscope,
    PointSpread,
    describe,
    read_bead,
    width,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

GREEN = Microscope(na=0.8, wavelength=520, pixel_size=0.1)


@pytest.mark.parametrize("zoom", [1, 2, 3])
@pytest.mark.parametrize("psf", [Gaussian(1.3), GREEN])
def test_kernels_are_odd_symmetric_and_keep_the_light(
    psf: PointSpread, zoom: int
) -> None:
    kernel = psf.kernel(zoom)
    assert all(n % 2 for n in kernel.shape)
    assert kernel.sum() == pytest.approx(1)
    assert (kernel >= 0).all()
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-12)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.7, 1.75, 3.0])
def test_the_width_of_a_gaussian_is_measured(sigma: float) -> None:
    assert width(Gaussian(sigma)).sigma == pytest.approx(sigma, rel=0.01)
    # a mean over pixels is a little wider than the profile: by a twelfth of a pixel²
    kernel = Gaussian(sigma).kernel()
    place = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    variance = float((kernel.sum(axis=1) * place**2).sum())
    assert variance == pytest.approx(sigma**2 + 1 / 12, rel=0.01)


def test_a_microscope_resolves_what_the_textbook_says() -> None:
    found = width(Microscope(na=0.2, wavelength=600, pixel_size=0.2))
    assert found.rows * 0.2 == pytest.approx(0.514 * 0.6 / 0.2, rel=0.01)
    # twice the wavelength, twice the width; a medium of its own hardly matters
    red = Microscope(na=0.2, wavelength=1200, pixel_size=0.2)
    assert width(red).rows == pytest.approx(2 * found.rows, rel=0.01)


def test_a_pinhole_narrows_what_is_seen() -> None:
    wide = width(Microscope(na=0.5, wavelength=520, pixel_size=0.1)).rows

    def confocal(pinhole: float, excitation: float = 520) -> float:
        return width(
            Microscope(
                na=0.5,
                wavelength=520,
                pixel_size=0.1,
                pinhole=pinhole,
                excitation=excitation,
            )
        ).rows

    # closed: the square of the pattern; open: the laser alone
    assert confocal(0.05) / wide == pytest.approx(0.72, abs=0.01)
    assert confocal(10) / wide == pytest.approx(1, abs=0.02)
    assert confocal(10, excitation=400) / wide == pytest.approx(400 / 520, abs=0.02)
    assert confocal(0.05) < confocal(1) < confocal(10)


def test_the_medium_is_that_which_objectives_are_made_for() -> None:
    for na, medium in ((0.95, "air"), (1.2, "water"), (1.3, "oil"), (1.49, "oil")):
        assert Microscope(na=na, wavelength=520, pixel_size=0.1).medium[0] == medium
    told = Microscope(na=0.8, wavelength=520, pixel_size=0.1, index=1.333)
    assert told.medium == ("water", 1.333)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"na": 1.6}, "1.6 in a medium of refractive index 1.515"),
        ({"na": 1.2, "index": 1.0}, "1.2 in a medium of refractive index 1;"),
        ({"na": 0}, "the numerical aperture is 0 "),
        ({"wavelength": 0.52}, "0.52 nm, .* 0.332 nm wide.* 0.52 µm are 520 nm"),
        ({"wavelength": 520000}, "520000 nm, so that a point"),
        ({"pixel_size": 65}, "65 µm, .* 0.0051 px wide.* 65 nm are 0.065 µm"),
        ({"pixel_size": 0}, "the pixel size is 0 µm"),
        ({"pinhole": 0.0}, "the pinhole is 0 Airy units"),
        ({"excitation": 488}, "the excitation is 488 nm, but there is no pinhole"),
        ({"pinhole": 1, "excitation": 0.488}, "the excitation is 0.488 nm"),
    ],
)
def test_numbers_that_cannot_be_meant(change: dict[str, float], words: str) -> None:
    numbers = {"na": 0.8, "wavelength": 520, "pixel_size": 0.1, **change}
    with pytest.raises(InputError, match=words):
        Microscope(**numbers)


@pytest.mark.parametrize("sigma", [0.0, -1.0, 100.0, math.nan])
def test_widths_that_cannot_be_meant(sigma: float) -> None:
    with pytest.raises(InputError, match=f"is {sigma:g} px"):
        Gaussian(sigma)


def bead(
    shape: tuple[int, int], sigma: float, centre: tuple[float, float]
) -> np.ndarray:
    rows, columns = np.indices(shape)
    far = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    light: npt.NDArray[np.float64] = 100 + 1000 * np.exp(-far / (2 * sigma**2))
    return light


def test_a_bead_is_its_picture_without_background_and_centred() -> None:
    found = Bead(bead((25, 25), 2.0, (12.3, 11.8)))
    for zoom in (1, 2):
        kernel = found.kernel(zoom)
        assert kernel.sum() == pytest.approx(1)
        place = np.arange(len(kernel)) - len(kernel) // 2
        for axis in (0, 1):
            profile = kernel.sum(axis=axis)
            # where its centre lies is found, to a fraction of a pixel
            assert float((profile * place).sum()) / zoom == pytest.approx(0, abs=0.05)
            variance = float((profile * place**2).sum()) / zoom**2
            assert variance == pytest.approx(4, rel=0.15)
    assert width(found).sigma == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (bead((25, 25), 2.0, (8, 12)), "centred at row 8.0, column 12.0"),
        (bead((25, 25), 2.0, (12, 12)) - 400, "goes down to -300"),
        (np.ones((25, 25)), "nowhere brighter than at its rim"),
        (np.ones((2, 9)), "at least 3 x 3"),
        (np.full((9, 9), np.nan), "not finite"),
        (np.ones((4, 9, 9)), r"shape \(4, 9, 9\)"),
        (np.ones((9, 2000)), "more than 1024 pixels"),
    ],
)
def test_pictures_that_are_of_no_bead(
    picture: npt.NDArray[np.float64], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        Bead(picture)


def test_a_bead_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "bead.tif"
    picture = bead((25, 21), 2.0, (12, 10)).round()
    tifffile.imwrite(file, picture.astype(np.uint16))
    found = read_bead(file)
    assert "bead.tif" in describe(found)
    np.testing.assert_allclose(found.kernel(), Bead(picture).kernel(), atol=1e-12)
    tifffile.imwrite(
        file, np.stack([picture] * 2).astype(np.uint16), metadata={"axes": "CYX"}
    )
    with pytest.raises(InputError, match="has 2 channels"):
        read_bead(file)


def test_a_description_says_size_and_source() -> None:
    assert describe(Gaussian(1.75)) == (
        "4.12 px wide at half its height: a Gaussian of 1.75 px"
    )
    words = describe(GREEN)
    assert "NA 0.8 in air (1), 520 nm, 100 nm a pixel" in words
    assert words.startswith(f"{100 * width(GREEN).rows:.0f} nm (")
