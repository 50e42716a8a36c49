"""STBN trains, resumes, and does without its flow where that is of no use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.inference.loading import load
from napari_udvd.jobs import make_settings
from napari_udvd.models import STBN, flow_from_published
from napari_udvd.motion import learned_motion
from napari_udvd.stack import Stack
from napari_udvd.training import (
    Finished,
    TrainingSettings,
    budget,
    flow_course,
    train_events,
)
from napari_udvd.training.checkpoint import read_checkpoint
from parity import published_weights
from tiny import tiny_movie

if TYPE_CHECKING:
    from pathlib import Path


ALONE: dict[str, Any] = {"dtype": np.float32, "events": False, "refine": False}
"""What the network makes of a movie, before anything else looks at it."""


def run(stack: Stack, **settings: Any) -> Finished:
    chosen = make_settings(
        **{"model": "stbn", "width": 4, "steps": 4, "patch": 16, **settings}
    )
    *_, last = train_events([stack], chosen)
    assert isinstance(last, Finished), last
    return last


def weights_after(stack: Stack, steps: int, folder: Path) -> dict[str, torch.Tensor]:
    settings = TrainingSettings(model="stbn", width=4, steps=steps, patch=16)
    path = folder / f"after {steps}"
    *_, last = train_events([stack], settings, checkpoint=path)
    assert isinstance(last, Finished), last
    return read_checkpoint(path)[1]["net"]


def always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the flow whatever it is good for: so few steps teach nothing."""
    for name in ("WORTH", "SURE", "MOVES"):
        monkeypatch.setattr(flow_course, name, -np.inf)


@pytest.fixture(scope="module")
def movie() -> Stack:
    return tiny_movie(12, (24, 32))


