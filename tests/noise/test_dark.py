"""Offsets of the camera's pixels go, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import torch

import napari_udvd as nu
from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import create
from napari_udvd.noise import diagnose, subtract_dark
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack
from napari_udvd.validity import inspect

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)

Movie = npt.NDArray[Any]

READ = 3.0
"""Read noise of the simulated camera, and spread of the offsets of its pixels."""


def offsets(shape: tuple[int, int], spread: float = READ, seed: int = 5) -> Movie:
    return np.random.default_rng(seed).normal(0, spread, shape)


def dark_frames(pattern: Movie, count: int, seed: int = 6) -> Movie:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, READ, (count, *pattern.shape))
    return np.rint(100 + pattern + noise).clip(0).astype(np.uint16)


def recorded(pattern: Movie, frames: int = 30) -> tuple[Movie, Movie]:
    """Return a movie with these offsets, and its truth without them."""
    movie = simulate("nuclei", frames=frames, shape=pattern.shape, seed=8)
    noisy = np.rint(movie.noisy.read() + pattern).clip(0).astype(np.uint16)
    return noisy, movie.truth.read()


def test_the_pattern_goes_and_grey_levels_stay() -> None:
    pattern = offsets((48, 64))
    noisy, truth = recorded(pattern)
    dark = dark_frames(pattern, 200)
    stack = subtract_dark(Stack.from_array(noisy, "TYX"), dark)
    assert stack.dtype == np.float32
    assert stack.shape == noisy.shape
    left = stack.read().mean(axis=0) - truth.mean(axis=0)
    # what is left is the noise of the means: of 30 frames, and of the dark ones
    light = truth.mean(axis=0) - 100
    expected = np.sqrt(np.mean(2 * light + READ**2) / 30 + READ**2 / 200)
    assert left.std() == pytest.approx(expected, rel=0.1)
    # a median of 3072 offsets is good to 0.07
    assert left.mean() == pytest.approx(0, abs=0.25)


def test_noise_that_is_kept_falls_to_what_it_is_without_a_pattern() -> None:
    pattern = offsets((64, 64))
    noisy, truth = recorded(pattern, frames=24)
    plain = Stack.from_array(noisy - pattern, "TYX")
    bad = Stack.from_array(noisy.astype(np.float32), "TYX")
    good = subtract_dark(Stack.from_array(noisy, "TYX"), dark_frames(pattern, 100))
    errors = {}
    for name, stack in (("plain", plain), ("bad", bad), ("good", good)):
        # hardly trained: the shipped weights, told what was measured
        model = nu.train(stack, steps=1, self_ensemble=False)
        clean = model.denoise(stack, events=False, refine=False)
        errors[name] = float(((clean - truth) ** 2).mean())
    assert errors["bad"] > 2.0 * errors["plain"]
    assert errors["good"] < 1.15 * errors["plain"]


def test_the_diagnosis_is_that_of_the_movie_without_its_pattern() -> None:
    pattern = offsets((96, 96))
    noisy, _ = recorded(pattern, frames=40)
    stack = Stack.from_array(noisy, "TYX")
    before = diagnose(stack)
    assert any("offsets of their own" in reason for reason in before.reasons)
    after = diagnose(subtract_dark(stack, dark_frames(pattern, 100)))
    assert after.verdict == "ok", after.reasons
    assert after.noise.gain == pytest.approx(2.0, rel=0.15)
    assert after.noise.offset == pytest.approx(100, abs=5)


# --- shapes -------------------------------------------------------------------------


def test_one_frame_and_many_are_averaged() -> None:
    rng = np.random.default_rng(1)
    noisy = rng.normal(100, 3, (4, 16, 20)).astype(np.float32)
    dark = rng.normal(7, 1, (5, 16, 20)).astype(np.float32)
    many = subtract_dark(Stack.from_array(noisy, "TYX"), dark).read()
    one = subtract_dark(Stack.from_array(noisy, "TYX"), dark.mean(axis=0)).read()
    np.testing.assert_allclose(many, one, atol=1e-4)
    mean = dark.astype(float).mean(axis=0)
    np.testing.assert_allclose(many, noisy - (mean - np.median(mean)), atol=1e-4)


@pytest.mark.parametrize(
    "axes, sizes",
    [
        ("TYX", {}),
        ("CYX", {"C": 2}),
        ("ZYX", {"Z": 3}),
        ("TCZYX", {"T": 4, "C": 2, "Z": 3}),
        ("YXC", {"C": 2}),
    ],
)
@pytest.mark.parametrize("own", ["TCZYX", "ZTYXC", "CYXTZ"])
def test_planes_and_channels_have_their_own_pattern(
    own: str, axes: str, sizes: dict[str, int]
) -> None:
    rng = np.random.default_rng(2)
    size = {"T": 5, "C": 2, "Z": 3, "Y": 16, "X": 24}
    movie = rng.normal(100, 3, [size[axis] for axis in own])
    dark_size = {"T": 1, "C": 1, "Z": 1, "Y": 16, "X": 24} | sizes
    dark = Stack.from_array(rng.normal(9, 2, [dark_size[a] for a in axes]), axes)
    stack = Stack.from_array(movie, own)
    found = subtract_dark(stack, dark)
    for plane in stack.planes():
        of = plane._replace(c=min(plane.c, dark.n_channels - 1))
        of = of._replace(z=min(plane.z, dark.n_planes - 1))
        mean = dark.read(slice(None), of).mean(axis=0)
        expected = stack.read(slice(None), plane) - (mean - np.median(mean))
        np.testing.assert_allclose(found.read(slice(None), plane), expected, atol=1e-4)
        part = slice(3, 9), slice(5, 7)
        np.testing.assert_allclose(
            found.read(2, plane, *part), expected[2:3, *part], atol=1e-4
        )


def test_dark_frames_saved_as_a_depth_are_averaged() -> None:
    dark = np.random.default_rng(1).normal(7, 1, (5, 16, 20))
    movie = Stack.from_array(np.full((4, 16, 20), 50.0), "TYX")
    depth = subtract_dark(movie, Stack.from_array(dark, "ZYX")).read()
    np.testing.assert_allclose(depth, subtract_dark(movie, dark).read())


@pytest.mark.parametrize(
    "shape, axes, words",
    [
        ((16, 21), "YX", "16 x 21 pixels and the movie 'm.tif' 16 x 20"),
        ((3, 20, 16), "TYX", "20 x 16 pixels"),
        ((3, 16, 20), "CYX", "has 3 channels"),
        ((2, 16, 20), "ZYX", "has 2 planes"),
    ],
)
def test_another_shape_is_refused(
    shape: tuple[int, ...], axes: str, words: str
) -> None:
    movie = Stack.from_array(np.zeros((4, 2, 3, 16, 20)), "TCZYX", source="m.tif")
    with pytest.raises(InputError, match=words):
        subtract_dark(movie, Stack.from_array(np.zeros(shape), axes))


def test_dark_pixels_that_are_not_finite_are_refused() -> None:
    dark = np.zeros((16, 20))
    dark[3, 4] = np.nan
    with pytest.raises(InputError, match=r"1 pixel\(s\) that are not finite"):
        subtract_dark(Stack.from_array(np.zeros((4, 16, 20)), "TYX"), dark)


# --- noise of the dark frames -------------------------------------------------------


@pytest.mark.parametrize("count, said", [(1, True), (4, True), (30, False)])
def test_too_few_dark_frames_are_said(count: int, said: bool) -> None:
    pattern = offsets((96, 96))
    noisy, _ = recorded(pattern)
    dark = dark_frames(pattern, count)
    notes = subtract_dark(Stack.from_array(noisy, "TYX"), dark).notes
    assert f"{count} frame" in notes[0]
    assert any("adds a noise" in note for note in notes) == said
    if said:
        number = float(notes[1].split("adds a noise of ")[1].split()[0])
        assert number == pytest.approx(READ / np.sqrt(count), rel=0.15)


def test_the_dark_frame_of_another_camera_is_said() -> None:
    noisy, _ = recorded(offsets((96, 96)))
    dark = 100 + offsets((96, 96), seed=9)
    notes = subtract_dark(Stack.from_array(noisy, "TYX"), dark).notes
    assert "not of this camera" in notes[-1]


def test_an_average_of_many_saved_as_one_frame_is_fine() -> None:
    pattern = offsets((96, 96))
    noisy, _ = recorded(pattern)
    master = dark_frames(pattern, 100).mean(axis=0).astype(np.float32)
    assert len(subtract_dark(Stack.from_array(noisy, "TYX"), master).notes) == 1


# --- reading ------------------------------------------------------------------------


class Counted:
    """An array that counts the frames that are read of it."""

    def __init__(self, data: Movie) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.frames = 0

    def __getitem__(self, key: Any) -> Movie:
        block = self.data[key]
        self.frames += len(block) if block.ndim == 3 else 1
        return block


def test_frames_are_subtracted_as_they_are_read() -> None:
    data = Counted(np.zeros((5000, 16, 20), np.uint16))
    stack = subtract_dark(Stack.from_array(data, "TYX"), np.zeros((16, 20)))
    assert data.frames <= 64
    before = data.frames
    stack.read(slice(10, 13))
    assert data.frames == before + 3


def test_what_was_not_measured_is_recognised_all_the_same() -> None:
    """A dropped frame of zeros, or a border, is not flat once a pattern is off."""
    pattern = offsets((64, 64))
    noisy, _ = recorded(pattern)
    noisy[7] = 0
    noisy[:, :5] = 0
    plain = inspect(Stack.from_array(noisy, "TYX"))
    stack = subtract_dark(Stack.from_array(noisy, "TYX"), dark_frames(pattern, 100))
    found = inspect(stack)
    assert found.validity is not None and plain.validity is not None
    assert found.validity.notes == plain.validity.notes
    cropped = inspect(stack.crop(slice(3, 20), slice(2, 40)))
    assert cropped.validity is not None
    (plane,) = cropped.planes()
    assert cropped.validity.missing(plane) == {4}
    # what stands for them has no pattern either
    inner = slice(10, None), slice(10, None)
    background = found.validity.background(plane, *inner)
    good = found.read(slice(8, None), plane, *inner).mean(axis=0)
    slope = np.polyfit(pattern[inner].ravel(), (background - good).ravel(), 1)[0]
    assert abs(slope) < 0.05


def test_a_file_with_its_dark_frames(tmp_path: Path) -> None:
    pattern = offsets((32, 40))
    noisy, _ = recorded(pattern, 12)
    tifffile.imwrite(
        tmp_path / "movie.tif", noisy, imagej=True, metadata={"axes": "TYX"}
    )
    tifffile.imwrite(tmp_path / "dark.tif", dark_frames(pattern, 50))
    stack = nu.open(tmp_path / "movie.tif", dark=tmp_path / "dark.tif")
    plain = nu.open(tmp_path / "movie.tif")
    assert stack.axes == "TYX"
    assert "dark.tif" in stack.notes[-1]
    found = (plain.read() - stack.read()).mean(axis=0)
    assert np.std(found - pattern) < 1.2 * READ / np.sqrt(50)
    with pytest.raises(OutputError):  # neither file may be replaced
        create(tmp_path / "dark.tif", like=stack, dtype="f4", record={}, overwrite=True)
    assert replace(stack, notes=()).recorded.dtype == np.uint16
