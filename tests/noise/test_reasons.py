"""Numbers in sentences are what the sentences say they are."""

from __future__ import annotations

import re

import numpy as np
import pytest

from napari_udvd.noise import NoiseModel, diagnose
from napari_udvd.noise._reasons import about_repeats
from napari_udvd.noise._repeats import find_repeats
from napari_udvd.noise._windows import sample_windows
from napari_udvd.stack import Plane, Stack

SIGMA = 8.0


def noisy(frames: int, side: int = 96) -> np.ndarray:
    rng = np.random.default_rng(3)
    return 500 + SIGMA * rng.standard_normal((frames, side, side)).astype(np.float32)


def stack_of(pixels: np.ndarray) -> Stack:
    return Stack.from_array(pixels, "TYX")


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_how_much_blended_frames_differ(share: float) -> None:
    """Frames a and a + share * (b - a) differ by that share of what a and b do."""
    whole = noisy(21)
    between = whole[:-1] + share * (whole[1:] - whole[:-1])
    pixels = np.stack([whole[:-1], between], 1).reshape(-1, *whole.shape[1:])
    apart = np.std(pixels[1::2] - pixels[::2])
    assert apart == pytest.approx(share * np.std(whole[1:] - whole[:-1]), rel=0.02)
    stack = stack_of(pixels)
    found = find_repeats(stack, Plane(), NoiseModel(0.0, 0.0, SIGMA))
    (reason,) = about_repeats(stack, sample_windows(stack, Plane()), found)
    assert reason.broken and "repeated or blended" in reason.sentence
    told = re.search(r"by only (\d+)%", reason.sentence)
    assert told is not None
    assert int(told[1]) / 100 == pytest.approx(share, abs=0.02)


def test_copies_of_long_movies_are_counted_among_those_looked_at() -> None:
    """Of a short movie every frame is compared, of a long one some are."""
    short = np.repeat(noisy(10, 32), 2, axis=0)
    (told,) = (r for r in diagnose(stack_of(short)).reasons if "repeat" in r)
    assert told.startswith("10 of 19 frames repeat the one before exactly")
    long = np.repeat(noisy(500, 32), 2, axis=0)
    (told,) = (r for r in diagnose(stack_of(long)).reasons if "exactly" in r)
    found = re.match(r"(\d+) of (\d+) frames that were looked at repeat", told)
    assert found is not None
    repeated, compared = map(int, found.groups())
    assert compared < 999
    assert repeated / compared == pytest.approx(0.5, abs=0.1)
