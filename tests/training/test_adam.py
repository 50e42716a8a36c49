from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.training.adam import Adam, clipped


@given(st.integers(0, 1000), st.floats(1e-4, 1e4), st.floats(1e-5, 1.0))
def test_it_is_algorithm_1(seed: int, scale: float, rate: float) -> None:
    rng = np.random.default_rng(seed)
    shapes: list[tuple[int, ...]] = [(3, 4), (5,), ()]
    weights = [rng.standard_normal(shape) for shape in shapes]
    ours = [torch.tensor(weight, dtype=torch.float64) for weight in weights]
    adam = Adam(ours, (0.9, 0.99))
    first = [np.zeros(shape) for shape in shapes]
    second = [np.zeros(shape) for shape in shapes]
    for t in range(1, 6):
        slopes = [scale * rng.standard_normal(shape) for shape in shapes]
        adam.step([torch.tensor(slope, dtype=torch.float64) for slope in slopes], rate)
        for k, slope in enumerate(slopes):
            first[k] = 0.9 * first[k] + 0.1 * slope
            second[k] = 0.99 * second[k] + 0.01 * slope**2
            unbiased = first[k] / (1 - 0.9**t), second[k] / (1 - 0.99**t)
            weights[k] = weights[k] - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
    assert adam.steps == 5
    for mine, expected in zip(ours, weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), expected, rtol=1e-9, atol=1e-9 * rate)


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
