"""Weights that reconstruction starts from are made."""

from __future__ import annotations

import sys
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.inference.model_file import read_model_file
from napari_udvd.models import CenterBlind
from napari_udvd.models.centerblind import SparseCenterBlind
from napari_udvd.pretraining import denoiser, reconstruction
from napari_udvd.pretraining.clips import Blind
from napari_udvd.pretraining.scans import Part, Scans
from napari_udvd.training import warm_start

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def drawn() -> list[Part]:
    return Scans(np.random.default_rng(0), 3).batch(2, context=16)


def begun() -> reconstruction.SparsePretraining:
    run = reconstruction.SparsePretraining("small", torch.device("cpu"), 0, 1e-3)
    run.precision = torch.float32
    return run


def dense_weights(folder: Path) -> Path:
    path = folder / "dense.safetensors"
    torch.manual_seed(1)
    denoiser.write_weights(CenterBlind(preset="small"), path, {"steps": 0})
    return path


def test_it_begins_with_the_weights_of_the_denoiser(tmp_path: Path) -> None:
    run, path = begun(), dense_weights(tmp_path)
    run.start(path)
    known = read_model_file(path)[1]
    for net in (run.net, run.average):
        state = net.state_dict()
        for name, weight in known.items():
            assert torch.equal(state[name], weight.float())
        assert not any(state[name].any() for name in state.keys() - known.keys())


def test_every_weight_is_learned(drawn: list[Part]) -> None:
    run = begun()
    before = {n: p.detach().clone() for n, p in run.net.named_parameters()}
    assert np.isfinite(run.advance(drawn, 0.5))
    for name, weight in run.net.named_parameters():
        assert (weight != before[name]).any(), name


def test_it_is_judged_where_nothing_was_measured(drawn: list[Part]) -> None:
    """A better prediction of unmeasured pixels is a lower loss."""
    run = begun()
    (part,) = drawn
    nothing = torch.zeros_like(part.measured)
    run.net.fall_back(0.5)
    context = run.net.geometry.context
    bare = part._replace(measured=nothing)
    with torch.no_grad():
        far = float(run.loss([bare], run.net))
        # the truth moved to what is said of an empty movie: zero light
        none = torch.zeros_like(part.batch.truth)
        near = float(
            run.loss([bare._replace(batch=part.batch._replace(truth=none))], run.net)
        )
    assert near < far
    mask = part.measured.clone()
    mask[:, context] = True
    with torch.no_grad():
        put_back = float(run.loss([part._replace(measured=mask)], run.net))
        mask[:, context] = False
        left_out = float(run.loss([part._replace(measured=mask)], run.net))
    # blind: the prediction is the same, but for pixels around; the posterior is nearer
    assert put_back < left_out


@pytest.mark.parametrize("blind", [((1, 1), 1), ((5, 1), 0), ((5, 5), 1)], ids=str)
def test_one_set_of_weights_learns_with_every_hole(
    blind: Any, drawn: list[Part]
) -> None:
    run = begun()
    (part,) = drawn
    part = part._replace(batch=part.batch._replace(blind=Blind(*blind)))
    assert np.isfinite(run.advance([part], 0.5))
    assert run.net.known_look.weight.any()


def test_scans_share_one_network_with_widths_of_their_own(drawn: list[Part]) -> None:
    run = begun()
    (part,) = drawn
    other = part._replace(widths=type(part.widths)(0.5, 0.6))
    with torch.no_grad():
        one, two = (float(run.loss([each], run.net)) for each in (part, other))
        both = float(run.loss([part, other], run.net))
    assert one != two
    assert both == pytest.approx((one + two) / 2, rel=1e-5)


def test_weights_are_made_and_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reconstruction, "MOVIES", 2)
    monkeypatch.setattr(reconstruction, "HELD_OUT_MOVIES", 2)
    monkeypatch.setattr(denoiser, "HELD_OUT_CLIPS", 8)
    monkeypatch.setattr(denoiser, "HELD_OUT_BATCH", 2)
    monkeypatch.setattr(reconstruction, "keep_freed_memory", lambda: None)
    ticks = count()
    clock = SimpleNamespace(monotonic=lambda: next(ticks) / 5)
    monkeypatch.setattr(denoiser, "time", clock)
    path = tmp_path / "centerblind-sparse-small.safetensors"
    options = ["--preset", "small", "--batch", "1", "--minutes", "0.005"]
    options += ["--start", str(dense_weights(tmp_path))]
    monkeypatch.setattr(sys, "argv", ["pretrain", str(path), *options])
    reconstruction.main()
    assert "held-out loss" in capsys.readouterr().out
    resumed = ["--preset", "small", "--batch", "1", "--minutes", "0.008", "--resume"]
    monkeypatch.setattr(sys, "argv", ["pretrain", str(path), *resumed])
    reconstruction.main()
    header: dict[str, Any] = read_model_file(path)[0]["weights"]
    assert header["network"] == "centerblind-sparse"
    # where it began is still known
    dense = tmp_path / "dense.safetensors"
    assert header["card"]["start"] == {
        "name": dense.name,
        "checksum": read_model_file(dense)[0]["weights"]["checksum"],
    }
    assert header["card"]["steps"] > 0
    monkeypatch.setattr(warm_start, "FOLDER", tmp_path)
    net = SparseCenterBlind(preset="small", hole=(1, 3), widths=(3.0, 1.0))
    assert warm_start.warm_start(net) == (True, "")
    wanted = read_model_file(path)[1]["known_open.weight"].float()
    assert torch.equal(net.known_open.weight, wanted)
