"""The centre-blind network for sparse scans: blind to a pixel and to its mask."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.inference.model_file import read_model_file
from napari_udvd.models import CameraNoise, CenterBlind, Clip
from napari_udvd.models.centerblind import SparseCenterBlind
from napari_udvd.training.warm_start import FOLDER, warm_start
from tiny import ANY_NOISE, fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEIGHT, WIDTH = 21, 26

MASKS = (
    "random", "dense", "rows", "columns", "fixed", "fovea", "border", "empty frame",
    "nothing",
)  # fmt: skip


def tiny_sparse(**configuration: Any) -> SparseCenterBlind:
    net = SparseCenterBlind(
        **{"preset": "small", "near": 2, "far": (2,), **configuration}
    )
    fill(net)
    return net.eval()


def mask_of(kind: str, frames: int, seed: int = 1) -> torch.Tensor:
    """Which pixels were measured, ``(1, T, 1, H, W)``."""
    rng = np.random.default_rng(seed)
    t, y, x = np.indices((frames, HEIGHT, WIDTH))
    chance = rng.random(t.shape)
    far = np.hypot(y - HEIGHT / 2, x - WIDTH / 2)
    found = {
        "random": chance < 0.2,
        "dense": chance < 0.9,
        "rows": (y + 2 * t) % 5 == 0,
        "columns": (x + 3 * t) % 4 == 0,
        "fixed": np.broadcast_to(chance[0] < 0.2, t.shape),
        "fovea": chance < np.exp(-far / 6),
        "border": (x < 6) & (y < 7),
        "empty frame": (chance < 0.3) & (t != frames // 2),
        "nothing": np.zeros(t.shape, bool),
    }[kind]
    return torch.from_numpy(found.copy())[None, :, None]


def clip_of(net: SparseCenterBlind, kind: str, extra: int = 0, seed: int = 0) -> Clip:
    """Frames with NaN wherever nothing was measured."""
    frames = 2 * net.geometry.context + 1 + extra
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((1, frames, net.channels, HEIGHT, WIDTH))
    mask = mask_of(kind, frames)
    there = torch.from_numpy(values.astype(np.float32))
    return Clip(torch.where(mask, there, torch.nan), ANY_NOISE, mask)


def predicted(net: SparseCenterBlind, clip: Clip) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        mean, factor = net.predict(clip, torch.float32)
    assert factor is not None
    return mean, factor


def slopes(
    net: SparseCenterBlind, clip: Clip, pixels: Iterable[tuple[int, int]]
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Gradients of all that is said of pixels to frames and mask, ``(T, C, H, W)``.

    To the mask as if a pixel could be measured a little.
    """
    stable = net._stable(clip).requires_grad_()
    out = net._outputs(
        net._window(stable, range(stable.shape[1]), ANY_NOISE), torch.float32
    )
    for y, x in pixels:
        pixel = out[0, :, y, x]
        (found,) = torch.autograd.grad(
            (pixel * torch.linspace(0.7, 1.3, len(pixel))).sum(),
            stable,
            retain_graph=True,
        )
        yield found[0].chunk(3, dim=1)  # value, known, light


def in_hole(y: int, x: int, hole: tuple[int, int]) -> torch.Tensor:
    rows, columns = np.indices((HEIGHT, WIDTH))
    near = (abs(rows - y) <= hole[0] // 2) & (abs(columns - x) <= hole[1] // 2)
    return torch.from_numpy(near)


# --- blindness ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"hole": (3, 1)},
        {"hole": (5, 7), "hidden": 1},
        {"channels": 2, "hole": (1, 3)},
        {"widths": None},
        {"widths": (3.0, 0.5), "hidden": 1},
    ],
    ids=str,
)
def test_gradients_to_value_and_mask_of_the_hole_are_zero(
    kind: str, how: dict[str, Any]
) -> None:
    net = tiny_sparse(**how)
    clip, own = clip_of(net, kind), net.geometry.context
    hidden = net.options.hidden
    pixels = [(0, WIDTH - 1), (9, 11), (HEIGHT - 1, 3)]
    for (y, x), found in zip(pixels, slopes(net, clip, pixels), strict=True):
        for seen in found:
            assert torch.isfinite(seen).all()
            blind = seen[own - hidden : own + hidden + 1][..., in_hole(y, x, net.hole)]
            assert not blind.any(), (y, x)
        value, known, light = found
        assert value.any()
        assert known.any()
        assert light.any() == (net.widths is not None)


