"""A mask is honoured wherever what was measured counts, as NaN is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from drifting_spots import GAIN, OFFSET, READ_NOISE, light, recorded
from napari_udvd.errors import InputError
from napari_udvd.inference.block_denoiser import BlockDenoiser
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.scaling import Calibration, calibrate
from napari_udvd.noise import NoiseModel, check_finite, check_pixels
from napari_udvd.planes import Series, missing_frames, read_measured
from napari_udvd.simulation import simulate
from napari_udvd.stack import Plane, Stack
from napari_udvd.tasks import DENOISE
from napari_udvd.training.sampling import ClipSampler, Movie
from napari_udvd.validity import PlaneValidity, inspect
from tiny import tiny_net

SERIES = Series((0,), 0)
NOISE = NoiseModel(gain=GAIN, offset=OFFSET, read_noise=READ_NOISE)
FRAMES = recorded(light(20, 48, 64)).astype(np.uint16)
RNG = np.random.default_rng(7)
RANDOM = RNG.random(FRAMES.shape) < 0.3
T, Y, X = np.indices(FRAMES.shape)

MASKS: dict[str, npt.NDArray[np.bool_]] = {
    "30 % random": RANDOM,
    "5 % random": RNG.random(FRAMES.shape) < 0.05,
    "fixed": np.broadcast_to(RANDOM[0], FRAMES.shape),
    "rows": Y % 5 == 2 * T % 5,
    "borders and lost frames": (Y > 4 + T // 4) & (X < 60) & (T != 7) & (T < 14),
}


def nan_where_not(mask: npt.NDArray[np.bool_], frames: Any = FRAMES) -> Any:
    return np.where(mask, frames, np.nan).astype(np.float32)


def found_in(stack: Stack) -> PlaneValidity:
    validity = inspect(stack).validity
    assert validity is not None
    return validity.planes[Plane()]


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_as_nan(kind: str) -> None:
    mask = MASKS[kind]
    junk = np.where(mask, FRAMES, RNG.integers(0, 60000, FRAMES.shape))
    masked = Stack.from_array(junk.astype(np.uint16), "TYX", mask=mask)
    holed = Stack.from_array(nan_where_not(mask), "TYX")
    pictures = []
    for stack in (inspect(masked), inspect(holed)):
        pictures.append(read_measured(stack, SERIES, range(20)))
        box = slice(8, 40), slice(3, 50)
        part = stack.crop(slice(3, 12), *box)
        pictures.append(read_measured(part, SERIES, range(2, 9)))
        pictures.append(read_measured(stack, SERIES, range(5, 12), *box))
        assert missing_frames(stack, SERIES) == missing_frames(inspect(holed), SERIES)
        assert calibrate([stack], 0, NOISE) == calibrate([inspect(holed)], 0, NOISE)
    for (clip, known), (clip_nan, known_nan) in zip(
        pictures[:3], pictures[3:], strict=True
    ):
        np.testing.assert_array_equal(known, known_nan)
        np.testing.assert_array_equal(clip, clip_nan)
    np.testing.assert_array_equal(pictures[0][1][:, 0] & ~mask, False)


def test_clips_to_learn_from_have_the_mask() -> None:
    draws = []
    for stack in (
        Stack.from_array(FRAMES, "TYX", mask=RANDOM),
        Stack.from_array(nan_where_not(RANDOM), "TYX"),
    ):
        held_out = DENOISE.hold_out(stack.n_frames)
        sampler = ClipSampler(
            [Movie(inspect(stack), SERIES, held_out)],
            context=2,
            targets=1,
            patch=32,
            transpose=False,
            rng=np.random.default_rng(0),
        )
        draws.append(sampler.draw(4))
    masked, holed = draws
    assert masked.measured is not None
    assert masked.measured.mean() == pytest.approx(RANDOM.mean(), abs=0.03)
    np.testing.assert_array_equal(masked.measured, holed.measured)
    np.testing.assert_array_equal(masked.clips, holed.clips)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_result_is_as_it_was_where_nothing_was_measured(dtype: str) -> None:
    movie = FRAMES.astype(dtype)
    mask = MASKS["borders and lost frames"]

    def denoised(junk: int) -> tuple[Any, Any]:
        stack = Stack.from_array(np.where(mask, movie, junk).astype(dtype), "TYX")
        blocks = BlockDenoiser(
            tiny_net(likelihood=True),
            [Calibration(150.0, 100.0, NOISE)],
            stack.with_mask(mask),
            replace(EXACT, with_std=True),
        )
        mean, std = blocks.block(SERIES, 0, 20)
        assert std is not None
        return mean[:, 0], std[:, 0]

    (mean, std), (other, _) = denoised(0), denoised(9)
    lost, gone = T == 7, ~mask & (T != 7)  # one lost frame is predicted, six are not
    gone |= lost & ~mask.any(axis=0)
    assert (mean[gone] == 0).all()
    assert (other[gone] == 9).all()
    assert (std[gone] == 0).all()
    np.testing.assert_array_equal(mean[~gone], other[~gone])
    assert (std[~gone] > 0).all()


def test_pixels_that_were_visited_once_are_neither_dead_nor_hot() -> None:
    frames = np.asarray(simulate("nuclei", frames=24, shape=(64, 64)).noisy.read())
    for share in (0.03, 0.1, 0.3):
        mask = np.random.default_rng(1).random(frames.shape) < share
        found = found_in(Stack.from_array(frames, "TYX", mask=mask))
        assert not found.hot.any()
        np.testing.assert_array_equal(found.constant, ~mask.any(axis=0))


def test_pixels_that_were_visited_once_are_no_part_of_the_border_beside_them() -> None:
    pixels = np.full((12, 32, 32), np.nan, np.float32)
    rng = np.random.default_rng(0)
    often = np.broadcast_to(np.arange(32) % 2 == 1, (32, 32))
    pixels[:, often] = rng.normal(100, 5, (12, often.sum()))
    pixels[5, ~often] = rng.normal(100, 5, (~often).sum())
    pixels[:, :, :4] = 0
    stack = inspect(Stack.from_array(pixels, "TYX"))
    assert stack.validity is not None
    (plane,) = stack.validity.planes.values()
    border = np.zeros((32, 32), bool)
    border[:, :4] = True
    np.testing.assert_array_equal(plane.constant, border)


def test_a_hot_pixel_is_found_in_a_scan() -> None:
    frames = FRAMES.copy()
    frames[:, 20, 30] = 60000
    mask = RNG.random(frames.shape) < 0.6
    found = found_in(Stack.from_array(frames, "TYX", mask=mask))
    assert np.argwhere(found.hot).tolist() == [[20, 30]]


def test_what_stands_for_a_pixel_that_was_visited_once_is_not_that_visit() -> None:
    mask = MASKS["5 % random"]
    frames = RNG.normal(100, 10, FRAMES.shape).astype(np.float32)
    found = found_in(Stack.from_array(frames, "TYX", mask=mask))
    once = mask.sum(axis=0) == 1
    visits = (frames * mask).sum(axis=0)[once]
    assert np.abs(found.background[once] - 100).mean() < 5
    assert np.abs(np.corrcoef(found.background[once], visits)[0, 1]) < 0.6


def test_infinity_that_was_not_measured_is_no_matter() -> None:
    frames = FRAMES.astype(np.float32)
    frames[~RANDOM] = np.inf
    check_finite(Stack.from_array(frames, "TYX", mask=RANDOM))
    frames[np.nonzero(RANDOM)[0][0], np.nonzero(RANDOM)[1][0]] = np.inf
    with pytest.raises(InputError, match=r"open\(path, mask=FILE\)"):
        check_finite(Stack.from_array(frames, "TYX", mask=RANDOM))


@pytest.mark.parametrize(
    "mask", [np.zeros_like(RANDOM), np.zeros(RANDOM.shape[1:])], ids=["each", "all"]
)
def test_a_mask_that_leaves_nothing(mask: npt.NDArray[Any]) -> None:
    with pytest.raises(InputError, match="no pixel of the movie was measured"):
        check_pixels(Stack.from_array(FRAMES, "TYX", mask=mask))


def test_a_value_that_leaves_nothing() -> None:
    zeros = np.zeros_like(FRAMES)
    with pytest.raises(InputError, match="all but those that are 0"):
        check_finite(Stack.from_array(zeros, "TYX", unmeasured=0))


def test_a_mask_that_is_inverted() -> None:
    stack = Stack.from_array(nan_where_not(RANDOM), "TYX", mask=~RANDOM)
    with pytest.raises(InputError, match="inverted"):
        inspect(stack)


def test_a_few_nan_among_what_a_mask_calls_measured() -> None:
    known = RANDOM.copy()
    known[:, 10:12] = False
    stack = inspect(Stack.from_array(nan_where_not(known), "TYX", mask=RANDOM))
    assert stack.validity is not None
    assert "are NaN: they are taken as not measured" in stack.validity.notes[0]
    _, measured = read_measured(stack, SERIES, range(20))
    np.testing.assert_array_equal(measured[:, 0], known)


def test_a_mask_that_leaves_out_nothing_says_so() -> None:
    plain = Stack.from_array(FRAMES, "TYX")
    assert inspect(plain) is plain
    stack = inspect(plain.with_mask(np.ones_like(RANDOM)))
    assert stack.validity is not None
    assert "the movie has no holes" in stack.validity.notes[0]
    clip, measured = read_measured(stack, SERIES, range(20))
    assert measured.all()
    np.testing.assert_array_equal(clip[:, 0], FRAMES)


def test_hardly_anything_measured_is_warned_of() -> None:
    mask = np.random.default_rng(0).random(FRAMES.shape) < 0.006
    stack = inspect(Stack.from_array(FRAMES, "TYX", mask=mask))
    assert stack.validity is not None
    assert any("little to learn from" in note for note in stack.validity.notes)


@pytest.mark.parametrize("with_mask", [False, True])
def test_notes_say_how_much_was_measured(with_mask: bool) -> None:
    stack = Stack.from_array(nan_where_not(RANDOM), "TYX")
    if with_mask:
        stack = stack.with_mask(RANDOM)
    validity = inspect(stack).validity
    assert validity is not None
    share = RANDOM.mean() if with_mask else 1 - RANDOM.mean()
    assert any(f"{share:.1%}"[:-1] in note for note in validity.notes)
    assert validity.planes[Plane()].share == pytest.approx(RANDOM.mean())


def test_a_frame_with_few_pixels_that_are_equal_is_no_lost_frame() -> None:
    counts = np.random.default_rng(0).poisson(0.02, (12, 40, 40)).astype(np.uint8)
    mask = np.random.default_rng(1).random(counts.shape) < 0.02
    counts[3][mask[3]] = 0
    stack = inspect(Stack.from_array(counts, "TYX", mask=mask))
    assert 3 not in missing_frames(stack, SERIES)
    mask[5] = False
    stack = inspect(Stack.from_array(counts, "TYX", mask=mask))
    assert missing_frames(stack, SERIES) == {5}
