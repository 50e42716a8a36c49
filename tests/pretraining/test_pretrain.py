"""Weights to start from are made, kept, gone on with and used."""

from __future__ import annotations

import sys
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch

from napari_udvd.errors import InputError
from napari_udvd.inference.model_file import read_model_file
from napari_udvd.models import CenterBlind
from napari_udvd.pretraining import clips
from napari_udvd.pretraining import denoiser as pretrain
from napari_udvd.training import warm_start

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def few_movies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "MOVIES", 3)
    monkeypatch.setattr(pretrain, "HELD_OUT_MOVIES", 3)
    monkeypatch.setattr(pretrain, "HELD_OUT_CLIPS", 8)
    monkeypatch.setattr(pretrain, "keep_freed_memory", lambda: None)
    # a clock that a busy machine does not hurry: a fifth of a second with every look
    ticks = count()
    clock = SimpleNamespace(monotonic=lambda: next(ticks) / 5)
    monkeypatch.setattr(pretrain, "time", clock)


def run(monkeypatch: pytest.MonkeyPatch, output: Path, *options: str) -> None:
    arguments = ["--preset", "small", "--batch", "1", *options]
    monkeypatch.setattr(sys, "argv", ["pretrain", str(output), *arguments])
    pretrain.main()


def steps(path: Path) -> int:
    count: int = read_model_file(path)[0]["weights"]["card"]["steps"]
    return count


@pytest.mark.slow
def test_weights_are_made_gone_on_with_and_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "centerblind-small.safetensors"
    run(monkeypatch, path, "--minutes", "0.02")
    before = steps(path)
    assert before > 0
    run(monkeypatch, path, "--minutes", "0.04", "--resume")
    assert steps(path) > before
    assert "held-out loss" in capsys.readouterr().out
    monkeypatch.setattr(warm_start, "FOLDER", tmp_path)
    net = CenterBlind(preset="small", hole=(5, 1))
    assert warm_start.warm_start(net) == (True, "")
    wanted = read_model_file(path)[1]["join_c.weight"].float()
    assert torch.equal(net.join_c.weight, wanted)


def test_a_recorded_movie_that_is_too_small_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(
        tmp_path / "small.tif",
        np.zeros((4, 64, 64), "u2"),
        metadata={"axes": "TYX"},
        imagej=True,
    )
    options = ["--movie", str(tmp_path / "small.tif"), "--minutes", "0.001"]
    with pytest.raises(InputError, match=r"small\.tif.*at least 5 frames"):
        run(monkeypatch, tmp_path / "weights.safetensors", *options)


@pytest.mark.parametrize("hole", clips.HOLES, ids=str)
@pytest.mark.parametrize("hidden", [0, 1])
def test_noise_is_correlated_no_further_than_is_hidden(
    hole: tuple[int, int], hidden: int
) -> None:
    rng = np.random.default_rng(0)
    white = rng.standard_normal((40, 64, 64)).astype(np.float32)
    noise = clips._correlated(white, clips.Blind(hole, hidden), rng)
    assert noise.std() == pytest.approx(1, abs=0.02)
    for axis, far in enumerate((hidden, hole[0] // 2, hole[1] // 2)):
        along = np.moveaxis(noise, axis, 0)
        beside, beyond = (
            abs(float((along[apart:] * along[:-apart]).mean()))
            for apart in (1, far + 1)
        )
        assert beyond < 0.015
        assert (beside > 0.015) is (far > 0)


@pytest.mark.parametrize("blind", [((1, 1), 0), ((5, 1), 1), ((5, 5), 0)], ids=str)
def test_one_set_of_weights_learns_with_every_hole(blind: Any) -> None:
    run = pretrain.Pretraining("small", torch.device("cpu"), 0, 1e-3)
    run.precision = torch.float32
    source = clips.Source(np.random.default_rng(0), [], 2)
    batch = source.batch(1, run.net.geometry.context)
    batch = batch._replace(blind=clips.Blind(*blind))
    before = run.net.look.weight.detach().clone()
    assert np.isfinite(run.advance(batch, 0.5))
    assert (run.net.look.weight != before).any()


def test_weights_are_begun_with(tmp_path: Path) -> None:
    device, path = torch.device("cpu"), tmp_path / "small.safetensors"
    one, two = (pretrain.Pretraining("small", device, seed, 1e-3) for seed in (0, 1))
    pretrain.write_weights(one.net, path, {"steps": 0})
    two.start(path)
    for net in (two.net, two.average):
        for name, tensor in one.net.state_dict().items():
            assert torch.equal(net.state_dict()[name], tensor.half().float())
    with pytest.raises(InputError, match=r"small\.safetensors.*'small'.*'medium'"):
        pretrain.Pretraining("medium", device, 0, 1e-3).start(path)


def test_noise_is_what_the_network_is_told() -> None:
    source = clips.Source(np.random.default_rng(0), [], 2)
    batch = source.batch(64, 2)
    error = batch.noisy[:, 2:3] - batch.truth
    ratio = error.square() / batch.noise.variance(batch.truth)
    assert float(ratio.mean()) == pytest.approx(1, abs=0.02)
    told = batch.told.read_variance / batch.noise.read_variance.clamp_min(1e-9)
    assert float(told[batch.noise.read_variance > 0].log().std()) < 0.1
