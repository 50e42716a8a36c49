"""The fast network against its layer-by-layer oracle, and what it promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.models import UDVD, Clip, from_published
from napari_udvd.models.udvd import halfplane
from napari_udvd.models.udvd import network as udvd
from plain_udvd import PlainUDVD, shift_down
from tiny import ANY_NOISE, fill, tiny_net

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

STAGES = {"unet": "stage_one", "denoiser_1": "stage_one", "denoiser_2": "stage_two"}
JOINS = {"nin_A": "join_a", "nin_B": "join_b", "nin_C": "join_c"}


def clip_of(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(values).to(dtype)


def pair(
    frames: int, channels: int, width: int, hole: Sequence[int] = (1, 1), **more: Any
) -> tuple[PlainUDVD, UDVD]:
    """Oracle and fast network with the same weights, in float64."""
    features = UDVD(5, channels, width).stage_two.enc1.conv1.weight.shape[1] // 3
    plain = PlainUDVD(
        frames,
        channels,
        width=width,
        stage_one_features=features,
        shift=1 + hole[0] // 2,
        **more,
    )
    fill(plain)
    fast = from_published(plain.state_dict(), hole)
    return plain.double(), fast.double()


def our_name(published: str) -> str:
    stage, _, rest = published.partition(".")
    if stage in JOINS:
        return f"{JOINS[stage]}.{rest}"
    return f"{STAGES[stage]}.{rest.replace('.conv.', '.')}"


def plain_in_rectangles(plain: PlainUDVD, clip: Tensor, hole: Sequence[int]) -> Tensor:
    """Oracle for any frame and hole: one rotation at a time, so none needs a square.

    Sizes that pooling does not divide are replicated on the right and continued with
    zeros below, where no row of the frame looks.
    """
    c = plain.channels
    views = []
    for turn in range(4):
        x = clip.flatten(1, 2).rot90(-turn, (2, 3))
        rows, columns = x.shape[2:]
        x = F.pad(x, (0, -columns % 4, 0, 0), mode="replicate")
        x = F.pad(x, (0, 0, 0, -rows % 4))
        if plain.frames == 5:
            triples = [x[:, k * c : (k + 3) * c] for k in range(3)]
            y = plain.denoiser_2(torch.cat([plain.denoiser_1(t) for t in triples], 1))
        else:
            y = (plain.denoiser_1 if plain.frames == 3 else plain.unet)(x)
        y = shift_down(y[:, :, :rows, :columns], 1 + hole[turn % 2] // 2)
        views.append(y.rot90(turn, (2, 3)))
    y = torch.cat(views, dim=1)
    y = F.leaky_relu(plain.nin_A(y), 0.1)
    y = F.leaky_relu(plain.nin_B(y), 0.1)
    out: Tensor = plain.nin_C(y)
    return out


def assert_equal(ours: Tensor, theirs: Tensor, tolerance: float = 1e-10) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    largest = theirs.abs().max().item()
    assert largest > 1e-3, "nothing to compare"
    assert (ours - theirs).abs().max().item() <= tolerance * largest


@pytest.mark.parametrize("size", [16, 20])
@pytest.mark.parametrize(
    ("frames", "channels", "width", "hole"),
    [
        (1, 1, 4, (1, 1)),
        (1, 3, 8, (3, 3)),
        (3, 1, 5, (5, 5)),
        (3, 3, 4, (1, 1)),
        (5, 1, 8, (1, 1)),
        (5, 1, 12, (3, 3)),
        (5, 2, 4, (1, 1)),
        (5, 3, 4, (7, 7)),
    ],
)
def test_equals_the_plain_network_and_all_its_gradients(
    frames: int, channels: int, width: int, hole: tuple[int, int], size: int
) -> None:
    plain, fast = pair(frames, channels, width, hole, outputs=channels)
    clip = clip_of(2, frames, channels, size, size)
    theirs_in = clip.flatten(1, 2).requires_grad_()
    ours_in = clip.clone().requires_grad_()

    theirs = plain(theirs_in)
    ours = fast.raw(ours_in)
    assert_equal(ours, theirs)
    with torch.no_grad():
        assert_equal(fast.raw(clip), theirs)

    weight = clip_of(*theirs.shape, seed=1)
    (theirs * weight).sum().backward()
    (ours * weight).sum().backward()
    assert ours_in.grad is not None
    assert theirs_in.grad is not None
    assert_equal(ours_in.grad.flatten(1, 2), theirs_in.grad)
    gradients = {name: p.grad for name, p in fast.named_parameters()}
    for name, parameter in plain.named_parameters():
        gradient = gradients.pop(our_name(name))
        assert gradient is not None
        assert parameter.grad is not None
        assert_equal(gradient, parameter.grad)
    assert not gradients


@settings(max_examples=60, deadline=None)
@given(
    frames=st.sampled_from([1, 3, 5]),
    channels=st.integers(1, 3),
    height=st.integers(1, 21),
    width=st.integers(1, 21),
    hole=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5])),
)
def test_any_frame_and_hole_equals_the_plain_layers(
    frames: int, channels: int, height: int, width: int, hole: tuple[int, int]
) -> None:
    plain, fast = pair(frames, channels, 4, hole, outputs=channels)
    clip = clip_of(1, frames, channels, height, width)
    with torch.no_grad():
        theirs = plain_in_rectangles(plain, clip, hole)
        ours = fast.raw(clip)
    assert ours.shape == (1, channels, height, width)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    # the training path runs other kernels
    torch.testing.assert_close(
        fast.raw(clip.requires_grad_()).detach(), theirs, rtol=0, atol=1e-10
    )


@settings(max_examples=30, deadline=None)
@given(
    frames=st.sampled_from([1, 3, 5]),
    channels=st.integers(1, 2),
    height=st.integers(3, 18),
    width=st.integers(3, 18),
    extra=st.integers(0, 3),
    batched=st.booleans(),
)
def test_a_stream_equals_the_clip(
    frames: int, channels: int, height: int, width: int, extra: int, batched: bool
) -> None:
    net = tiny_net(frames=frames, channels=channels, likelihood=True).double()
    clip = clip_of(2, frames + extra, channels, height, width)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        if not batched:
            patch.setattr(udvd, "TOGETHER_BYTES", 0)
        whole = net(Clip(clip, ANY_NOISE))
        stream = udvd.UDVDStream(net)
        pushed = [stream.push(frame) for frame in clip.unbind(1)]
    waiting = 2 * net.geometry.context
    assert all(prediction is None for prediction in pushed[:waiting])
    assert len(pushed) - waiting == whole.mean.shape[1] == extra + 1
    for t, prediction in enumerate(pushed[waiting:]):
        torch.testing.assert_close(prediction.mean, whole.mean[:, t])
        torch.testing.assert_close(prediction.factor, whole.factor[:, t])


@settings(max_examples=20, deadline=None)
@given(
    frames=st.sampled_from([1, 3, 5]),
    middles=st.lists(st.integers(2, 6), min_size=1, max_size=9),
)
def test_a_sweep_over_any_windows_equals_the_clips(
    frames: int, middles: list[int]
) -> None:
    # those that move on by one frame share the first stage; the others must not
    net = tiny_net(frames=frames, likelihood=True).double()
    clip = clip_of(9, 1, 7, 6)
    half = frames // 2
    windows = [list(range(t - half, t + half + 1)) for t in middles]
    windows += [window[::-1] for window in windows]
    with torch.no_grad():
        swept = list(net.sweep(Clip(clip[None], ANY_NOISE), windows, torch.float64))
        expected = [net(Clip(clip[None, window], ANY_NOISE)) for window in windows]
    assert len(swept) == len(windows)
    for ours, theirs in zip(swept, expected, strict=True):
        torch.testing.assert_close(ours.mean, theirs.mean[:, 0])
        torch.testing.assert_close(ours.factor, theirs.factor[:, 0])


@pytest.mark.parametrize("frames", [1, 5])
def test_strips_and_single_looks_equal_one_piece(
    frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = tiny_net(frames=frames).double()
    clip = clip_of(1, frames, 1, 101, 90)
    with torch.no_grad():
        whole = net.raw(clip)
        monkeypatch.setattr(halfplane, "STRIP_NUMBERS", 1)
        monkeypatch.setattr(udvd, "JOIN_BYTES", 1)
        monkeypatch.setattr(udvd, "TOGETHER_BYTES", 0)
        # the shortest strips: a frame of 101 rows has four of them
        assert net.stage_one._rows_per_strip(clip[0]) == 32
        in_strips = net.raw(clip)
    assert_equal(in_strips, whole, 1e-12)


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_the_output_is_a_weighted_sum_of_the_input(frames: int) -> None:
    # without biases f(x) = J(x) x, and f(a x) = a f(x) for a > 0
    net = tiny_net(frames=frames, channels=2, likelihood=True).double()
    clip = clip_of(1, frames, 2, 14, 11).requires_grad_()
    out = net.raw(clip)
    for channel, y, x in [(0, 0, 0), (1, 6, 5), (2, 13, 10), (4, 3, 9)]:
        value = out[0, channel, y, x]
        (row,) = torch.autograd.grad(value, clip, retain_graph=True)
        assert (row * clip).sum().item() == pytest.approx(value.item(), rel=1e-10)
    with torch.no_grad():
        assert_equal(net.raw(3.7 * clip), 3.7 * out.detach(), 1e-12)
        assert not net.raw(torch.zeros_like(clip)).any()


def test_bfloat16_gradients_are_close_and_parameters_stay_float32() -> None:
    gradients = []
    for precision in (torch.float32, torch.bfloat16):
        net = tiny_net(frames=3, width=8)
        clip = clip_of(1, 3, 1, 32, 32, dtype=torch.float32)
        net.raw(clip.to(precision)).square().mean().backward()
        for parameter in net.parameters():
            assert parameter.dtype == torch.float32
            assert parameter.grad is not None
            assert parameter.grad.dtype == torch.float32
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    exact, rounded = gradients
    assert (rounded - exact).norm() < 0.05 * exact.norm()


@pytest.mark.parametrize("size", [(13, 10), (12, 12), (9, 31)])
def test_the_noise_level_is_the_mean_of_an_ordinary_network(
    size: tuple[int, int],
) -> None:
    plain, fast = pair(5, 1, 4, outputs=2, blind_noise=True)
    clip = clip_of(2, 5, 1, *size)
    with torch.no_grad():
        theirs = plain.sigma_net(clip.flatten(1, 2)).mean(dim=(1, 2, 3))
        ours = fast.estimate_noise(clip)
    assert ours.shape == (2,)
    # the mean is taken in float32, as for all outputs
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-7)


def test_a_network_without_noise_level_says_so() -> None:
    with pytest.raises(ValueError, match="blind_noise"):
        tiny_net(frames=1).estimate_noise(clip_of(1, 1, 1, 8, 8))


def reach(net: UDVD, y: int, x: int, shape: tuple[int, int]) -> tuple[int, int]:
    """Furthest row and column that output pixel (y, x) depends on."""
    clip = clip_of(1, net.frames, 1, *shape).requires_grad_()
    (row,) = torch.autograd.grad(net.raw(clip)[0, 0, y, x], clip)
    seen = row[0, :, 0].abs().amax(0).nonzero()
    assert len(seen)
    far = (seen - torch.tensor([y, x])).abs().amax(0)
    return int(far[0]), int(far[1])


@pytest.mark.parametrize(("frames", "hole"), [(1, (1, 1)), (1, (3, 7)), (5, (1, 1))])
@pytest.mark.parametrize("turned", [False, True])
def test_nothing_beyond_the_radius_matters(
    frames: int, hole: tuple[int, int], turned: bool
) -> None:
    net = tiny_net(frames=frames, hole=hole, width=4).double()
    shape = (9, 2 * net.geometry.radius + 25)
    furthest = 0
    # the pooling grid makes the reach differ by where the pixel lies on it
    for shift in range(4 if frames == 1 else 2):
        place = (4, net.geometry.radius + 11 + shift)
        if turned:
            far = reach(net, *place[::-1], shape[::-1])[0]
        else:
            far = reach(net, *place, shape)[1]
        furthest = max(furthest, far)
    # a halo need not be larger than the reach by more than a few pixels per stage
    assert net.geometry.radius - 20 <= furthest <= net.geometry.radius


def test_the_published_size() -> None:
    net = UDVD(frames=5, width=48)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(2.12e6, rel=0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": 2},
        {"frames": 7},
        {"channels": 0},
        {"width": 0},
        {"hole": (2, 1)},
        {"hole": (1, -1)},
        {"hole": (1,)},
        {"hole": (1, 1, 1)},
    ],
)
def test_impossible_networks_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        UDVD(**wrong)


@pytest.mark.parametrize("shape", [(1, 4, 1, 8, 8), (1, 5, 2, 8, 8)])
def test_clips_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=str(shape).replace("(", "\\(")[:-1]):
        tiny_net(frames=5)(Clip(clip_of(*shape), ANY_NOISE))


def test_raw_takes_exactly_one_window() -> None:
    with pytest.raises(ValueError, match="window of 3"):
        tiny_net(frames=3).raw(clip_of(1, 4, 1, 8, 8))
