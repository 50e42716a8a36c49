"""Filters as pictures, arrays and tables."""

from __future__ import annotations

import csv
import errno
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from napari_udvd.errors import OutputError
from napari_udvd.filters import (
    AdaptiveFilter,
    adaptive_filter,
    diverging_colours,
    draw_filter,
    save_filter,
)
from napari_udvd.inference.restorer import Denoiser
from tiny import tiny_calibration, tiny_center_blind, tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

ALL = ("a.png", "a.npz", "a.csv", "A.PNG")


def made_by_hand(**changes: Any) -> AdaptiveFilter:
    """Move a box of 3 x 3 equal weights by (1, -2) px per frame, over five frames."""
    weights = np.zeros((1, 5, 41, 51), np.float32)
    for k in range(5):
        y, x = 20 + (k - 2), 25 - 2 * (k - 2)
        weights[0, k, y - 1 : y + 2, x - 1 : x + 2] = 1 / 45
    values: dict[str, Any] = {
        "by_channel": weights,
        "channels": (0,),
        "pixel": (7, 0, 0, 120, 225),
        "origin": (5, 100, 200),
        "prediction": 130.5,
        "bias": -2.25,
        "std": None,
        "is_posterior": False,
        "reflected": 0,
    }
    return AdaptiveFilter(**{**values, **changes})


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_arrays_come_back(tmp_path: Path) -> None:
    denoiser = Denoiser(tiny_center_blind(), (tiny_calibration(),))
    stack = tiny_movie()
    found = adaptive_filter(denoiser, stack, 3, 12, 13, posterior=True)
    save_filter(found, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as saved:
        for name in ("weights", "by_channel", "shares", "centroids"):
            np.testing.assert_array_equal(saved[name], getattr(found, name))
        for name in ("bias", "prediction", "sum", "averaged", "width", "std"):
            assert saved[name] == getattr(found, name)
        assert saved["is_posterior"]
        assert saved["pixel"].tolist() == [3, 0, 0, 12, 13]
        assert saved["frames"].tolist() == list(found.frames)
        # what the file is for: the value again, from the movie
        t, y, x = saved["origin"]
        frames, height, width = saved["weights"].shape
        part = stack.read()[t : t + frames, y : y + height, x : x + width]
        value = (saved["weights"] * part).sum(dtype=float) + saved["bias"]
        assert value == pytest.approx(float(saved["prediction"]), rel=1e-6)


def test_a_filter_without_std(tmp_path: Path) -> None:
    save_filter(made_by_hand(), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as saved:
        assert np.isnan(saved["std"]) and not saved["is_posterior"]


def test_a_table_has_a_row_per_frame(tmp_path: Path) -> None:
    weights = made_by_hand().by_channel.copy()
    weights[0, 4] = 0
    save_filter(made_by_hand(by_channel=weights), tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text("ascii").splitlines()))
    assert [row["frame"] for row in rows] == ["5", "6", "7", "8", "9"]
    for k, row in enumerate(rows[:4]):
        assert float(row["share"]) == pytest.approx(0.25)
        assert float(row["sum_of_weights"]) == pytest.approx(0.2, rel=1e-5)
        assert float(row["shift_y_px"]) == pytest.approx(k - 2, abs=1e-6)
        assert float(row["shift_x_px"]) == pytest.approx(-2 * (k - 2), abs=1e-6)
        assert float(row["centroid_y"]) == pytest.approx(118 + k)
        assert float(row["extent_px"]) == pytest.approx(3 / np.sqrt(12), rel=1e-4)
    assert rows[4]["share"] == "0"
    assert rows[4]["centroid_x"] == rows[4]["extent_px"] == ""
    for row in rows:
        assert (row["pixel_frame"], row["pixel_y"], row["pixel_x"]) == (
            "7",
            "120",
            "225",
        )
        assert (row["value"], row["bias"], row["std"]) == ("130.5", "-2.25", "")
        assert (row["velocity_y_px"], row["velocity_x_px"]) == ("1", "-2")
        assert float(row["pixels_averaged"]) == pytest.approx(45**2 / 36, rel=1e-5)
        assert float(row["sum_of_all_weights"]) == pytest.approx(0.8, rel=1e-5)
        assert row["posterior"] == "0"


def test_a_picture_is_the_strip(tmp_path: Path) -> None:
    found = made_by_hand()
    save_filter(found, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), draw_filter(found))


