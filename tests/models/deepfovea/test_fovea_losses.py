"""Losses, masks and scores around DeepFovea++, by what is known of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import k1

from napari_udvd.models.deepfovea import (
    RobustLoss,
    flow_loss,
    fovea_masks,
    keep_probability,
    published_psnr,
    published_ssim,
)
from napari_udvd.models.deepfovea.flow import along_flow
from napari_udvd.models.deepfovea.robust import log_partition
from napari_udvd.models.deepfovea.sampling import draw_centre
from napari_udvd.training.optimiser import Adam
from noise_images import noise

# --- adaptive robust loss -----------------------------------------------------------


def test_the_density_is_normalised() -> None:
    # Cauchy (scale sqrt 2), Charbonnier, and Gauss: known integrals
    known = [math.pi * math.sqrt(2), 2 * math.e * k1(1), math.sqrt(2 * math.pi)]
    alpha = torch.tensor([1e-9, 1, 2 - 1e-9], dtype=torch.float64)
    np.testing.assert_allclose(log_partition(alpha), np.log(known), rtol=1e-8)


def test_the_gradient_of_the_normalisation() -> None:
    alpha = torch.tensor([0.01, 0.7, 1.99], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(log_partition, [alpha])


def test_small_residuals_cost_a_square_whatever_alpha() -> None:
    loss = RobustLoss((4,))
    with torch.no_grad():
        loss.latent_alpha.copy_(torch.tensor([-50.0, -2, 2, 50]))
        x = torch.tensor([1e-2]).expand(4)
        cost = loss.elements(x) - loss.elements(torch.zeros(4))
    torch.testing.assert_close(cost, x**2 / 2, rtol=2e-2, atol=1e-8)


def test_shape_and_scale_are_learned() -> None:
    rng = np.random.default_rng(0)
    gauss = torch.from_numpy(0.1 * rng.standard_normal(4000)).float()
    tails = torch.from_numpy(0.1 * rng.standard_cauchy(4000)).float()
    loss = RobustLoss((2, 1))
    parameters = list(loss.parameters())
    adam = Adam(parameters, (0.9, 0.999), math.inf)
    for _ in range(150):
        cost = loss(torch.stack([gauss, tails]))
        adam.step(torch.autograd.grad(cost, parameters), 0.1)
    (normal, heavy), (std, width) = (
        found.detach().flatten().tolist() for found in (loss.alpha, loss.scale)
    )
    assert normal > 1.7 and std == pytest.approx(0.1, rel=0.1)
    assert heavy < 0.3 and width == pytest.approx(0.1 / math.sqrt(2), rel=0.15)


def test_only_what_counts_counts() -> None:
    residual, where = noise(2, 3, 4, 5), noise(2, 1, 4, 5, seed=1) > 0
    gaps = residual.where(where, torch.nan).requires_grad_()
    loss = RobustLoss((3, 1, 1))
    with torch.no_grad():
        loss.latent_alpha.copy_(noise(3, 1, 1, seed=2))
    cost = loss(gaps, where)
    expected = loss.elements(residual)[where.expand_as(residual)].mean()
    torch.testing.assert_close(cost, expected)
    cost.backward()
    assert gaps.grad is not None and gaps.grad.isfinite().all()
    assert loss(gaps, where & False).item() == 0


# --- flow loss ----------------------------------------------------------------------


def test_frames_that_move_as_the_flow_says_cost_nothing() -> None:
    scene = noise(1, 2, 20, 30)
    clip = torch.stack(
        [scene[..., 2 + t : 12 + t, 9 - 2 * t :][..., :16] for t in range(3)], 1
    )
    flow = torch.tensor([-1.0, 2.0]).view(1, 1, 2, 1, 1).expand(1, 2, 2, 10, 16)
    moved = along_flow(clip, flow)
    torch.testing.assert_close(moved[..., 1:, :-2], clip[:, :-1, :, 1:, :-2])
    assert flow_loss(clip, torch.zeros_like(flow)) > 0.5


def test_both_frames_are_pulled() -> None:
    clip = noise(1, 2, 1, 8, 8).requires_grad_()
    flow_loss(clip, torch.zeros(1, 1, 2, 8, 8)).backward()
    assert clip.grad is not None
    assert all(frame.abs().min() > 0 for frame in clip.grad[0])


# --- sampling -----------------------------------------------------------------------


def test_how_many_pixels_the_published_masks_keep() -> None:
    generator = torch.Generator().manual_seed(0)
    kept = {40: 0.0, 45: 0.0}
    for _ in range(100):
        centre = draw_centre((180, 320), generator)
        assert 50 <= centre[0] <= 130 and 50 <= centre[1] <= 270
        for end in kept:
            probability = keep_probability((180, 320), centre, line_end=end)
            # columns are cropped and rows padded with zeros, which count
            kept[end] += float(probability[:, 32:288].sum()) / (192 * 256) / 100
    assert kept[40] == pytest.approx(0.190, abs=0.003)
    assert kept[45] == pytest.approx(0.197, abs=0.003)


def test_masks_are_drawn_anew_in_every_frame() -> None:
    probability = keep_probability((80, 90), (30.0, 60.0))
    assert float(probability[30, 60]) == 0.98 and float(probability[79, 0]) == 0.15
    assert float(probability[30, 30]) == pytest.approx((0.98 + 0.15) / 2)
    masks = fovea_masks(400, probability, torch.Generator().manual_seed(0))
    assert masks.shape == (400, 1, 80, 90) and masks.dtype == torch.bool
    np.testing.assert_allclose(masks.double().mean(0)[0], probability, atol=0.13)
    assert abs(masks.double().mean() - probability.mean()) < 2e-3
    again = fovea_masks(400, probability, torch.Generator().manual_seed(0))
    assert torch.equal(masks, again) and not torch.equal(masks[0], masks[1])


def test_the_point_of_small_frames_is_their_middle() -> None:
    assert draw_centre((60, 100)) == (30, 50)


def test_probabilities_out_of_order() -> None:
    with pytest.raises(ValueError, match=r"near < far <= line_end, got 40\.0, 20\.0"):
        keep_probability((8, 8), (4, 4), near=40.0, far=20.0)
    with pytest.raises(ValueError, match=r"got 20\.0, 40\.0, 30\.0"):
        keep_probability((8, 8), (4, 4), line_end=30.0)
    with pytest.raises(ValueError, match=r"sparse <= dense <= 1, got 0\.5, 0\.2"):
        keep_probability((8, 8), (4, 4), dense=0.2, sparse=0.5)


# --- published scores ---------------------------------------------------------------


def test_the_published_ssim_of_a_clip_with_itself_is_not_one() -> None:
    clip = noise(1, 1, 2, 5)
    assert float(published_ssim(clip, clip)) == pytest.approx(9 / 10, rel=1e-5)


def test_the_published_psnr_grows_with_the_largest_predicted_value() -> None:
    label = noise(1, 1, 30, 30)
    prediction = label + 0.1 * noise(1, 1, 30, 30, seed=1)
    wrong = prediction.clone()
    wrong.view(-1)[label.argmax()] += 1  # worse, and rated higher
    assert published_psnr(wrong, label) > published_psnr(prediction, label)
