from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_udvd.training.optimiser import Adam, NamedAdam, follow, rate_at


@given(st.integers(0, 1000), st.floats(1e-4, 1e4), st.floats(1e-5, 1.0))
def test_it_is_algorithm_1(seed: int, scale: float, rate: float) -> None:
    rng = np.random.default_rng(seed)
    shapes: list[tuple[int, ...]] = [(3, 4), (5,), ()]
    weights = [rng.standard_normal(shape) for shape in shapes]
    ours = [torch.tensor(weight, dtype=torch.float64) for weight in weights]
    adam = Adam(ours, (0.9, 0.99), np.inf)
    first = [np.zeros(shape) for shape in shapes]
    second = [np.zeros(shape) for shape in shapes]
    for t in range(1, 6):
        slopes = [scale * rng.standard_normal(shape) for shape in shapes]
        gradients = [torch.tensor(slope, dtype=torch.float64) for slope in slopes]
        assert adam.step(gradients, rate)
        for k, slope in enumerate(slopes):
            first[k] = 0.9 * first[k] + 0.1 * slope
            second[k] = 0.99 * second[k] + 0.01 * slope**2
            unbiased = first[k] / (1 - 0.9**t), second[k] / (1 - 0.99**t)
            weights[k] = weights[k] - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
    assert adam.steps == 5
    for mine, expected in zip(ours, weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), expected, rtol=1e-9, atol=1e-9 * rate)


def test_only_large_gradients_are_shrunk() -> None:
    adam = Adam([torch.zeros(2)], (0.0, 0.99))  # the first average is the gradient
    adam.step([torch.tensor([0.3, 0.4])], 0.1)
    torch.testing.assert_close(adam.first[0], torch.tensor([0.3, 0.4]))
    adam.step([torch.tensor([30.0, 40.0])], 0.1)
    assert float(adam.first[0].norm()) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(broken: float) -> None:
    weights = [torch.ones(3), torch.ones(2)]
    adam = Adam(weights)
    assert not adam.step([torch.ones(3), torch.tensor([1.0, broken])], 0.1)
    assert adam.steps == 0
    kept = [*weights, *(1 + moment for moment in (*adam.first, *adam.second))]
    assert all(torch.equal(x, torch.ones_like(x)) for x in kept)
    assert adam.step([torch.ones(3), torch.ones(2)], 0.1)


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


@pytest.mark.parametrize("largest", [np.inf, 1.0])
def test_a_step_in_a_row_is_the_same_step(largest: float) -> None:
    rng = np.random.default_rng(0)
    shapes: list[tuple[int, ...]] = [(3, 4, 1, 1), (5,), (), (2, 3, 3, 3)]
    start = [torch.from_numpy(np.asarray(rng.standard_normal(s))) for s in shapes]
    loop, row = ([x.clone() for x in start] for _ in range(2))
    one = Adam(loop, largest_norm=largest, in_a_row=False)
    other = Adam(row, largest_norm=largest, in_a_row=True)
    for k in range(20):
        gradients = [
            torch.from_numpy(np.asarray(rng.normal(0, 10, shape))) for shape in shapes
        ]
        if k == 7:
            gradients[1][2] = np.nan
        given = [gradient.clone() for gradient in gradients]
        assert bool(one.step(gradients, 0.01)) == bool(other.step(given, 0.01))
        for mine, other_gradient in zip(gradients, given, strict=True):
            torch.testing.assert_close(mine, other_gradient, equal_nan=True)
        other.settle()
        assert one.steps == other.steps
        assert other.steps == k + (k < 7)
    pairs = zip(
        (*loop, *one.first, *one.second),
        (*row, *other.first, *other.second),
        strict=True,
    )
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


def test_moments_of_a_row_can_be_set() -> None:
    """A run that is resumed copies into them."""
    weights = [torch.zeros(2), torch.zeros(3)]
    adam = Adam(weights, (0.5, 0.5), in_a_row=True)
    adam.first[1].copy_(torch.tensor([1.0, 2.0, 3.0]))
    adam.step([torch.zeros(2), torch.zeros(3)], 0.1)
    assert adam.first[1].tolist() == [0.5, 1.0, 1.5]
    assert weights[0].tolist() == [0, 0]
    assert (weights[1] < 0).all()


def test_the_rate_rises_and_falls() -> None:
    rates = [
        rate_at(2e-3, step, step / 100, warm_up=10, final=0.1) for step in range(1, 101)
    ]
    assert rates[0] == pytest.approx(2e-4, rel=0.01)
    assert max(rates) == pytest.approx(2e-3, rel=0.03)
    assert rates.index(max(rates)) == 9
    assert rates[-1] == pytest.approx(2e-4)
    assert sorted(rates[9:], reverse=True) == rates[9:]


@pytest.mark.parametrize("at_once", [False, True])
def test_the_average_of_weights_is_that_of_few_steps_at_first(at_once: bool) -> None:
    net, average = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    before, now = average.weight.detach().clone(), net.weight.detach()
    follow(average, net, 0, 0.9, at_once=at_once)
    torch.testing.assert_close(average.weight.detach(), now)
    average.load_state_dict({"weight": before, "bias": average.bias.detach()})
    follow(average, net, 1000, 0.9, at_once=at_once)
    torch.testing.assert_close(average.weight.detach(), 0.9 * before + 0.1 * now)


def test_moments_are_known_by_name() -> None:
    weights = {"a": torch.zeros(3), "b": torch.zeros(2, 2)}
    adam = NamedAdam(weights)
    adam.step([torch.ones(3), torch.ones(2, 2)], 1e-2)
    saved = {
        k: {n: t.clone() for n, t in v.items()} for k, v in adam.tensors("x_").items()
    }
    assert {k: list(v) for k, v in saved.items()} == {
        "x_first": ["a", "b"],
        "x_second": ["a", "b"],
    }
    # in whatever order they are learned
    other = NamedAdam({"b": torch.zeros(2, 2), "a": torch.zeros(3)})
    other.restore(saved, adam.steps, "x_")
    assert other.steps == 1
    assert torch.equal(other.first[1], adam.first[0])
    with pytest.raises(KeyError):
        other.restore({"x_first": {}}, 1, "x_")
