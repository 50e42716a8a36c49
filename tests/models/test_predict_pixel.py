"""One pixel alone is the same number, with the same gradient, as in the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_udvd.models import Clip
from tiny import ANY_NOISE, tiny_center_blind, tiny_net, tiny_stbn

if TYPE_CHECKING:
    from napari_udvd.models import Network

NETWORKS = {
    "five frames": lambda: tiny_net(frames=5, likelihood=True),
    "three frames, two channels": lambda: tiny_net(frames=3, channels=2),
    "one frame, tall hole": lambda: tiny_net(frames=1, hole=(5, 1)),
    "five frames, wide hole": lambda: tiny_net(frames=5, hole=(1, 3)),
    "centre-blind": lambda: tiny_center_blind(),
    "centre-blind, large hole": lambda: tiny_center_blind(hole=(7, 3), channels=2),
    "stbn": lambda: tiny_stbn(context=1),
    "centre-blind, hidden": lambda: tiny_center_blind(hidden=1, likelihood=False),
}

SHAPES = [(37, 50), (161, 118)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
def test_a_pixel_alone_is_the_pixel_of_the_frame(
    make: object, shape: tuple[int, int]
) -> None:
    net: Network = make()  # type: ignore[operator]
    net.requires_grad_(False)
    if net.name == "udvd":
        # rectifiers make gradients jump where a sum is zero: in float64 none is
        net.double()
    dtype = next(net.parameters()).dtype
    generator = torch.Generator().manual_seed(1)
    size = (1, 2 * net.geometry.context + 1, net.channels, *shape)
    clip = torch.randn(size, generator=generator, dtype=dtype).requires_grad_()
    frame = net.predict(Clip(clip, ANY_NOISE), dtype)
    rows, columns = shape
    places = [(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 3), (3, 44)]
    for y, x in places:
        alone = net.predict_pixel(Clip(clip, ANY_NOISE), net.geometry.context, y, x)
        assert alone.mean.shape == (1, net.channels, 1, 1)
        expected = frame.mean[0, 0, :, y, x]
        torch.testing.assert_close(alone.mean[0, :, 0, 0], expected)
        if frame.factor is not None:
            assert alone.factor is not None
            factor = frame.factor[0, 0, ..., y, x]
            torch.testing.assert_close(alone.factor[0, ..., 0, 0], factor)
        (ours,) = torch.autograd.grad(alone.mean[0, -1].sum(), clip)
        (theirs,) = torch.autograd.grad(expected[-1], clip, retain_graph=True)
        assert theirs.abs().max() > 1e-3
        close = {"rtol": 1e-4, "atol": 1e-5 * float(theirs.abs().max())}
        torch.testing.assert_close(ours, theirs, **close)
