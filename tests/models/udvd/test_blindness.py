"""UDVD never looks into the hole, and at everything just outside of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.models import UDVD, Clip, negative_log_likelihood
from tiny import ANY_NOISE, tiny_net

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOLES = [(1, 1), (1, 3), (3, 1), (3, 3), (5, 5), (3, 7)]
SHAPES = [(16, 16), (13, 9), (11, 18), (40, 5), (3, 33)]


def gradients(
    net: UDVD, clip: torch.Tensor, pixels: Iterable[tuple[int, int]]
) -> Iterator[torch.Tensor]:
    """Of all outputs at each pixel, mixed so that none cancels: ``(T, C, H, W)``."""
    clip = clip.detach().requires_grad_()
    out = net.raw(clip)[0]
    mix = torch.linspace(0.7, 1.3, len(out), dtype=clip.dtype)
    for y, x in pixels:
        mixed = (out[:, y, x] * mix).sum()
        (found,) = torch.autograd.grad(mixed, clip, retain_graph=True)
        yield found[0]


def gradient(net: UDVD, clip: torch.Tensor, y: int, x: int) -> torch.Tensor:
    (found,) = gradients(net, clip, [(y, x)])
    return found


def in_hole(
    shape: tuple[int, int], y: int, x: int, hole: tuple[int, int]
) -> np.ndarray:
    rows, columns = np.indices(shape)
    return (abs(rows - y) <= hole[0] // 2) & (abs(columns - x) <= hole[1] // 2)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("k", range(len(SHAPES)), ids=lambda k: str(SHAPES[k]))
@pytest.mark.parametrize("hole", HOLES, ids=str)
def test_no_frame_shows_the_hole(hole: tuple[int, int], k: int) -> None:
    """Every hole in every shape, and each of them with all numbers of frames."""
    shape = SHAPES[k]
    frames = (1, 3, 5)[(k + HOLES.index(hole)) % 3]
    net = tiny_net(frames=frames, hole=hole, likelihood=True).double()
    clip = noise(1, frames, 1, *shape)
    height, width = shape
    corners_and_middle = [
        (0, 0),
        (height - 1, width - 1),
        (0, width - 1),
        (height // 2, width // 2),
        (height // 2 - 1, width // 3),
    ]
    found = gradients(net, clip, corners_and_middle)
    for (y, x), seen in zip(corners_and_middle, found, strict=True):
        assert not seen.numpy()[:, :, in_hole(shape, y, x, hole)].any()


@pytest.mark.parametrize("hole", HOLES, ids=str)
@pytest.mark.parametrize("frames", [1, 3, 5])
def test_the_hole_is_no_larger_than_said(frames: int, hole: tuple[int, int]) -> None:
    net = tiny_net(frames=frames, hole=hole, channels=2).double()
    y, x = 10, 11
    seen = gradient(net, noise(1, frames, 2, 21, 22), y, x).numpy()
    # the ring of pixels around the hole, in every frame and channel
    ring = in_hole((21, 22), y, x, (hole[0] + 2, hole[1] + 2))
    ring &= ~in_hole((21, 22), y, x, hole)
    assert ring.sum() == 2 * (hole[0] + hole[1]) + 4
    assert np.count_nonzero(seen[:, :, ring]) == seen[:, :, ring].size


@settings(max_examples=40, deadline=None)
@given(
    frames=st.sampled_from([1, 3, 5]),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    hole=st.tuples(*[st.sampled_from([1, 3, 5, 9])] * 2),
    place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    seed=st.integers(0, 5),
)
def test_blind_on_any_frame(
    frames: int,
    height: int,
    width: int,
    hole: tuple[int, int],
    place: tuple[float, float],
    seed: int,
) -> None:
    y, x = int(place[0] * height), int(place[1] * width)
    net = tiny_net(seed, frames=frames, hole=hole).double()
    seen = gradient(net, noise(1, frames, 1, height, width, seed=seed), y, x).numpy()
    hidden = in_hole((height, width), y, x, hole)
    assert not seen[:, :, hidden].any()
    # something is seen unless the hole covers the whole frame
    assert seen.any() == (not hidden.all())


@pytest.mark.parametrize("hole", [(1, 1), (3, 1), (3, 3)], ids=str)
@pytest.mark.parametrize("path", ["clip", "sweep"])
def test_inference_does_not_look_into_the_hole_either(
    hole: tuple[int, int], path: str
) -> None:
    # inference runs other code than training: strips, streams, single looks
    net = tiny_net(frames=3, hole=hole, likelihood=True).double()
    shape, (y, x) = (70, 37), (34, 17)
    clip = noise(1, 3, 1, *shape)
    other = clip.clone()
    other[..., torch.from_numpy(in_hole(shape, y, x, hole))] = 1e3

    def outputs(x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            if path == "clip":
                return net.raw(x)[0]
            (last,) = net.sweep(Clip(x, ANY_NOISE), [[0, 1, 2]], torch.float64)
            return torch.cat([last.mean[0], last.factor[0, :, 0]])

    one, two = outputs(clip), outputs(other)
    torch.testing.assert_close(one[:, y, x], two[:, y, x], rtol=0, atol=1e-12)
    assert (one - two).abs().amax() > 1  # the neighbours saw the change


@pytest.mark.parametrize("hole", [(1, 1), (3, 1), (3, 3)], ids=str)
def test_still_blind_after_learning(hole: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = UDVD(frames=5, width=4, hole=hole, likelihood=True).double()
    clip = noise(1, 6, 1, 16, 15) + 1
    before = [p.detach().clone() for p in net.parameters()]
    for _ in range(5):
        loss = negative_log_likelihood(
            net(Clip(clip, ANY_NOISE)),
            clip[:, 2:-2],
            torch.tensor(0.1, dtype=torch.float64),
        ).mean()
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for parameter, gradient_of_it in zip(
                net.parameters(), gradients, strict=True
            ):
                parameter -= 1e-2 * gradient_of_it.sign()
    after = list(net.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    for y, x in itertools.product((0, 7, 15), (0, 6, 14)):
        seen = gradient(net, clip[:, :5], y, x).numpy()
        assert not seen[:, :, in_hole((16, 15), y, x, hole)].any()
        assert seen.any()
