"""What reconstruction asks of a network, and does with what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_udvd.models import CameraNoise, Clip, Prediction, posterior
from napari_udvd.tasks import DENOISE, RECONSTRUCT, Judged
from napari_udvd.tasks.reconstruction import FIXED, MOST_HIDDEN
from tiny import ANY_NOISE

SHAPE = 3, 7, 1, 20, 24


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def clip_with(measured: Any, seed: int = 0) -> Clip:
    return Clip(numbers(*SHAPE, seed=seed), ANY_NOISE, measured)


def chosen(share: float, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(9)) < share


EVERY = torch.ones(3, 1, dtype=torch.bool)


def test_it_fills_what_denoising_leaves() -> None:
    assert RECONSTRUCT.fills
    assert not DENOISE.fills


def test_a_new_mask_in_every_frame_hides_nothing() -> None:
    for measured in (None, chosen(0.3, *SHAPE)):
        clip = clip_with(measured)
        batch = RECONSTRUCT.batch(clip, EVERY)
        assert batch.clip is clip
        assert torch.equal(batch.targets, clip.frames[:, 3:4])
        learned = batch.learned.expand(3, 1, 20, 24)
        expected = clip.frames[:, 3:4, 0].isfinite()
        if measured is not None:
            expected = measured[:, 3:4, 0]
        assert torch.equal(learned, expected)


def test_of_sites_that_are_always_measured_some_are_hidden() -> None:
    sites = chosen(0.5, 3, 1, 1, 20, 24).expand(SHAPE)
    clip = clip_with(sites)
    assert float(1 - sites.float().mean()) > FIXED
    batch = RECONSTRUCT.batch(clip, EVERY)
    assert batch.clip.mask is not None
    seen = batch.clip.mask
    # a site is hidden in all frames or in none, and nothing else is changed
    assert torch.equal(seen.any(dim=1), seen.all(dim=1))
    assert not (seen & ~sites).any()
    # what is hidden is learned from, like what is not
    assert torch.equal(batch.learned[:, 0], sites[:, 3, 0])
    hidden = (sites & ~seen)[:, 0].flatten(1).sum(1) / sites[:, 0].flatten(1).sum(1)
    assert (hidden < MOST_HIDDEN + 0.1).all()
    assert len(hidden.unique()) == 3
    assert hidden.max() > 0.1
    # the same for the same clips, and not for others
    again = RECONSTRUCT.batch(clip_with(sites), EVERY)
    other = RECONSTRUCT.batch(clip_with(sites, seed=1), EVERY)
    assert again.clip.mask is not None and other.clip.mask is not None
    assert torch.equal(again.clip.mask, seen)
    assert not torch.equal(other.clip.mask, seen)


def test_of_a_movie_with_borders_as_much_is_hidden_elsewhere() -> None:
    """Registered: what was not measured is a row below and columns aside."""
    measured = torch.ones(SHAPE, dtype=torch.bool)
    measured[:, 2:, :, -1], measured[:, :3, ..., :2] = False, False
    clip = clip_with(measured.clone())
    moved = []
    for seed in range(3):
        batch = RECONSTRUCT.batch(clip_with(measured, seed=seed), EVERY)
        seen = batch.clip.mask
        assert seen is not None
        assert torch.equal(batch.learned[:, 0], measured[:, 3, 0])
        assert not (seen & ~measured).any()
        hidden = measured & ~seen
        for one, gap in zip(hidden, ~measured, strict=True):
            found = any(
                torch.equal(one, gap.roll((down, aside), (-2, -1)) & ~gap)
                for down in range(20)
                for aside in range(24)
            )
            assert found or not one.any()
            moved.append(bool(one.any()))
    assert 1 < sum(moved) < 9
    again = RECONSTRUCT.batch(clip, EVERY).clip.mask
    assert again is not None
    assert torch.equal(again, RECONSTRUCT.batch(clip, EVERY).clip.mask)
    # nothing to hide where everything was measured
    whole = clip_with(torch.ones(SHAPE, dtype=torch.bool))
    assert RECONSTRUCT.batch(whole, EVERY).clip is whole


def test_the_measured_pixel_is_put_back_and_the_others_are_predicted() -> None:
    prediction = Prediction(numbers(1, 1, 6, 6), torch.full((1, 1, 1, 6, 6), 0.7))
    noisy, known = numbers(1, 1, 6, 6, seed=1), chosen(0.4, 1, 1, 6, 6)
    noisy = torch.where(known, noisy, torch.nan)
    found = RECONSTRUCT.finish(prediction, Clip(noisy, ANY_NOISE, known))
    variance = ANY_NOISE.variance(prediction.mean)
    mean, std = posterior(prediction, torch.nan_to_num(noisy), variance)
    assert found.std is not None and prediction.std is not None
    torch.testing.assert_close(found.mean, torch.where(known, mean, prediction.mean))
    torch.testing.assert_close(found.std, torch.where(known, std, prediction.std))


# --- what pixels held out say -------------------------------------------------------


def judged(error: float, scene: float = 4.0, share: float = 0.3) -> Judged:
    """Make a scene that moves, of which a share was measured, and a prediction."""
    rng = np.random.default_rng(3)
    frames, size = 9, 64
    t, y = np.indices((frames, size))
    lines = scene * np.sin((y - 2.5 * t) / 3)
    clean = np.broadcast_to(lines[:, :, None], (frames, size, size))
    noisy = clean + rng.standard_normal((frames, size, size))
    measured = rng.random(noisy.shape) < share
    values = np.where(measured, noisy, np.nan)[None, :, None].astype(np.float32)
    zero = torch.zeros(())
    noise = CameraNoise(zero, zero, torch.ones(()))
    clip = Clip(
        torch.from_numpy(values), noise, torch.from_numpy(measured)[None, :, None]
    )
    batch = RECONSTRUCT.batch(clip, torch.ones(1, 1, dtype=torch.bool))
    wrong = clean[4] + error * rng.standard_normal((size, size))
    mean = torch.from_numpy(wrong.astype(np.float32))[None, None, None]
    return Judged(Prediction(mean), batch, clip.frames[:, 3:6])


def test_a_good_result_is_not_spoken_against() -> None:
    verdict = RECONSTRUCT.verdict([judged(0.2), judged(0.4)])
    assert verdict.warnings == ()
    assert verdict.noise_removed is None


def test_a_result_that_an_average_beats() -> None:
    (warning,) = RECONSTRUCT.verdict([judged(4.0)]).warnings
    assert "no better than a plain average of what was measured" in warning
    assert "train longer" in warning


def test_an_empty_frame() -> None:
    (warning,) = RECONSTRUCT.verdict([judged(0.02, scene=0.0)]).warnings
    assert "empty frame" in warning


@pytest.mark.parametrize("share", [0.02, 1.0])
def test_few_pixels_and_all(share: float) -> None:
    assert RECONSTRUCT.verdict([judged(0.1, share=share)]).warnings == ()