@pytest.mark.parametrize("kind", MASKS)
def test_what_stands_at_a_pixel_and_whether_it_was_measured_changes_nothing(
    kind: str,
) -> None:
    net = tiny_sparse()
    clip, own = clip_of(net, kind), net.geometry.context
    assert clip.mask is not None
    before = predicted(net, clip)
    for y, x in [(4, 5), (12, 20), (0, 0)]:
        frames, mask = clip.frames.clone(), clip.mask.clone()
        mask[0, own, 0, y, x] = ~mask[0, own, 0, y, x]
        frames[0, own, 0, y, x] = 1e3
        after = predicted(net, Clip(frames, ANY_NOISE, mask))
        changed = False
        for one, two in zip(before, after, strict=True):
            torch.testing.assert_close(
                one[..., y, x], two[..., y, x], rtol=1e-5, atol=1e-5
            )
            changed = changed or not torch.equal(one, two)
        assert changed, "its neighbours may know"


def test_what_was_not_measured_may_be_anything() -> None:
    net = tiny_sparse(channels=2)
    clip = clip_of(net, "random", extra=1)
    assert clip.mask is not None
    expected = predicted(net, clip)
    for value in (0.0, -3e4, torch.inf):
        other = torch.where(clip.mask, clip.frames, value)
        found = predicted(net, clip._replace(frames=other))
        for one, two in zip(expected, found, strict=True):
            assert torch.equal(one, two)
            assert torch.isfinite(one).all()
    # nobody need say that NaN was not measured
    for one, two in zip(
        expected, predicted(net, clip._replace(mask=None)), strict=True
    ):
        assert torch.equal(one, two)
    frames = clip.frames.requires_grad_()
    mean, _ = net.predict(clip._replace(frames=frames), torch.float32)
    (slope,) = torch.autograd.grad(mean.sum(), frames)
    assert not slope[~clip.mask.expand_as(slope)].any()
    assert torch.isfinite(slope).all()
    weights = torch.autograd.grad(
        net.predict(clip_of(net, "random"), torch.float32).mean.sum(),
        [*net.denoising_parameters().values()],
        allow_unused=True,
    )
    assert all(torch.isfinite(each).all() for each in weights if each is not None)


def test_the_mask_of_other_frames_is_seen() -> None:
    net = tiny_sparse()
    clip, own = clip_of(net, "random"), net.geometry.context
    assert clip.mask is not None
    frames = torch.nan_to_num(clip.frames)
    before, _ = predicted(net, Clip(frames, ANY_NOISE, clip.mask))
    mask = clip.mask.clone()
    mask[0, own + 1] = True
    after, _ = predicted(net, Clip(frames, ANY_NOISE, mask))
    assert (after - before).abs().amax() > 1e-2


@pytest.mark.parametrize("kind", ["random", "rows"])
def test_nearly_the_same_in_half_precision(kind: str) -> None:
    net = tiny_sparse()
    clip = clip_of(net, kind)
    with torch.no_grad():
        rounded = net.predict(clip, torch.bfloat16).mean
        exact = net.predict(clip, torch.float32).mean
    assert rounded.dtype == torch.float32
    assert (rounded - exact).square().mean().sqrt() < 0.05 * exact.std()


