"""Sampling along a flow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.models.flow.warp import sample_bilinear, sample_nearest
from noise_images import noise


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(2, 12),
    width=st.integers(2, 12),
    size=st.sampled_from([0.0, 0.7, 3.0, 40.0]),
    seed=st.integers(0, 1000),
)
def test_nearest_is_the_published_sampling(
    height: int, width: int, size: float, seed: int
) -> None:
    image = noise(2, 3, height, width, seed=seed).double().requires_grad_()
    flow = (size * noise(2, 2, height, width, seed=seed + 1)).double()
    rows, columns = torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing="ij"
    )
    grid = torch.stack(
        [
            2 * (columns + flow[:, 1]) / (width - 1) - 1,
            2 * (rows + flow[:, 0]) / (height - 1) - 1,
        ],
        dim=-1,
    )
    published = F.grid_sample(image, grid, mode="nearest", align_corners=True)
    ours = sample_nearest(image, flow)
    assert torch.equal(ours, published)
    back = noise(*image.shape, seed=seed + 2).double()
    one, two = (torch.autograd.grad(x, image, back)[0] for x in (ours, published))
    torch.testing.assert_close(one, two)


def test_nearest_along_no_flow_is_the_image() -> None:
    image = noise(2, 5, 7, 9)
    assert torch.equal(sample_nearest(image, torch.zeros(2, 2, 7, 9)), image)


def test_a_broken_flow_fetches_nothing() -> None:
    image = noise(1, 2, 4, 4)
    for value in (float("nan"), float("inf"), -1e30):
        flow = torch.full((1, 2, 4, 4), value)
        assert not sample_nearest(image, flow).any()


def test_bilinear_is_exact_on_a_ramp() -> None:
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(11.0), indexing="ij")
    image = (3 * rows + 0.5 * columns)[None, None]
    flow = 0.9 * torch.rand(1, 2, 9, 11, generator=torch.Generator().manual_seed(0))
    expected = image + 3 * flow[:, :1] + 0.5 * flow[:, 1:]
    fetched = sample_bilinear(image, flow)
    inner = (..., slice(0, -1), slice(0, -1))
    torch.testing.assert_close(fetched[inner], expected[inner], atol=1e-4, rtol=0)
    # beyond the border, the border goes on
    far = sample_bilinear(image, torch.full_like(flow, 100.0))
    torch.testing.assert_close(far, image[..., -1:, -1:].expand_as(far))
