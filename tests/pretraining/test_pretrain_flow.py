"""The pairs that flow networks learn from before they see a movie."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_udvd.inference.model_file import read_model_file
from napari_udvd.models import LightFlow, sample_bilinear
from napari_udvd.pretraining import flow as pretrain_flow
from napari_udvd.pretraining.flow import PATCH, Source, end_point_error, random_flow

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_second_frame_along_the_flow_is_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pretrain_flow, "PHOTONS", (1e5, 1e5))
    source = Source(0)
    apart = fetched = 0.0
    for _ in range(5):
        pairs = source.draw(4)
        assert pairs.first.shape == pairs.second.shape == (4, 1, PATCH, PATCH)
        assert pairs.flow.shape == (4, 2, PATCH, PATCH)
        # where the second frame holds it
        inner = (..., slice(20, -20), slice(20, -20))
        found = sample_bilinear(pairs.second, pairs.flow)
        apart += float((pairs.first - pairs.second)[inner].abs().mean())
        fetched += float((pairs.first - found)[inner].abs().mean())
    assert fetched < 0.4 * apart


def test_frames_have_the_size_that_networks_see() -> None:
    source = Source(1)
    frames = torch.cat([source.draw(4).first for _ in range(10)])
    assert 0.05 < float(frames.std()) < 1
    assert abs(float(frames.mean())) < 0.3


def test_the_same_seed_draws_the_same_pairs() -> None:
    one, two = (Source(3).draw(2) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_flows_are_moderate_and_some_are_still() -> None:
    rng = np.random.default_rng(0)
    speeds = [np.hypot(*random_flow(rng, 32)).mean() for _ in range(200)]
    assert max(speeds) < 16
    assert 5 < sum(speed < 0.4 for speed in speeds) < 80


def test_end_point_error_is_a_distance() -> None:
    truth = torch.zeros(1, 2, 4, 4)
    flow = truth.clone()
    flow[:, 0], flow[:, 1] = 3.0, -4.0
    torch.testing.assert_close(
        end_point_error(flow, truth), torch.full((1, 4, 4), 5.0), rtol=0, atol=1e-3
    )


def test_weights_are_written_and_gone_on_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # a clock that a busy machine does not hurry, and little to be judged by
    ticks = count()
    clock = SimpleNamespace(monotonic=lambda: next(ticks) / 5)
    monkeypatch.setattr(pretrain_flow, "time", clock)
    monkeypatch.setattr(pretrain_flow, "HELD_OUT", 2)
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    for arguments in ([first], [second, "--start", first, "--rate", 0]):
        command = ["", *arguments, "--minutes", 0.02]
        monkeypatch.setattr("sys.argv", [str(part) for part in command])
        pretrain_flow.main()
    (header, tensors), (later, same) = map(read_model_file, (first, second))
    LightFlow().load_state_dict(tensors)
    # steps of no size lead nowhere
    assert all(torch.equal(tensors[name], same[name]) for name in tensors)
    assert later["weights"]["start"] == header["weights"]
    assert header["weights"]["steps"] > 0
    assert header["weights"]["end_point_error"] > 0
