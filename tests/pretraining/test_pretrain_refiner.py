"""Lessons are drawn, a refiner learns from them, and its weights can be used."""

from __future__ import annotations

import sys
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.inference.model_file import write_model_file
from napari_udvd.inference.refiner import load_refiner
from napari_udvd.models import CameraNoise, CenterBlind
from napari_udvd.models.refiner import Refiner
from napari_udvd.pretraining import evidence, refiner
from napari_udvd.pretraining.corpus import clean_movie, make_rare
from napari_udvd.training.warm_start import WarmStart

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Movies and patches that are quick to learn from."""
    for name, value in {
        "FRAMES": 10,
        "SIZE": 32,
        "KEPT": 4,
        "TUNING_STEPS": (2, 3),
        "TUNING_BATCH": 1,
        "TUNING_PATCH": 16,
    }.items():
        monkeypatch.setattr(evidence, name, value)
    monkeypatch.setattr(refiner, "PATCH", 24)
    monkeypatch.setattr(refiner, "HELD_OUT", 2)
    monkeypatch.setattr(refiner, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(
        refiner, "build", lambda preset: CenterBlind(preset="small", near=1, far=(1,))
    )
    monkeypatch.setattr(refiner, "warm_start", lambda net: WarmStart(True, ""))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["refiner", *arguments])
    refiner.main()


def test_movies_stay_in_their_range() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        movie = make_rare(clean_movie(rng, 6, 32), rng)
        assert movie.shape == (6, 32, 32)
        assert movie.dtype == np.float32
        assert movie.min() >= 0
        assert np.isclose(np.percentile(movie, 99.9), 1)


def test_one_view_is_the_prediction_itself() -> None:
    torch.manual_seed(0)
    net = CenterBlind(preset="small", near=1, far=(1,)).eval()
    noise = CameraNoise(torch.tensor(1.0), torch.tensor(0.0), torch.tensor(1.0))
    noisy = torch.rand(8, 16, 16) * 10
    (one, two) = evidence.predict(net, noisy, noise, range(3, 5), (1, 2))
    clip = refiner_clip(noisy[1:6], noise)
    with torch.inference_mode():
        wanted = net(clip, torch.bfloat16)
    torch.testing.assert_close(one[0][0], wanted.mean[0, 0, 0], rtol=0, atol=0.1)
    assert one[0].shape == two[0].shape == (2, 16, 16)
    assert not torch.equal(one[0], two[0])


def refiner_clip(frames: torch.Tensor, noise: CameraNoise) -> evidence.Clip:
    return evidence.Clip(frames[None, :, None], noise)


def test_lessons_are_repeatable_and_hold_what_was_promised(small: None) -> None:
    net = refiner.build("medium").eval()
    for tuned, counts in ((False, (2, 4, 6)), (True, (3,))):
        first, again = (
            evidence.draw_lessons(net, np.random.default_rng(4), tuned=tuned)
            for _ in range(2)
        )
        assert len(first) in counts
        for lesson, other in zip(first, again, strict=True):
            assert lesson.truth.shape == lesson.evidence.mean.shape == (4, 32, 32)
            assert torch.equal(lesson.evidence.mean, other.evidence.mean)
            assert (lesson.evidence.variance > 0).all()
            assert (lesson.evidence.std > 0).all()


def test_weights_are_made_gone_on_with_and_used(
    small: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, path = tmp_path / "lessons", tmp_path / "refiner.safetensors"
    seconds = count()  # each look at the clock; a busy machine is no slower
    with monkeypatch.context() as patch:
        patch.setattr(refiner, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
        run(patch, "lessons", str(folder), "--minutes", "0.04")
    assert len(list(folder.iterdir())) == 2
    common = "train", str(folder), str(path), "--batch", "2"
    run(monkeypatch, *common, "--steps", "3")
    before = load_refiner(path).state_dict()
    run(monkeypatch, *common, "--steps", "5", "--resume")
    after = load_refiner(path).state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    said = capsys.readouterr().out
    assert "step      3" in said
    assert "step      5" in said
    assert "coverage" in said


def test_a_file_that_holds_no_refiner_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    with pytest.raises(InputError, match="does not exist"):
        load_refiner(path)
    tensors = Refiner().state_dict()
    write_model_file(path, tensors, {"weights": {}})
    with pytest.raises(InputError, match=r"other.*does not hold weights of a refiner"):
        load_refiner(path)
    del tensors["enter.weight"]
    write_model_file(path, tensors, {"refiner": {}})
    with pytest.raises(InputError, match="another refiner"):
        load_refiner(path)


def test_the_refiner_is_shipped() -> None:
    net = load_refiner()
    assert not net.training
    assert all(not parameter.requires_grad for parameter in net.parameters())
    assert 1e5 < sum(parameter.numel() for parameter in net.parameters()) < 3e5
