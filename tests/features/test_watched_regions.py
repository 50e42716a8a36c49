"""Where regions are in every frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.errors import InputError
from napari_udvd.features import (
    Footprint,
    regions_of_labels,
    regions_of_places,
    regions_of_points,
    regions_of_polygons,
    regions_of_tracks,
    whole_frame,
)
from napari_udvd.stack import Layout, Stack

SHAPE = 20, 30
MOVIE = Layout("TYX", (6, *SHAPE), np.dtype("u2"))


def painted(where: Footprint) -> np.ndarray:
    """Pixels of a footprint in its frame."""
    frame = np.zeros(SHAPE, bool)
    frame[where.rows, where.columns] = where.inside
    return frame


def test_the_whole_frame() -> None:
    regions = whole_frame(MOVIE)
    assert (regions.names, regions.crop) == (("frame",), SHAPE)
    where = regions.at(3)["frame"]
    assert painted(where).all()
    assert where.centre == (9.5, 14.5)


def test_polygons() -> None:
    square = np.array([[2, 3], [2, 9], [7, 9], [7, 3]], float)
    # as drawn in a movie: the frame is in front
    later = np.column_stack([np.full(4, 5.0), square + 8])
    over_the_edge = square - 4
    regions = regions_of_polygons([square, later, over_the_edge], MOVIE)
    assert regions.names == ("1", "2", "3")
    found = regions.at(0)
    assert painted(found["1"])[3:7, 4:9].all()
    assert painted(found["1"]).sum() == found["1"].inside.sum() <= 42
    assert found["2"].centre == tuple(c + 8 for c in found["1"].centre)
    assert painted(found["3"]).sum() == found["3"].inside.sum() > 0
    assert regions.crop[0] >= 7


@pytest.mark.parametrize(
    ("polygon", "words"),
    [
        (np.zeros((2, 2)), "three or more"),
        (np.array([[50.0, 3], [50, 9], [57, 9]]), "shape a holds no pixel .* 20 x 30"),
        (np.array([[-9.0, 3], [-9, 9], [-3, 9]]), "holds no pixel"),
        (np.array([[1.0, np.nan], [1, 9], [7, 9]]), "no number"),
    ],
)
def test_shapes_that_are_no_region(polygon: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        regions_of_polygons([polygon], MOVIE, ["a"])


def test_names_of_shapes() -> None:
    square = np.array([[2, 3], [2, 9], [7, 9], [7, 3]], float)
    assert regions_of_polygons([square], MOVIE, ["left"]).names == ("left",)
    with pytest.raises(InputError, match="2 shapes and 1 different names"):
        regions_of_polygons([square, square], MOVIE, ["a", "a"])
    with pytest.raises(InputError, match="no shape"):
        regions_of_polygons([], MOVIE)


# --- labels -------------------------------------------------------------------------


def test_an_image_of_labels() -> None:
    labels = np.zeros(SHAPE, np.uint32)
    labels[3:6, 4:8], labels[10, 20:22], labels[12, 20] = 7, 4_000_000, 4_000_000
    regions = regions_of_labels(labels, MOVIE)
    assert regions.names == ("7", "4000000")
    for t in (0, 5):
        for name, where in regions.at(t).items():
            np.testing.assert_array_equal(painted(where), labels == int(name))
    assert regions.at(0)["7"].centre == (4.0, 5.5)


def test_a_movie_of_labels_is_read_frame_by_frame() -> None:
    labels = np.zeros((6, *SHAPE), np.float32)  # of whole numbers all the same
    labels[1:4, 2:8, 2:8] = 2
    labels[3, 0:2, 0:2] = 11
    regions = regions_of_labels(Stack.from_array(labels, "TYX"), MOVIE)
    assert regions.names == ("2", "11")
    assert [sorted(regions.at(t)) for t in range(6)] == [
        *([], ["2"], ["2"], ["11", "2"], [], []),
    ]
    np.testing.assert_array_equal(painted(regions.at(3)["11"]), labels[3] == 11)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(SHAPE, int), "no label"),
        (np.zeros((6, *SHAPE), int), "no label"),
        (
            np.ones((5, *SHAPE), int),
            r"expected 20 x 30 .* or 6 of them.* another movie",
        ),
        (np.ones((30, 20), int), "expected 20 x 30"),
        (np.full(SHAPE, 1.5), "no whole numbers"),
        (np.full(SHAPE, -1), "label is -1"),
    ],
)
def test_labels_that_do_not_fit(labels: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        regions_of_labels(labels, MOVIE)


# --- tracks and points --------------------------------------------------------------


def test_tracks_are_discs_that_move() -> None:
    tracks = np.array([[4, 2, 10.0, 12], [4, 1, 9.0, 11], [9, 5, 3.0, 3]])
    regions = regions_of_tracks(tracks, MOVIE, radius=3)
    assert (regions.names, regions.notes) == (("4", "9"), ())
    assert [list(regions.at(t)) for t in range(6)] == [
        *([], ["4"], ["4"], [], [], ["9"]),
    ]
    y, x = np.mgrid[:20, :30]
    np.testing.assert_array_equal(
        painted(regions.at(2)["4"]), (y - 10) ** 2 + (x - 12) ** 2 <= 9
    )
    assert regions.at(2)["4"].centre == (10.0, 12.0)


def test_gaps_are_bridged_by_a_straight_line_and_told() -> None:
    tracks = [[1, 0, 4.0, 4], [1, 4, 12.0, 8], [1, 5, 12.0, 8]]
    tracks += [[k, t, 5.0, 5] for k in range(2, 8) for t in (0, 2)]
    regions = regions_of_tracks(np.array(tracks), MOVIE, radius=3)
    assert regions.at(1)["1"].centre == (6.0, 5.0)
    assert regions.at(3)["1"].centre == (10.0, 7.0)
    first, *others, last = regions.notes
    assert "track 1 has no point in frame 1 to 3" in first and "straight" in first
    assert len(others) == 4 and "track 2 has no point in frame 1:" in others[0]
    assert "2 more tracks with gaps, 2 frames" in last


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "shape"),
        ([[1, 0, 4, 4, 4]], "four numbers"),
        (
            [[1, 0, 4, 40]],
            r"track 1 in frame 0 is at row 4, column 40, outside .*20 x 30",
        ),
        ([[1, 0, -2, 4]], "outside of the frame"),
        ([[1, 6, 4, 4]], "track 1 is in frame 6, but the movie has 6 .*another movie"),
        ([[1, -1, 4, 4]], "in frame -1"),
        ([[1, 2, 4, 4], [1, 2, 5, 5]], "track 1 is twice in frame 2"),
        ([[1, 0.5, 4, 4]], "whole number"),
        ([[1, 0, np.nan, 4]], "no number"),
    ],
)
def test_tracks_that_do_not_fit(rows: list[list[float]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        regions_of_tracks(np.array(rows, float), MOVIE)


@pytest.mark.parametrize("radius", [0.0, -3.0, float("nan")])
def test_a_radius_is_positive(radius: float) -> None:
    with pytest.raises(InputError, match="radius is"):
        regions_of_tracks(np.array([[1, 0, 4.0, 4]]), MOVIE, radius=radius)


def test_no_tracks() -> None:
    with pytest.raises(InputError, match="no track"):
        regions_of_tracks(np.empty((0, 4)), MOVIE)


@given(st.floats(-0.5, 19.5), st.floats(-0.5, 29.5), st.floats(0.01, 40.0))
def test_a_disc_is_in_the_frame_and_never_empty(
    y: float, x: float, radius: float
) -> None:
    where = regions_of_places(np.array([[y, x]]), MOVIE, radius=radius).at(0)["1"]
    rows, columns = np.nonzero(painted(where))
    assert len(rows) == where.inside.sum() >= 1
    far = np.hypot(rows - y, columns - x)
    # its own pixel belongs to it whatever its radius
    assert (np.sort(far)[1:] <= radius).all()
    every = np.hypot(*(np.mgrid[:20, :30] - np.array([y, x])[:, None, None]))
    assert (every <= radius).sum() in (len(rows), len(rows) - 1)


def test_points_that_stay_and_points_that_move() -> None:
    still = regions_of_points(np.array([[3.0, 4], [8, 9]]), MOVIE, radius=2)
    clicked = regions_of_points(np.array([[2, 3.0, 4], [2, 8, 9]]), MOVIE, radius=2)
    for regions in (still, clicked):
        assert regions.names == ("1", "2")
        assert regions.at(5)["2"].centre == (8.0, 9.0)
    moving = regions_of_points(np.array([[1, 3.0, 4], [3, 5, 4]]), MOVIE, radius=2)
    assert moving.names == ("1",) and moving.notes
    assert moving.at(2)["1"].centre == (4.0, 4.0)
    assert not moving.at(0)
    with pytest.raises(InputError, match="3 points lie in 2 frames"):
        regions_of_points(np.array([[1, 3, 4], [1, 5, 4], [2, 5, 4]]), MOVIE)
    with pytest.raises(InputError, match="rows of y, x"):
        regions_of_points(np.zeros((1, 4)), MOVIE)
    with pytest.raises(InputError, match="point 1 is at row 30"):
        regions_of_points(np.array([[30.0, 3]]), MOVIE)
    with pytest.raises(InputError, match="no point"):
        regions_of_points(np.empty((0, 2)), MOVIE)
