"""The noise of a sparse scan is measured from what was visited."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from napari_udvd.errors import InputError
from napari_udvd.noise import diagnose
from napari_udvd.noise._correlation import MAX_LAG
from napari_udvd.noise._neighbours import _in_common as in_common
from napari_udvd.noise._sparse import read_scan
from napari_udvd.scanning import make_mask
from napari_udvd.simulation import simulate
from napari_udvd.stack import Plane, Stack
from napari_udvd.validity import inspect

FRAMES, EDGE = 48, 128
SHAPE = (FRAMES, EDGE, EDGE)

Known = npt.NDArray[np.bool_]


def masks(shape: tuple[int, int, int] = SHAPE) -> dict[str, Known]:
    t, y, x = np.indices(shape)
    rng = np.random.default_rng(0)
    fovea = (y - shape[1] / 2) ** 2 + (x - shape[2] / 2) ** 2 < (shape[1] / 6) ** 2
    return {
        "20 % random": rng.random(shape) < 0.2,
        "10 % random": rng.random(shape) < 0.1,
        "rows": y % 5 == 2 * t % 5,
        "fixed": np.broadcast_to(rng.random(shape[1:]) < 0.2, shape),
        "fovea": rng.random(shape) < np.where(fovea, 1.0, 0.2),
    }


MASKS = masks()


@pytest.fixture(scope="module", params=["nuclei", "calcium", "vesicles"])
def scene(request: pytest.FixtureRequest) -> Any:
    return simulate(request.param, frames=FRAMES, shape=SHAPE[1:], photons=15, seed=3)


@pytest.mark.parametrize("kind", MASKS)
def test_noise_is_that_of_the_camera(scene: Any, kind: str) -> None:
    stack = Stack.from_array(np.asarray(scene.noisy.read()), "TYX", mask=MASKS[kind])
    diagnosis = diagnose(stack)
    found, truth = diagnosis.noise, scene.noise
    assert found.gain == pytest.approx(truth.gain, rel=0.2)
    levels = truth.offset + np.array([5.0, 20.0, 60.0])
    # the tenth percentile of the scene is brighter than the offset
    np.testing.assert_allclose(found.variance(levels), truth.variance(levels), rtol=0.2)
    assert diagnosis.hole == (1, 1)
    assert diagnosis.verdict == "ok"
    assert np.isnan(diagnosis.whiteness_t)
    assert any("sparse scan" in reason for reason in diagnosis.reasons)


def test_nan_and_masks_give_the_same() -> None:
    frames = np.asarray(simulate("nuclei", frames=20, shape=(64, 64)).noisy.read())
    mask = masks(frames.shape)["20 % random"]
    junk = np.where(mask, frames, 0)
    found = [
        diagnose(Stack.from_array(movie, "TYX", **how)).noise
        for movie, how in (
            (junk, {"mask": mask}),
            (junk, {"unmeasured": 0}),
            (np.where(mask, frames, np.nan), {}),
        )
    ]
    assert found[0] == found[1]
    for name, value in found[2].to_dict().items():
        assert value == pytest.approx(found[0].to_dict()[name], rel=1e-4)


def test_noise_without_gain() -> None:
    rng = np.random.default_rng(5)
    scene = ndimage.gaussian_filter(rng.normal(0, 60, (64, 64)), 4) + 100
    frames = scene + rng.normal(0, 4, (30, 64, 64))
    noise = diagnose(Stack.from_array(frames, "TYX", mask=masks(frames.shape)["rows"]))
    assert noise.noise.gain < 0.1
    assert noise.noise.read_noise == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("kind", ["rows", "fixed", "fovea"])
def test_correlation_along_rows_is_found(kind: str) -> None:
    rng = np.random.default_rng(1)
    white = rng.normal(0, 8, SHAPE)
    noise = ndimage.correlate1d(white, [0.3, 1.0, 0.0], axis=2)
    scene = ndimage.gaussian_filter(rng.normal(0, 300, SHAPE[1:]), 4) + 100
    diagnosis = diagnose(Stack.from_array(scene + noise, "TYX", mask=MASKS[kind]))
    assert diagnosis.correlation_x == pytest.approx(0.3 / 1.09, abs=0.05)
    assert diagnosis.hole == (1, 3)
    assert diagnosis.noise.read_noise == pytest.approx(8 * 1.09**0.5, rel=0.06)
    # independent along columns, the fine detail is that of the rows
    assert diagnosis.fine_share == pytest.approx(1 - 4 / 3 * 0.3 / 1.09, abs=0.08)


def test_what_cannot_be_known_is_said() -> None:
    frames = np.asarray(simulate("nuclei", frames=20, shape=(64, 64)).noisy.read())
    stack = Stack.from_array(frames, "TYX", mask=masks(frames.shape)["10 % random"])
    reasons = diagnose(stack).reasons
    assert any("too few were measured together" in reason for reason in reasons)


def test_too_little_to_measure() -> None:
    frames = np.asarray(simulate("nuclei", frames=6, shape=(48, 48)).noisy.read())
    mask = np.random.default_rng(0).random(frames.shape) < 0.05
    with pytest.raises(InputError, match="record more frames"):
        diagnose(Stack.from_array(frames, "TYX", mask=mask))


def test_a_border_leaves_the_diagnosis_as_it_is() -> None:
    frames = np.asarray(simulate("nuclei", frames=20, shape=(96, 96)).noisy.read())
    inside = np.zeros((96, 96), bool)
    inside[8:, 16:] = True
    masked = diagnose(Stack.from_array(frames, "TYX", mask=inside))
    nan = np.where(inside, frames, np.nan).astype(np.float32)
    assert not any("sparse scan" in reason for reason in masked.reasons)
    assert masked.noise == diagnose(Stack.from_array(nan, "TYX")).noise


def test_visits_are_pairs_and_triples() -> None:
    rng = np.random.default_rng(3)
    frames = rng.integers(50, 90, (9, 16, 24)).astype(np.float32)
    mask = rng.random(frames.shape) < 0.4
    scan = read_scan(inspect(Stack.from_array(frames, "TYX", mask=mask)), Plane())
    pairs = set()
    for y, x in np.ndindex(16, 24):
        times = np.flatnonzero(mask[:, y, x])
        pairs |= {(int(b), y, x, int(b - a)) for a, b in pairwise(times)}
    found = zip(*(scan.pairs[k].tolist() for k in range(4)), strict=True)
    assert set(found) == pairs
    t, y, x = scan.pairs.t, scan.pairs.y, scan.pairs.x
    before = frames[t - scan.pairs.gap, y, x]
    np.testing.assert_allclose(
        scan.pairs.difference, (frames[t, y, x] - before) / 2**0.5, rtol=1e-6
    )
    triples = mask[:, :, :-2] & mask[:, :, 1:-1] & mask[:, :, 2:]
    assert len(scan.triples.t) == triples.sum()
    t, y, x = scan.triples.t, scan.triples.y, scan.triples.x
    second = 2 * frames[t, y, x] - frames[t, y, x - 1] - frames[t, y, x + 1]
    np.testing.assert_allclose(scan.triples.difference, second / 6**0.5, rtol=1e-5)
    np.testing.assert_allclose(scan.total.sum(axis=0), (frames * mask).sum(axis=0))
    np.testing.assert_array_equal(scan.count.sum(axis=0), mask.sum(axis=0))


@pytest.mark.parametrize(
    ("frames", "edge", "pattern", "share"),
    [(12, 48, "blue-noise", 0.2), (3, 64, "random", 0.5), (6, 96, "spiral", 0.25)],
)
def test_pixels_that_were_visited_once_or_twice(
    frames: int, edge: int, pattern: Any, share: float
) -> None:
    scene = simulate("nuclei", frames=frames, shape=(edge, edge), photons=20, seed=4)
    mask = np.asarray(make_mask(pattern, frames, (edge, edge), share=share))
    found = diagnose(scene.noisy.with_mask(mask)).noise
    levels = scene.noise.offset + np.array([0.0, 10.0])
    ratio = found.variance(levels) / scene.noise.variance(levels)
    assert np.all((ratio > 1 / 2) & (ratio < 2))  # a start, of so few


@pytest.mark.parametrize("edge", [48, 128])
def test_pixels_that_were_all_visited_once_tell_nothing(edge: int) -> None:
    scene = simulate("nuclei", frames=5, shape=(edge, edge), photons=20, seed=4)
    mask = np.asarray(make_mask("blue-noise", 5, (edge, edge), share=0.2))
    with pytest.raises(InputError, match="0 pixels were measured twice"):
        diagnose(scene.noisy.with_mask(mask))


def test_what_neighbours_have_in_common_in_both_directions_is_motion() -> None:
    numbers = np.full(2 * MAX_LAG + 2, 1000.0)

    def common(rows: list[float], columns: list[float]) -> float:
        lags = [
            np.resize([*near, *[far] * 6], MAX_LAG) for *near, far in (columns, rows)
        ]
        correlation = np.concatenate([*lags, [0.0, 0.0]])
        return in_common(2.0 * numbers * correlation, numbers, 2.0)

    assert common([0.2, 0.2, 0.08], [0.2, 0.1, 0.1]) == pytest.approx(0.08)
    # noise of a row, and of a slow detector, are noise
    assert common([0.0, 0.0, 0.0], [0.3, 0.3, 0.3]) == 0
    assert common([0.0, 0.0, 0.0], [0.3, 0.1, 0.0]) == 0
    assert in_common(numbers, np.zeros_like(numbers), 1.0) == 0