@pytest.mark.parametrize("name", ALL)
def test_an_earlier_file_is_replaced_only_if_asked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("earlier")
    with pytest.raises(OutputError, match=f"{name}' exists"):
        save_filter(made_by_hand(), tmp_path / name)
    assert (tmp_path / name).read_text() == "earlier"
    save_filter(made_by_hand(), tmp_path / name, overwrite=True)
    assert (tmp_path / name).stat().st_size > 100
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.tif", "a", "a.npy"])
def test_other_suffixes(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=rf"{name}'.*\.png, \.npz, \.csv"):
        save_filter(made_by_hand(), tmp_path / name)
    assert names(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist: create it"):
        save_filter(made_by_hand(), tmp_path / "missing" / "a.npz")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a folder"):
        save_filter(made_by_hand(), tmp_path / "file" / "a.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        save_filter(made_by_hand(), tmp_path / "folder.npz", overwrite=True)


@pytest.mark.parametrize("name", ALL)
def test_a_full_disk_leaves_the_earlier_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / name).write_text("earlier")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        save_filter(made_by_hand(), tmp_path / name, overwrite=True)
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "earlier"


def test_somebody_else_writes_the_file_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: (tmp_path / "a.csv").write_text("other"))
    with pytest.raises(OutputError, match="meanwhile"):
        save_filter(made_by_hand(), tmp_path / "a.csv")
    assert names(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "other"


# --- the strip ----------------------------------------------------------------------

WHITE, GREY = (255, 255, 255), (233, 233, 236)
ZOOM, EDGE = 8, 11
"""Of the filter made by hand: its weights are up to 5 columns from the pixel."""


def panel_of(picture: np.ndarray, panel: int, edge: int = EDGE) -> np.ndarray:
    """Cut a panel of so many squares per side out of a strip."""
    size = edge * ZOOM
    pad = size // 16
    left = pad + panel * (size + pad)
    return picture[pad : pad + size, left : left + size]


def squares(picture: np.ndarray, panel: int, edge: int = EDGE) -> np.ndarray:
    """Colour of every square, read off beside the marks."""
    return panel_of(picture, panel, edge)[2::ZOOM, 2::ZOOM]


def test_weights_are_squares_on_one_scale() -> None:
    weights = made_by_hand().by_channel.copy()
    weights[0, 1] *= -0.5
    picture = draw_filter(made_by_hand(by_channel=weights), zoom=ZOOM)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    full, half = diverging_colours(np.array([1.0, -0.5]))
    for panel, colour in ((0, full), (1, half), (2, full), (4, full)):
        y, x = 5 + (panel - 2), 5 - 2 * (panel - 2)
        found = squares(picture, panel)
        # the first and the last corner of the box: no mark is there
        np.testing.assert_array_equal(found[y - 1, x - 1], colour)
        np.testing.assert_array_equal(found[y + 1, x + 1], colour)
        # zero is white
        np.testing.assert_array_equal(found[0, 0], WHITE)


def test_the_centroid_is_marked_where_it_is() -> None:
    picture = draw_filter(made_by_hand(), zoom=ZOOM).astype(int)
    golden = (abs(picture - (255, 200, 0)) < 20).all(axis=-1)
    for panel in range(5):
        mask = panel_of(golden, panel)
        y, x = np.argwhere(mask).mean(axis=0) + 0.5
        expected = 5.5 + (panel - 2), 5.5 - 2 * (panel - 2)
        np.testing.assert_allclose((y / ZOOM, x / ZOOM), expected, atol=0.1)


def test_the_frames_nearest_to_the_pixel_are_shown() -> None:
    full = diverging_colours(np.array(1.0))
    for t, first in ((7, 1), (5, 0), (9, 2)):
        found = made_by_hand(pixel=(t, 0, 0, 120, 225))
        picture = draw_filter(found, frames=3, zoom=ZOOM)
        edge = 9 if t == 7 else EDGE
        for panel in range(3):
            k = first + panel
            y, x = edge // 2 + (k - 2), edge // 2 - 2 * (k - 2)
            assert (squares(picture, panel, edge)[y - 1, x - 1] == full).all()
    one = draw_filter(made_by_hand(), frames=1, zoom=ZOOM)
    five = draw_filter(made_by_hand(), frames=9, zoom=ZOOM)
    assert one.shape[1] < five.shape[1] / 3


def test_beside_the_image_it_is_grey() -> None:
    corner = made_by_hand().by_channel[..., 20:, 25:]
    cut = made_by_hand(by_channel=corner, origin=(5, 0, 0), pixel=(7, 0, 0, 0, 0))
    picture = draw_filter(cut, zoom=ZOOM)
    found = squares(picture, 2, edge=9)
    assert (found[:4] == GREY).all() and (found[:, :4] == GREY).all()
    assert (found[6:, 6:] == WHITE).all()


def test_a_posterior_does_not_hide_the_other_weights() -> None:
    weights = made_by_hand().by_channel.copy()
    weights[0, 2, 20, 25] = 0.6
    found = made_by_hand(by_channel=weights, is_posterior=True)
    full = diverging_colours(np.array(1.0))
    np.testing.assert_array_equal(squares(draw_filter(found, zoom=ZOOM), 0)[2, 8], full)


def test_panels_are_about_as_large_as_asked_for() -> None:
    for panel in (60, 120, 240):
        width = draw_filter(made_by_hand(), panel=panel).shape[1]
        assert 4.5 * panel < width < 7 * panel


def test_a_filter_of_nothing_can_be_drawn() -> None:
    empty = made_by_hand(by_channel=np.zeros((1, 5, 41, 51), np.float32))
    picture = draw_filter(empty, zoom=ZOOM)
    np.testing.assert_array_equal(squares(picture, 0, 9)[2, 2], WHITE)
