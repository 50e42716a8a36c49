"""Weights to start from are made, kept, gone on with and used."""

from __future__ import annotations

import sys
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch

from napari_udvd.errors import InputError
from napari_udvd.inference.model_file import read_model_file
from napari_udvd.models import CenterBlind
from napari_udvd.pretraining import denoiser as pretrain
from napari_udvd.training import warm_start

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def few_movies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "MOVIES", 3)
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


def test_noise_is_what_the_network_is_told() -> None:
    source = pretrain.Source(np.random.default_rng(0), [], 2)
    batch = source.batch(64, 2)
    error = batch.noisy[:, 2:3] - batch.truth
    ratio = error.square() / batch.noise.variance(batch.truth)
    assert float(ratio.mean()) == pytest.approx(1, abs=0.02)
    told = batch.told.read_variance / batch.noise.read_variance.clamp_min(1e-9)
    assert float(told[batch.noise.read_variance > 0].log().std()) < 0.1
