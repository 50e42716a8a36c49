"""The script for GPUs: it runs from a bare checkout, and keeps what it finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.inference.model_file import read_model_file
from napari_udvd.models import sample_bilinear
from napari_udvd.pretraining import clips as pretrain
from napari_udvd.pretraining import flow as pretrain_flow

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.mark.slow
def test_all_of_it_in_small_on_a_cpu(tmp_path: Path) -> None:
    bare = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "OUT")}
    done = subprocess.run(
        [sys.executable, SCRIPT, "--device", "cpu", "--seconds", "8"],
        cwd=tmp_path,
        env={**bare, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "gpu" / "results.json").read_text())["results"]
    assert set(results) == {"right", "fast", "weights"}
    states = {entry["state"] for part in results.values() for entry in part.values()}
    assert states <= {"done", "not here", "left out"}
    made = results["weights"]["fast"]
    if made["state"] == "done":  # a busy machine has no time for it, and says so
        assert len(made["found"]["curve"]) > 1
    else:
        assert made["reason"]
    assert "nothing failed" in (tmp_path / "gpu" / "report.txt").read_text()


def test_what_fails_is_recorded_and_the_others_go_on(
    benchmark_script: Callable[[str], Any], tmp_path: Path
) -> None:
    module = benchmark_script("gpu_report")
    report = module.Report(tmp_path, {"machine": "any"})

    def fails(found: dict[str, Any]) -> None:
        found["half"] = 1.5
        raise ValueError("no such thing")

    def misses(found: dict[str, Any]) -> None:
        raise module.NotHere("no card")

    report.run("a", "fails", fails)
    report.run("a", "misses", misses)
    report.run("b", "works", lambda _: {"rate": float("inf"), 4: np.float32(2)})
    report.skip("b", "late", "no time")
    assert report.failed == ["a: fails"]
    results = json.loads((tmp_path / "results.json").read_text())["results"]
    assert results["a"]["fails"]["found"] == {"half": 1.5}
    assert "no such thing" in results["a"]["fails"]["traceback"]
    assert results["a"]["misses"]["state"] == "not here"
    assert results["b"]["works"]["found"] == {"rate": "inf", "4": 2.0}
    assert results["b"]["late"]["reason"] == "no time"


def test_what_was_found_before_a_kill_is_on_disk(
    benchmark_script: Callable[[str], Any], tmp_path: Path
) -> None:
    report = benchmark_script("gpu_report").Report(tmp_path, {})

    def look(found: dict[str, Any]) -> None:
        found["step"] = 3
        report.keep()
        results = json.loads((tmp_path / "results.json").read_text())["results"]
        assert results["a"]["b"] == {"state": "running", "found": {"step": 3}}

    report.run("a", "b", look)
    assert report.failed == []


def flat_movies(module: Any, level: float) -> list[Any]:
    movie = np.full((pretrain.FRAMES, pretrain.SIZE, pretrain.SIZE), level, np.float32)
    return [module.Drawn.of(movie)]


def test_clips_have_the_noise_that_the_network_is_told(
    benchmark_script: Callable[[str], Any],
) -> None:
    module = benchmark_script("gpu_corpus")
    source = module.ClipSource(torch.device("cpu"), 0, 4)
    source.store.take(flat_movies(module, 1.0))
    ratios = []
    for _ in range(6):
        batch = source.batch(8, 4)
        assert batch.noisy.shape == (8, 9, 1, pretrain.PATCH, pretrain.PATCH)
        assert batch.truth.shape == (8, 1, 1, pretrain.PATCH, pretrain.PATCH)
        error = batch.noisy[:, 4:5] - batch.truth
        ratios.append(error.square() / batch.noise.variance(batch.truth))
    assert float(torch.cat(ratios).mean()) == pytest.approx(1, abs=0.02)


def test_noise_is_correlated_only_as_far_as_the_hole(
    benchmark_script: Callable[[str], Any],
) -> None:
    source = benchmark_script("gpu_corpus").ClipSource(torch.device("cpu"), 0, 4)
    noise = torch.randn(4, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    found = source._correlated(noise, (3, 1))
    assert float(found.var()) == pytest.approx(1, abs=0.03)
    below = (found[:, :, 1:] * found[:, :, :-1]).mean(dim=(1, 2, 3))
    assert float(below.min()) > 0 and float(below.max()) < 0.5
    assert abs(float((found[:, :, 2:] * found[:, :, :-2]).mean())) < 0.02
    assert abs(float((found[..., 1:] * found[..., :-1]).mean())) < 0.02


def test_a_frame_that_stands_in_for_several_has_one_noise(
    benchmark_script: Callable[[str], Any],
) -> None:
    module = benchmark_script("gpu_corpus")
    source = module.ClipSource(torch.device("cpu"), 0, 4)
    source.store.take(flat_movies(module, 1.0))
    # 33 frames of movies of five and more: some stand in for others
    noisy = torch.cat([source.batch(4, 16).noisy for _ in range(4)])
    same = sum(len(clip) - len(torch.unique(clip, dim=0)) for clip in noisy)
    assert same > 0
    assert all(
        not any(torch.equal(clip[16], clip[t]) for t in range(33) if t != 16)
        for clip in noisy
    )


def test_the_second_frame_along_the_flow_is_the_first(
    benchmark_script: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain_flow, "PHOTONS", (1e5, 1e5))
    corpus = benchmark_script("gpu_corpus")
    source = benchmark_script("gpu_pairs").PairSource(torch.device("cpu"), 0, 4)
    source.store.take([corpus.draw_picture(k, 0) for k in range(3)])
    apart = fetched = 0.0
    for _ in range(5):
        pairs = source.draw(8)
        size = pretrain_flow.PATCH
        assert pairs.first.shape == pairs.second.shape == (8, 1, size, size)
        assert pairs.flow.shape == (8, 2, size, size)
        inner = (..., slice(20, -20), slice(20, -20))
        found = sample_bilinear(pairs.second, pairs.flow)
        apart += float((pairs.first - pairs.second)[inner].abs().mean())
        fetched += float((pairs.first - found)[inner].abs().mean())
    assert fetched < 0.4 * apart


def test_flows_are_as_fast_as_those_drawn_one_by_one(
    benchmark_script: Callable[[str], Any],
) -> None:
    source = benchmark_script("gpu_pairs").PairSource(torch.device("cpu"), 0, 4)
    speeds = source.flows(400, 32).square().sum(dim=1).sqrt().mean(dim=(1, 2)).numpy()
    rng = np.random.default_rng(0)
    wanted = [np.hypot(*pretrain_flow.random_flow(rng, 32)).mean() for _ in range(400)]
    assert np.percentile(speeds, (10, 50, 90)) == pytest.approx(
        np.percentile(wanted, (10, 50, 90)), rel=0.25
    )


@pytest.mark.slow
def test_movies_drawn_ahead_and_meanwhile(
    benchmark_script: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = benchmark_script("gpu_corpus")
    monkeypatch.setattr(module, "HELD_OUT", 1)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 3)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = tmp_path / "corpus" / "movies.npz"
    module.make_corpus(path, 2)
    wanted = module.draw_movie(1, 0)
    with module.Movies(path, False) as movies:
        assert len(movies.held_out) == 1
        assert np.array_equal(movies.movies[1].roots, wanted.roots)
        assert movies.movies[1].peak == pytest.approx(wanted.peak)
        assert len(movies.pictures) == 4
        before = len(movies.movies)
        assert before == 2  # twice as many as processes: nobody had to wait
        movies.pictures.clear()
        movies.want_pictures()
        assert len(movies.pictures) >= 2
        assert all(len(picture.roots) == 1 for picture in movies.pictures)


def test_weights_are_read_as_they_were_shipped(
    benchmark_script: Callable[[str], Any],
) -> None:
    module = benchmark_script("gpu_weights")
    known, tensors = module.start_from(None, module.FAST)
    assert known["checksum"]
    module.CenterBlind().load_state_dict(tensors)
    with module.as_file(module.FOLDER.joinpath(module.FLOW)) as path:
        module.reads_back(path, module.LightFlow())
        assert "weights" in read_model_file(path)[0]
