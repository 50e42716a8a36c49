from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_udvd.training.adam import Adam, clipped


def gradients(seed: int, scale: float) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        scale * torch.randn(shape, generator=generator) for shape in ((3, 4), (5,), ())
    ]


@settings(deadline=None)  # making torch's own takes a second
@given(st.integers(0, 1000), st.floats(1e-4, 1e4), st.floats(1e-5, 1.0))
def test_it_does_what_that_of_torch_does(seed: int, scale: float, rate: float) -> None:
    ours = gradients(seed, 1.0)
    theirs = [weight.clone().requires_grad_() for weight in ours]
    adam, reference = Adam(ours), torch.optim.Adam(theirs, rate, betas=(0.9, 0.99))
    for step in range(5):
        slopes = gradients(seed + step + 1, scale)
        for weight, slope in zip(theirs, slopes, strict=True):
            weight.grad = slope.clone()
        torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        reference.step()
        adam.step(clipped(slopes, 1.0), rate)
    assert adam.steps == 5
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other.detach(), rtol=1e-4, atol=1e-5 * rate)


def test_small_gradients_are_left_alone() -> None:
    small = [torch.tensor([0.3, 0.4])]
    torch.testing.assert_close(clipped(small, 1.0), small)
    (large,) = clipped([torch.tensor([30.0, 40.0])], 1.0)
    assert float(large.norm()) == pytest.approx(1.0, rel=1e-4)


def test_training_does_without_the_compiler() -> None:
    """It takes long to import, and crashes beside some graphics drivers."""
    code = """
import sys
from napari_udvd import simulate, train
train(simulate("nuclei", frames=6, shape=(32, 32)).noisy, steps=2, patch=16)
print([name for name in sys.modules if name in ("torch._dynamo", "triton")])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
