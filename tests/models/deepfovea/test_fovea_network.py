"""DeepFovea++ as it is trained here: any size, a mask, states that go on."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from napari_udvd.models import DeepFovea, FoveaSettings
from napari_udvd.models.deepfovea import PUBLISHED, RobustLoss
from napari_udvd.models.deepfovea.blocks import FrameNorm, TemporalBlock
from napari_udvd.models.deepfovea.deformable import DeformableConv2d
from napari_udvd.training.optimiser import Adam
from noise_images import noise


def tiny_fovea(seed: int = 0, **settings: Any) -> DeepFovea:
    torch.manual_seed(seed)
    return DeepFovea(FoveaSettings(**{"frames": 2, "width": 0.1, **settings}))


def some(*shape: int, share: float = 0.3, seed: int = 7) -> torch.Tensor:
    """Mask of few pixels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator) < share


@pytest.mark.parametrize("zoom", [1, 2, 4])
@pytest.mark.parametrize(("frames", "channels"), [(1, 1), (3, 2), (6, 3)])
@pytest.mark.parametrize("size", [(32, 64), (33, 20), (1, 1)])
def test_any_clip(zoom: int, frames: int, channels: int, size: tuple[int, int]) -> None:
    net = tiny_fovea(frames=frames, channels=channels, zoom=zoom)
    clip = noise(2, frames, channels, *size)
    with torch.no_grad():
        result, states = net(clip, some(2, frames, 1, *size))
        again, _ = net(clip, some(2, frames, 1, *size), states)
    assert result.shape == (2, frames, channels, zoom * size[0], zoom * size[1])
    assert result.isfinite().all() and again.isfinite().all()
    assert [s.shape[1] for s in states] == list(net.settings.decoder)
    assert [s.shape[2] for s in states] == [
        -(-size[0] // 32) * n for n in (2, 4, 8, 16)
    ]


def test_the_blocks_of_each_zoom() -> None:
    def count(net: DeepFovea) -> int:
        return sum(isinstance(module, DeformableConv2d) for module in net.modules())

    assert [count(tiny_fovea(zoom=zoom)) for zoom in (1, 2, 4)] == [0, 2, 4]


def test_the_width_scales_all_features() -> None:
    settings = FoveaSettings(width=0.5, zoom=4)
    assert settings.encoder == (16, 32, 64, 64, 64)
    assert settings.decoder == (64, 64, 32, 8)
    assert settings.super_resolution == (4, 6)
    assert (settings.seen, settings.made) == (12, 6)
    assert FoveaSettings(width=1e-6).encoder == (1,) * 5


def test_more_enters_and_leaves_beside_a_frame() -> None:
    net = tiny_fovea(frames=3, channels=2, more_inputs=1, more_outputs=4)
    assert (net.settings.seen, net.settings.made) == (3 * 4, 3 * 6)
    with torch.no_grad():
        result, _ = net.raw(noise(1, 3, 4, 32, 32))
    assert result.shape == (1, 3, 6, 32, 32)
    with pytest.raises(ValueError, match=r"takes clips \(N, 3, 4, H, W\)"):
        net(noise(1, 3, 2, 32, 32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": 0}, "frames must be at least 1, got 0"),
        ({"channels": -1}, "channels must be at least 1, got -1"),
        ({"more_inputs": -1}, "more_inputs must not be negative, got -1"),
        ({"more_outputs": -2}, "more_outputs must not be negative, got -2"),
        ({"zoom": 3}, "zoom must be 1, 2 or 4, got 3"),
        ({"width": 0.0}, r"width .* got 0\.0"),
        ({"width": float("nan")}, "width .* got nan"),
        ({"norm_size": (64, 30)}, r"multiples of 32, got \(64, 30\)"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FoveaSettings(**settings)


def test_settings_are_read_without_torch() -> None:
    code = (
        "import sys; from napari_udvd.models import FoveaSettings; FoveaSettings(); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("zoom", [1, 4])
def test_all_parameters_are_there_from_the_start_and_learn(zoom: int) -> None:
    net = tiny_fovea(zoom=zoom)
    before = {name for name, _ in net.named_parameters()}
    clip = noise(1, 2, 1, 32, 32)
    _, states = net(clip)
    net(clip, None, states)[0].square().mean().backward()
    assert {name for name, _ in net.named_parameters()} == before
    assert sum(".norm." in name for name in before) == 8
    still = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still
    # and they fit a network that has seen frames of another size, or none
    other = tiny_fovea(1, zoom=zoom)
    other.load_state_dict(net.state_dict())
    larger = noise(1, 2, 1, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(other(larger)[0], net(larger)[0])


def test_what_was_not_measured_is_not_looked_at() -> None:
    net = tiny_fovea()
    clip, mask = noise(1, 2, 1, 32, 32), some(1, 2, 1, 32, 32)
    with torch.no_grad():
        result, _ = net(clip, mask)
        for other in (torch.nan, torch.inf, 1e9):
            torch.testing.assert_close(net(clip.where(mask, other), mask)[0], result)
        # what was measured is
        assert (net(clip + 1, mask)[0] - result).abs().max() > 1e-3


def test_a_measured_zero_is_no_gap() -> None:
    clip, mask = noise(1, 2, 1, 32, 32), some(1, 2, 1, 32, 32)
    empty = clip.where(mask, 0)
    for told in (True, False):
        net = tiny_fovea(mask_input=told)
        with torch.no_grad():
            same = torch.equal(net(empty)[0], net(empty, mask)[0])
        assert same is not told


def test_the_state_goes_from_clip_to_clip() -> None:
    net = tiny_fovea()
    first, second = noise(2, 1, 2, 1, 32, 32)
    alone, _ = net(second)
    torch.testing.assert_close(net(second)[0], alone)  # no noise in the first state
    _, states = net(first)
    after, _ = net(second, None, states)
    assert (after - alone).abs().max() > 1e-3
    # nothing is kept by the network, and the gradient of a clip is its own
    torch.testing.assert_close(net(second)[0], alone)
    assert not any(state.requires_grad for state in states)
    with pytest.raises(ValueError, match=r"states .* are those of clips of another"):
        net(noise(1, 2, 1, 64, 32), None, states)
    with pytest.raises(ValueError, match="another shape"):
        net(second, None, states[:3])


def test_sizes_between_whole_coarsest_pixels() -> None:
    net = tiny_fovea(zoom=2)
    clip = noise(1, 2, 1, 64, 64)
    clip[..., 40:, :] = clip[..., 39:40, :]
    with torch.no_grad():
        whole, _ = net(clip)
        torch.testing.assert_close(net(clip[..., :40, :])[0], whole[..., :80, :])
        shown = torch.cat([clip, torch.ones_like(clip)], dim=2)
        torch.testing.assert_close(net.raw(shown)[0], whole)
        with pytest.raises(ValueError, match="multiples of 32, got 40 x 64"):
            net.raw(shown[..., :40, :])


def test_clips_and_masks_that_do_not_fit() -> None:
    net = tiny_fovea(channels=2)
    clip = noise(1, 2, 2, 32, 32)
    for wrong in (clip[:, :1], clip[:, :, :1], clip[0]):
        with pytest.raises(ValueError, match=r"takes clips \(N, 2, 2, H, W\)"):
            net(wrong)
    for mask in (torch.ones_like(clip) > 0, torch.ones_like(clip[:, :, :1])):
        with pytest.raises(ValueError, match=r"is bool \(1, 2, 1, 32, 32\), got"):
            net(clip, mask)


def test_norms_of_one_size_take_no_other() -> None:
    settings = dataclasses.replace(PUBLISHED, norm_size=(32, 64), width=0.1)
    net = DeepFovea(settings)
    with torch.no_grad():
        assert net(noise(1, 6, 3, 32, 64))[0].shape == (1, 6, 3, 128, 256)
    with pytest.raises(ValueError, match="of 32 x 64 px, not 64 x 32"):
        net(noise(1, 6, 3, 64, 32))


def test_the_norm_is_layer_norm_at_any_size() -> None:
    norm = FrameNorm(5)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    for size in ((4, 6), (7, 3)):
        x = 3 + 2 * noise(2, 5, *size)
        expected = F.layer_norm(x, x.shape[1:]) * norm.weight + norm.bias
        torch.testing.assert_close(norm(x), expected)


def test_the_published_block_lacks_a_rectifier() -> None:
    torch.manual_seed(0)
    ours, published = (TemporalBlock(3, 4, rectified=on) for on in (True, False))
    published.load_state_dict(ours.state_dict())
    x, state = noise(1, 3, 6, 6), noise(1, 4, 6, 6)
    (one, one_state), (two, two_state) = ours(x, state), published(x, state)
    # the state is taken before it
    torch.testing.assert_close(one_state, two_state)
    assert (one - two).abs().max() > 1e-2


def moving_spots(frames: int, size: int) -> torch.Tensor:
    """Bright spots that move by up to half a pixel per frame."""
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(frames).view(-1, 1, 1)
    y, x = torch.arange(size).view(-1, 1), torch.arange(size)
    movie = torch.zeros(frames, size, size)
    for top, left, down, right, light in torch.rand(8, 5, generator=generator):
        dy, dx = y - size * top - (down - 0.5) * t, x - size * left - (right - 0.5) * t
        movie += (0.5 + light) * torch.exp(-(dy**2 + dx**2) / 18)
    return movie


def test_it_learns_from_the_pixels_that_it_was_not_given() -> None:
    truth, noise_std, frames = moving_spots(24, 32), 0.05, 4
    movie = truth + noise_std * noise(*truth.shape)
    measured = some(*movie.shape, share=0.4)
    movie = movie.where(measured, torch.nan)  # nobody knows these
    net = tiny_fovea(frames=frames, width=0.25)
    loss = RobustLoss()
    learners = [
        (Adam(parameters, (0.9, 0.999), math.inf), parameters, rate)
        for parameters, rate in (
            (list(net.parameters()), 3e-3),
            (list(loss.parameters()), 3e-2),
        )
    ]
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        starts = torch.randint(0, 24 - frames + 1, (4,), generator=generator)
        at = starts.view(-1, 1) + torch.arange(frames)
        clip, known = movie[at].unsqueeze(2), measured[at].unsqueeze(2)
        # the rest of the measured pixels is what is asked for
        share = torch.rand(4, 1, 1, 1, 1, generator=generator) * 0.7 + 0.3
        given = known & (torch.rand(known.shape, generator=generator) < share)
        result, _ = net(clip, given)
        cost = loss(result - clip, known & ~given)
        net.zero_grad()
        loss.zero_grad()
        cost.backward()
        for adam, parameters, rate in learners:
            adam.step([each.grad for each in parameters if each.grad is not None], rate)
    with torch.no_grad():
        clips = movie.view(-1, frames, 1, 32, 32)
        result, _ = net(clips, measured.view_as(clips))
    never = ~measured
    error = (result.view_as(truth) - truth)[never].square().mean()
    mean = movie[measured].mean()
    assert error < 0.25 * (mean - truth)[never].square().mean()
