"""The blur and its transpose, and what Richardson-Lucy makes of it."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from skimage.restoration import richardson_lucy as of_skimage

from napari_udvd.errors import InputError
from napari_udvd.optics import Bead, Blur, Gaussian, Unblurred, richardson_lucy

LOPSIDED = Bead(np.pad([[1.0, 4, 1], [3, 9, 2], [1, 5, 3]], 1))
SHAPE = 21, 34


def scene_on(blur: Blur, seed: int = 0) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    around = blur.canvas(torch.zeros(1, *SHAPE))
    return torch.rand(around.shape, generator=chance)


@pytest.mark.parametrize("zoom", [1, 2, 3])
@pytest.mark.parametrize("psf", [Gaussian(1.2), LOPSIDED])
def test_the_adjoint_is_the_transpose(psf: Gaussian | Bead, zoom: int) -> None:
    blur = Blur(psf, SHAPE, zoom)
    scene, frames = scene_on(blur), torch.rand(1, *SHAPE)
    there = float((blur(scene) * frames).sum())
    back = float((scene * blur.adjoint(frames)).sum())
    assert there == pytest.approx(back, rel=1e-5)


@pytest.mark.parametrize("zoom", [1, 2])
def test_a_blur_is_a_convolution_and_a_mean_over_pixels(zoom: int) -> None:
    blur = Blur(LOPSIDED, SHAPE, zoom)
    scene = scene_on(blur)
    whole = convolve(scene[0].double().numpy(), LOPSIDED.kernel(zoom), mode="wrap")
    inner = blur.inside(torch.from_numpy(whole)).numpy()
    means = inner.reshape(SHAPE[0], zoom, SHAPE[1], zoom).mean(axis=(1, 3))
    np.testing.assert_allclose(blur(scene)[0].numpy(), means, atol=1e-5)


def test_what_is_put_on_a_canvas_is_inside_it() -> None:
    frames = torch.rand(3, *SHAPE)
    for zoom in (1, 2):
        blur = Blur(Gaussian(1.2), SHAPE, zoom)
        inner = blur.inside(blur.canvas(frames))
        assert inner.shape == (3, zoom * SHAPE[0], zoom * SHAPE[1])
    blur = Blur(Gaussian(1.2), SHAPE)
    assert torch.equal(blur.inside(blur.canvas(frames)), frames)


@pytest.mark.parametrize("zoom", [1, 2])
def test_what_is_placed_on_a_canvas_has_no_light_around(zoom: int) -> None:
    blur = Blur(LOPSIDED, SHAPE, zoom)
    scene = torch.rand(2, zoom * SHAPE[0], zoom * SHAPE[1])
    canvas = blur.placed(scene)
    assert torch.equal(blur.inside(canvas), scene)
    assert float(canvas.sum()) == pytest.approx(float(scene.sum()), rel=1e-5)


def test_without_blur_nothing_changes() -> None:
    blur, frames = Blur(Unblurred(), SHAPE), torch.rand(2, *SHAPE) + 1
    torch.testing.assert_close(blur(blur.placed(frames)), frames)
    for iterate in islice(richardson_lucy(frames, blur), 3):
        torch.testing.assert_close(blur.inside(iterate.scene), frames)


def test_iterations_are_those_of_another_program_away_from_the_border() -> None:
    chance = np.random.default_rng(0)
    image = chance.random((64, 64)) ** 4
    psf = Gaussian(1.2)
    blurred = convolve(image, psf.kernel(), mode="mirror")
    blur = Blur(psf, (64, 64))
    frames = torch.from_numpy(blurred[None].astype(np.float32))
    ours = blur.inside(list(islice(richardson_lucy(frames, blur), 6))[-1].scene)
    # theirs begins with a constant; ours with the frames, an iteration of theirs later
    theirs = of_skimage(blurred, psf.kernel(), num_iter=200, clip=False)
    more = blur.inside(list(islice(richardson_lucy(frames, blur), 201))[-1].scene)
    middle = slice(16, -16)
    np.testing.assert_allclose(
        more[0, middle, middle], theirs[middle, middle], atol=0.03
    )
    assert np.abs(ours[0].numpy() - image).mean() < np.abs(blurred - image).mean()


def test_light_is_kept_and_stays_positive() -> None:
    frames = torch.zeros(1, *SHAPE)
    frames[0, 8:12, 10:20] = 50.0
    blur = Blur(Gaussian(1.2), SHAPE)
    *_, last = islice(richardson_lucy(frames, blur), 30)
    assert (last.scene >= 0).all()
    assert float(last.predicted.sum()) == pytest.approx(float(frames.sum()), rel=1e-3)


def test_a_flat_frame_stays_flat_up_to_its_border() -> None:
    frames = torch.full((2, *SHAPE), 7.0)
    for zoom in (1, 2):
        blur = Blur(Gaussian(1.5), SHAPE, zoom)
        *_, last = islice(richardson_lucy(frames, blur), 50)
        inner = blur.inside(last.scene)
        np.testing.assert_allclose(inner.numpy(), 7.0, rtol=1e-3)


def test_what_was_not_measured_follows_from_what_shines_over() -> None:
    blur = Blur(Gaussian(1.5), SHAPE)
    scene = torch.ones_like(scene_on(blur))
    blur.inside(scene)[0, 10, 17] = 300.0
    frames = blur(scene)
    hidden = float(frames[0, 10, 17])
    measured = torch.ones(frames.shape, dtype=torch.bool)
    measured[0, 10, 17] = measured[0, 3, 4] = False
    frames[~measured] = torch.nan
    *_, last = islice(richardson_lucy(frames.nan_to_num(0.0), blur, measured), 200)
    # iterations come near slowly; what stood there at first is less than half of it
    assert 0.85 * hidden < float(last.predicted[0, 10, 17]) < 1.05 * hidden
    around = blur.inside(last.scene)[0, 8:13, 15:20].sum()
    assert float(around) == pytest.approx(300 + 24, rel=0.1)
    assert float(last.predicted[0, 3, 4]) == pytest.approx(1, abs=0.1)


def test_frames_are_sharpened_each_by_itself() -> None:
    blur = Blur(Gaussian(1.5), SHAPE)
    chance = torch.Generator().manual_seed(0)
    frames = torch.rand(2, *SHAPE, generator=chance) + torch.tensor([[[1.0]], [[50.0]]])
    measured = torch.rand(2, *SHAPE, generator=chance) < 0.8

    def third(some: slice) -> torch.Tensor:
        *_, last = islice(richardson_lucy(frames[some], blur, measured[some]), 3)
        return last.scene

    np.testing.assert_allclose(third(slice(0, 1)), third(slice(0, 2))[:1], rtol=1e-4)


def test_dark_frames_and_values_below_zero_do_no_harm() -> None:
    blur = Blur(Gaussian(1.2), SHAPE)
    *_, last = islice(richardson_lucy(torch.full((1, *SHAPE), -3.0), blur), 5)
    assert torch.equal(last.scene, torch.zeros_like(last.scene))


@pytest.mark.parametrize("zoom", [1, 2])
def test_what_was_blurred_without_noise_comes_back(zoom: int) -> None:
    blur = Blur(Gaussian(1.0), SHAPE, zoom)
    scene = torch.zeros_like(scene_on(blur)) + 1.0
    inner = blur.inside(scene)
    inner[0, 10 * zoom, 9 * zoom] = inner[0, 12 * zoom, 20 * zoom] = 200.0
    frames = blur(scene)
    *_, last = islice(richardson_lucy(frames, blur), 300)
    found = blur.inside(last.scene)[0]
    peaks = found.flatten().topk(2).indices.sort().values
    expected = [
        10 * zoom * found.shape[1] + 9 * zoom,
        12 * zoom * found.shape[1] + 20 * zoom,
    ]
    assert peaks.tolist() == expected
    before = blur.inside(blur.canvas(frames))[0]
    assert found.max() > 5 * before.max()


def test_a_kernel_larger_than_the_frame() -> None:
    with pytest.raises(InputError, match="larger than the frames of 21 x 34"):
        Blur(Gaussian(6.0), SHAPE)
