"""Optics say how fine a grid is worth having."""

from __future__ import annotations

import pytest

from napari_udvd.errors import InputError
from napari_udvd.optics import Gaussian, Microscope
from napari_udvd.sharpening import Optics

SHARP, SOFT = Gaussian(0.7), Gaussian(1.75)


def test_a_finer_grid_where_pixels_are_coarse() -> None:
    optics = Optics(SHARP, 2)
    assert optics.blur((40, 40)).zoom == 2
    assert optics.describe().endswith("a grid 2 times as fine")
    assert "finer" not in Optics(SOFT).describe()


def test_no_finer_grid_where_pixels_hide_nothing() -> None:
    with pytest.raises(InputError) as caught:
        Optics(SOFT, 2)
    for part in ("zoom 2", "1.75 px", "0.9 px", "pixel size"):
        assert part in str(caught.value)

    Optics(Microscope(na=1.4, wavelength=520, pixel_size=0.3), 2)
    with pytest.raises(InputError, match="not supported"):
        Optics(Microscope(na=1.4, wavelength=520, pixel_size=0.065), 2)


@pytest.mark.parametrize("zoom", [0, -1, 4, 1.5])
def test_factors_that_are_none(zoom: int) -> None:
    with pytest.raises(InputError, match=f"zoom is {zoom}; it must be one of 1, 2, 3"):
        Optics(SHARP, zoom)


def test_every_channel_must_support_it() -> None:
    with pytest.raises(InputError, match=r"1\.75 px"):
        Optics(SHARP, 2, by_channel=(SHARP, SOFT))
    told = Optics(SHARP, by_channel=(SHARP, SOFT)).describe()
    assert told.index("channel 0") < told.index("0.7 px") < told.index("channel 1")
