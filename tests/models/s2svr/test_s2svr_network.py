"""S2SVR as it is trained here: any size and channels, a base, flow that is known."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from napari_udvd.models import S2SVR, ClipFlow, S2SVRSettings
from napari_udvd.models.s2svr import charbonnier
from napari_udvd.models.s2svr.blocks import LocalAttention
from noise_images import noise


def tiny(seed: int = 0, **settings: Any) -> S2SVR:
    """Return a network that does something, which a new one does not."""
    torch.manual_seed(seed)
    net = S2SVR(S2SVRSettings(**{"features": 4, "blocks": 1, **settings}))
    for part in (net.decoder.leave[-1], net.flow_net.refiner_flow):
        assert isinstance(part, nn.Conv2d)
        nn.init.normal_(part.weight, std=0.3)
    return net


def still(n: int, frames: int, height: int, width: int) -> ClipFlow:
    return ClipFlow(*torch.zeros(2, n, frames - 1, 2, height, width))


@pytest.mark.parametrize("zoom", [1, 2, 4])
@pytest.mark.parametrize(
    ("channels", "layers", "shape"),
    [(1, 1, (2, 16, 16)), (2, 2, (3, 9, 14)), (3, 3, (2, 1, 1))],
)
def test_any_clip(
    zoom: int, channels: int, layers: int, shape: tuple[int, int, int]
) -> None:
    net = tiny(channels=channels, layers=layers, zoom=zoom)
    frames, height, width = shape
    clip = noise(2, frames, channels, height, width)
    with torch.no_grad():
        restored = net(clip)
    assert restored.shape == (2, frames, channels, zoom * height, zoom * width)
    assert restored.isfinite().all()
    # items of a batch have nothing to do with each other
    with torch.no_grad():
        torch.testing.assert_close(net(clip[1:]), restored[1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("zoom", [1, 2, 4])
def test_a_new_network_returns_its_base(zoom: int) -> None:
    net = S2SVR(S2SVRSettings(zoom=zoom, features=4))
    clip, base = noise(1, 2, 1, 8, 12), noise(1, 2, 1, 8 * zoom, 12 * zoom, seed=1)
    enlarged = F.interpolate(clip[0], scale_factor=zoom, mode="bilinear")[None]
    with torch.no_grad():
        torch.testing.assert_close(net(clip), clip if zoom == 1 else enlarged)
        torch.testing.assert_close(net(clip, base=base), base)
    # and does not move anything
    assert not net.flow_net.of_clip(clip).to_next.any()


def test_what_is_added_does_not_depend_on_how_the_base_is_given() -> None:
    net, clip = tiny(), noise(1, 3, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(net(clip, base=clip.clone()), net.raw(clip))


def test_flow_that_is_known_is_not_estimated() -> None:
    net, clip = tiny(), noise(1, 3, 1, 8, 8)
    flows = net.flow_net.of_clip(clip)
    assert flows.to_next.abs().max() > 0.01
    with torch.no_grad():
        restored = net(clip)
        net.flow_net.refiner_flow.weight.fill_(9)  # is not asked
        torch.testing.assert_close(net(clip, flows), restored)
        assert (net(clip, still(1, 3, 8, 8)) - restored).abs().max() > 1e-5


def test_frames_are_aligned_along_the_flow() -> None:
    """A movie that moves by whole pixels is restored as one that stands still."""
    net, frame = tiny(layers=2), noise(1, 1, 1, 24, 24)
    resting = frame.expand(-1, 3, -1, -1, -1)
    moving = torch.stack([frame[:, 0].roll((2 * t, -t), (2, 3)) for t in range(3)], 1)
    flows = still(1, 3, 24, 24)
    with torch.no_grad():
        expected = net(resting, flows)
        step = torch.tensor([2.0, -1.0]).view(1, 1, 2, 1, 1)
        found = net(moving, ClipFlow(flows.to_next + step, flows.to_previous - step))
        unaligned = net(moving, flows)
    errors = [
        (result[:, 1].roll((-2, 1), (2, 3)) - expected[:, 1])[..., 10:-10, 10:-10]
        for result in (found, unaligned)
    ]
    # what comes from the border differs
    assert errors[0].abs().max() < 0.02 * errors[1].abs().max()


def test_every_frame_knows_of_all_others() -> None:
    net, clip = tiny(layers=1), noise(1, 4, 1, 8, 8).requires_grad_()
    for t in range(4):
        found = net(clip, still(1, 4, 8, 8))[:, t]
        (gradient,) = torch.autograd.grad(found.square().sum(), clip)
        assert (gradient.abs().amax(dim=(0, 2, 3, 4)) > 0).all()


@pytest.mark.parametrize("zoom", [1, 2])
def test_all_parameters_learn(zoom: int) -> None:
    net, clip = tiny(zoom=zoom), noise(1, 3, 1, 16, 16)
    nn.init.normal_(net.flow_net.estimator.flow.weight, std=0.1)
    charbonnier(net(clip), noise(1, 3, 1, 16 * zoom, 16 * zoom, seed=1)).backward()
    still = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_half_precision() -> None:
    net, clip = tiny(features=8), noise(1, 3, 1, 16, 16)
    flows = still(1, 3, 16, 16)
    with torch.no_grad():
        full = net(clip, flows)
        half = net(clip, flows, precision=torch.bfloat16)
    assert half.dtype == torch.float32
    change = (full - clip).abs().max()
    assert 0 < (half - full).abs().max() < 0.05 * change


def test_attention_is_an_average() -> None:
    torch.manual_seed(0)
    attention = LocalAttention(4)
    key = noise(1, 4, 6, 6)
    alike = key[:, None].expand(-1, 3, -1, -1, -1)
    with torch.no_grad():
        torch.testing.assert_close(attention(noise(1, 4, 6, 6, seed=1), alike), key)
        keys = noise(1, 3, 4, 6, 6, seed=2)
        found = attention(key, keys)
    assert (found <= keys.amax(dim=1)).all() and (found >= keys.amin(dim=1)).all()


def test_a_single_layer_needs_no_attention() -> None:
    names = [name for name, _ in tiny(layers=1).named_parameters()]
    assert not any("attention" in name or "join" in name for name in names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 0}, "channels must be at least 1, got 0"),
        ({"blocks": 0}, "blocks must be at least 1, got 0"),
        ({"layers": -1}, "layers must be at least 1, got -1"),
        ({"features": 7}, "even and at least 2, got 7"),
        ({"zoom": 3}, "zoom must be 1, 2 or 4, got 3"),
        ({"flow_radius": 0}, "flow_radius must be at least 1, got 0"),
        ({"flow_levels": 1}, "flow_levels must be 2 to 6, got 1"),
        ({"flow_levels": 7}, "flow_levels must be 2 to 6, got 7"),
        ({"flow_size": 100}, "multiple of 8 with 3 levels, got 100"),
        ({"flow_size": 0}, "multiple of 8 with 3 levels, got 0"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        S2SVRSettings(**settings)


def test_clips_that_do_not_fit() -> None:
    net, clip = tiny(zoom=2), noise(1, 2, 1, 8, 8)
    with pytest.raises(ValueError, match="at least two frames, got 1"):
        net.raw(clip[:, :1])
    with pytest.raises(ValueError, match=r"\(N, T, 1, H, W\), got shape \(1, 2, 3, 8"):
        net(noise(1, 2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"\(N, T, 1, H, W\), got shape \(2, 1, 8, 8"):
        net(clip[0])
    with pytest.raises(ValueError, match=r"shape \(1, 2, 1, 16, 16\) at zoom 2, got"):
        net(clip, base=clip)
    with pytest.raises(ValueError, match=r"shape \(1, 1, 2, 8, 8\) each way, got"):
        net(clip, still(1, 3, 8, 8))


def test_settings_are_read_without_torch() -> None:
    code = (
        "import sys; from napari_udvd.models import S2SVRSettings; S2SVRSettings(); "
        "from napari_udvd.models.s2svr import PUBLISHED_X4; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
