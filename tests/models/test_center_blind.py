"""The centre-blind network: what it may see, and that it never sees more."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.models import CameraNoise, CenterBlind, Clip, negative_log_likelihood
from napari_udvd.models.centerblind import PRESETS
from napari_udvd.models.centerblind.layers import weave_filter
from tiny import ANY_NOISE, tiny_center_blind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOLES = [(1, 1), (1, 3), (3, 1), (3, 3), (5, 5), (1, 5), (7, 3)]
SHAPE = 17, 19


def clip_of(*shape: int, seed: int = 0) -> torch.Tensor:
    """Frames of order one."""
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


def in_hole(y: int, x: int, hole: tuple[int, int], shape: Any = SHAPE) -> Any:
    rows, columns = np.indices(shape)
    return (abs(rows - y) <= hole[0] // 2) & (abs(columns - x) <= hole[1] // 2)


def places(seed: int, count: int = 2, shape: Any = SHAPE) -> set[tuple[int, int]]:
    """Two corners, and pixels anywhere."""
    height, width = shape
    rng = np.random.default_rng(seed)
    anywhere = zip(
        rng.integers(0, height, count).tolist(),
        rng.integers(0, width, count).tolist(),
        strict=True,
    )
    return {(0, width - 1), (height - 1, 0), *anywhere}


def gradients(
    net: CenterBlind,
    clip: torch.Tensor,
    pixels: Iterable[tuple[int, int]],
    precision: torch.dtype = torch.float32,
) -> Iterator[tuple[int, int, Any]]:
    """Give pixels and what they see: gradients of mean and factor, ``(T, C, H, W)``.

    Mixed so that none cancels.
    """
    clip = clip.detach().requires_grad_()
    prediction = net(Clip(clip, ANY_NOISE), precision)
    for y, x in pixels:
        values = [prediction.mean[0, 0, :, y, x]]
        if prediction.factor is not None:
            values.append(prediction.factor[0, 0, :, :, y, x].flatten())
        pixel = torch.cat(values)
        mixed = (pixel * torch.linspace(0.7, 1.3, len(pixel))).sum()
        (found,) = torch.autograd.grad(mixed, clip, retain_graph=True)
        yield y, x, found[0].numpy()


def gradient(
    net: CenterBlind, clip: torch.Tensor, y: int, x: int, precision: torch.dtype
) -> Any:
    ((_, _, found),) = gradients(net, clip, [(y, x)], precision)
    return found


def learn(net: CenterBlind, clip: torch.Tensor, steps: int = 3) -> None:
    """Take a few steps down the gradient, large ones."""
    parameters = list(net.parameters())
    middle = clip[:, net.geometry.context : -net.geometry.context]
    for _ in range(steps):
        prediction = net(Clip(clip, ANY_NOISE))
        loss = negative_log_likelihood(prediction, middle, torch.tensor(0.3)).mean()
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, slope in zip(parameters, gradients, strict=True):
                parameter -= 1e-2 * slope.sign()


# --- blindness ----------------------------------------------------------------------


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("hole", HOLES, ids=str)
@pytest.mark.parametrize("preset", PRESETS)
def test_the_hole_is_never_seen_and_everything_around_it_is(
    preset: str, hole: tuple[int, int], precision: torch.dtype
) -> None:
    net = tiny_center_blind(preset=preset, hole=hole, near=2, far=(1, 1))
    clip = clip_of(1, 9, 1, *SHAPE)
    pixels = places(seed=PRESETS[preset].full + hole[0])
    for y, x, seen in gradients(net, clip, pixels, precision):
        hidden = in_hole(y, x, hole)
        assert not seen[4][:, hidden].any()
        ring = in_hole(y, x, (hole[0] + 2, hole[1] + 2)) & ~hidden
        assert seen[4][:, ring].all()
        # the same place in the frames before and after
        assert seen[[0, 1, 2, 3, 5, 6, 7, 8], 0, y, x].all()


@pytest.mark.parametrize("hole", HOLES, ids=str)
@pytest.mark.parametrize(("near", "hidden"), [(2, 1), (4, 3)])
def test_hidden_neighbours_do_not_show_the_hole_either(
    near: int, hidden: int, hole: tuple[int, int]
) -> None:
    net = tiny_center_blind(hole=hole, near=near, far=(2, 1), hidden=hidden)
    context = net.geometry.context
    assert context == near + 3
    clip = clip_of(1, 2 * context + 1, 1, *SHAPE)
    for y, x, seen in gradients(net, clip, places(seed=hole[1])):
        masked = in_hole(y, x, hole)
        blind = slice(context - hidden, context + hidden + 1)
        assert not seen[blind][:, :, masked].any()
        ring = in_hole(y, x, (hole[0] + 2, hole[1] + 2)) & ~masked
        assert seen[blind][:, :, ring].all()
        others = [k for k in range(2 * context + 1) if abs(k - context) > hidden]
        assert seen[others][:, :, masked].all()


@pytest.mark.parametrize("hidden", [0, 1])
@pytest.mark.parametrize("hole", HOLES, ids=str)
@pytest.mark.parametrize("preset", PRESETS)
def test_still_blind_after_learning(
    preset: str, hole: tuple[int, int], hidden: int
) -> None:
    torch.manual_seed(0)
    net = CenterBlind(preset=preset, hole=hole, hidden=hidden, near=2, far=())
    before = [p.detach().clone() for p in net.parameters()]
    clip = clip_of(2, 5, 1, *SHAPE)
    learn(net, clip)
    after = list(net.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    for y, x, seen in gradients(net, clip[:1], places(seed=hole[0], count=1)):
        masked = in_hole(y, x, hole)
        assert not seen[2 - hidden : 3 + hidden][:, :, masked].any()
        assert seen[2][:, ~masked].any()
        assert seen[0][:, masked].any()
        assert seen[4][:, masked].any()


@settings(max_examples=40, deadline=None)
@given(
    channels=st.integers(1, 3),
    near=st.integers(1, 3),
    far=st.sampled_from([(), (1,), (2, 3)]),
    hidden=st.integers(0, 2),
    height=st.integers(1, 26),
    width=st.integers(1, 26),
    hole=st.tuples(*[st.sampled_from([1, 3, 5, 7, 9, 11])] * 2),
    place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    likelihood=st.booleans(),
    seed=st.integers(0, 5),
)
def test_blind_on_any_frame(
    channels: int,
    near: int,
    far: tuple[int, ...],
    hidden: int,
    height: int,
    width: int,
    hole: tuple[int, int],
    place: tuple[float, float],
    likelihood: bool,
    seed: int,
) -> None:
    hidden, context = min(hidden, near - 1), near + sum(far)
    y, x = int(place[0] * height), int(place[1] * width)
    net = tiny_center_blind(
        seed,
        channels=channels,
        near=near,
        far=far,
        hidden=hidden,
        hole=hole,
        likelihood=likelihood,
    )
    clip = clip_of(1, 2 * context + 1, channels, height, width, seed=seed)
    seen = gradient(net, clip, y, x, torch.float32)
    masked = in_hole(y, x, hole, (height, width))
    assert not seen[context - hidden : context + hidden + 1][:, :, masked].any()
    assert seen[0].any()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("hole", HOLES, ids=str)
@pytest.mark.parametrize("path", ["clip", "sweep"])
def test_inference_does_not_look_into_the_hole_either(
    path: str, hole: tuple[int, int], precision: torch.dtype
) -> None:
    # inference takes another way than training: window by window, without gradients
    net = tiny_center_blind(hole=hole, near=2, far=())
    shape, (y, x) = (41, 37), (20, 17)
    clip = clip_of(1, 5, 1, *shape)
    other = clip.clone()
    other[0, 2, :, torch.from_numpy(in_hole(y, x, hole, shape))] = 1e3

    def outputs(x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            if path == "clip":
                prediction = net(Clip(x, ANY_NOISE), precision)
                return torch.cat([prediction.mean[0, 0], prediction.factor[0, 0, 0]])
            (last,) = net.sweep(Clip(x, ANY_NOISE), [range(5)], precision)
            return torch.cat([last.mean[0], last.factor[0, 0]])

    one, two = outputs(clip), outputs(other)
    assert torch.equal(one[:, y, x], two[:, y, x])
    assert (one - two).abs().amax() > 1  # others saw the change


# --- reach --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "hole"),
    [
        *(("small", hole) for hole in [(1, 1), (3, 3), (5, 1), (1, 7)]),
        ("light", (1, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("turned", [False, True])
def test_nothing_beyond_the_radius_matters(
    preset: str, hole: tuple[int, int], turned: bool
) -> None:
    net = tiny_center_blind(preset=preset, hole=hole, near=1, far=())
    shape = (16, 2 * net.geometry.radius + 25)
    clip = clip_of(1, 3, 1, *(shape[::-1] if turned else shape))
    furthest = 0
    # the pooling grid makes the reach differ by where the pixel lies on it
    for shift in range(8):
        y, x = 8, net.geometry.radius + 8 + shift
        place = (x, y) if turned else (y, x)
        seen = gradient(net, clip, *place, torch.float32)
        along = abs(seen).max(axis=(0, 1, 3 if turned else 2)).nonzero()[0]
        furthest = max(furthest, *abs(along - x).tolist())
    assert furthest <= net.geometry.radius
    if hole[0] == hole[1]:  # else one direction reaches less far than the other
        assert furthest > net.geometry.radius - 24


def test_the_light_one_is_the_medium_one_without_some_blocks() -> None:
    light, medium = CenterBlind(preset="light"), CenterBlind(preset="medium")
    left_out = {
        name.split(".")[0]
        for name in medium.state_dict().keys() - light.state_dict().keys()
    }
    assert left_out == set(PRESETS["light"].without)
    assert light.geometry.radius < medium.geometry.radius
    # so that its weights can begin as those of the medium one
    weights = {name: medium.state_dict()[name] for name in light.state_dict()}
    light.load_state_dict(weights)
    with torch.no_grad():
        for name in left_out:  # a residual block of zeros changes nothing
            medium.get_submodule(name).b.weight.zero_()
            medium.get_submodule(name).b.bias.zero_()
    clip = Clip(clip_of(1, 33, 1, 24, 40), ANY_NOISE)
    with torch.no_grad():
        for one, other in zip(light(clip), medium(clip), strict=True):
            torch.testing.assert_close(one, other)


# --- clips and sweeps ---------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(1, 2),
    channels=st.integers(1, 2),
    near=st.integers(1, 4),
    far=st.sampled_from([(), (2, 3)]),
    extra=st.integers(0, 3),
    height=st.integers(4, 20),
    width=st.integers(4, 20),
    hole=st.sampled_from(HOLES),
)
def test_a_clip_is_its_windows_and_a_sweep_equals_it(
    n: int,
    channels: int,
    near: int,
    far: tuple[int, ...],
    extra: int,
    height: int,
    width: int,
    hole: tuple[int, int],
) -> None:
    net = tiny_center_blind(channels=channels, near=near, far=far, hole=hole)
    length = 2 * net.geometry.context + 1
    clip = clip_of(n, length + extra, channels, height, width)
    learning = net(Clip(clip, ANY_NOISE))  # all windows as one batch
    with torch.no_grad():
        whole = net(Clip(clip, ANY_NOISE))
        single = [
            net(Clip(clip[:, k : k + length], ANY_NOISE)) for k in range(extra + 1)
        ]
        windows = [list(range(k, k + length)) for k in range(extra + 1)]
        swept = list(net.sweep(Clip(clip[:1], ANY_NOISE), windows, torch.float32))
    assert whole.mean.shape == (n, extra + 1, channels, height, width)
    assert whole.factor.shape == (n, extra + 1, channels, channels, height, width)
    assert len(swept) == extra + 1
    close = {"rtol": 1e-4, "atol": 1e-4}
    for k in range(2):  # mean and factor
        torch.testing.assert_close(learning[k].detach(), whole[k], **close)
        for t in range(extra + 1):
            torch.testing.assert_close(single[t][k][:, 0], whole[k][:, t], **close)
            torch.testing.assert_close(swept[t][k], whole[k][:1, t], **close)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("preset", "hole"), [("small", (3, 5)), ("light", (1, 1))])
def test_large_frames_go_through_the_lattice_in_strips(
    preset: str,
    hole: tuple[int, int],
    precision: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = tiny_center_blind(preset=preset, hole=hole, near=1, far=())
    clip = Clip(clip_of(1, 3, 1, 45, 26), ANY_NOISE)
    with torch.no_grad():
        whole = net(clip, precision)
    rows: list[int] = []
    on_lattice = net.on_lattice

    def counted(x: torch.Tensor, stride: tuple[int, int]) -> torch.Tensor:
        rows.append(x.shape[2])
        return on_lattice(x, stride)

    monkeypatch.setattr(net, "on_lattice", counted)
    monkeypatch.setattr("napari_udvd.models.centerblind.branches.STRIP", 8 * 26)
    with torch.no_grad():
        strips = net(clip, precision)
    assert len(rows) > 4 and max(rows) < 45
    for one, other in zip(whole, strips, strict=True):
        torch.testing.assert_close(one, other)


def test_a_batch_is_its_items_even_with_noise_of_their_own() -> None:
    net = tiny_center_blind()
    clip = clip_of(3, 10, 1, 12, 13)
    gain = torch.tensor([0.0, 0.2, 3.0])[:, None, None, None, None]
    noise = CameraNoise(gain, gain - 1, gain + 0.3)
    with torch.no_grad():
        together = net(Clip(clip, noise))
        for k in range(3):
            own = CameraNoise(*(value[k] for value in noise))
            item = net(Clip(clip[k : k + 1], own))
            torch.testing.assert_close(together.mean[k], item.mean[0])
            torch.testing.assert_close(together.factor[k], item.factor[0])


def test_without_gain_a_constant_moves_the_prediction_along() -> None:
    # what is learned at one brightness holds at any other
    net = tiny_center_blind(far=())
    noise = CameraNoise(torch.tensor(0.0), torch.tensor(-0.5), torch.tensor(0.4))
    clip = clip_of(1, 5, 1, *SHAPE)
    with torch.no_grad():
        before, after = net(Clip(clip, noise)), net(Clip(clip + 7.25, noise))
    torch.testing.assert_close(after.mean, before.mean + 7.25, rtol=0, atol=1e-4)
    torch.testing.assert_close(after.factor, before.factor, rtol=1e-4, atol=1e-5)


@given(factor=st.sampled_from([1e-3, 0.5, 40.0]), shift=st.sampled_from([-9.0, 300.0]))
@settings(max_examples=6, deadline=None)
def test_the_units_of_the_movie_do_not_matter(factor: float, shift: float) -> None:
    # grey levels and photons are the same movie, if the noise is told in each
    net = tiny_center_blind(far=())
    clip = clip_of(1, 5, 1, *SHAPE).abs() * 5
    gain, dark, read = torch.tensor(0.7), torch.tensor(0.2), torch.tensor(0.3)
    noise = CameraNoise(gain, dark, read)
    scaled = CameraNoise(gain * factor, dark * factor + shift, read * factor**2)
    with torch.no_grad():
        ours, theirs = net(Clip(clip, noise)), net(Clip(clip * factor + shift, scaled))
    slack = 1e-5 * abs(shift) + 1e-3 * factor
    torch.testing.assert_close(
        theirs.mean, ours.mean * factor + shift, rtol=1e-3, atol=slack
    )
    torch.testing.assert_close(
        theirs.factor, ours.factor * factor, rtol=0.02, atol=slack
    )


# --- what it says -------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_covariance_between_channels_is_positive(channels: int) -> None:
    net = tiny_center_blind(channels=channels, near=1, far=())
    clip = clip_of(1, 3, channels, *SHAPE)
    with torch.no_grad():
        prediction = net(Clip(clip, ANY_NOISE))
    # of a triangle with a positive diagonal, A^T A has positive eigenvalues only
    triangle = prediction.factor.movedim((-4, -3), (-2, -1)).flip(-1)
    assert triangle.shape[-2:] == (channels, channels)
    assert torch.equal(triangle, triangle.triu())
    assert (triangle.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert (prediction.std > 0).all()


def test_far_frames_are_seen_as_the_average_of_their_group() -> None:
    net = tiny_center_blind(near=1, far=(2, 3))
    noise = CameraNoise(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    clip = clip_of(1, 13, 1, *SHAPE)
    with torch.no_grad():
        before = net(Clip(clip, noise)).mean
        swapped = net(Clip(clip[:, [2, 0, 1, 4, 3, *range(5, 13)]], noise)).mean
        mixed = net(Clip(clip[:, [3, 1, 2, 0, *range(4, 13)]], noise)).mean
    torch.testing.assert_close(swapped, before, rtol=0, atol=1e-4)
    assert (mixed - before).abs().amax() > 1e-2


def test_the_uncertainty_follows_the_noise() -> None:
    # the factor is learned in units of the noise, and put out in those of the input
    net = tiny_center_blind(near=1, far=())
    clip = torch.full((1, 3, 1, 16, 16), 50.0)
    clip[..., 8:] = 500.0
    noise = CameraNoise(torch.tensor(1.0), torch.tensor(0.0), torch.tensor(0.0))
    with torch.no_grad():
        prediction = net(Clip(clip, noise))
        stable = prediction.std / noise.variance(prediction.mean).sqrt()
        stabilised = 2 * (clip + 0.375).sqrt() - 2 * 0.375**0.5
        told = net._outputs(net._window(stabilised, range(3), noise), torch.float32)
    torch.testing.assert_close(stable[0, 0, 0], told[0, 1], rtol=0.01, atol=1e-3)


# --- how it is built ----------------------------------------------------------------


def test_what_alternates_is_taken_out_and_nothing_else() -> None:
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(20.0), indexing="ij")
    smooth = torch.stack([torch.ones(24, 20), y - 3 * x, (y / 4).sin()])
    rows, columns = 1 - 2 * (y % 2), 1 - 2 * (x % 2)
    weight = weave_filter(3)

    def inner(image: torch.Tensor) -> torch.Tensor:
        return F.conv2d(image[None], weight, groups=3)[0]

    torch.testing.assert_close(
        inner(smooth), smooth[:, 2:-2, 2:-2], rtol=1e-3, atol=1e-4
    )
    for weave in (rows, columns, rows * columns):
        assert inner(weave.expand(3, -1, -1)).abs().max() < 1e-5


def test_pixels_of_the_last_upsampling_that_do_not_agree_leave_no_weave() -> None:
    net = tiny_center_blind()
    clip = Clip(torch.zeros(1, 9, 1, 64, 64), ANY_NOISE)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        # a constant scene: only the weights of the four pixels can tell them apart
        net.open_out.b.bias.fill_(1.0)
        inner = net(clip).mean[0, 0, 0, 24:40, 24:40]
        net.weave_filter.zero_()
        net.weave_filter[:, :, 2, 2] = 1
        woven = net(clip).mean[0, 0, 0, 24:40, 24:40]
    assert woven.std() > 0.01 * woven.abs().mean()
    assert inner.std() < 1e-4 * inner.abs().mean()


def test_presets_grow() -> None:
    sizes = [
        sum(p.numel() for p in CenterBlind(preset=p).parameters()) for p in PRESETS
    ]
    assert all(1.5 * a < b for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"channels": 0}, "channels 0"),
        ({"near": 0}, "near 0"),
        ({"far": (4, 0)}, r"far \(4, 0\)"),
        ({"preset": "huge"}, "'huge'; choose one of small, light, medium, large"),
        ({"hole": (2, 1)}, r"\(2, 1\)"),
        ({"hole": (1, -1)}, r"\(1, -1\)"),
        ({"hole": (1,)}, r"\(1,\)"),
        ({"hidden": -1}, "hidden is -1"),
        ({"hidden": 4}, "hidden is 4; it must be from 0 to 3"),
    ],
)
def test_impossible_networks_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CenterBlind(**wrong)


@pytest.mark.parametrize(
    "shape", [(1, 8, 1, 8, 8), (1, 9, 2, 8, 8), (9, 1, 8, 8)], ids=str
)
def test_clips_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=str(shape).replace("(", "\\(")[:-1]):
        tiny_center_blind()(Clip(clip_of(*shape), ANY_NOISE))