@pytest.mark.parametrize("gap", [0, 12])
def test_tiles_are_the_whole_where_pixels_are_missing(gap: int) -> None:
    net = tiny_sparse()
    radius, grid = net.geometry.radius, net.geometry.grid
    start = -(-13 // grid) * grid
    long = start + radius + 8
    rng = np.random.default_rng(0)
    shape = (1, 2 * net.geometry.context + 1, 1, 8, long)
    frames = torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
    mask = torch.from_numpy(rng.random(shape) < 0.2)
    mask[..., start + radius : start + radius + gap] = False
    whole, _ = predicted(net, Clip(frames, ANY_NOISE, mask))
    tile, _ = predicted(net, Clip(frames[..., start:], ANY_NOISE, mask[..., start:]))
    ours, theirs = tile[..., radius:], whole[..., start + radius :]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


# --- where it begins ------------------------------------------------------------------


def real_clip(height: int = 24, width: int = 27) -> Clip:
    """Frames as a movie of some photons has them."""
    noise = CameraNoise(torch.tensor(0.1), torch.tensor(-1.0), torch.tensor(0.02))
    values = np.random.default_rng(5).random((1, 34, 1, height, width))
    return Clip(torch.from_numpy(values.astype(np.float32)), noise)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_with_all_measured_it_begins_as_the_network_it_is_made_of(
    precision: torch.dtype,
) -> None:
    clip = real_clip()
    fast, sparse = CenterBlind().eval(), SparseCenterBlind(widths=None).eval()
    assert warm_start(fast).done
    sparse.load_state_dict(sparse.fitted(fast.state_dict()))
    everything = torch.ones_like(clip.frames, dtype=torch.bool)
    windows = [range(33), range(1, 34)]
    with torch.no_grad():
        expected = fast.predict(clip, precision)
        for mask in (None, everything):
            seen = clip._replace(mask=mask)
            found = sparse.predict(seen, precision)
            for one, two in zip(expected, found, strict=True):
                assert torch.equal(one, two)
            swept = sparse.sweep(seen, windows, precision)
            for one, two in zip(
                fast.sweep(clip, windows, precision), swept, strict=True
            ):
                assert torch.equal(one.mean, two.mean)


def test_to_the_weights_of_the_network_it_is_made_of_it_adds_zeros() -> None:
    fast, sparse = CenterBlind(), SparseCenterBlind(hole=(3, 1))
    known, own = fast.state_dict(), sparse.fitted(fast.state_dict())
    assert all(torch.equal(own[name], weight) for name, weight in known.items())
    added = {name: own[name] for name in own.keys() - known.keys()}
    assert not any(weight.any() for weight in added.values())
    assert sum(weight.numel() for weight in added.values()) == 33633


def test_it_starts_from_weights_of_its_own() -> None:
    path = FOLDER.joinpath("centerblind-sparse-medium.safetensors")
    header, tensors = read_model_file(str(path))
    assert header["weights"]["network"] == SparseCenterBlind.name
    assert len(path.read_bytes()) <= 2.5e6
    net = SparseCenterBlind(hole=(1, 3))
    assert warm_start(net).done
    for name, weight in net.state_dict().items():
        assert torch.equal(weight, tensors[name].float())


def test_its_own_weights_suit_every_hole() -> None:
    narrow = tiny_sparse()
    wide = tiny_sparse(hole=(7, 5))
    wide.load_state_dict(wide.fitted(narrow.state_dict()))
    for name in ("look", "known_look"):
        inner = getattr(wide, name).weight[..., 2:-2, 1:-1]
        assert torch.equal(inner, getattr(narrow, name).weight)
        whole = getattr(wide, name).weight.abs().sum()
        torch.testing.assert_close(whole, inner.abs().sum())


def test_every_added_weight_is_learned() -> None:
    net = SparseCenterBlind(preset="small", near=2, far=(2,))
    mean, _ = net.predict(clip_of(net, "random"), torch.float32)
    mean.sum().backward()
    for layer in (net.known_look, net.known_open, net.own, net.others):
        assert layer.weight.grad is not None
        assert layer.weight.grad.any()


def test_frames_are_relative_to_what_other_frames_say() -> None:
    """A still scene is its own base, however few pixels of a frame were measured."""
    noise = CameraNoise(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(30.0), indexing="ij")
    scene = 20 + 5 * (y / 6).sin() * (x / 7).cos()
    net = SparseCenterBlind(widths=(1.0, 8.0))
    mask = torch.rand(1, 33, 1, 24, 30, generator=torch.Generator().manual_seed(0))
    frames = torch.where(mask < 0.2, scene.expand(1, 33, 1, 24, 30), torch.nan)
    window = net._window(net._stable(Clip(frames, noise)), range(33), noise)
    inner = window.base[0, 0, 3:-3, 3:-3]
    assert (inner - scene[3:-3, 3:-3]).abs().max() < 0.6
    # nothing near by: a wider average, not the dark
    frames[..., :8, :8] = torch.nan
    window = net._window(net._stable(Clip(frames, noise)), range(33), noise)
    assert (window.base[0, 0, 0, 0] - scene[8, 8]).abs() < 5


def test_an_area_that_was_not_measured_is_bridged_step_by_step() -> None:
    noise = CameraNoise(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    net = SparseCenterBlind(widths=(1.4, 2.0))
    x = torch.arange(96.0)
    frames = (50 + 0.3 * x).expand(1, 33, 1, 20, 96).clone()
    frames[..., 20:76] = torch.nan
    window = net._window(net._stable(Clip(frames, noise)), range(33), noise)
    base = window.base[0, 0, 10]
    # no step anywhere, and in the middle both sides have a say
    assert (base[1:] - base[:-1]).abs().max() < 4
    torch.testing.assert_close(
        base[46:50].mean(), 50 + 0.3 * x[46:50].mean(), atol=1, rtol=0
    )
    # so far away that nothing reaches: the mean of what there is, not the dark
    frames[..., :80] = torch.nan
    window = net._window(net._stable(Clip(frames, noise)), range(33), noise)
    assert (window.base[0, 0, :, :20] - 50 - 0.3 * 87.5).abs().max() < 1


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("likelihood", [True, False])
def test_it_can_say_a_plain_average(channels: int, likelihood: bool) -> None:
    net = tiny_sparse(channels=channels, likelihood=likelihood)
    assert net.fall_back(0.1)
    noise = CameraNoise(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(4.0))
    clip = clip_of(net, "random")._replace(noise=noise)
    with torch.no_grad():
        found = net.predict(clip, torch.float32)
        window = net._window(net._stable(clip), range(clip.frames.shape[1]), noise)
    torch.testing.assert_close(found.mean[:, 0], 2 * window.base)
    if likelihood:
        assert found.std is not None
        torch.testing.assert_close(
            found.std, torch.full_like(found.std, 2 * 0.101), rtol=1e-3, atol=0
        )
    assert not CenterBlind(preset="small").fall_back(0.1)


def test_it_can_say_a_part_of_what_it_adds_to_the_average() -> None:
    net = tiny_sparse(channels=2)
    noise = CameraNoise(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(4.0))
    clip = clip_of(net, "rows")._replace(noise=noise)
    mean, factor = predicted(net, clip)
    plain, part = copy.deepcopy(net), copy.deepcopy(net)
    plain.fall_back(0.5)
    part.shrink(0.3)
    average, _ = predicted(plain, clip)
    found, same = predicted(part, clip)
    torch.testing.assert_close(found, 0.3 * mean + 0.7 * average, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(same, factor)
    assert (found - mean).abs().max() > 0.1


def test_a_frame_beyond_the_end_is_not_counted_twice() -> None:
    """At the ends of a movie, too, it can say the average of what was measured."""
    noise = CameraNoise(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    rng = np.random.default_rng(0)
    levels = 20 + rng.random((1, 7, 1, 1, 1)).astype(np.float32)
    frames = torch.from_numpy(np.broadcast_to(levels, (1, 7, 1, 12, 12)).copy())
    net = SparseCenterBlind(preset="small", near=2, far=(2,), widths=(1.0, 2.0))
    net.fall_back(0.1)
    stable = net._stable(Clip(frames, noise))
    with torch.no_grad():
        for window in ([1, 2, 3, 4, 0, 1, 2, 3, 4], [4, 3, 2, 1, 0, 1, 2, 3, 4]):
            found = net._window(stable, window, noise).base[0, 0, 6, 6].item()
            far = np.array(
                [min(abs(k - 4) for k in range(9) if window[k] == t) for t in range(5)]
            )
            weights = np.exp(-((far / 2) ** 2) / 2)
            # of the output frame all but the pixel itself
            weights[0] *= 1 - (1 / 2.5069) ** 2
            share = weights / weights.sum()
            assert found == pytest.approx(
                float((share * levels[0, :5, 0, 0, 0]).sum()), abs=0.01
            )


def test_widths_that_are_none() -> None:
    for widths in [(1.0,), (0.0, 2.0), (1.0, -1.0)]:
        with pytest.raises(ValueError, match="two positive numbers"):
            SparseCenterBlind(widths=widths)


def test_a_sweep_sees_the_mask_of_its_frames() -> None:
    net = tiny_sparse()
    clip = clip_of(net, "random", extra=2)
    assert clip.mask is not None
    length = 2 * net.geometry.context + 1
    # at the ends of a movie frames of the other side stand for those beyond
    windows = [list(range(length)), [1, 2, 3, 4, 5, 6, 3, 2, 1][:length]]
    with torch.no_grad():
        for window, swept in zip(
            windows, net.sweep(clip, windows, torch.float32), strict=True
        ):
            # the same frames, and no others
            some = sorted(set(window))
            alone = Clip(clip.frames[:, some], ANY_NOISE, clip.mask[:, some])
            places = [[some.index(frame) for frame in window]]
            (expected,) = net.sweep(alone, places, torch.float32)
            for one, two in zip(swept, expected, strict=True):
                torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
            if len(some) == length:
                mean, factor = net.predict(alone, torch.float32)
                assert factor is not None
                torch.testing.assert_close(swept.mean, mean[:, 0])
                torch.testing.assert_close(swept.factor, factor[:, 0])
