"""How a network learns from pairs of copies, and its flow from frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from napari_udvd.models import build_improver
from napari_udvd.models.improvers import SEEN
from napari_udvd.optics import Blur, Gaussian
from napari_udvd.sharpening import Effort
from napari_udvd.sharpening._clock import Clock
from napari_udvd.sharpening._flow_training import (
    flows_of,
    is_of_use,
    learn_flow,
    no_flow,
)
from napari_udvd.sharpening._learning import added_by, learn
from napari_udvd.sharpening._pairs import Pair, seen_of
from tiny import fill

if TYPE_CHECKING:
    import pytest

PSF = Gaussian(1.0)


def net_of(seed: int = 0, zoom: int = 1) -> Any:
    torch.manual_seed(seed)
    return build_improver("s2svr", zoom)


def drifting(frames: int = 6, size: int = 32, speed: int = 1) -> torch.Tensor:
    """Draw a smooth pattern that moves to the right, ``(T, size, size)``."""
    wide = np.random.default_rng(1).random((size, size + speed * frames))
    wide = gaussian_filter(wide, 1.5)
    wide = (wide - wide.min()) / np.ptp(wide)
    cuts = [wide[:, speed * (frames - t) :][:, :size] for t in range(frames)]
    return torch.from_numpy(np.stack(cuts).astype(np.float32))


def pair_of(scene: torch.Tensor, base: torch.Tensor, zoom: int = 1) -> Pair:
    """Make a pair of a scene on the grid of the result, as measured without noise."""
    shape = tuple(n // zoom for n in scene.shape[1:])
    blur = Blur(PSF, shape, zoom)
    light, predicted = (blur(blur.placed(each)) for each in (scene, base))
    weight = torch.full_like(light, 1e4)
    return Pair(seen_of(light, base), base, predicted, light, weight)


def test_a_new_network_adds_nothing() -> None:
    for zoom in (1, 2):
        seen, base = (
            torch.rand(1, 3, SEEN, 16, 16),
            torch.rand(1, 3, 16 * zoom, 16 * zoom),
        )
        added = added_by(net_of(zoom=zoom), seen, no_flow(seen), base)
        assert torch.equal(added, torch.zeros_like(base))


def test_it_learns_what_the_copy_says() -> None:
    for zoom in (1, 2):
        scene = drifting(4, 24 * zoom)
        pair = pair_of(scene, 0.7 * scene, zoom)
        net = net_of(zoom=zoom)
        flows = no_flow(pair.seen[None])
        losses = list(
            learn(net, [pair], [flows], PSF, zoom, Clock(Effort(steps=25)), 0)
        )
        assert len(losses) == 25
        # the first is that of the base
        squares = pair.weight * (pair.second - pair.predicted).square()
        assert math.isclose(losses[0], float(squares.mean()), rel_tol=1e-4)
        assert np.mean(losses[-5:]) < 0.3 * losses[0]
        with torch.no_grad():
            added = added_by(net, pair.seen[None], flows, pair.base[None])[0]
        inner = (slice(None), slice(4, -4), slice(4, -4))
        error = (scene - pair.base - added)[inner].square().mean()
        assert error < 0.5 * (scene - pair.base)[inner].square().mean()


def test_what_was_not_measured_does_not_count() -> None:
    scene = drifting(4)
    pair = pair_of(scene, 0.7 * scene)
    wrong = pair._replace(second=pair.second.clone(), weight=pair.weight.clone())
    wrong.second[:, 10:20], wrong.weight[:, 10:20] = 1e3, 0.0
    flows = no_flow(pair.seen[None])
    steps = learn(net_of(), [wrong], [flows], PSF, 1, Clock(Effort(steps=2)), 0)
    assert all(loss < 1e4 for loss in steps)


def test_flow_learns_from_frames_that_move() -> None:
    frames = drifting(speed=2)
    pair = pair_of(frames, frames)
    found = []
    for _ in range(2):
        net, clock = net_of(), Clock(Effort(steps=12))
        found.append(list(learn_flow(net, pair.seen, [pair], clock, 1.0, seed=0)))
        assert clock.steps == 12
    assert found[0] == found[1]  # can be repeated
    # by SSIM; the census transform judges the others
    assert min(found[0][1:6]) < found[0][0]
    assert min(found[0][7:]) < found[0][6]
    assert flows_of(net, pair.seen[None], follows=True).to_next.any()


def test_flow_is_of_use_if_it_leads_where_things_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = drifting(speed=2)
    pair = pair_of(frames, frames)
    pair = pair._replace(second=frames, weight=torch.ones_like(frames))
    net = net_of()
    assert not is_of_use(net, pair)  # a new one says that nothing moves
    for columns, right in ((2.0, True), (-2.0, False)):
        flow = no_flow(pair.seen[None])
        flow.to_next[:, :, 1] = columns
        monkeypatch.setattr(net.flow_net, "of_clip", lambda _, flow=flow: flow)
        assert is_of_use(net, pair) == right


def test_flow_that_is_of_no_use_is_none() -> None:
    net = net_of()
    fill(net.flow_net)
    seen = torch.rand(1, 3, SEEN, 16, 16)
    flow = flows_of(net, seen, follows=False)
    assert not flow.to_next.any() and not flow.to_previous.any()
    assert flows_of(net, seen, follows=True).to_next.any()


def test_frames_smaller_than_the_grid_have_no_flow_to_learn() -> None:
    net, clock = net_of(), Clock(Effort(steps=10))
    seen = torch.rand(4, SEEN, 7, 20)
    assert list(learn_flow(net, seen, [], clock, 0.5, seed=0)) == []
    assert clock.steps == 0
