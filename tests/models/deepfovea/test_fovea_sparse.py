"""DeepFovea++ for sparse scans: blind to what it predicts, and taught by the scan."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_udvd as nu
from napari_udvd.models import Clip, Prediction, build_network
from napari_udvd.models.deepfovea import sparse
from napari_udvd.models.deepfovea.clips import SHARED, clips_of
from napari_udvd.models.deepfovea.folds import around, dealt, halved
from napari_udvd.models.deepfovea.sparse import SparseFovea
from napari_udvd.simulation import simulate
from napari_udvd.training import Finished, train_events
from napari_udvd.training.settings import make_settings
from noise_images import noise
from tiny import ANY_NOISE, fill

if TYPE_CHECKING:
    from pathlib import Path

HEIGHT, WIDTH = 19, 34


def tiny_sparse(own_start: bool = False, **configuration: Any) -> SparseFovea:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = SparseFovea(**{"features": 4, **configuration})
    if not own_start:
        fill(net)
    return net.eval()


def clip_of(net: SparseFovea, frames: int = 9, share: float = 0.3, n: int = 1) -> Clip:
    """Frames with NaN wherever nothing was measured."""
    shape = (n, frames, net.channels, HEIGHT, WIDTH)
    mask = torch.from_numpy(np.random.default_rng(3).random(shape) < share)
    mask = mask[:, :, :1]
    return Clip(torch.where(mask, noise(*shape), torch.nan), ANY_NOISE, mask)


def said(prediction: Prediction, t: int, y: int, x: int) -> torch.Tensor:
    """All that is said of a pixel of the first clip."""
    found = [prediction.mean[0, t, :, y, x]]
    if prediction.factor is not None:
        found.append(prediction.factor[0, t, :, :, y, x].flatten())
    return torch.cat(found)


# --- blindness ------------------------------------------------------------------------


@pytest.mark.parametrize("hole", [(1, 1), (3, 1), (3, 5)])
@pytest.mark.parametrize("training", [False, True])
def test_no_gradient_from_a_hidden_sample(
    hole: tuple[int, int], training: bool
) -> None:
    net = tiny_sparse(hole=hole, channels=2)
    clip = clip_of(net)
    frames = clip.frames.nan_to_num().requires_grad_()
    seen = clip._replace(frames=frames)
    how = net.predict_clip if training else net.predict_all
    prediction = how(seen, torch.float32)
    down, aside = hole[0] // 2, hole[1] // 2
    places = clip.mask[0, :, 0].nonzero()[40::173].tolist()
    for t, y, x in places:
        of_it = said(prediction, t, y, x)
        mixed = (of_it * torch.linspace(0.7, 1.3, len(of_it))).sum()
        (slope,) = torch.autograd.grad(mixed, frames, retain_graph=True)
        rows = slice(max(y - down, 0), y + down + 1)
        columns = slice(max(x - aside, 0), x + aside + 1)
        assert not slope[0, t, :, rows, columns].any()
        assert slope[0, t].any() and slope.isfinite().all()
    assert len(places) > 3


def test_neither_value_nor_mask_bit_of_a_hidden_sample_reaches_its_answer() -> None:
    """The states, which no gradient passes, among them: clips overlap."""
    net = tiny_sparse()
    clip = clip_of(net, frames=14)
    length = clip.frames.shape[1]
    for fold in dealt(length, HEIGHT, WIDTH, net.hole):
        hidden = fold & clip.mask
        frames = torch.where(hidden, 1e3, clip.frames)
        without = Clip(clip.frames, ANY_NOISE, clip.mask & ~fold)
        with torch.no_grad():
            one, two, three = (
                list(net._predicted(seen, [fold], torch.float32))
                for seen in (clip, Clip(frames, ANY_NOISE, clip.mask), without)
            )
        for t in range(length):
            here = hidden[0, t, 0]
            for other in (two, three):
                assert torch.equal(one[t].mean[0, 0][here], other[t].mean[0, 0][here])
                assert one[t].factor is not None and other[t].factor is not None
                assert torch.equal(
                    one[t].factor[0, 0, 0][here], other[t].factor[0, 0, 0][here]
                )


def test_an_answer_is_an_average_where_nothing_was_measured() -> None:
    net = tiny_sparse()
    clip = clip_of(net)
    folds = dealt(9, HEIGHT, WIDTH, net.hole)
    with torch.no_grad():
        mean = net.predict_all(clip, torch.float32).mean
        each = []
        for fold in folds:
            shown = clip._replace(mask=clip.mask & ~fold)
            # every pixel answers in a pass in which none was measured
            given = [torch.zeros_like(fold)]
            alone = list(net._predicted(shown, given, torch.float32))
            each.append(torch.stack([frame.mean for frame in alone], dim=1))
    empty = ~clip.mask.expand_as(mean)
    torch.testing.assert_close(
        mean[empty], torch.stack(each).mean(dim=0)[empty], rtol=1e-4, atol=1e-4
    )


# --- folds ----------------------------------------------------------------------------


@pytest.mark.parametrize("hole", [(1, 1), (3, 1), (5, 7)])
def test_every_pixel_is_in_one_fold(hole: tuple[int, int]) -> None:
    folds = torch.cat(dealt(10, 37, 41, hole))
    assert torch.equal(folds.sum(dim=0), torch.ones(10, 1, 37, 41, dtype=torch.long))
    assert folds.float().mean(dim=(1, 2, 3, 4)) == pytest.approx(0.25, abs=0.06)
    pair = torch.stack(halved(noise(3, 4, 2, 37, 41), hole))
    assert bool((pair[0] ^ pair[1]).all())
    assert 0.15 < float(pair[0].float().mean()) < 0.85


def test_a_square_holds_one_pixel_of_each_fold_in_another_order_each_frame() -> None:
    for fold in dealt(3, 8, 8, (1, 1)):
        squares = fold[0, :, 0].unflatten(1, (4, 2)).unflatten(3, (4, 2))
        assert bool((squares.sum(dim=(2, 4)) == 1).all())
        assert not torch.equal(fold[:, 0], fold[:, 1])


def test_training_clips_are_dealt_alike_and_each_by_its_own_share() -> None:
    clip = noise(4, 3, 1, 20, 20)
    one, again = halved(clip, (1, 1)), halved(clip, (1, 1))
    assert torch.equal(one[0], again[0])
    assert not torch.equal(one[0], halved(clip + 1, (1, 1))[0])
    shares = one[0].float().mean(dim=(1, 2, 3, 4))
    assert shares.max() - shares.min() > 0.05


def test_what_holes_hide_around_a_fold() -> None:
    fold = torch.zeros(1, 2, 1, 9, 9, dtype=torch.bool)
    fold[0, 1, 0, 4, 0] = True
    assert torch.equal(around(fold, (1, 1)), fold)
    hidden = around(fold, (3, 5))
    assert not hidden[0, 0].any()
    assert hidden[0, 1, 0, 3:6, :3].all() and hidden.sum() == 9


# --- what it takes and gives ----------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("likelihood", [True, False])
def test_any_number_of_channels_and_frames(channels: int, likelihood: bool) -> None:
    net = tiny_sparse(channels=channels, likelihood=likelihood)
    for frames in (1, 4, 7, 11):
        clip = clip_of(net, frames, n=2)
        with torch.no_grad():
            mean, factor = net.predict_all(clip, torch.float32)
        assert mean.shape == clip.frames.shape and mean.isfinite().all()
        assert (factor is not None) == likelihood
        if factor is not None:
            assert factor.shape == (2, frames, channels, channels, HEIGHT, WIDTH)


def test_clips_cover_a_movie_and_overlap() -> None:
    for length in range(1, 30):
        clips = list(clips_of(length, 6))
        assert [t for _, taken in clips for t in taken] == list(range(length))
        for start, taken in clips:
            assert taken and start <= taken[0] and taken[-1] < start + 6
            assert start == 0 or start + 6 <= length
        starts = [start for start, _ in clips]
        assert all(b - a <= 6 - SHARED for a, b in pairwise(starts))


def test_states_go_on_along_the_movie() -> None:
    net = tiny_sparse()
    clip = clip_of(net, frames=10)
    (fold, *_) = dealt(10, HEIGHT, WIDTH, net.hole)
    given = sparse._given(clip, ~fold)
    with torch.no_grad():
        _, states = net._pass(given, 0, None, torch.float32)
        fresh, _ = net._pass(given, 4, None, torch.float32)
        onward, _ = net._pass(given, 4, states, torch.float32)
        *_, last = net._predicted(clip, [fold], torch.float32)
    assert (fresh - onward).abs().max() > 1e-3
    here = fold[0, -1, 0]
    assert torch.equal(last.mean[0, 0][here], onward[0, -1, 0][here])


def test_it_begins_with_an_average() -> None:
    """Of what was measured around; a flat movie is flat from the first step on."""
    net = tiny_sparse(own_start=True, widths=(2.0, 3.0))
    flat = torch.full((1, 8, 1, 24, 24), 0.7)
    mask = torch.from_numpy(np.random.default_rng(0).random(flat.shape) < 0.3)
    with torch.no_grad():
        mean, factor = net.predict_all(Clip(flat, ANY_NOISE, mask))
    torch.testing.assert_close(mean, flat, rtol=1e-3, atol=1e-3)
    std = ANY_NOISE.variance(mean).sqrt()
    assert factor is not None
    ratio = Prediction(mean, factor).std / std
    assert float(ratio.min()) == pytest.approx(float(ratio.max()), rel=1e-4)


def test_nothing_measured_at_all_is_finite() -> None:
    net = tiny_sparse()
    clip = clip_of(net, share=0.0)
    with torch.no_grad():
        mean, factor = net.predict_all(clip)
    assert mean.isfinite().all() and factor is not None and factor.isfinite().all()


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"frames": 2}, "frames must be more than 2, got 2"),
        ({"hole": (2, 1)}, r"hole must be two odd numbers, got \(2, 1\)"),
        ({"hole": (3,)}, "hole must be two odd numbers"),
        ({"widths": (0.0, 2.0)}, r"widths are \(0.0, 2.0\); they must be two positive"),
        ({"features": 0}, "features must be at least 1, got 0"),
        ({"channels": 0}, "channels must be at least 1, got 0"),
    ],
)
def test_arguments_out_of_range(how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SparseFovea(**how)


def test_clips_that_do_not_fit() -> None:
    net = tiny_sparse(channels=2)
    with pytest.raises(ValueError, match=r"takes clips \(N, T, 2, H, W\), got shape"):
        net.predict_all(Clip(noise(1, 8, 1, 16, 16), ANY_NOISE))
    with pytest.raises(ValueError, match="4 frames on each side, got a clip of 8"):
        net.predict(Clip(noise(1, 8, 2, 16, 16), ANY_NOISE), torch.float32)


def test_it_does_not_denoise() -> None:
    movie = simulate("nuclei", frames=4, shape=(16, 16)).noisy
    with pytest.raises(nu.InputError, match="cannot denoise"):
        nu.train(movie, model="deepfovea", steps=1)


# --- training -------------------------------------------------------------------------


def test_training_on_the_scan_lowers_the_loss_on_frames_held_out(
    tmp_path: Path,
) -> None:
    scene = simulate(
        "nuclei", frames=14, shape=(32, 32), photons=30, gain=1, offset=0, seed=5
    )
    noisy = scene.noisy.read().astype(np.float32)
    scan = np.where(np.random.default_rng(0).random(noisy.shape) < 0.3, noisy, np.nan)
    settings = make_settings(
        model="deepfovea", features=8, steps=16, seed=1, device="cpu", noise=(1, 0, 2)
    )
    stack = nu.Stack.from_array(scan, "TYX")
    *_, end = train_events([stack], settings, task="reconstruct")
    assert isinstance(end, Finished)
    losses = [loss for _, loss in end.history]
    assert min(losses) < losses[0] - 0.005
    net = end.denoiser.net
    assert isinstance(net, SparseFovea) and net.features == 8
    # what suits this movie, not the default
    assert net.configuration()["widths"] == list(net.widths)
    path = tmp_path / "model.safetensors"
    end.denoiser.save(path)
    again = nu.load(path)
    dense = again.denoise(scan, "TYX", device="cpu", dtype=np.float32)
    same = end.denoiser.denoise(scan, "TYX", device="cpu", dtype=np.float32)
    np.testing.assert_array_equal(dense, same)
    truth = scene.truth.read()
    assert np.square(dense - truth).mean() < 0.1 * truth.var()


def test_a_file_of_its_configuration_builds_it_again() -> None:
    net = tiny_sparse(channels=2, widths=(1.0, 3.5), frames=4, likelihood=False)
    again = build_network("deepfovea", net.configuration())
    assert again.configuration() == net.configuration()
    assert again.state_dict().keys() == net.state_dict().keys()
