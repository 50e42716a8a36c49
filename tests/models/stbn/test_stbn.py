"""STBN: parity with the published network, and blind to its own pixel."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.models import CameraNoise, Clip, negative_log_likelihood
from napari_udvd.models.flow.base import ClipFlow
from napari_udvd.models.likelihood import Prediction
from napari_udvd.models.parameters import load_exactly
from napari_udvd.models.published import (
    flow_from_published,
    from_published,
    read_published,
)
from napari_udvd.models.stbn.lattice import BlindSpotBlock, SpatialExpansion, lattice
from napari_udvd.models.stbn.network import STBN
from napari_udvd.models.stbn.noise_map import noise_map
from napari_udvd.models.stbn.published import block_parameters, expansion_parameters
from parity import published_weights
from tiny import ANY_NOISE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from torch import Tensor

HOLES = [(1, 1), (1, 3), (3, 1), (3, 3), (5, 3)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def tiny_stbn(seed: int = 0, **configuration: Any) -> STBN:
    """Build a network that looks at all that it can, and whose flow moves."""
    small = {"features": 8, "modules": 2, "blocks": 1, "flow": "none", "context": 2}
    torch.manual_seed(seed)
    net = STBN(**{**small, **configuration})
    for name, parameter in net.named_parameters():
        # few rectifiers shall be shut, or not all that can be seen is
        if name.endswith("bias") and not name.startswith("flow_net"):
            torch.nn.init.uniform_(parameter, 1.0, 2.0)
    if net.flow_net is not None:
        torch.nn.init.normal_(net.flow_net.flow.weight, std=0.03)
    return net.eval()


def any_flow(clip: Tensor, size: float = 1.5, seed: int = 0) -> ClipFlow:
    n, frames, _, height, width = clip.shape
    flows = size * noise(2, n, frames - 1, 2, height, width, seed=seed)
    return ClipFlow(*flows)


def gradients(
    net: STBN,
    clip: Tensor,
    pixels: Iterable[tuple[int, int, int]],
    flow: ClipFlow | None = None,
) -> Iterator[Tensor]:
    """Of all outputs at each pixel, mixed so that none cancels: ``(T, C, H, W)``."""
    clip = clip.detach().requires_grad_()
    mean, factor = net.predict_all(Clip(clip, ANY_NOISE), clip.dtype, flow)
    mix = torch.linspace(0.7, 1.3, net.channels)
    for t, y, x in pixels:
        mixed = (mean[0, t, :, y, x] * mix).sum()
        if factor is not None:
            mixed = mixed + (0.6 * factor[0, t, :, :, y, x]).sum()
        (found,) = torch.autograd.grad(mixed, clip, retain_graph=True)
        yield found[0]


def gradient(
    net: STBN, clip: Tensor, t: int, y: int, x: int, flow: ClipFlow | None = None
) -> Tensor:
    (found,) = gradients(net, clip, [(t, y, x)], flow)
    return found


def in_hole(
    shape: tuple[int, int], y: int, x: int, hole: tuple[int, int]
) -> np.ndarray:
    rows, columns = np.indices(shape)
    return (abs(rows - y) <= hole[0] // 2) & (abs(columns - x) <= hole[1] // 2)


# --- parity with the published network ----------------------------------------------


def load_case(folder: Path, name: str) -> dict[str, Any]:
    with np.load(folder / f"{name}.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def stbn_case(shared_parity: Path) -> dict[str, Any]:
    return load_case(shared_parity, "stbn_rgb")


@pytest.fixture(scope="module")
def published(stbn_case: dict[str, Any]) -> dict[str, Tensor]:
    return published_weights(stbn_case)


def assert_parity(ours: Tensor, output: np.ndarray) -> None:
    assert ours.shape == output.shape
    assert np.abs(ours.numpy() - output).max() <= 1e-5 * np.abs(output).max()


@torch.no_grad()
def test_parity_of_the_blind_spot_block(shared_parity: Path) -> None:
    case = load_case(shared_parity, "stbn_blindspot_block")
    block = BlindSpotBlock(seen=5, hidden=0, outputs=8, width=16, modules=3)
    weights = published_weights(case)
    load_exactly(block, block_parameters(weights, 5, 0), "block")
    assert_parity(block(torch.from_numpy(case["input"])), case["output"])
    # the same, with three of the channels taken for features of another frame
    block = BlindSpotBlock(seen=2, hidden=3, outputs=8, width=16, modules=3)
    load_exactly(block, block_parameters(weights, 1, 3), "block")
    frame, hidden, rest = torch.from_numpy(case["input"]).split([1, 3, 1], dim=1)
    assert_parity(block(torch.cat([frame, rest], dim=1), hidden), case["output"])


@torch.no_grad()
def test_parity_of_the_spatial_expansion(shared_parity: Path) -> None:
    case = load_case(shared_parity, "stbn_spatial_expansion")
    expansion = SpatialExpansion(8)
    weights = expansion_parameters(published_weights(case))
    load_exactly(expansion, weights, "expansion")
    both = [torch.from_numpy(case[name]) for name in ("first", "second")]
    assert_parity(expansion(torch.cat(both, dim=1)), case["output"])


@torch.no_grad()
def test_parity_of_the_whole_network(
    stbn_case: dict[str, Any], published: dict[str, Tensor]
) -> None:
    net = from_published(published)
    assert isinstance(net, STBN)
    assert not net.training
    assert net.configuration() == {
        "channels": 3,
        "features": 64,
        "modules": 5,
        "blocks": 8,
        "hole": [1, 1],
        "likelihood": True,
        "noise_input": True,
        "flow": "pwc",
        "fetch": "nearest",  # here it is bilinear by default
        "gain": 1.0,
        "context": 4,
    }
    clip = torch.from_numpy(stbn_case["input"])
    std = torch.as_tensor(stbn_case["noise_std"])
    ours, output = net.raw(clip, std).numpy(), stbn_case["output"]
    error = np.abs(ours - output) / np.abs(output).max()
    # a flow that lands between two pixels may round either way
    assert (error <= 1e-4).mean() >= 0.99
    # the same through the interface of all networks
    zero = torch.zeros(())
    mean, factor = net.predict_all(Clip(clip, CameraNoise(zero, zero, std**2)))
    assert factor is not None
    np.testing.assert_allclose(mean, ours[:, :, :3], atol=1e-4 * np.abs(ours).max())
    np.testing.assert_allclose(
        factor[:, :, 1, :2], ours[:, :, 6:8], atol=1e-4 * np.abs(ours).max()
    )


def test_a_published_checkpoint_file(
    tmp_path: Path, published: dict[str, Tensor]
) -> None:
    mask = torch.ones(64, 64, 3, 3)
    mask[:, :, 1, 1] = 0
    masks = {
        f"{part}_rnn.branch1.body.0.mask": mask for part in ("forward", "backward")
    }
    state = {f"module.{name}": w for name, w in {**published, **masks}.items()}
    checkpoint = {
        "args": {"lr": 3e-4, "model": "bdc_2_unify", "milestones": [2, 4, 6, 8]},
        "state_dict": state,
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "scheduler": {"milestones": Counter({2: 1, 4: 1}), "last_epoch": 10},
    }
    path = tmp_path / "ckpt_e10.pth"
    torch.save(checkpoint, path)
    net = from_published(read_published(path), channels=3)
    expected = from_published(published)
    assert isinstance(net, STBN)
    for name, weight in expected.state_dict().items():
        assert torch.equal(net.state_dict()[name], weight)
    # its flow network alone
    flow_net = flow_from_published(read_published(path))
    assert torch.equal(
        flow_net.refiner_flow.bias, published["pwcnet.netRefiner.netMain.12.bias"]
    )


def test_published_weights_that_do_not_fit_are_refused(
    published: dict[str, Tensor],
) -> None:
    with pytest.raises(ValueError, match=r"for 3 channel.*has 1.*three times"):
        from_published(published, channels=1)
    with pytest.raises(ValueError, match=r"hides one pixel, not 3 x 1"):
        from_published(published, hole=(3, 1))

    def without(name: str) -> dict[str, Tensor]:
        return {k: v for k, v in published.items() if k != name}

    for name in (
        "concat.convs.0.weight",
        "d.encoder.interpolate.headConv.bias",
        "forward_rnn.head.0.weight",
        "backward_rnn.head.0.weight",
        "d2.convs.3.weight",
        "pwcnet.netTwo.netOne.0.bias",
    ):
        with pytest.raises(ValueError, match="missing"):
            from_published(without(name))
    with pytest.raises(ValueError, match="unknown"):
        from_published({**published, "extra.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="outputs"):
        from_published({**published, "d2.convs.3.weight": torch.zeros(7, 64, 1, 1)})
    with pytest.raises(ValueError, match="shapes"):
        from_published(
            {**published, "concat.convs.6.weight": torch.zeros(8, 128, 1, 1)}
        )
    mask = {"forward_rnn.branch1.body.0.mask": torch.ones(64, 64, 3, 3)}
    with pytest.raises(ValueError, match="mask"):
        from_published({**published, **mask})


# --- blindness ----------------------------------------------------------------------


@pytest.mark.parametrize("frames", range(2, 10))
def test_no_output_sees_its_own_pixel(frames: int) -> None:
    """At every parity of rows and columns and in the corners, with any flow."""
    shape = [(12, 12), (9, 13)][frames // 2 % 2]  # each with odd and even numbers
    net = tiny_stbn(frames).double()
    clip = noise(1, frames, 1, *shape, seed=frames)
    height, width = shape
    flow = any_flow(clip)
    times = {0, frames // 2, frames - 1}
    places = {*itertools.product((4, 5), (5, 6)), (0, 0), (height - 1, width - 1)}
    pixels = [(t, *place) for t, place in itertools.product(times, places)]
    found = gradients(net, clip, pixels, flow)
    for (t, y, x), seen in zip(pixels, found, strict=True):
        own = seen[t, 0].clone()
        # pixels that are multiples of the stride away are never reached
        assert not own[y % 2 :: 2, x % 2 :: 2].any()
        # all of the other parities next to it are
        own[y % 2 :: 2, x % 2 :: 2] = 1
        assert own[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].all()
    # every frame is seen, the same pixel of its neighbour too, where nothing moves
    still = gradient(net, clip, 0, 5, 5)[:, 0]
    assert still.flatten(1).any(dim=1).all()
    assert still[1, 5, 5] != 0


@pytest.mark.parametrize("hole", HOLES, ids=str)
@pytest.mark.parametrize("channels", [1, 2])
def test_larger_holes_are_honoured_exactly(
    hole: tuple[int, int], channels: int
) -> None:
    net = tiny_stbn(hole=hole, channels=channels).double()
    shape = (23, 26)
    clip = noise(1, 3, channels, *shape)
    flow = any_flow(clip)
    rows, columns = lattice(hole)[1]
    for y, x in itertools.product(range(9, 9 + rows), range(10, 10 + columns)):
        seen = gradient(net, clip, 1, y, x, flow).numpy()
        hidden = in_hole(shape, y, x, hole)
        assert not seen[1][:, hidden].any()
    # the hole is no larger than said
    ring = in_hole(shape, y, x, (hole[0] + 2, hole[1] + 2)) & ~hidden
    assert (seen[1][:, ring] != 0).all()
    assert seen[0].any()
    assert seen[2].any()


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(2, 4),
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    hole=st.sampled_from(HOLES),
    place=st.tuples(*[st.floats(0, 0.999)] * 3),
    options=st.fixed_dictionaries(
        {
            "modules": st.integers(1, 3),
            "blocks": st.integers(1, 2),
            "likelihood": st.booleans(),
            "noise_input": st.booleans(),
        }
    ),
    size=st.sampled_from([0.0, 1.0, 6.0]),
    seed=st.integers(0, 5),
)
def test_blind_on_any_clip(
    frames: int,
    height: int,
    width: int,
    hole: tuple[int, int],
    place: tuple[float, float, float],
    options: dict[str, Any],
    size: float,
    seed: int,
) -> None:
    t, y, x = (int(p * n) for p, n in zip(place, (frames, height, width), strict=True))
    net = tiny_stbn(seed, hole=hole, **options).double()
    clip = noise(1, frames, 1, height, width, seed=seed)
    seen = gradient(net, clip, t, y, x, any_flow(clip, size, seed)).numpy()
    assert not seen[t, :, in_hole((height, width), y, x, hole)].any()


def change(clip: Tensor, t: int, y: int, x: int, hole: tuple[int, int]) -> Tensor:
    other = clip.clone()
    hidden = torch.from_numpy(in_hole((clip.shape[-2], clip.shape[-1]), y, x, hole))
    other[:, t, :, hidden] = 50.0
    return other


@pytest.mark.parametrize("hole", [(1, 1), (3, 3)], ids=str)
@pytest.mark.parametrize("path", ["all", "sweep", "window"])
def test_large_changes_do_not_show_either(hole: tuple[int, int], path: str) -> None:
    net = tiny_stbn(hole=hole).double()
    t, y, x = 2, 9, 8
    clip = noise(1, 5, 1, 17, 18)

    @torch.inference_mode()
    def outputs(clip: Tensor) -> Tensor:
        if path == "all":
            prediction = net.predict_all(Clip(clip, ANY_NOISE), torch.float64)
            mean, factor = (part[:, t] for part in prediction if part is not None)
        elif path == "sweep":
            sweep = net.sweep(Clip(clip, ANY_NOISE), [range(5)], torch.float64)
            (prediction,) = sweep
            mean, factor = prediction
        else:
            prediction = net.predict(Clip(clip, ANY_NOISE), torch.float64)
            mean, factor = (part[:, 0] for part in prediction if part is not None)
        return torch.cat([mean[0], factor[0, 0]])

    one, two = outputs(clip), outputs(change(clip, t, y, x, hole))
    torch.testing.assert_close(one[:, y, x], two[:, y, x], rtol=0, atol=1e-12)
    assert (one - two).abs().amax() > 0.1  # the neighbours saw the change


def test_the_flow_is_all_that_the_own_pixel_can_change() -> None:
    """Through the flow it chooses what is fetched; given the flow it is not seen."""
    net = tiny_stbn(flow="light").double()
    t, y, x = 1, 9, 8
    clip = noise(1, 3, 1, 32, 32)
    flow = net.estimate_flow(clip)
    other = change(clip, t, y, x, (1, 1))
    moved = net.estimate_flow(other)
    assert flow is not None
    assert moved is not None
    assert (flow.to_previous - moved.to_previous).abs().max() > 0.5
    assert not flow.to_next.requires_grad
    assert not gradient(net, clip, t, y, x)[t, :, y, x].any()

    def output(clip: Tensor, flow: ClipFlow | None) -> Tensor:
        mean = net.predict_all(Clip(clip, ANY_NOISE), torch.float64, flow).mean
        return mean[0, t, :, y, x].detach()

    given = output(clip, flow)
    torch.testing.assert_close(output(clip, None), given, rtol=0, atol=0)
    torch.testing.assert_close(output(other, flow), given, rtol=0, atol=1e-12)
    assert (output(other, None) - given).abs().max() > 1e-6


@pytest.mark.parametrize("hole", [(1, 1), (3, 1)], ids=str)
def test_still_blind_after_learning(hole: tuple[int, int]) -> None:
    net = tiny_stbn(hole=hole, flow="light").double()
    clip = noise(2, 4, 1, 16, 15) + 1
    trained = {
        name: parameter
        for name, parameter in net.named_parameters()
        if not name.startswith("flow_net")
    }
    before = {name: parameter.detach().clone() for name, parameter in trained.items()}
    losses = []
    for step in range(6):
        prediction = net.predict_all(Clip(clip, ANY_NOISE), torch.float64)
        loss = negative_log_likelihood(
            prediction, clip, torch.tensor(0.1, dtype=torch.float64)
        ).mean()
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, list(trained.values()))
        with torch.no_grad():
            for parameter, its_gradient in zip(
                trained.values(), gradients, strict=True
            ):
                parameter -= 2e-3 * (step + 1) * its_gradient.sign()
    assert min(losses[1:]) < losses[0]
    unchanged = [name for name in trained if torch.equal(before[name], trained[name])]
    assert not unchanged
    for t, y, x in itertools.product(range(4), (0, 7, 15), (0, 6, 14)):
        seen = gradient(net, clip[:1], t, y, x).numpy()
        assert not seen[t, :, in_hole((16, 15), y, x, hole)].any()
        assert seen.any()


# --- the noise level as an input ----------------------------------------------------


def test_the_noise_map_is_constant_where_the_noise_is() -> None:
    net = tiny_stbn().double()
    clip = noise(1, 3, 1, 12, 14)
    zero = torch.zeros((), dtype=torch.float64)
    camera = CameraNoise(zero, zero, zero + 0.25)
    mean = net.predict_all(Clip(clip, camera), torch.float64).mean
    raw = net.raw(clip, zero + 0.5)
    torch.testing.assert_close(mean, raw[:, :, :1])
    assert not torch.allclose(net.raw(clip, zero + 1.0), raw)
    # a plain number, or one for each frame
    assert torch.equal(net.raw(clip, 0.5), raw)
    assert torch.equal(net.raw(clip, (zero + 0.5).expand(1, 3, 1, 1, 1)), raw)


def test_the_noise_map_follows_brightness() -> None:
    net = tiny_stbn()
    camera = CameraNoise(torch.tensor(0.5), torch.tensor(-1.0), torch.tensor(0.1))
    bright = torch.full((1, 2, 1, 20, 20), 3.0)
    bright[..., :10, :] = 0.0
    std = noise_map(bright, camera, net._stride)
    assert std.shape == bright.shape
    # away from the step and at the border: the camera's equation at the true level
    for rows, level in ((slice(0, 5), 0.0), (slice(15, 20), 3.0)):
        expected = float(camera.variance(torch.tensor(level)).sqrt())
        torch.testing.assert_close(
            std[..., rows, :], torch.full((1, 2, 1, 5, 20), expected)
        )
    assert std[..., 10, :].min() > std[..., 0, :].max()


def test_noise_that_differs_between_the_clips_of_a_batch() -> None:
    net = tiny_stbn(channels=2).double()
    clip = noise(2, 3, 2, 12, 12)
    gain = torch.tensor([0.1, 0.7], dtype=torch.float64).view(2, 1, 1, 1, 1)
    both = net.predict_all(
        Clip(clip, CameraNoise(gain, -4 * gain, gain)), torch.float64
    )
    for k in range(2):
        camera = CameraNoise(gain[k], -4 * gain[k], gain[k])
        alone = net.predict_all(Clip(clip[k : k + 1], camera), torch.float64)
        torch.testing.assert_close(alone.mean[0], both.mean[k])


def test_a_network_that_is_not_told_the_noise() -> None:
    net = tiny_stbn(noise_input=False).double()
    clip = noise(1, 3, 1, 8, 8)
    zero = torch.zeros(())
    one = net.predict_all(Clip(clip, ANY_NOISE), torch.float64).mean
    two = net.predict_all(
        Clip(clip, CameraNoise(zero, zero, zero + 9)), torch.float64
    ).mean
    assert torch.equal(one, two)
    assert torch.equal(net.raw(clip)[:, :, :1], one)
    with pytest.raises(ValueError, match="give noise_std"):
        tiny_stbn().raw(clip.float())


# --- one network among others -------------------------------------------------------


def assert_same(one: Prediction, two: Prediction, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(one.mean, two.mean, rtol=0, atol=tolerance)
    assert one.factor is not None
    assert two.factor is not None
    torch.testing.assert_close(one.factor, two.factor, rtol=0, atol=tolerance)


def at(prediction: Prediction, *index: Any) -> Prediction:
    assert prediction.factor is not None
    return Prediction(prediction.mean[index], prediction.factor[index])


@pytest.mark.parametrize("flow", ["none", "light"])
@torch.no_grad()
def test_sweep_is_the_recurrence_over_the_clip(flow: str) -> None:
    net = tiny_stbn(flow=flow).double()
    clip = noise(7, 1, 18, 21)
    whole = net.predict_all(Clip(clip[None], ANY_NOISE), torch.float64)
    # as at the ends of a movie, with frames reflected; some not asked for; back again
    windows = [[2, 1, 0, 1, 2], [3, 0, 1, 2, 3], [1, 2, 3, 4, 5], [4, 5, 6, 5, 4]]
    windows += [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    swept = net.sweep(Clip(clip[None], ANY_NOISE), iter(windows), torch.float64)
    for window, prediction in zip(windows, swept, strict=True):
        assert prediction.mean.shape == (1, 1, 18, 21)
        assert_same(prediction, at(whole, slice(None), window[2]))
    assert not list(net.sweep(Clip(clip[None], ANY_NOISE), [], torch.float64))


@torch.no_grad()
def test_predict_gives_the_frames_with_full_context() -> None:
    net = tiny_stbn().double()
    clip = noise(2, 6, 1, 12, 12)
    full = net.predict(Clip(clip, ANY_NOISE), torch.float64)
    whole = net.predict_all(Clip(clip, ANY_NOISE), torch.float64)
    assert full.mean.shape == (2, 2, 1, 12, 12)
    assert_same(full, at(whole, slice(None), slice(2, 4)))
    window = clip[:1, :5].float()
    pixel = net.float().predict_pixel(
        Clip(window, ANY_NOISE), net.geometry.context, 3, 4
    )
    expected = net.predict(Clip(window, ANY_NOISE), torch.float32)
    assert_same(pixel, at(expected, slice(None), 0, ..., slice(3, 4), slice(4, 5)))
    with pytest.raises(ValueError, match=r"2 frames on each side.*clip of 4"):
        net.predict(Clip(clip[:, :4], ANY_NOISE), torch.float32)


def test_time_reversed_with_the_directions_swapped() -> None:
    """Both directions are treated alike."""
    net = tiny_stbn(flow="light").double()
    clip = noise(1, 4, 1, 16, 16)
    one = net.predict_all(Clip(clip, ANY_NOISE), torch.float64)
    net.forward_block, net.backward_block = net.backward_block, net.forward_block
    half = net.options.features * 4
    with torch.no_grad():
        head = net.expand.head.weight
        head.copy_(torch.cat([head[:, half:], head[:, :half]], dim=1))
    two = net.predict_all(Clip(clip.flip(1), ANY_NOISE), torch.float64)
    assert_same(at(two, slice(None), torch.arange(3, -1, -1)), one)


def test_radius_is_how_far_it_sees() -> None:
    net = tiny_stbn(context=1, likelihood=False).double()
    shape = (9, 2 * net.geometry.radius + 21)
    clip = noise(1, 3, 1, *shape)
    furthest = 0
    for x in range(net.geometry.radius + 8, net.geometry.radius + 12):
        seen = gradient(net, clip, 1, 4, x)
        (columns,) = torch.nonzero(seen.sum(dim=(0, 1, 2)), as_tuple=True)
        furthest = max(furthest, int((columns - x).abs().max()))
    assert net.geometry.radius - 8 <= furthest <= net.geometry.radius


@torch.no_grad()
def test_tiles_on_the_grid_have_no_seams() -> None:
    net = tiny_stbn(context=1).double()
    assert net.geometry.grid == 4
    assert tiny_stbn(flow="light").geometry.grid == 16
    assert tiny_stbn(flow="light", hole=(5, 1)).geometry.grid == 48
    clip = noise(1, 3, 1, 10, 100 + net.geometry.radius)
    start = (
        100 // net.geometry.grid * net.geometry.grid - net.geometry.radius // 4 * 4 - 4
    )
    whole = net.predict(Clip(clip, ANY_NOISE), torch.float64)
    part = net.predict(Clip(clip[..., start:], ANY_NOISE), torch.float64)
    torch.testing.assert_close(part.mean[..., 100 - start :], whole.mean[..., 100:])


def test_flow_can_be_switched_off_for_good() -> None:
    net = tiny_stbn(flow="light")
    clip = noise(1, 3, 1, 16, 16).float()
    still = ClipFlow(*torch.zeros(2, 1, 2, 2, 16, 16))
    moving = net.predict_all(Clip(clip, ANY_NOISE)).mean
    expected = net.predict_all(Clip(clip, ANY_NOISE), flow=still).mean
    net.drop_flow()
    assert torch.equal(net.predict_all(Clip(clip, ANY_NOISE)).mean, expected)
    assert not torch.equal(moving, expected)
    assert net.estimate_flow(clip) is None
    assert net.configuration()["flow"] == "none"
    assert "no flow" in net.size
    STBN(**net.configuration()).load_state_dict(net.state_dict())  # type: ignore[arg-type]


@torch.no_grad()
def test_what_is_learned_can_begin() -> None:
    """The untrained network neither grows along a sequence nor has a dead factor."""
    for seed in range(3):
        torch.manual_seed(seed)
        net = STBN(features=16, modules=2, blocks=4, flow="none")
        clip = noise(1, 30, 1, 16, 16, seed=seed).float()
        prediction = net.predict_all(Clip(clip, ANY_NOISE))
        assert prediction.factor is not None
        for part in (prediction.mean, prediction.factor):
            assert 0.01 < float(part.std()) < 10
            early, late = float(part[:, 5:10].std()), float(part[:, 15:20].std())
            assert 1 / 5 < late / early < 5


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 1, 8, 8), "at least two frames, got a clip of 1"),
        ((1, 3, 2, 8, 8), r"\(N, T >= 2, 1, H, W\)"),
        ((3, 1, 8, 8), r"\(N, T >= 2, 1, H, W\)"),
    ],
)
def test_clips_that_do_not_fit_are_refused(
    shape: tuple[int, ...], message: str
) -> None:
    net, clip = tiny_stbn(), torch.zeros(shape)
    with pytest.raises(ValueError, match=message):
        net.predict_all(Clip(clip, ANY_NOISE))
    with pytest.raises(ValueError, match=message):
        net.predict(Clip(clip, ANY_NOISE), torch.float32)
    with pytest.raises(ValueError, match=message):
        net.raw(clip, torch.ones(()))


def test_a_grey_movie_for_an_rgb_network() -> None:
    with pytest.raises(ValueError, match="three times as red, green and blue"):
        tiny_stbn(channels=3).predict_all(Clip(torch.zeros(1, 3, 1, 8, 8), ANY_NOISE))


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"channels": 0}, "channels is 0"),
        ({"features": 7}, "features is 7; it must be even"),
        ({"modules": 0}, "modules is 0"),
        ({"blocks": -1}, "blocks is -1"),
        ({"context": 0}, "context is 0"),
        ({"gain": 0.0}, "gain is 0.0; it must be positive"),
        ({"fetch": "cubic"}, "choose bilinear or nearest"),
        ({"hole": (2, 1)}, "must be odd"),
        ({"flow": "raft"}, "pwc, light or none"),
        ({"flow": "pwc", "channels": 2}, "not 2 channels"),
    ],
    ids=str,
)
def test_arguments_out_of_range(configuration: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        STBN(**configuration)


def test_a_fair_prediction_hardly_depends_on_the_noise_that_judges_it() -> None:
    """The noisy pixel has a say in the flow; where it judges, it has none."""
    net = tiny_stbn(flow="light").double()
    clip = noise(1, 5, 1, 24, 24)
    moved = {net.predict: 0.0, net.predict_fairly: 0.0}
    for y, x in ((5, 6), (12, 12), (18, 9)):
        other = clip.clone()
        other[0, 2, 0, y, x] += 10.0
        with torch.no_grad():
            for predict in moved:
                one, two = (
                    predict(Clip(c, ANY_NOISE), clip.dtype).mean[0, 0, 0, y, x]
                    for c in (clip, other)
                )
                moved[predict] += float((one - two).abs())
    assert moved[net.predict] > 0
    assert moved[net.predict_fairly] < 0.3 * moved[net.predict]


def test_the_gain_is_that_of_what_the_network_sees() -> None:
    clip = noise(1, 3, 1, 12, 10)
    one, three = (tiny_stbn(flow="none", gain=gain) for gain in (1.0, 3.0))
    three.load_state_dict(one.state_dict())
    variance = torch.full((), 0.04, dtype=clip.dtype)
    zero = torch.zeros_like(variance)
    with torch.no_grad():
        expected = one.predict_all(
            Clip(3 * clip, CameraNoise(zero, zero, 9 * variance))
        )
        found = three.predict_all(Clip(clip, CameraNoise(zero, zero, variance)))
    torch.testing.assert_close(found.mean, expected.mean / 3)
    assert found.factor is not None
    assert expected.factor is not None
    torch.testing.assert_close(found.factor, expected.factor / 3)
    assert found.mean.std() > 0


@pytest.mark.parametrize("features", [8, 12, 20, 24, 28, 32])
def test_gradients_in_bfloat16_are_those_of_float32(features: int) -> None:
    torch.manual_seed(0)
    net = STBN(features=features, modules=2, blocks=2, flow="none", gain=1.0)
    clip = torch.randn(1, 3, 1, 64, 64)
    found = []
    for precision in (torch.float32, torch.bfloat16):
        mean = net.predict_clip(Clip(clip, ANY_NOISE), precision).mean
        parameters = net.denoising_parameters()
        gradients = torch.autograd.grad(
            (mean - clip).square().mean(),
            list(parameters.values()),
            materialize_grads=True,
        )
        found.append(dict(zip(parameters, gradients, strict=True)))
    exact, rounded = found
    for name, gradient in exact.items():
        gap = (gradient - rounded[name]).norm()
        assert gap <= 0.3 * gradient.norm() + 1e-4, name
