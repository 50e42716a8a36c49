"""Two copies of a movie whose noise is independent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_udvd.noise import Recorruption

SIZE = 40_000


@pytest.mark.parametrize("added", [0.5, 0.7, 1.0])
def test_the_noise_of_the_copies_is_independent_and_as_strong_as_said(
    added: float,
) -> None:
    rng = np.random.default_rng(0)
    scene = np.linspace(0, 50, SIZE, dtype=np.float32)
    noise, drawn = 3 * rng.standard_normal((2, SIZE), dtype=np.float32)
    copies = Recorruption(added)
    one = copies.first(scene + noise, drawn) - scene
    two = copies.second(scene + noise, drawn) - scene
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / SIZE**0.5
    assert one.var() == pytest.approx(9 * copies.of_first, rel=0.03)
    assert two.var() == pytest.approx(9 * copies.of_second, rel=0.03)


def test_together_they_are_the_movie() -> None:
    noisy, drawn = np.random.default_rng(1).normal(size=(2, 100)).astype(np.float32)
    copies = Recorruption(0.5)
    both = copies.first(noisy, drawn), copies.second(noisy, drawn)
    shares = 1 / copies.of_first, 1 / copies.of_second
    mean = sum(share * copy for share, copy in zip(shares, both, strict=True))
    np.testing.assert_allclose(mean, noisy, atol=1e-5)


def test_tensors_are_taken_as_well() -> None:
    noisy, drawn = torch.rand(2, 3, 4)
    copies = Recorruption(0.7)
    for make in (copies.first, copies.second):
        expected = make(noisy.numpy(), drawn.numpy())
        np.testing.assert_array_equal(make(noisy, drawn).numpy(), expected)
