"""Results with known faults: the report names them, and no others."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from quality_movies import NOISE, judged, known_movie, report_on
from scipy.ndimage import gaussian_filter

from napari_udvd.errors import InputError
from napari_udvd.quality import Pair, Report, judge
from napari_udvd.stack import Stack


@pytest.fixture(scope="module")
def movie():  # type: ignore[no-untyped-def]
    return known_movie()


def good_result(movie):  # type: ignore[no-untyped-def]
    """Truth with an error of a tenth of the noise, as a good network leaves it."""
    rng = np.random.default_rng(5)
    left = 0.1 * NOISE.variance(movie.truth)
    error = rng.normal(size=movie.truth.shape) * np.sqrt(left)
    return (movie.truth + error).astype(np.float32)


def test_a_perfect_result_is_trusted(movie) -> None:  # type: ignore[no-untyped-def]
    plane = judged(movie.noisy, movie.truth)
    assert plane.verdict.level == "trust", plane.verdict
    assert plane.residual.variance == pytest.approx([1] * 12, abs=0.12)
    assert plane.residual.mean == pytest.approx([0] * 12, abs=0.05)
    for values in (plane.residual.along_x, plane.residual.along_y):
        assert values == pytest.approx([0] * len(values), abs=0.02)
    assert abs(plane.residual.structure) < 0.05
    assert plane.added.found >= 15
    assert plane.added.unsupported == 0
    assert plane.resolution is None
    assert plane.accuracy.predicted is None


def test_noise_that_is_left_is_told(movie) -> None:  # type: ignore[no-untyped-def]
    plane = judged(movie.noisy, (movie.truth + movie.noisy) / 2)
    assert plane.residual.whole == pytest.approx(0.25, abs=0.02)
    assert plane.verdict.level == "care"
    assert "still in the result" in plane.verdict.reasons[0].sentence


def test_lost_structure_is_told(movie) -> None:  # type: ignore[no-untyped-def]
    blurred = gaussian_filter(movie.truth, (0, 2.0, 2.0))
    plane = judged(movie.noisy, blurred)
    assert plane.verdict.level == "care"
    told = " ".join(r.sentence for r in plane.verdict.reasons)
    assert "of a frame is like that of the next" in told  # the points stand still
    assert "of a row is like that of the next" in told
    # and the map shows where they were
    lost = (movie.truth - blurred)[0]
    assert np.corrcoef(plane.maps.mean.ravel(), lost.ravel())[0, 1] > 0.5
    assert plane.residual.structure > plane.residual.structure_error


def test_shifted_intensities_are_told(movie) -> None:  # type: ignore[no-untyped-def]
    plane = judged(movie.noisy, movie.truth - 8)
    assert min(plane.residual.mean) > 0.3
    told = " ".join(r.sentence for r in plane.verdict.reasons)
    assert "darker than the movie" in told


def test_spots_that_were_added_are_found(movie) -> None:  # type: ignore[no-untyped-def]
    result = movie.truth.copy()
    spot = np.zeros((96, 96))
    spot[36, 36] = 1
    flash = 2 * np.pi * gaussian_filter(spot, 1.0)
    result[6] += 80 * flash.astype(np.float32)
    added = judged(movie.noisy, result).added
    places = {(s.frame, s.row, s.column) for s in added.listed}
    assert (6, 36, 36) in places
    assert added.unsupported == added.unsupported_events == 1
    (found,) = added.listed
    assert found.amplitude == pytest.approx(80, rel=0.3)
    assert found.expected > 3 > found.support
    # the same flash in the movie itself has support
    noisy = movie.noisy.copy()
    noisy[6] += 80 * flash.astype(np.float32)
    there = judged(noisy, result).added
    assert there.unsupported == 0
    assert there.events == 1


def test_rounding_and_clipping_are_told(movie) -> None:  # type: ignore[no-untyped-def]
    clipped = np.minimum(good_result(movie), np.percentile(movie.truth, 95))
    told = [r.sentence for r in judged(movie.noisy, clipped).verdict.reasons]
    assert any("cut off" in sentence for sentence in told)
    few_photons = (movie.noisy / 20).astype(np.float32)
    coarse = np.rint(good_result(movie) / 20).astype(np.uint8)
    std = np.full(coarse.shape, 0.1, np.float32)
    stacks = [Stack.from_array(a, "TYX") for a in (few_photons, coarse, std)]
    *_, report = judge(Pair.of(*stacks))
    assert isinstance(report, Report)
    told = [r.sentence for r in report.verdict.reasons]
    assert any("rounded to whole grey levels" in sentence for sentence in told)


def test_the_std_is_held_against_the_residual(movie) -> None:  # type: ignore[no-untyped-def]
    v = NOISE.variance(movie.truth)
    mean = (0.9 * movie.truth + 0.1 * movie.noisy).astype(np.float32)
    std = np.sqrt(0.1 * v).astype(np.float32)
    stacks = [Stack.from_array(a, "TYX") for a in (movie.noisy, mean, std)]
    *_, report = judge(Pair.of(*stacks))
    assert isinstance(report, Report)
    plane = report.planes[0]
    assert plane.coverage is not None
    assert plane.coverage.of == "result"
    assert plane.coverage.whole == pytest.approx(0.72, abs=0.05)
    assert plane.accuracy.posterior is not None
    # a tenth of the noise is left by what the std says
    gain = plane.accuracy.posterior[0] - plane.accuracy.noisy
    assert gain == pytest.approx(10, abs=0.3)
    assert plane.accuracy.measured is None
    assert plane.accuracy.predicted == plane.accuracy.posterior


def test_an_average_of_what_stands_still_is_worth_three_frames(movie) -> None:  # type: ignore[no-untyped-def]
    accuracy = judged(movie.noisy, movie.truth).accuracy
    gain = accuracy.average - accuracy.noisy
    assert gain == pytest.approx(10 * np.log10(3), abs=0.3)


def test_what_was_not_measured_does_not_count(movie) -> None:  # type: ignore[no-untyped-def]
    noisy, result = movie.noisy.copy(), movie.truth.copy()
    noisy[:, :20] = 0  # a border of a registration
    result[:, :20] = 0
    plane = judged(noisy, result)
    assert plane.verdict.level == "trust", plane.verdict
    assert np.isnan(plane.maps.variance[:20]).all()
    assert np.nanmean(plane.maps.variance) == pytest.approx(1, abs=0.05)


def test_channels_and_planes_are_judged_one_by_one(movie) -> None:  # type: ignore[no-untyped-def]
    noisy = np.stack([movie.noisy] * 2, axis=1)
    result = np.stack([movie.truth, gaussian_filter(movie.truth, (0, 2, 2))], axis=1)
    report = report_on(noisy, result, "TCYX")
    assert [p.plane.c for p in report.planes] == [1, 0]  # the worst first
    assert [p.label for p in report.planes] == ["channel 1", "channel 0"]
    assert report.verdict.level == "care"
    assert report.verdict.reasons[0].sentence.startswith("channel 1: ")
    deep = np.stack([movie.noisy] * 5, axis=1)
    volume = report_on(deep, np.stack([movie.truth] * 5, axis=1), "TZYX")
    assert len(volume.planes) == 3
    assert any("3 of 5 planes" in note for note in volume.notes)


def test_numbers_are_the_same_each_time_and_go_into_json(movie) -> None:  # type: ignore[no-untyped-def]
    first, again = (report_on(movie.noisy, good_result(movie)) for _ in range(2))
    assert first.to_json() == again.to_json()
    found = json.loads(first.to_json())
    assert found["verdict"]["level"] == first.verdict.level
    assert found["planes"][0]["accuracy"]["predicted"] is None
    assert found["planes"][0]["residual"]["frames"] == 12


def test_it_stops_when_it_is_cancelled(movie) -> None:  # type: ignore[no-untyped-def]
    cancel = threading.Event()
    stacks = [Stack.from_array(a, "TYX") for a in movie]
    steps = judge(Pair.of(stacks[1], stacks[0]), cancel=cancel)
    next(steps)
    cancel.set()
    assert not list(steps)


# --- movies that do not belong together -----------------------------------------------


def test_another_size_is_refused(movie) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="11 frames, 96 x 96"):
        report_on(movie.noisy, movie.truth[:-1])
    with pytest.raises(InputError, match="one size"):
        report_on(movie.noisy, movie.truth[:, :-1])


def test_a_single_picture_is_refused(movie) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="1 frame"):
        report_on(movie.noisy[:1], movie.truth[:1])


@pytest.mark.parametrize("fault", ["other", "constant", "units", "mirrored"])
def test_a_result_of_another_movie_is_refused(movie, fault: str) -> None:  # type: ignore[no-untyped-def]
    results = {
        "other": known_movie(seed=9).truth * 1.2 - 30,
        "constant": np.full_like(movie.truth, 150),
        "units": (movie.truth - 100) / 100,
        "mirrored": movie.truth[:, ::-1, ::-1],
    }
    words = {
        "other": "not the denoised version|not its denoised version",
        "constant": "shows nothing",
        "units": "other grey levels",
        "mirrored": "not the denoised version|not its denoised version",
    }
    with pytest.raises(InputError, match=words[fault]):
        report_on(movie.noisy, results[fault])


def test_a_reconstruction_is_judged_by_what_was_measured() -> None:
    movie = known_movie()
    measured = np.random.default_rng(1).random(movie.truth.shape) < 0.3
    for filling, how in ((np.nan, {}), (0.0, {"mask": measured})):
        scan = Stack.from_array(np.where(measured, movie.noisy, filling), "TYX", **how)
        result = Stack.from_array(movie.truth, "TYX")
        *_, found = judge(Pair.of(scan, result))
        assert isinstance(found, Report)
        assert any("30% of the pixels were measured" in note for note in found.notes)
        (plane,) = found.planes
        assert plane.residual.variance == pytest.approx([1] * 12, abs=0.2)
        # spots between the points of the scan are found, and supported by them
        assert plane.added.found >= 15
        assert plane.added.unsupported <= 0.2 * plane.added.found
        assert found.verdict.level != "do not trust"
