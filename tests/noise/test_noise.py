"""The noise of a movie, measured against known truth."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.errors import InputError
from napari_udvd.noise import (
    NOT_INDEPENDENT,
    Diagnosis,
    NoiseModel,
    check_finite,
    check_pixels,
    check_time,
    check_varies,
    diagnose,
)
from napari_udvd.simulation import KINDS, SimulatedMovie, add_noise, simulate
from napari_udvd.stack import Plane, Stack

if TYPE_CHECKING:
    from pathlib import Path

    Movie = npt.NDArray[Any]

ROUNDING = 1 / 12
"""Variance that rounding to whole grey levels adds."""


@cache
def drawn(kind: str, frames: int, size: int) -> Any:
    """Draw a scene once for all cameras."""
    return KINDS[kind].draw(frames, size, size, np.random.default_rng(1))


@cache
def simulated(
    kind: str,
    frames: int = 40,
    size: int = 128,
    *,
    gain: float = 2.0,
    offset: float = 100.0,
    read_noise: float = 3.0,
    **camera: Any,
) -> SimulatedMovie:
    scene, motion = drawn(kind, frames, size)
    camera |= {"gain": gain, "offset": offset, "read_noise": read_noise}
    noisy, truth = add_noise(scene, seed=1, **camera)
    noise = NoiseModel(gain, offset, read_noise)
    return SimulatedMovie(stack_of(noisy), stack_of(truth), noise, motion, kind)


@cache
def clean(kind: str, frames: int = 40) -> Any:
    """Simulate a movie without noise, its darkest pixel without light."""
    movie = simulated(kind, frames, offset=0.0, dtype="float32")
    return movie.truth.data - movie.truth.data.min()


def white(frames: int = 30, size: int = 64, sigma: float = 5.0) -> Movie:
    rng = np.random.default_rng(0)
    return (100.0 + rng.normal(0, sigma, (frames, size, size))).astype(np.float32)


def stack_of(data: Movie) -> Stack:
    return Stack.from_array(data, "TYX")


def recorded(
    scene: Movie,
    *,
    photons: float = 30.0,
    gain: float = 2.0,
    offset: float = 100.0,
    read_noise: float = 3.0,
    correlation: Any = None,
) -> SimulatedMovie:
    """Record a given scene instead of a simulated one."""
    noise = NoiseModel(gain, offset, read_noise)
    noisy, truth = add_noise(
        scene, photons=photons, correlation=correlation, **noise.to_dict()
    )
    return SimulatedMovie(stack_of(noisy), stack_of(truth), noise, None, "")


def assert_variance(movie: SimulatedMovie, tolerance: float) -> None:
    """Compare measured and true variance at every level the movie shows."""
    measured = diagnose(movie.noisy).noise
    levels = np.quantile(movie.truth.data, np.linspace(0.01, 0.999, 60))
    truth = movie.noise.variance(levels)
    if movie.noisy.dtype.kind in "ui":
        truth += ROUNDING
    np.testing.assert_allclose(measured.variance(levels), truth, rtol=tolerance)


# --- the noise model ----------------------------------------------------------------


def test_variance_grows_with_light_above_the_offset() -> None:
    noise = NoiseModel(gain=2.0, offset=100.0, read_noise=3.0)
    levels = np.array([50.0, 100.0, 110.0, 200.0])
    np.testing.assert_allclose(noise.variance(levels), [9.0, 9.0, 29.0, 209.0])


@given(
    gain=st.floats(0, 1e4),
    offset=st.floats(-1e4, 1e4),
    read_noise=st.floats(1e-6, 1e4),
    levels=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8),
)
def test_variance_is_positive_and_never_falls(
    gain: float, offset: float, read_noise: float, levels: list[float]
) -> None:
    noise = NoiseModel(gain, offset, read_noise)
    variance = noise.variance(np.sort(levels))
    assert (variance > 0).all()
    assert (np.diff(variance) >= 0).all()


def test_noise_model_survives_a_record() -> None:
    noise = NoiseModel(gain=1.5, offset=-3.0, read_noise=0.25)
    record = json.loads(json.dumps(noise.to_dict()))
    assert NoiseModel.from_dict({**record, "other": "ignored"}) == noise


@pytest.mark.parametrize(
    "record",
    [{}, {"gain": 1, "offset": 0}, {"gain": "x", "offset": 0, "read_noise": 1}],
)
def test_a_record_without_the_numbers_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="needs the numbers gain, offset, read_noise"):
        NoiseModel.from_dict(record)


@pytest.mark.parametrize(
    "values", [(-1, 0, 1), (1, 0, -1), (0, 5, 0), (np.nan, 0, 1), (1, np.inf, 1)]
)
def test_an_impossible_noise_model_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="noise model"):
        NoiseModel(*values)


# --- strength of the noise ----------------------------------------------------------

CAMERAS = {
    "sCMOS": {"gain": 0.5, "offset": 100.0, "read_noise": 1.0, "photons": 60.0},
    "noisy readout": {
        "gain": 2.0,
        "offset": 500.0,
        "read_noise": 10.0,
        "photons": 100.0,
    },
    "EMCCD": {"gain": 20.0, "offset": 300.0, "read_noise": 10.0, "photons": 10.0},
    "many photons": {
        "gain": 5.0,
        "offset": 300.0,
        "read_noise": 2.0,
        "photons": 1000.0,
    },
    "no read noise": {"gain": 3.0, "offset": 50.0, "read_noise": 0.0, "photons": 30.0},
}


@pytest.mark.parametrize("kind", KINDS)
def test_variance_of_moving_scenes(kind: str) -> None:
    """Every scene with three cameras, and every camera with three scenes."""
    first = list(KINDS).index(kind)
    for k in (0, 1, 3):
        camera = list(CAMERAS)[(first + k) % len(CAMERAS)]
        assert_variance(simulated(kind, **CAMERAS[camera]), tolerance=0.15)


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_variance_of_a_static_scene(camera: dict[str, float]) -> None:
    scene = np.repeat(clean("calcium")[:1], 40, axis=0)
    assert_variance(recorded(scene, **camera), tolerance=0.1)


@pytest.mark.parametrize("kind", ["nuclei", "filaments", "vesicles"])
def test_variance_where_things_move_four_times_as_fast(kind: str) -> None:
    scene = clean(kind, frames=120)[::4]
    assert_variance(recorded(scene, photons=100.0), tolerance=0.15)


def test_variance_under_bleaching_and_flicker() -> None:
    t = np.arange(40)[:, None, None]
    lamp = 1.0 + np.random.default_rng(0).normal(0, 0.05, (40, 1, 1))
    scene = clean("calcium") * np.exp(-t / 30) * lamp
    assert_variance(recorded(scene, photons=50.0), tolerance=0.15)


@pytest.mark.parametrize("kernel", [[[1, 1]], [[1, 1], [1, 1]]], ids=["x", "xy"])
def test_variance_of_correlated_noise(kernel: list[list[float]]) -> None:
    """The spatial high-pass loses up to 89 % of this noise and must be corrected."""
    scene = clean("nuclei")
    movie = recorded(scene, correlation=kernel)
    assert_variance(movie, tolerance=0.15)


@pytest.mark.parametrize("frames, size", [(3, 64), (5, 64), (5, 128)])
def test_variance_of_short_movies(frames: int, size: int) -> None:
    scene = np.repeat(clean("calcium")[:1, :size, :size], frames, axis=0)
    assert_variance(recorded(scene, photons=50.0), tolerance=0.25)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("sigma", [2.0, 30.0])
def test_gaussian_noise_has_no_gain(sigma: float, dtype: str) -> None:
    scene = 200.0 * clean("calcium") / clean("calcium").max()
    movie = scene + np.random.default_rng(0).normal(0, sigma, scene.shape)
    rounding = ROUNDING if dtype == "int16" else 0.0
    movie = (np.rint(movie) if dtype == "int16" else movie).astype(dtype)
    noise = diagnose(stack_of(movie)).noise
    levels = np.quantile(scene, [0.01, 0.5, 0.99])
    expected = np.full(3, sigma**2 + rounding)
    np.testing.assert_allclose(noise.variance(levels), expected, rtol=0.15)


def test_variance_is_unbiased() -> None:
    noise = diagnose(stack_of(white(60, 128, sigma=5.0))).noise
    assert noise.variance(100.0) == pytest.approx(25.0, rel=0.01)


def test_cosmic_rays_do_not_bend_the_line() -> None:
    rng = np.random.default_rng(0)
    scene = np.repeat(clean("calcium")[:1], 40, axis=0)
    movie = recorded(scene, photons=50.0)
    struck = movie.noisy.data.copy()
    for frame in struck:
        frame[*rng.integers(0, 128, (2, 10))] += 5000
    assert_variance(replace(movie, noisy=stack_of(struck)), tolerance=0.2)


def test_dark_background_gives_offset_and_read_noise() -> None:
    """Nuclei leave dark background, filaments too: there both can be known."""
    movie = simulated("nuclei", gain=2.0, offset=100.0, read_noise=5.0, photons=60.0)
    noise = diagnose(movie.noisy).noise
    assert noise.gain == pytest.approx(2.0, rel=0.1)
    assert noise.offset == pytest.approx(100.0, abs=3.0)
    assert noise.read_noise == pytest.approx(5.0, rel=0.15)


def test_noise_below_rounding_is_never_zero() -> None:
    movie = np.zeros((10, 32, 32), np.uint16)
    movie[:, 8:16, 8:16] = 6000 * np.arange(10)[:, None, None]
    assert diagnose(stack_of(movie)).noise.read_noise >= np.sqrt(ROUNDING)


def test_saturated_blocks_do_not_bend_the_line() -> None:
    movie = simulated("nuclei", photons=100.0, gain=2.0, read_noise=3.0)
    limit = np.quantile(movie.noisy.data, 0.97)
    cut = np.minimum(movie.noisy.data, limit.astype(np.uint16))
    measured = diagnose(stack_of(cut)).noise
    levels = np.quantile(movie.truth.data, np.linspace(0.05, 0.9, 20))
    expected = movie.noise.variance(levels) + ROUNDING
    np.testing.assert_allclose(measured.variance(levels), expected, rtol=0.15)


@settings(max_examples=8, deadline=None)
@given(factor=st.sampled_from([1e-3, 0.25, 7.0, 1e3]), shift=st.floats(-50, 50))
def test_noise_follows_the_units_of_the_movie(factor: float, shift: float) -> None:
    movie = simulated("calcium", 10, 64, dtype="float32").noisy.data
    one = diagnose(stack_of(movie)).noise
    other = diagnose(stack_of((factor * (movie + shift)).astype(np.float32))).noise
    assert other.gain == pytest.approx(factor * one.gain, rel=0.02)
    assert other.read_noise == pytest.approx(factor * one.read_noise, rel=0.02)
    assert other.offset == pytest.approx(
        factor * (one.offset + shift), rel=0.02, abs=0.02 * factor
    )


# --- correlation and hole -----------------------------------------------------------


def bell(sigma: float) -> Movie:
    reach = round(4 * sigma)  # nothing to speak of is beyond
    profile = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.outer(profile, profile)


KERNELS: dict[str, tuple[Any, tuple[int, int]]] = {
    "white": ([[1]], (1, 1)),
    "5 % of the neighbour": ([[0.05, 1]], (1, 1)),
    "15 % of the neighbour": ([[0.15, 1]], (1, 3)),
    "pairs along x": ([[1, 1]], (1, 3)),
    "pairs along y": ([[1], [1]], (3, 1)),
    "pairs along both": ([[1, 1], [1, 1]], (3, 3)),
    "threes along x": ([[1, 1, 1]], (1, 5)),
    "threes along both": (np.ones((3, 3)), (5, 5)),
    "fours along y": (np.ones((4, 1)), (7, 1)),
    "diagonal": (np.eye(2), (3, 3)),
    "other diagonal": (np.eye(2)[::-1], (3, 3)),
    "sharpened": ([[-0.25, 1, -0.25]], (1, 3)),
}


@pytest.mark.parametrize(
    "kind, kernel, hole",
    [
        pytest.param(kind, *case, id=f"{kind}-{name}")
        for k, (name, case) in enumerate(KERNELS.items())
        for kind in ("nuclei", "lattice")[: 1 + k % 2]
    ],
)
def test_hole_covers_the_correlation(
    kind: str, kernel: Any, hole: tuple[int, int]
) -> None:
    movie = recorded(clean(kind), correlation=kernel)
    diagnosis = diagnose(movie.noisy)
    assert diagnosis.hole == hole
    assert diagnosis.verdict == ("ok" if hole == (1, 1) else "warn")
    if hole != (1, 1):
        assert f"a hole of {hole[0]} x {hole[1]} pixels" in diagnosis.reasons[0]


@pytest.mark.parametrize(
    "kind, sigma", [*((kind, 1.5) for kind in KINDS), ("calcium", 3.0)]
)
def test_blurred_noise_is_unsuitable(kind: str, sigma: float) -> None:
    movie = recorded(clean(kind), correlation=bell(sigma))
    diagnosis = diagnose(movie.noisy)
    assert diagnosis.verdict == "unsuitable"
    assert diagnosis.reasons[0].startswith(NOT_INDEPENDENT)


@pytest.mark.parametrize("axis", [1, 2])
def test_stripes_are_unsuitable(axis: int) -> None:
    shape = [30, 64, 64]
    shape[axis] = 1
    stripes = np.random.default_rng(1).normal(0, 5, shape)
    diagnosis = diagnose(stack_of((white() + stripes).astype(np.float32)))
    assert diagnosis.verdict == "unsuitable"
    assert "take off stripes" in diagnosis.reasons[0]


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_correlation_is_a_number_not_only_a_verdict(share: float) -> None:
    """A kernel (a, 1) correlates neighbours by a / (1 + a**2)."""
    movie = recorded(clean("nuclei"), correlation=[[share, 1]])
    diagnosis = diagnose(movie.noisy)
    expected = share / (1 + share**2)
    assert diagnosis.correlation_x == pytest.approx(expected, abs=0.03)
    assert diagnosis.correlation_y == pytest.approx(0.0, abs=0.04)


def test_cut_off_background_does_not_hide_correlation() -> None:
    """Below zero nothing is recorded: the dark half of the frame looks less alike."""
    movie = recorded(
        clean("nuclei"), gain=0.5, offset=0.0, read_noise=0.3, correlation=[[1, 1]]
    )
    assert diagnose(movie.noisy).correlation_x == pytest.approx(0.5, abs=0.07)


def test_turning_the_frame_swaps_rows_and_columns() -> None:
    movie = simulated("calcium", correlation=((1.0, 1.0),)).noisy
    one = diagnose(movie)
    other = diagnose(stack_of(movie.data.transpose(0, 2, 1)))
    assert other.hole == one.hole[::-1] == (3, 1)
    assert other.correlation_y == pytest.approx(one.correlation_x, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames, size", [(5, 64), (5, 32), (40, 32)])
def test_white_noise_in_small_movies_raises_no_alarm(
    kind: str, frames: int, size: int
) -> None:
    movie = simulate(kind, frames=frames, shape=(size, size), seed=7)
    diagnosis = diagnose(movie.noisy)
    assert (diagnosis.verdict, diagnosis.hole) == ("ok", (1, 1))


def test_every_second_row_alike_looks_interlaced() -> None:
    movie = recorded(clean("nuclei"), correlation=[[1], [0], [1]])
    diagnosis = diagnose(movie.noisy)
    assert diagnosis.hole == (5, 1)
    assert any("interlaced" in reason for reason in diagnosis.reasons)


# --- time ---------------------------------------------------------------------------


@pytest.mark.parametrize("memory, whiteness", [(0.0, 1.0), (0.3, 0.7), (0.7, 0.3)])
def test_whiteness_is_one_minus_the_correlation_in_time(
    memory: float, whiteness: float
) -> None:
    movie = white(60)
    for t in range(1, len(movie)):
        fresh = np.sqrt(1 - memory**2) * (movie[t] - 100.0)
        movie[t] = 100.0 + memory * (movie[t - 1] - 100.0) + fresh
    diagnosis = diagnose(stack_of(movie))
    assert diagnosis.whiteness_t == pytest.approx(whiteness, abs=0.06)
    warned = any("not white in time" in reason for reason in diagnosis.reasons)
    assert warned == (memory > 0)


def test_interpolated_frames_are_not_white() -> None:
    movie = simulated("nuclei").noisy.data.astype(np.float32)
    movie[1:-1:2] = (movie[:-2:2] + movie[2::2]) / 2
    diagnosis = diagnose(stack_of(movie))
    assert diagnosis.whiteness_t < 0.5
    assert any("interpolated" in reason for reason in diagnosis.reasons)


@pytest.mark.parametrize("kind", KINDS)
def test_motion_does_not_look_like_noise_that_lasts(kind: str) -> None:
    assert diagnose(simulated(kind).noisy).whiteness_t == pytest.approx(1.0, abs=0.1)


# --- other warnings -----------------------------------------------------------------


def test_repeated_frames_are_counted_and_do_not_spoil_the_rest() -> None:
    movie = simulated("nuclei", photons=100.0)
    doubled = np.repeat(movie.noisy.data, 2, axis=0)
    diagnosis = diagnose(stack_of(doubled))
    assert "40 of 79 frames repeat the one before" in diagnosis.reasons[0]
    assert diagnosis.hole == (1, 1)
    assert diagnosis.whiteness_t == pytest.approx(1.0, abs=0.1)
    repeated = replace(movie, noisy=stack_of(doubled))
    assert_variance(repeated, tolerance=0.15)


def test_saturation_is_reported_with_its_level() -> None:
    movie = np.minimum(simulated("nuclei").noisy.data, 150)
    reasons = diagnose(stack_of(movie)).reasons
    assert any("saturated at 150" in reason for reason in reasons)


def test_few_photons_are_not_saturation() -> None:
    movie = np.random.default_rng(0).poisson(0.05, (10, 32, 32)).astype(np.uint8)
    at_most = (movie == movie.max()).mean()
    assert at_most > 0.001, "else there is nothing to mistake"
    assert not any("saturated" in r for r in diagnose(stack_of(movie)).reasons)


def test_strong_bleaching_is_reported() -> None:
    t = np.arange(40)[:, None, None]
    movie = recorded(clean("calcium") * np.exp(-t / 30), photons=50.0)
    reasons = diagnose(movie.noisy).reasons
    assert any("bleaching" in reason for reason in reasons)
    assert not diagnose(recorded(clean("calcium"), photons=50.0).noisy).reasons


def test_three_frames_are_few() -> None:
    diagnosis = diagnose(simulated("calcium", 3).noisy)
    assert diagnosis.verdict == "warn"
    assert "only 3 frames" in diagnosis.reasons[0]


def test_two_frames_cannot_tell_motion_from_noise() -> None:
    diagnosis = diagnose(simulated("nuclei", 2).noisy)
    assert np.isnan(diagnosis.whiteness_t)
    assert diagnosis.to_dict()["whiteness_t"] is None
    assert diagnosis.verdict == "warn"
    assert any("cannot be told from noise" in reason for reason in diagnosis.reasons)


# --- the record, axes and laziness --------------------------------------------------


def test_the_record_is_what_the_command_line_prints() -> None:
    diagnosis = diagnose(simulated("nuclei", correlation=((1.0, 1.0),)).noisy)
    record = json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))
    assert list(record) == [
        "axes",
        "shape",
        "gain",
        "offset",
        "read_noise",
        "correlation_x",
        "correlation_y",
        "whiteness_t",
        "fine_share",
        "hole",
        "blind_neighbours",
        "verdict",
        "reasons",
        "broken",
    ]
    assert record["axes"] == "TYX"
    assert record["shape"] == [40, 128, 128]
    assert record["hole"] == [1, 3]
    assert record["gain"] == diagnosis.noise.gain


@settings(max_examples=12, deadline=None)
@given(order=st.permutations("TCZYX"))
def test_order_of_axes_and_other_planes_change_nothing(order: list[str]) -> None:
    movie = simulated("calcium", 8, 32).noisy
    volume = np.zeros((8, 2, 3, 32, 32), np.uint16)
    volume[:, 1, 2] = movie.data
    axes = "".join(order)
    turned = volume.transpose(["TCZYX".index(axis) for axis in order])
    diagnosis = diagnose(Stack.from_array(turned, axes), Plane(c=1, z=2))
    expected = diagnose(movie)
    assert isinstance(diagnosis, Diagnosis)
    assert replace(diagnosis, axes="TYX", shape=movie.shape) == expected


class Endless:
    """A movie far larger than memory, made where it is read."""

    shape = (5000, 4096, 4096)
    dtype = np.dtype(np.uint16)
    bytes_read = 0

    def __getitem__(self, key: Any) -> Movie:
        ranges = [range(n)[k] for n, k in zip(self.shape, key, strict=True)]
        rng = np.random.default_rng(ranges[0].start)
        block = 500 + rng.normal(0, 5, [len(r) for r in ranges])
        self.bytes_read += 2 * block.size
        return block.astype(self.dtype)


def test_a_movie_larger_than_memory_is_sampled() -> None:
    movie = Endless()
    diagnosis = diagnose(Stack.from_array(movie, "TYX"))
    assert movie.bytes_read < 64e6
    assert diagnosis.noise.read_noise == pytest.approx(5.0, rel=0.05)


# --- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "axes, shape, words",
    [
        ("YX", (32, 32), "no time axis"),
        ("TYX", (1, 32, 32), "1 frame"),
        ("ZYX", (9, 32, 32), 'If its 9 depths Z are really time, say axes="TYX"'),
        ("CYX", (9, 32, 32), 'say axes="TYX"'),
        ("TZYX", (1, 9, 32, 32), 'say axes="ZTYX"'),
    ],
)
def test_no_time(axes: str, shape: tuple[int, ...], words: str) -> None:
    stack = Stack.from_array(np.zeros(shape, np.uint8), axes)
    for check in (diagnose, check_pixels, check_time):
        with pytest.raises(InputError, match=words):
            check(stack)


def test_as_many_frames_as_asked_for() -> None:
    check_time(stack_of(white(5)), least=5)
    with pytest.raises(InputError, match=r"5 frame.*at least 6"):
        check_time(stack_of(white(5)), least=6)


def test_constant_movie() -> None:
    movie = Stack.from_array(np.full((9, 2, 32, 32), 7, np.uint8), "TCYX")
    for check in (diagnose, check_pixels, check_varies):
        with pytest.raises(InputError, match=r"is 7: the movie is constant"):
            check(movie)


def test_one_constant_channel_is_named() -> None:
    data = np.stack([white(9), np.zeros((9, 64, 64), np.float32)], axis=1)
    stack = Stack.from_array(data, "TCYX")
    check_pixels(stack)  # the other channel can be denoised
    with pytest.raises(InputError, match="at C = 1 is 0"):
        diagnose(stack, Plane(c=1))
    assert diagnose(stack, Plane(c=0)).hole == (1, 1)


def test_the_same_frame_again_and_again() -> None:
    movie = np.repeat(white(1), 9, axis=0)
    check_varies(stack_of(movie))
    with pytest.raises(InputError, match="all identical"):
        diagnose(stack_of(movie))


def test_frames_too_small() -> None:
    with pytest.raises(InputError, match="12 x 40 pixels are too small"):
        diagnose(stack_of(white()[:, :12, :40]))


def test_bad_pixels_are_counted_and_placed() -> None:
    data = np.zeros((2, 30, 32, 32), np.float32)
    data[1, 4, 5, 6] = np.nan
    data[0, 9, 1, 2] = -np.inf
    data[1, 9, 1, 2] = np.inf
    stack = Stack.from_array(data, "CTYX")
    expected = (
        r"2 infinite pixel\(s\) of 61440, the first at C = 0, T = 9, Y = 1, X = 2"
    )
    for check in (check_finite, check_pixels):
        with pytest.raises(InputError, match=expected):
            check(stack)
    with pytest.raises(InputError, match="infinite"):
        diagnose(stack, Plane(c=1))


def test_bad_pixels_are_found_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_udvd.cutting.BLOCK_BYTES", 5000)
    data = white(30, 32)
    check_finite(stack_of(data))
    data[29, 31, 31] = np.inf
    with pytest.raises(InputError, match="T = 29, Y = 31, X = 31"):
        check_finite(stack_of(data))


def test_good_movies_pass() -> None:
    check_pixels(stack_of(white()))
    check_pixels(simulated("nuclei").noisy)


# --- real movies --------------------------------------------------------------------


def real(folder: Path, pattern: str, axes: str = "TYX") -> Stack:
    return Stack.from_array(tifffile.imread(next(folder.glob(pattern))), axes)


def test_beads_are_white(shared_data: Path) -> None:
    diagnosis = diagnose(real(shared_data, "pims_stuck_beads_*.tif"))
    assert (diagnosis.hole, diagnosis.verdict) == ((1, 1), "ok")
    # 477 to 576 grey levels, most of it noise around the camera's 500.
    assert diagnosis.noise.offset == pytest.approx(500, abs=5)


def test_two_photon_is_correlated_both_ways(shared_data: Path) -> None:
    diagnosis = diagnose(real(shared_data, "allen_2p_*.tif"))
    assert (diagnosis.hole, diagnosis.verdict) == ((3, 3), "warn")
    assert diagnosis.correlation_x == pytest.approx(0.38, abs=0.06)
    assert diagnosis.correlation_y == pytest.approx(0.29, abs=0.06)


def test_frap_is_correlated_down_a_column(shared_data: Path) -> None:
    diagnosis = diagnose(real(shared_data, "embl_frap_*.tif"))
    assert (diagnosis.hole, diagnosis.verdict) == ((3, 1), "warn")
    assert diagnosis.correlation_y == pytest.approx(0.25, abs=0.06)


def test_scan_noise_is_correlated_along_the_line(shared_data: Path) -> None:
    diagnosis = diagnose(real(shared_data, "hyperspy_stem_*.tif"))
    assert diagnosis.verdict == "warn"
    assert diagnosis.hole[0] == 1
    assert 3 <= diagnosis.hole[1] <= 7


@pytest.mark.parametrize("channel", [None, 0, 1, 2])
def test_compressed_movie_is_unsuitable(shared_data: Path, channel: int | None) -> None:
    files = sorted((shared_data / "drosophila_compressed").glob("*.tif"))
    frames = np.stack([tifffile.imread(file) for file in files])
    movie = frames.mean(-1) if channel is None else frames[..., channel]
    diagnosis = diagnose(stack_of(movie))
    assert diagnosis.verdict == "unsuitable"
    assert diagnosis.reasons[0].startswith(NOT_INDEPENDENT)
    assert any("repeat the one before" in reason for reason in diagnosis.reasons)


@pytest.mark.parametrize("channel", [0, 1])
def test_confocal_channels_are_fine(shared_data: Path, channel: int) -> None:
    stack = real(shared_data, "neubias_*.tif", "TCYX")
    assert diagnose(stack, Plane(c=channel)).verdict == "ok"


def test_moving_cells_are_not_correlated_noise(shared_data: Path) -> None:
    diagnosis = diagnose(real(shared_data, "bia_cancer_*.tif"))
    assert (diagnosis.hole, diagnosis.verdict) == ((1, 1), "ok")


def test_variance_over_real_motion(shared_data: Path) -> None:
    scene = tifffile.imread(next(shared_data.glob("bia_cancer_*.tif")))
    assert_variance(recorded(scene, photons=15.0), tolerance=0.1)


@pytest.mark.parametrize("kind", ["nuclei", "vesicles"])
def test_a_glance_reads_less_and_says_nearly_the_same(kind: str) -> None:
    noisy = simulated(kind, 40, 256).noisy
    read = [0]

    class Counted:
        shape, dtype, ndim = noisy.shape, noisy.dtype, 3

        def __getitem__(self, index: Any) -> Any:
            part = np.asarray(noisy.data[index])
            read[0] += part.size
            return part

    counted = Stack(Counted(), "TYX")
    whole = diagnose(counted)
    of_whole, read[0] = read[0], 0
    glance = diagnose(counted, glance=True)
    assert read[0] < 0.6 * of_whole
    level = float(np.median(noisy.data))
    ratio = glance.noise.variance(level) / whole.noise.variance(level)
    assert float(ratio) == pytest.approx(1, abs=0.1)
    assert glance.hole == whole.hole
