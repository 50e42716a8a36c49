"""Simulated scans: their masks, and clips that fit them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_udvd.inference.interpolation import FRAMES as WIDTHS_IN_TIME
from napari_udvd.inference.interpolation import PIXELS, Widths
from napari_udvd.pretraining import scans
from napari_udvd.pretraining.clips import FRAMES, SIZE, draw_blind

if TYPE_CHECKING:
    import torch

    from napari_udvd.pretraining.scans import Mask


@pytest.fixture(scope="module")
def pool() -> scans.Scans:
    return scans.Scans(np.random.default_rng(0), 4)


def masks_of(draw: Any, count: int = 12) -> list[Mask]:
    return [draw(np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("draw", scans.KINDS, ids=lambda draw: draw.__name__)
def test_every_kind_of_mask_leaves_enough_to_learn_from(draw: Any) -> None:
    for mask in masks_of(draw):
        assert mask.shape == (FRAMES, SIZE, SIZE)
        assert mask.dtype == bool
        assert mask.mean() > 0.04
    one, two = (draw(np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("draw", [scans._random, scans._blue_noise])
def test_some_points_are_the_same_in_every_frame(draw: Any) -> None:
    found = masks_of(draw, 24)
    fixed = [bool((mask == mask[0]).all()) for mask in found]
    assert 0 < sum(fixed) < 12
    shares = [float(mask.mean()) for mask in found]
    assert min(shares) >= 0.07
    assert max(shares) <= 0.51
    assert max(shares) > 2 * min(shares)


def test_rows_are_rows() -> None:
    for mask in masks_of(scans._rows):
        assert np.array_equal(mask, np.repeat(mask[..., :1], SIZE, axis=-1))
        assert scans.EVERY[0] <= round(1 / float(mask.mean())) <= scans.EVERY[1]


def test_a_fovea_is_dense_in_one_place() -> None:
    for mask in masks_of(scans._foveated):
        often = mask.mean(axis=0)
        assert often.max() > 0.9
        assert often.min() < 0.3


def test_what_a_registered_movie_did_not_see_lies_at_its_border() -> None:
    some = False
    for mask in masks_of(scans._registered):
        assert mask[:, SIZE // 2, SIZE // 2].all()
        for frame in mask:
            rows, columns = frame.any(axis=1), frame.any(axis=0)
            assert np.array_equal(frame, rows[:, None] & columns)
        some = some or not mask.all()
    assert some


def test_whole_rows_and_frames_are_damaged() -> None:
    found = masks_of(scans._damaged)
    for mask in found:
        frames, rows = mask.any(axis=(1, 2)), mask.any(axis=(0, 2))
        lines = frames[:, None, None] & rows[:, None]
        assert np.array_equal(mask, np.broadcast_to(lines, mask.shape))
        assert mask.mean() > 0.7
    assert not all(mask.all() for mask in found)


def test_the_average_of_a_scan_is_found_from_it(pool: scans.Scans) -> None:
    for scan in pool._scans:
        assert scan.widths.pixels in PIXELS
        assert scan.widths.frames in WIDTHS_IN_TIME
        assert scan.clean.shape == scan.measured.shape
    assert len({scan.widths for scan in pool._scans}) > 1


def test_clips_are_of_few_scans_and_never_the_same(pool: scans.Scans) -> None:
    parts = pool.batch(6, context=3)
    assert [len(part.measured) for part in parts] == [4, 2]
    for part in parts:
        noisy, truth = part.batch.noisy, part.batch.truth
        assert noisy.shape == part.measured.shape == (len(noisy), 7, 1, 64, 64)
        assert truth.shape == (len(noisy), 1, 1, 64, 64)
        assert not noisy[0].equal(noisy[1])


def test_the_noise_of_clips_is_what_the_network_is_told(pool: scans.Scans) -> None:
    ratios: list[torch.Tensor] = []
    for _ in range(6):
        for part in pool.batch(8, context=1):
            error = part.batch.noisy[:, 1:2] - part.batch.truth
            variance = part.batch.noise.variance(part.batch.truth).clamp_min(1e-3)
            ratios.append((error.square() / variance).mean())
    assert float(sum(ratios)) / len(ratios) == pytest.approx(1, abs=0.1)


def test_a_frame_that_stands_for_others_has_their_mask() -> None:
    """Beyond the ends of a movie, frames of the other side are seen again."""
    rng = np.random.default_rng(2)
    clean = np.full((FRAMES, SIZE, SIZE), 50.0, np.float32)
    measured = rng.random(clean.shape) < 0.3
    scan = scans.Scan(clean, measured, 0.0, Widths(1.0, 2.0))
    pool = scans.Scans(rng, 0)
    blind = draw_blind(rng)
    for _ in range(5):
        noisy, _, mask = pool._clip(scan, 16, blind)
        same = np.array([[np.array_equal(a, b) for a in noisy] for b in noisy])
        shared = np.array([[np.array_equal(a, b) for a in mask] for b in mask])
        assert np.array_equal(same, shared)
