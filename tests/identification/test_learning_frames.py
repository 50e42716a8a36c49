"""What networks are shown of labelled frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_udvd.identification._examples import Example, Scaling, stretches
from napari_udvd.identification._frames import learn_frames, shaken, warped
from napari_udvd.identification._grammar import UNLABELLED
from napari_udvd.identification._held_out import folds
from napari_udvd.models import build_labeller, labeller_names


def test_time_runs_forwards_at_another_speed() -> None:
    chance = torch.Generator().manual_seed(0)
    lengths = torch.tensor([[40], [25]])
    frames = warped(lengths, 40, chance)
    assert frames.shape == (2, 40)
    for row, length in zip(frames, (40, 25), strict=True):
        there = row[row >= 0]
        assert (there.diff() >= 0).all()
        assert int(there.max()) < length
        assert (row[:length] == torch.arange(length)).any()
    others = warped(lengths, 40, chance)
    assert (frames != others).any()


def test_noise_is_of_frames_and_of_regions() -> None:
    chance = torch.Generator().manual_seed(0)
    noise = shaken(torch.zeros(400, 50, 2), chance)
    offset = noise.mean(1)
    assert float(offset.std()) == pytest.approx(0.6, rel=0.1)
    assert float((noise - offset[:, None]).std()) == pytest.approx(0.6, rel=0.1)


def test_unlabelled_frames_carry_no_loss() -> None:
    # far from what is labelled, so that it is not seen either
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 4)).astype(np.float32)
    labels = np.full(200, UNLABELLED)
    labels[:20] = [0] * 10 + [1] * 10
    other = features.copy()
    other[60:] = 7.0
    nets = []
    for table in (features, other):
        torch.manual_seed(1)
        net = build_labeller(labeller_names()[0], 4, 2)
        chance = torch.Generator().manual_seed(1)
        learn_frames(net, [Example("a", table, labels)], 2, iter([0.0, 0.5]), chance)
        nets.append(net)
    weights = [torch.cat([p.flatten() for p in net.parameters()]) for net in nets]
    assert torch.equal(*weights)


def test_features_are_scaled_and_set_against_what_is_usual() -> None:
    rng = np.random.default_rng(0)
    bright = rng.normal(50, 2, (40, 2))
    dim = rng.normal(10, 2, (40, 2))
    dim[:, 1] = bright[:, 1] = 3.0  # says nothing
    dim[5] = np.nan
    scaling = Scaling.learn({"bright": bright, "dim": dim})
    inputs = scaling(dim)
    assert inputs.shape == (40, scaling.inputs) == (40, 4)
    assert inputs[:5, 0].mean() == pytest.approx(-1, abs=0.1)
    assert np.median(inputs[:, 2]) == pytest.approx(0, abs=0.02)
    np.testing.assert_array_equal(inputs[:, [1, 3]], 0)
    np.testing.assert_array_equal(inputs[5], 0)
    assert scaling(np.full((3, 2), 1e9)).max() <= 8


def test_stretches_are_held_out_whole_and_once() -> None:
    first = np.array([0, 0, -1, -1, 1, 1, 1, -1, 0])
    second = np.array([-1, 1, 0])
    examples = [
        Example(name, np.zeros((len(labels), 1), np.float32), labels)
        for name, labels in (("a", first), ("b", second))
    ]
    assert list(stretches(first)) == [slice(0, 2), slice(4, 7), slice(8, 9)]
    held_out = {"a": np.zeros(9, int), "b": np.zeros(3, int)}
    for seen, held in folds(examples):
        for part in held:
            known = part.labels != UNLABELLED
            held_out[part.region] += known
            for other in seen:
                if other.region == part.region:
                    assert not (known & (other.labels != UNLABELLED)).any()
            for run in stretches(first if part.region == "a" else second):
                assert known[run].all() or not known[run].any()
    np.testing.assert_array_equal(held_out["a"], first != UNLABELLED)
    np.testing.assert_array_equal(held_out["b"], second != UNLABELLED)
