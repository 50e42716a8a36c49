"""What denoising asks of a network, and does with what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.models import CameraNoise, Clip, Prediction, posterior
from napari_udvd.noise import diagnose
from napari_udvd.simulation import simulate
from napari_udvd.tasks import DENOISE, Judged
from tiny import ANY_NOISE, tiny_movie

SHAPE = (2, 5, 1, 6, 7)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --- what is held out ---------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(n_frames=st.integers(1, 300), missing=st.frozensets(st.integers(0, 299)))
def test_a_few_frames_are_held_out_never_all(
    n_frames: int, missing: frozenset[int]
) -> None:
    held = DENOISE.hold_out(n_frames, missing)
    there = set(range(n_frames)) - missing
    assert held <= there
    assert not held & missing
    assert (not held) if len(there) < 3 else 1 <= len(held) <= len(there) // 2
    assert len(held) <= 8


# --- what is learned from -----------------------------------------------------------


def test_the_targets_are_the_middle_frames() -> None:
    frames = numbers(*SHAPE)
    is_target = torch.tensor([[True, False, True], [True, True, True]])
    batch = DENOISE.batch(Clip(frames, ANY_NOISE), is_target)
    assert batch.clip.frames is frames
    assert torch.equal(batch.targets, frames[:, 1:4])
    assert torch.equal(batch.learned[:, :, 0, 0], is_target)


def test_pixels_without_a_measurement_in_all_channels_are_not_learned_from() -> None:
    frames = numbers(1, 3, 2, 4, 4)
    measured = torch.ones(1, 3, 2, 4, 4, dtype=torch.bool)
    measured[0, 1, 1, 2, 3] = False
    measured[0, 0] = False  # a neighbour
    is_target = torch.ones(1, 1, dtype=torch.bool)
    batch = DENOISE.batch(Clip(frames, ANY_NOISE, measured), is_target)
    assert batch.learned.shape == (1, 1, 4, 4)
    assert int((~batch.learned).sum()) == 1
    assert not batch.learned[0, 0, 2, 3]


@pytest.mark.parametrize("has_factor", [True, False])
def test_the_loss_is_the_likelihood_of_the_noisy_pixel(has_factor: bool) -> None:
    frames, is_target = numbers(*SHAPE), torch.ones(2, 3, dtype=torch.bool)
    batch = DENOISE.batch(Clip(frames, ANY_NOISE), is_target)
    mean = numbers(2, 3, 1, 6, 7, seed=1).requires_grad_()
    factor = torch.full((2, 3, 1, 1, 6, 7), 0.4) if has_factor else None
    loss = DENOISE.loss(Prediction(mean, factor), batch)
    total = ANY_NOISE.variance(mean.detach()) + (0.16 if has_factor else 0.0)
    expected = (frames[:, 1:4] - mean).square() / total / 2
    if has_factor:
        expected = expected + total.log() / 2
    torch.testing.assert_close(loss, expected[:, :, 0])
    # a bright prediction is not rewarded for its large variance
    (gradient,) = torch.autograd.grad(loss.sum(), mean)
    torch.testing.assert_close(gradient, (mean - frames[:, 1:4]).detach() / total)


def test_the_hole_covers_the_noise_of_all_channels() -> None:
    noisy = [
        diagnose(simulate("nuclei", frames=12, shape=(48, 48), seed=k).noisy)
        for k in (0, 1)
    ]
    own = DENOISE.plan(noisy, None)
    assert own.hole == tuple(max(d.hole[k] for d in noisy) for k in (0, 1))
    assert DENOISE.plan(noisy, (5, 1)).hole == (5, 1)
    assert own.warnings == tuple(
        dict.fromkeys(s for d in noisy for s in d.broken_under(own.hole))
    )


# --- what is put out ----------------------------------------------------------------


def test_the_noisy_pixel_is_put_back_where_it_was_measured() -> None:
    prediction = Prediction(numbers(1, 1, 4, 4), torch.full((1, 1, 1, 4, 4), 0.7))
    noisy = numbers(1, 1, 4, 4, seed=1)
    variance = ANY_NOISE.variance(prediction.mean)
    mean, std = posterior(prediction, noisy, variance)
    whole = DENOISE.finish(prediction, Clip(noisy, ANY_NOISE))
    assert torch.equal(whole.mean, mean)
    assert whole.std is not None and torch.equal(whole.std, std)
    known = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    known[..., :2] = False
    part = DENOISE.finish(prediction, Clip(noisy, ANY_NOISE, known))
    assert torch.equal(part.mean[known], mean[known])
    assert torch.equal(part.mean[~known], prediction.mean[~known])
    assert part.std is not None and prediction.std is not None
    assert torch.equal(part.std[~known], prediction.std[~known])


@pytest.mark.parametrize("has_factor", [True, False])
def test_without_a_posterior_the_prediction_is_put_out(has_factor: bool) -> None:
    factor = torch.ones(1, 1, 1, 4, 4) if has_factor else None
    prediction = Prediction(numbers(1, 1, 4, 4), factor)
    found = DENOISE.finish(
        prediction,
        Clip(numbers(1, 1, 4, 4, seed=1), ANY_NOISE),
        use_posterior=not has_factor,
    )
    assert found.mean is prediction.mean
    assert (found.std is None) is not has_factor


def test_the_result_is_laid_out_as_the_movie() -> None:
    stack = tiny_movie()
    assert DENOISE.layout(stack.layout) == stack.layout


# --- what frames held out say -------------------------------------------------------


def judged(error: float, scene: float = 3.0, measured: Any = None) -> Judged:
    """Make a still scene, noise of std 1, and a prediction with an error of its own."""
    rng = np.random.default_rng(3)
    zero = torch.zeros(())
    clean = scene * np.sin(np.arange(64) / 5)[:, None] * np.ones((64, 64))
    noisy = clean + rng.standard_normal((1, 3, 1, 64, 64))
    around = torch.from_numpy(noisy.astype(np.float32))
    mean = clean + error * rng.standard_normal((1, 1, 1, 64, 64))
    batch = DENOISE.batch(
        Clip(around, CameraNoise(zero, zero, zero + 1), measured),
        torch.ones(1, 1, dtype=torch.bool),
    )
    return Judged(Prediction(torch.from_numpy(mean.astype(np.float32))), batch, around)


@pytest.mark.parametrize(
    ("error", "scene", "said"),
    [
        (0.2, 3.0, ""),
        (0.85, 3.0, "plain average"),
        (1.5, 3.0, "no better than the noisy movie"),
        (0.1, 0.0, "empty frame"),
    ],
)
def test_the_verdict(error: float, scene: float, said: str) -> None:
    verdict = DENOISE.verdict([judged(error, scene)])
    assert len(verdict.warnings) == bool(said)
    assert said in "".join(verdict.warnings)
    assert verdict.noise_removed == pytest.approx(max(1 - error**2, 0), abs=0.06)


def test_pixels_without_a_measurement_do_not_judge() -> None:
    known = torch.ones(1, 3, 1, 64, 64, dtype=torch.bool)
    known[..., 32:] = False
    one = judged(0.2, measured=known)
    spoiled = one.prediction.mean.clone()
    spoiled[..., 32:] = 1e6
    other = one._replace(prediction=Prediction(spoiled))
    assert DENOISE.verdict([other]) == DENOISE.verdict([one])
