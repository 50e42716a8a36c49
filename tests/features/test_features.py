"""Numbers of regions whose content is known."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_udvd.errors import InputError
from napari_udvd.features import (
    feature_names,
    features_of,
    regions_of_labels,
    regions_of_places,
    regions_of_polygons,
    regions_of_tracks,
    whole_frame,
)
from napari_udvd.features._crops import (
    folded_picture,
    learned_components,
    relative,
    upright_picture,
)
from napari_udvd.features._footprint import Footprint
from napari_udvd.features._numbers import INTENSITY, SHAPE, body, intensity
from napari_udvd.features._spots import SPOTS, spots
from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    from napari_udvd.features import FeatureTable

FRAMES = 12


def movie(pixels: np.ndarray[Any, Any], **more: Any) -> Stack:
    return Stack.from_array(pixels, "TYX", **more)


def noise(seed: int = 0, shape: tuple[int, int] = (24, 32)) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(100, 10, (FRAMES, *shape)).astype(np.float32)


def column(table: FeatureTable, name: str) -> np.ndarray[Any, Any]:
    return table.values[:, table.names.index(name)]


CORNERS = np.array([[6.0, 6], [16, 20]])
"""Middles of two regions that are apart."""


# --- one frame ----------------------------------------------------------------------


def test_numbers_of_grey_levels() -> None:
    values = np.sort(np.random.default_rng(0).gamma(2.0, 5.0, 4000))
    found = dict(zip(INTENSITY, intensity(values), strict=True))
    assert found["mean"] == pytest.approx(values.mean())
    assert found["std"] == pytest.approx(values.std())
    assert found["skewness"] == pytest.approx(np.sqrt(2), abs=0.15)  # 2 / sqrt(k)
    assert found["low"] == pytest.approx(np.percentile(values, 10), rel=0.01)
    assert found["high"] == pytest.approx(np.percentile(values, 90), rel=0.01)
    assert found["maximum"] == values.max()
    assert intensity(np.full(9, 7.0))[:3] == [7.0, 0.0, 0.0]


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2])
def test_the_shape_is_that_of_an_ellipse(angle: float) -> None:
    y, x = np.mgrid[:61, :61] - 30.0
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    picture = 40.0 + 100.0 * ((u / 20) ** 2 + (v / 8) ** 2 < 1)
    seen = np.ones((61, 61), bool)
    where = Footprint(slice(5, 66), slice(9, 70), seen, (35.0, 43.0))
    values = picture[seen]
    found = body(values, np.sort(values), seen, where)
    length, breadth, roundness, off = found.shape(where.centre)
    along = np.array([np.sin(angle), np.cos(angle)])
    assert abs(found.axes[:, 1] @ along) == pytest.approx(1.0, abs=1e-3)
    assert (length, breadth) == pytest.approx((20, 8), rel=0.03)
    assert roundness == pytest.approx(0.4, rel=0.03)
    assert off == pytest.approx(4.0, abs=0.05)  # the body is at (35, 39)


def test_a_region_that_is_all_alike_has_its_own_shape() -> None:
    seen = np.ones((5, 21), bool)
    where = Footprint(slice(0, 5), slice(0, 21), seen, (2.0, 10.0))
    values = np.full(seen.sum(), 9.0)
    its = body(values, values, seen, where).shape(where.centre)
    found = dict(zip(SHAPE, its, strict=True))
    assert found["length"] > 3 * found["breadth"]
    assert found["off centre"] == 0.0


def plate(angle: float, apart: float = 0.0) -> np.ndarray[Any, Any]:
    """Two plates beside each other, or one."""
    y, x = np.mgrid[:49, :49] - 24.0
    along, across = np.array(
        [[np.sin(angle), np.cos(angle)], [np.cos(angle), -np.sin(angle)]]
    )
    u, v = y * along[0] + x * along[1], y * across[0] + x * across[1]
    halves = [np.exp(-((u / 5) ** 2) - ((v + s * apart) / 2) ** 2) for s in (1, -1)]
    return 100.0 + 50.0 * sum(halves)


def turned(frame: np.ndarray[Any, Any], angle: float) -> np.ndarray[Any, Any]:
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    known = np.ones(frame.shape, bool)
    return folded_picture(frame, known, np.array([24.0, 24.0]), axes, (24, 24))


@pytest.mark.parametrize("apart", [0.0, 4.0])
def test_a_picture_is_turned_as_the_body_lies(apart: float) -> None:
    upright = turned(plate(0.0, apart), 0.0)
    assert upright.shape == (6, 6) and np.ptp(upright) > 20
    for angle in (0.5, 1.2, 2.5):
        np.testing.assert_allclose(turned(plate(angle, apart), angle), upright, atol=3)
        assert np.abs(turned(plate(angle, apart), 0.0) - upright).max() > 5
    brightest = np.unravel_index(upright.argmax(), upright.shape)
    assert brightest == (0 if apart == 0 else 1, 0)  # across by 4 px, 2 px a point


def test_a_picture_leaves_out_what_was_not_measured() -> None:
    known = np.ones((40, 48), bool)
    middle, axes = np.array([20.0, 20.0]), np.eye(2)
    # over the border, and beside pixels that were not measured
    flat = np.full((40, 48), 3.0)
    edge = folded_picture(flat, known, np.zeros(2), axes, (16, 20))
    np.testing.assert_allclose(edge, 3.0, rtol=1e-6)
    known[:, ::3] = False
    holes = np.where(known, flat, np.nan)
    np.testing.assert_allclose(folded_picture(holes, known, middle, axes, (9, 9)), 3.0)
    # around a hole that is larger than the part
    known[4:36, 4:36] = False
    hole = folded_picture(np.where(known, 5.0, np.nan), known, middle, axes, (8, 8))
    np.testing.assert_allclose(hole, 5.0)


def test_the_whole_frame_is_not_turned() -> None:
    frame = np.full((24, 37), 4.0)
    known = np.ones(frame.shape, bool)
    frame[4:8, 25:31] = 9.0
    picture = upright_picture(frame, known)
    assert picture.shape == (6, 6) and picture[1, 4] == 9.0
    assert (picture > 4.0).sum() == 1
    # of parts in which nothing was measured nothing is known
    known[:8] = False
    np.testing.assert_array_equal(upright_picture(frame, known), 4.0)
    small = upright_picture(np.array([[1.0, 3.0]]), np.ones((1, 2), bool))
    assert small[0, 0] == 1.0 and small[0, 3] == 3.0 and small[5, 5] == 2.0


def test_pictures_of_dim_regions_are_like_those_of_bright_ones() -> None:
    picture = np.random.default_rng(0).gamma(2.0, size=(9, 36))
    picture[:, -4:] = 0.0  # dark around it
    missing = np.full((2, 36), np.nan)
    pictures = {
        "bright": 100 + 8 * np.concatenate([picture, missing]),
        "dim": 100 + 5 * picture,
        "nothing": np.full((9, 36), 100.0),
        "not there": missing,
    }
    found = relative({k: v.astype(np.float32) for k, v in pictures.items()})
    np.testing.assert_allclose(found["bright"][:9], found["dim"], atol=1e-5)
    means = found["dim"].mean(axis=1)
    assert np.median(means) == pytest.approx(1.0, abs=1e-5)
    assert not found["nothing"].any()
    assert np.isnan(found["bright"][9:]).all() and np.isnan(found["not there"]).all()


def test_pictures_that_are_all_alike_stay_numbers() -> None:
    found = relative({"1": np.full((3, 36), 7.0, np.float32)})
    np.testing.assert_array_equal(found["1"], 0.0)


def test_two_halves_have_a_valley_between_them() -> None:
    known = np.ones((49, 49), bool)
    where = Footprint(slice(9, 40), slice(9, 40), np.ones((31, 31), bool), (24.0, 24.0))
    found = {
        apart: dict(
            zip(SPOTS, spots(plate(0.5, apart), known, where, 100.0), strict=True)
        )
        for apart in (0.0, 4.0)
    }
    assert found[0.0]["valley"] == found[0.0]["distance"] == 0.0
    assert found[4.0]["valley"] > 0.4
    assert found[4.0]["distance"] == pytest.approx(8.0, abs=0.8)
    assert found[4.0]["evenness"] == pytest.approx(1.0, abs=0.1)
    assert found[4.0]["relative valley"] > 0.2
    for name in ("half area", "bright area", "spread of light"):
        assert found[4.0][name] > 1.5 * found[0.0][name]
    assert spots(np.full((49, 49), 9.0), known, where, 9.0) == [0.0] * len(SPOTS)


def test_components_are_those_of_most_variance() -> None:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(64, 3)))[0].T
    weights = rng.normal(size=(500, 3)) * [9.0, 4.0, 1.0]
    pictures = (weights @ axes + 7.0).astype(np.float32)
    found = learned_components(pictures, 3)
    np.testing.assert_allclose(np.abs(found.axes @ axes.T), np.eye(3), atol=0.1)
    coordinates = found.of(pictures)
    np.testing.assert_allclose(coordinates.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(
        coordinates @ found.axes + found.mean, pictures, atol=1e-3
    )


def test_components_of_few_pictures_are_no_rounding_errors() -> None:
    pictures = np.random.default_rng(0).normal(1e4, 10, (3, 64)).astype(np.float32)
    found = learned_components(pictures, 10)
    assert found.axes.shape == (10, 64)
    lengths = np.square(found.axes).sum(axis=1)
    np.testing.assert_allclose(lengths, [1, 1, *[0] * 8], rtol=1e-5)
    alike = np.full((5, 64), 1e4, np.float32) * (1 + 1e-7 * np.eye(5, 64))
    assert not learned_components(alike.astype(np.float32), 10).axes.any()


# --- a movie ------------------------------------------------------------------------


def test_every_feature_has_one_scale() -> None:
    regions = regions_of_places(CORNERS, movie(noise()), radius=4)
    tables = features_of(movie(noise()), regions)
    assert list(tables) == ["1", "2"]
    names = tables["1"].names
    assert len(set(names)) == len(names) == 29
    every = np.concatenate([table.values for table in tables.values()])
    assert every.dtype == np.float32 and every.shape == (2 * FRAMES, len(names))
    np.testing.assert_allclose(every.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(every.std(axis=0), 1.0, atol=1e-3)
    assert all(table.measured.all() for table in tables.values())


def test_a_flash_is_seen_where_and_when_it_is() -> None:
    pixels = noise()
    pixels[7, 4:9, 4:9] += 200.0
    tables = features_of(
        movie(pixels), regions_of_places(CORNERS, movie(pixels), radius=4)
    )
    for name in ("mean", "maximum", "brightening"):
        assert column(tables["1"], name).argmax() == 7
    for name in ("mean", "maximum", "change", "brightening"):
        assert column(tables["1"], name)[7] > 2
        assert np.abs(column(tables["2"], name)).max() < 2
    assert column(tables["1"], "brightening").argmin() == 8
    assert column(tables["1"], "change")[8] > 2


def test_it_matters_where_in_the_whole_frame() -> None:
    pixels = noise()
    pixels[3, 4:8, 5:10] += 200.0
    pixels[8, 16:20, 22:27] += 200.0
    stack = movie(pixels)
    table = features_of(stack, whole_frame(stack))["frame"]
    components = table.values[:, -10:]
    # each flash along its own axis or on its own side, and nothing like the other
    one, two = components[3, :2], components[8, :2]
    assert np.hypot(*(one - two)) > 3
    box = np.array([[[-1.0, -1], [-1, 32], [23, 32], [23, -1]]])
    same = features_of(stack, regions_of_polygons(box, stack))["1"]
    np.testing.assert_array_equal(same.values, table.values)


def test_the_scale_of_grey_levels_and_their_type_do_not_matter() -> None:
    plain = np.rint(noise()).astype(np.uint16)
    regions = whole_frame(movie(plain))
    one = features_of(movie(plain), regions)["frame"].values
    two = features_of(movie(plain * 3.0 + 1000.0), regions)["frame"].values
    np.testing.assert_allclose(one, two, atol=0.02)


def test_regions_follow_their_track() -> None:
    pixels = noise(shape=(24, 48)) * 0.2
    way = np.arange(FRAMES) * 2.0 + 10
    for t, x in enumerate(way):
        pixels[t, 8:15, int(x) - 3 : int(x) + 4] += 100
    tracks = np.column_stack(
        [np.ones(FRAMES), np.arange(FRAMES), np.full(FRAMES, 11.0), way]
    )
    still = tracks.copy()
    still[:, 0], still[:, 3] = 2, 20.0
    gone = tracks[4:8].copy()
    gone[:, 0], gone[:, 2] = 3, 20.0
    stack = movie(pixels)
    rows = np.concatenate([tracks, still, gone])
    tables = features_of(stack, regions_of_tracks(rows, stack, radius=5))
    assert column(tables["1"], "mean").std() < 0.1
    assert column(tables["2"], "mean").std() > 0.5
    assert tables["3"].measured.tolist() == [4 <= t < 8 for t in range(FRAMES)]
    assert not tables["3"].values[~tables["3"].measured].any()
    # a track that begins has the change of its second frame
    change = column(tables["3"], "change")
    assert change[4] == change[5]


def test_what_was_not_measured_is_left_out() -> None:
    pixels, mask = noise(), np.ones((FRAMES, 24, 32), bool)
    mask[:, ::3] = False
    mask[5] = False
    regions = regions_of_places(CORNERS, movie(pixels), radius=4)
    wrong = np.where(mask, pixels, 1e4)
    by_mask = features_of(movie(wrong, mask=mask), regions)["1"]
    by_nan = features_of(movie(np.where(mask, pixels, np.nan)), regions)["1"]
    np.testing.assert_array_equal(by_mask.values, by_nan.values)
    assert by_mask.measured.tolist() == [t != 5 for t in range(FRAMES)]
    assert np.isfinite(by_mask.values).all()
    assert np.abs(by_mask.values).max() < 6


def test_a_denoised_movie_and_its_uncertainty_add_features() -> None:
    clean = noise(1)
    noisy = clean + 5 * noise(2) / 10 - 50
    noisy[4, 4:9, 4:9] += 100  # removed by the denoiser
    std = np.ones_like(clean)
    std[6, 4:9, 4:9] = 9
    stack = movie(noisy)
    regions = regions_of_places(CORNERS, stack, radius=4)
    tables = features_of(stack, regions, denoised=clean, std=movie(std))
    assert column(tables["1"], "residual").argmax() == 4
    assert column(tables["1"], "residual spread").argmax() == 4
    assert column(tables["1"], "uncertainty").argmax() == 6
    alone = features_of(movie(clean), regions)
    for name in alone["1"].names:
        np.testing.assert_allclose(
            column(tables["2"], name), column(alone["2"], name), atol=1e-6
        )


def test_optical_flow_adds_speed_and_divergence() -> None:
    rng = np.random.default_rng(0)
    texture = rng.normal(size=(40, 60)).repeat(2, 0).repeat(2, 1)
    for axis in (0, 1):
        texture = texture + np.roll(texture, 1, axis) + np.roll(texture, -1, axis)
    pixels = np.stack([texture[20:52, 20:68]] * 6).astype(np.float32)
    for t in (3, 4, 5):  # the left half begins to move
        pixels[t, :, :24] = np.roll(texture, -(t - 2), 0)[20:52, 20:44]
    stack = movie(pixels)
    labels = np.zeros((32, 48), int)
    labels[6:26, 4:18], labels[6:26, 30:44] = 1, 2
    tables = features_of(stack, regions_of_labels(labels, stack), flow=True)
    assert {"speed", "divergence"} <= set(tables["1"].names)
    moving, still = (column(tables[name], "speed") for name in "12")
    assert moving[3:].min() > max(still.max(), moving[:2].max())


def test_components_of_another_movie_mean_the_same() -> None:
    stack = movie(noise())
    regions = regions_of_places(CORNERS, stack, radius=4)
    first = features_of(stack, regions)["1"]
    part = stack.crop(slice(0, 6))
    own = features_of(part, regions)["1"]
    taken = features_of(part, regions, components=first.components)["1"]
    assert taken.components is first.components
    name = "component 1"
    assert np.corrcoef(column(taken, name), column(first, name)[:6])[0, 1] > 0.999
    assert not np.allclose(column(own, name), column(taken, name), atol=0.05)


def test_frames_are_read_one_by_one_and_once() -> None:
    class Counting:
        shape, dtype = (FRAMES, 24, 32), np.dtype(np.uint16)

        def __init__(self) -> None:
            self.read: list[int] = []

        def __getitem__(self, key: Any) -> Any:
            times = range(FRAMES)[key[0]]
            self.read += times
            return np.ones((len(times), 24, 32), np.uint16)

    pixels = Counting()
    stack = movie(pixels)  # type: ignore[arg-type]
    told: list[tuple[int, int]] = []
    features_of(
        stack, whole_frame(stack), report=lambda done, total: told.append((done, total))
    )
    assert pixels.read == list(range(FRAMES))
    assert told == [(t + 1, FRAMES) for t in range(FRAMES)]


def test_it_can_be_stopped() -> None:
    stack, cancel = movie(noise()), threading.Event()

    def stop(done: int, total: int) -> None:
        if done == 4:
            cancel.set()

    table = features_of(stack, whole_frame(stack), report=stop, cancel=cancel)["frame"]
    assert table.measured.tolist() == [t < 4 for t in range(FRAMES)]


def test_channels_and_depths() -> None:
    pixels = np.zeros((4, 2, 24, 32), np.float32)
    pixels[:, 1] = noise()[:4]
    stack = Stack.from_array(pixels, "TCYX")
    square = np.array([[2, 3], [2, 12], [9, 12], [9, 3]], float)
    regions = regions_of_polygons([square], stack)
    found = features_of(stack, regions, plane=Plane(1))["1"]
    np.testing.assert_array_equal(
        found.values, features_of(movie(pixels[:, 1]), regions)["1"].values
    )
    assert not features_of(stack, regions, plane=Plane(0))["1"].values.any()


def test_other_movies_do_not_fit() -> None:
    stack = movie(noise())
    with pytest.raises(InputError, match="denoised movie has the shape"):
        features_of(stack, whole_frame(stack), denoised=noise()[:3])
    with pytest.raises(InputError, match="standard deviation is 3 frames"):
        features_of(stack, whole_frame(stack), std=movie(noise()[:3]))


def test_nothing_measured_at_all() -> None:
    stack = movie(np.full((3, 24, 32), np.nan, np.float32))
    with pytest.raises(InputError, match="no region was measured"):
        features_of(stack, whole_frame(stack))


@pytest.mark.parametrize("extras", [(), ("denoised",), ("denoised", "std", "flow")])
def test_names_are_known_before_anything_is_measured(extras: tuple[str, ...]) -> None:
    stack = movie(noise())
    given: dict[str, Any] = {"denoised": noise(1), "std": noise(2), "flow": True}
    found = features_of(
        stack,
        regions_of_places(CORNERS, stack, radius=5),
        **{name: given[name] for name in extras},
    )
    wanted = feature_names(**dict.fromkeys(extras, True))
    assert {table.names for table in found.values()} == {wanted}