@pytest.fixture(scope="module")
def one_step(movie: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Take one step; return the checkpoint, which no test changes."""
    path = tmp_path_factory.mktemp("stbn") / "state"
    settings = TrainingSettings(model="stbn", width=4, patch=16, steps=1)
    list(train_events([movie], settings, checkpoint=path))
    return path


def test_it_trains_denoises_and_is_saved(movie: Stack, tmp_path: Path) -> None:
    denoiser = run(movie, steps=2).denoiser
    clean = denoiser.denoise(movie, **ALONE)
    assert clean.shape == movie.shape
    assert np.isfinite(clean).all()
    denoiser.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.net.configuration() == denoiser.net.configuration()
    np.testing.assert_array_equal(again.denoise(movie, **ALONE), clean)


def test_learning_moves_the_flow_and_the_denoiser(
    movie: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    always_worth_it(monkeypatch)
    # so few steps may lead to nothing better than where they began: not the best
    # weights, but those of the last step
    first, later = (weights_after(movie, steps, tmp_path) for steps in (1, 16))
    for part in ("flow_net.", "forward_block.", "backward_block.", "leave."):
        names = [name for name in first if name.startswith(part)]
        assert names
        assert any(not first[name].equal(later[name]) for name in names), part


def test_flow_that_does_not_help_is_switched_off(
    movie: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(flow_course, "WORTH", np.inf)
    path = tmp_path / "state"
    settings = TrainingSettings(model="stbn", width=4, steps=8, patch=16)
    *_, last = train_events([movie], settings, checkpoint=path)
    assert isinstance(last, Finished), last
    assert any("optical flow was switched off" in text for text in last.remarks)
    assert not any("flow" in text for text in last.warnings)  # it went well
    assert last.denoiser.net.configuration()["flow"] == "none"
    assert np.isfinite(last.denoiser.denoise(movie, **ALONE)).all()
    with pytest.raises(InputError, match="switched off"):
        learned_motion(last.denoiser, movie, 4)
    # the checkpoint knows that there is no flow any more
    longer = TrainingSettings(model="stbn", width=4, steps=10, patch=16)
    *_, last = train_events([movie], longer, checkpoint=path, resume=True)
    assert isinstance(last, Finished), last
    assert last.denoiser.record["steps"] == 10
    assert any("optical flow was switched off" in text for text in last.remarks)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"flow": False}, "made with flow True, not False"),
        ({"flow_weights": "pwc.pth"}, "made with flow_weights None, not pwc.pth"),
        (
            {"noise": (2.0, 100.0, 3.0)},
            r"made with noise None, not \(2.0, 100.0, 3.0\)",
        ),
        ({"noise_input": False}, "made with noise_input True, not False"),
    ],
)
def test_a_checkpoint_is_not_gone_on_with_in_another_way(
    movie: Stack, one_step: Path, asked: dict[str, Any], message: str
) -> None:
    other = TrainingSettings(model="stbn", width=4, patch=16, steps=2, **asked)
    before = one_step.read_bytes()
    with pytest.raises(InputError, match=message):
        list(train_events([movie], other, checkpoint=one_step, resume=True))
    assert one_step.read_bytes() == before


def test_the_same_camera_goes_on(movie: Stack, tmp_path: Path) -> None:
    path = tmp_path / "state"
    settings = {"model": "udvd-1", "width": 4, "patch": 16, "noise": (2.0, 100.0, 3.0)}
    list(train_events([movie], TrainingSettings(**settings, steps=1), checkpoint=path))
    longer = TrainingSettings(**settings, steps=2)
    *_, last = train_events([movie], longer, checkpoint=path, resume=True)
    assert isinstance(last, Finished), last


@pytest.mark.parametrize(
    ("wanted", "run"),
    [
        ([], slice(0, 0)),
        ([False, False], slice(0, 0)),
        ([True], slice(0, 1)),
        ([True, False, True, True, False, True, True], slice(2, 4)),
        ([True] * 20, slice(0, flow_course.FRAMES)),
        ([False] + [True] * 20, slice(1, 1 + flow_course.FRAMES)),
    ],
)
def test_the_flow_learns_from_neighbours_that_are_not_held_out(
    wanted: list[bool], run: slice
) -> None:
    assert flow_course._longest_run(wanted) == run


def test_flow_that_helps_stays_and_until_then_every_other_step_is_without(
    movie: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    always_worth_it(monkeypatch)
    monkeypatch.setattr(budget, "VALIDATIONS", 1)  # it is judged in time all the same
    followed = []
    estimate = STBN.estimate_flow

    def watched(net: STBN, clip: Any, *more: Any) -> Any:
        if torch.is_grad_enabled():  # a step, neither a look nor a measurement
            followed.append(net.follows_flow)
        return estimate(net, clip, *more)

    monkeypatch.setattr(STBN, "estimate_flow", watched)
    denoiser = run(movie, steps=12).denoiser
    assert denoiser.net.configuration()["flow"] == "light"
    # judged when three in ten are over: after four of twelve
    assert followed == [False, True] * 2 + [True] * 8

    motion = learned_motion(denoiser, movie, 4, 8)
    assert motion.to_next.shape == (3, 4, 2)
    assert np.isfinite(motion.to_next).all()
    assert np.isnan(learned_motion(denoiser, movie, 0).to_previous).all()


def test_a_judgement_is_not_forgotten(
    movie: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    always_worth_it(monkeypatch)
    path = tmp_path / "state"
    short = TrainingSettings(model="stbn", width=4, steps=4, patch=16)
    list(train_events([movie], short, checkpoint=path))
    # judged again it would be switched off now
    monkeypatch.setattr(flow_course, "WORTH", np.inf)
    long = TrainingSettings(model="stbn", width=4, steps=8, patch=16)
    *_, last = train_events([movie], long, checkpoint=path, resume=True)
    assert isinstance(last, Finished), last
    assert last.denoiser.record["steps"] == 8
    assert last.denoiser.net.configuration()["flow"] == "light"


def test_the_flow_begins_with_the_weights_of_a_user(
    movie: Stack,
    shared_parity: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    always_worth_it(monkeypatch)
    with np.load(shared_parity / "pwcnet_flow.npz") as case:
        weights = published_weights(dict(case))
    path = tmp_path / "pwc.pth"
    torch.save(weights, path)
    denoiser = run(movie, flow_weights=str(path), steps=1).denoiser
    assert denoiser.net.configuration()["flow"] == "pwc"
    published = flow_from_published(weights, channels=1).state_dict()
    name = "decoders.0.layers.0.weight"
    ours = denoiser.net.state_dict()[f"flow_net.{name}"]
    torch.testing.assert_close(ours, published[name], rtol=0, atol=0)
    # it sees grey levels between zero and one, as when it learned
    low = np.percentile(np.asarray(movie.data), 1)
    assert denoiser.calibrations[0].offset == pytest.approx(low, rel=0.05)


def test_flow_weights_that_cannot_be_used(movie: Stack, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    with pytest.raises(
        InputError, match=r"flow_weights is '.*', but there is no such file"
    ):
        run(movie, flow_weights=str(path))
    torch.save({"conv1a.0.weight": torch.zeros(16, 3, 3, 3)}, path)
    with pytest.raises(InputError, match="another flow network"):
        run(movie, flow_weights=str(path))
    torch.save({"net": Pickled()}, path)
    with pytest.raises(InputError, match=r"pickled code .*nothing in it was executed"):
        run(movie, flow_weights=str(path))


class Pickled:
    """What must not be unpickled."""


def test_a_camera_that_was_measured(movie: Stack) -> None:
    noise = run(movie, noise=(2.0, 100.0, 3.0), steps=1).denoiser.calibrations[0].noise
    assert (noise.gain, noise.offset, noise.read_noise) == (2.0, 100.0, 3.0)
    with pytest.raises(InputError, match="must not be negative"):
        make_settings(noise=(-2.0, 100.0, 3.0))


def test_a_network_that_is_not_told_the_noise(movie: Stack) -> None:
    denoiser = run(movie, noise_input=False, steps=1).denoiser
    assert denoiser.net.configuration()["noise_input"] is False
    assert np.isfinite(denoiser.denoise(movie, **ALONE)).all()


def test_without_flow(movie: Stack) -> None:
    assert (
        run(movie, flow=False, steps=1).denoiser.net.configuration()["flow"] == "none"
    )


def test_joint_channels() -> None:
    rng = np.random.default_rng(0)
    movie = rng.poisson(200, (8, 2, 24, 24)).astype(np.float32)
    stack = Stack.from_array(movie, "TCYX")
    denoiser = run(stack, joint_channels=True, steps=1).denoiser
    assert denoiser.denoise(stack, **ALONE).shape == movie.shape


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 5}, "width is 5; STBN's must be even"),
        ({"preset": "small"}, "preset is 'small'"),
        ({"targets": 1}, "targets is 1"),
        ({"model": "udvd", "flow": False}, "flow is False, which is a setting of STBN"),
        ({"model": "udvd", "noise_input": False}, "noise_input is False"),
        ({"model": "auto", "flow_weights": "pwc.pth"}, "flow_weights is 'pwc.pth'"),
        ({"flow": False, "flow_weights": "pwc.pth"}, "leave one of them out"),
        ({"flow_weights": "pwc.pth"}, "'pwc.pth', but there is no such file"),
    ],
)
def test_settings_that_do_not_fit(
    movie: Stack, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(movie, **settings)


def test_a_single_frame() -> None:
    stack = tiny_movie(4, (24, 24)).crop(frames=slice(0, 1))
    with pytest.raises(InputError, match="frame"):
        run(stack)
