"""A training run from its first event to its last."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd import cutting
from napari_udvd.errors import InputError, OutputError
from napari_udvd.jobs import make_settings
from napari_udvd.metrics import best_gaussian, psnr
from napari_udvd.simulation import simulate
from napari_udvd.stack import Stack
from napari_udvd.tasks import DENOISE, Denoising
from napari_udvd.training import (
    Checkpoint,
    Failed,
    Finished,
    Preview,
    Started,
    Step,
    TrainingEvent,
    batches,
    best,
    learner,
    sampling,
    train_events,
    trainer,
    validation,
)
from napari_udvd.training.budget import Reserve
from napari_udvd.training.record import started
from napari_udvd.training.run import Run
from tiny import tiny_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.models import UDVD

QUICK = {"model": "udvd-3", "width": 4, "patch": 16}


def events(movie: Stack | list[Stack], **options: Any) -> Iterator[TrainingEvent]:
    stacks = [movie] if isinstance(movie, Stack) else movie
    names = ("checkpoint", "resume", "cancel")
    how = {name: options.pop(name) for name in names if name in options}
    return train_events(stacks, make_settings(**{**QUICK, **options}), **how)


def outcome(movie: Stack | list[Stack], **options: Any) -> Finished:
    *_, last = events(movie, **options)
    assert isinstance(last, Finished), last
    return last


def weights(denoiser: Denoiser) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in denoiser.net.parameters()])


# --- events -------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["udvd", "udvd-3", "udvd-1"])
def test_the_course_of_a_run(model: str) -> None:
    told = list(events(tiny_movie(), model=model, steps=5))
    assert isinstance(told[0], Started)
    assert isinstance(told[-1], Finished)
    assert {type(event) for event in told[1:-1]} == {Step, Preview}
    frames = {"udvd": 5, "udvd-3": 3, "udvd-1": 1}[model]
    for word in (f"{frames} frames", "width 4", "1x1", "cpu", "float32"):
        assert word in told[0].summary
    assert told[0].resumed_at == 0
    steps = [event for event in told if isinstance(event, Step)]
    assert [step.step for step in steps] == [1, 2, 3, 4, 5]
    assert [step.progress for step in steps] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert all(a.elapsed <= b.elapsed for a, b in pairwise(steps))
    assert all(math.isfinite(step.loss) for step in steps)
    assert steps[0].validation is None
    for preview in (event for event in told if isinstance(event, Preview)):
        assert preview.noisy.shape == preview.denoised.shape == (1, 24, 28)
        assert np.isfinite(preview.denoised).all()
        # the held-out frame, as it is in the movie
        frames_of = tiny_movie().read().astype("f4")
        assert any((frame == preview.noisy[0]).all() for frame in frames_of)
    end = told[-1]
    assert end.reason == "budget"
    assert end.history[-1][0] == 5
    assert (end.best_step, end.best_validation) in end.history
    assert end.best_validation == min(loss for _, loss in end.history)
    assert end.denoiser.record["steps"] == 5
    assert not end.denoiser.net.training


def test_the_record_says_how_it_was_made() -> None:
    movie = np.asarray(tiny_movie().data)
    stack = Stack.from_array(
        movie, "TYX", source="m.tif", scale={"X": 0.2}, units={"X": "µm"}
    )
    record = outcome(stack, steps=3, seed=7).denoiser.record
    assert "seconds" not in record  # the same steps make the same file of a model
    assert record["settings"]["seed"] == 7
    assert record["settings"]["width"] == 4
    assert record["movies"] == [
        {
            "source": "m.tif",
            "axes": "TYX",
            "shape": [8, 24, 28],
            "pixel": {"X": pytest.approx(0.2)},
            "fingerprint": stack.fingerprint(),
        }
    ]
    assert record["diagnoses"][0]["hole"] == [1, 1]
    assert record["ended"] == "budget"
    assert record["best_step"] in (1, 2, 3)
    assert 0 <= record["noise_removed"] <= 1


# --- what it learns -----------------------------------------------------------------


def test_it_beats_the_best_gaussian_filter() -> None:
    movie = simulate("vesicles", frames=32, shape=(64, 64), photons=20)
    noisy, truth = movie.noisy.read(), movie.truth.read()
    told = list(events(movie.noisy, width=8, patch=32, steps=140))
    losses = [event.loss for event in told if isinstance(event, Step)]
    assert losses[-1] < losses[0] - 0.5
    end = told[-1]
    assert isinstance(end, Finished)
    assert end.best_validation < end.history[0][1] - 0.2
    clean = end.denoiser.denoise(movie.noisy, dtype="f4", events=False, refine=False)
    reached = psnr(truth, clean)
    assert reached > psnr(truth, noisy) + 10
    assert reached > psnr(truth, best_gaussian(truth, noisy)) + 0.5


def test_the_same_seed_gives_the_same_weights() -> None:
    movie = tiny_movie()
    first = outcome(movie, steps=6, seed=1)
    torch.manual_seed(99)  # what else goes on must not matter
    np.random.default_rng(99)
    second = outcome(movie, steps=6, seed=1)
    other = outcome(movie, steps=6, seed=2)
    assert torch.equal(weights(first.denoiser), weights(second.denoiser))
    assert first.history == second.history
    assert not torch.equal(weights(first.denoiser), weights(other.denoiser))


def test_it_leaves_the_random_numbers_of_others_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    outcome(tiny_movie(), steps=2)
    assert torch.equal(torch.rand(3), expected)


def test_held_out_frames_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of one frame sees held-out frames only where they are targets."""
    movie = np.asarray(tiny_movie(12).data)
    other = movie.copy()
    for t in DENOISE.hold_out(12):
        other[t] = np.roll(movie[t], 7, axis=1)[::-1] + 20
    assert (movie != other).any()
    plan = trainer.make_plan([Stack.from_array(movie)], make_settings(**QUICK), True)
    one_frame = replace(plan, network={**plan.network, "frames": 1})
    monkeypatch.setattr(trainer, "make_plan", lambda *_, **__: one_frame)
    # which weights are chosen does depend on them: take the last
    falling = iter(range(1000, 0, -1))
    monkeypatch.setattr(validation.Validation, "loss", lambda *_: float(next(falling)))
    first, second = (
        weights(outcome(Stack.from_array(data), model="udvd-1", steps=8).denoiser)
        for data in (movie, other)
    )
    assert torch.equal(first, second)
    # while any other frame does teach
    movie = movie.copy()
    movie[0] = movie[0][::-1]
    third = outcome(Stack.from_array(movie), model="udvd-1", steps=8).denoiser
    assert not torch.equal(first, weights(third))


@pytest.mark.parametrize(
    ("hole", "transposed"), [((1, 1), True), ((3, 3), True), ((3, 1), False)]
)
def test_rows_and_columns_are_swapped_for_square_holes_only(
    hole: tuple[int, int], transposed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    sampler = batches.ClipSampler

    def listen(*movies: Any, **options: Any) -> Any:
        asked.append(options["transpose"])
        return sampler(*movies, **options)

    monkeypatch.setattr(batches, "ClipSampler", listen)
    outcome(tiny_movie(), hole=hole, steps=1)
    assert asked == [transposed]


def test_mean_only() -> None:
    movie = tiny_movie()
    end = outcome(movie, likelihood=False, steps=4)
    assert not end.denoiser.net.likelihood
    assert end.denoiser.denoise(movie).shape == movie.shape


def test_channels_one_by_one_and_together() -> None:
    data = np.asarray(tiny_movie(7).data)
    movie = Stack.from_array(np.stack([data, data[:, ::-1]], axis=1), "TCYX")
    for joint in (False, True):
        end = outcome(movie, joint_channels=joint, steps=4)
        assert end.denoiser.joint is joint
        assert end.denoiser.net.channels == (2 if joint else 1)
        assert len(end.denoiser.calibrations) == 2
        assert end.denoiser.denoise(movie).shape == movie.shape


def test_depth_planes_and_other_orders_of_axes() -> None:
    data = np.asarray(tiny_movie(7).data)
    movie = Stack.from_array(np.stack([data, data + 9], axis=3), "TYXZ")
    end = outcome(movie, steps=4)
    assert end.denoiser.denoise(movie).shape == (7, 24, 28, 2)


def test_several_movies_of_different_size() -> None:
    movies = [tiny_movie(6, (24, 28)), tiny_movie(9, (20, 32), seed=3)]
    end = outcome(movies, steps=6, batch=2)
    for movie in movies:
        assert end.denoiser.denoise(movie).shape == movie.shape
    assert len(end.denoiser.record["movies"]) == 2


@pytest.mark.parametrize("n_frames", [2, 3, 5])
def test_the_shortest_movies(n_frames: int) -> None:
    movie = tiny_movie(n_frames, (20, 20))
    end = outcome(movie, model="auto", steps=3)
    assert math.isfinite(end.best_validation)
    assert end.denoiser.denoise(movie).shape == movie.shape


def test_a_batch_and_targets_of_ones_own() -> None:
    end = outcome(tiny_movie(12), batch=3, targets=2, steps=3)
    assert end.denoiser.record["settings"]["targets"] == 2


def test_memory_is_bounded_for_long_movies(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = 24 * 24
    movie = simulate("nuclei", frames=60, shape=(24, 24)).noisy
    numbers = np.asarray(movie.data)
    most = 0

    class Long:
        shape, dtype = (2000, 24, 24), numbers.dtype

        def __getitem__(self, key: Any) -> Any:
            nonlocal most
            t = np.arange(2000)[key[0]]
            block = numbers[t % 60][:, key[1], key[2]]
            most = max(most, block.size)
            return block

    monkeypatch.setattr(sampling, "MEMORY_BYTES", 200 * frame * 4)
    monkeypatch.setattr(cutting, "BLOCK_BYTES", 100 * frame * 2)
    end = outcome(Stack.from_array(Long(), "TYX"), steps=8)
    assert math.isfinite(end.best_validation)
    assert most <= 100 * frame


# --- when it ends -------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.parametrize("seconds", [1.5, 3.0])
def test_the_budget_is_kept(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best, "PATIENCE", 10)
    began = time.monotonic()
    told = list(events(tiny_movie(20, (48, 48)), minutes=seconds / 60))
    took = time.monotonic() - began
    end = told[-1]
    assert isinstance(end, Finished)
    assert end.reason == "budget"
    assert 0.6 * seconds < took < seconds + 1
    steps = [event for event in told if isinstance(event, Step)]
    assert 0 < steps[0].progress < steps[-1].progress <= 1
    assert all(a.progress <= b.progress for a, b in pairwise(steps))
    assert end.history[-1][0] == steps[-1].step


def losses_in_turn(
    monkeypatch: pytest.MonkeyPatch, losses: Callable[[int], float]
) -> list[torch.Tensor]:
    """Let validation say what a test wants; returns the weights it was asked about."""
    asked: list[torch.Tensor] = []

    def loss(_: Any, net: UDVD) -> float:
        asked.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
        return losses(len(asked) - 1)

    monkeypatch.setattr(validation.Validation, "loss", loss)
    return asked


def test_the_weights_of_the_best_validation_are_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = [5.0, 3.0, 2.0, 4.0, 2.5, 9.0]
    asked = losses_in_turn(monkeypatch, lambda k: losses[k])
    end = outcome(tiny_movie(), steps=6)
    assert end.history == tuple(enumerate(losses, start=1))
    assert (end.best_step, end.best_validation) == (3, 2.0)
    assert torch.equal(weights(end.denoiser), asked[2])
    assert not torch.equal(asked[2], asked[5])


def test_it_stops_early_when_nothing_improves(monkeypatch: pytest.MonkeyPatch) -> None:
    losses_in_turn(monkeypatch, lambda k: 1.0 + k)
    end = outcome(tiny_movie(), steps=80)
    assert end.reason == "converged"
    assert end.denoiser.record["ended"] == "converged"
    (first, _), *_ = end.history
    assert end.best_step == first
    last = end.history[-1][0]
    # not before the rate has come down, nor much later: some of the budget is saved
    assert best.CALM * 80 < last < (best.CALM + 0.1) * 80


def test_it_goes_on_while_it_improves(monkeypatch: pytest.MonkeyPatch) -> None:
    losses_in_turn(monkeypatch, lambda k: -float(k))
    end = outcome(tiny_movie(), steps=80)
    assert end.reason == "budget"
    assert end.best_step == 80


@pytest.mark.parametrize("after", [1, 4])
def test_cancelling(tmp_path: Path, after: int) -> None:
    cancel, path = threading.Event(), tmp_path / "state"
    told = []
    run = events(
        tiny_movie(), minutes=10, checkpoint=path, cancel=cancel, checkpoint_seconds=999
    )
    for event in run:
        told.append(event)
        if isinstance(event, Step) and event.step == after:
            cancel.set()
    *_, saved, end = told
    assert saved == Checkpoint(after, path)
    assert isinstance(end, Finished)
    assert end.reason == "cancelled"
    assert path.exists()
    assert sum(isinstance(event, Step) for event in told) == after


def test_a_cancelled_run_gives_what_it_has_learned() -> None:
    # not the random weights it began with
    cancel = threading.Event()
    run = events(tiny_movie(), minutes=10, cancel=cancel)
    for event in run:
        if isinstance(event, Step) and event.step == 3:
            cancel.set()
        end = event
    assert isinstance(end, Finished)
    assert end.best_step == 3
    assert math.isfinite(end.best_validation)


def test_an_abandoned_run_goes_quietly() -> None:
    run = events(tiny_movie(), minutes=10)
    for event in run:
        if isinstance(event, Step):
            break
    run.close()  # type: ignore[attr-defined]
    assert list(run) == []


# --- when it fails ------------------------------------------------------------------


def change_loss(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Change the loss of every entry in training, not in validation."""
    real = learner.Learner._losses

    def changed(self: Any, net: Any, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        losses, mean = real(self, net, batch)
        return change(losses), mean

    monkeypatch.setattr(learner.Learner, "_losses", changed)


def failing(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, after: int = 2
) -> None:
    """Let the loss fail after some steps."""
    calls = 0

    def fail(loss: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls > after:
            raise error
        return loss

    change_loss(monkeypatch, fail)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"),
        MemoryError("Unable to allocate 3 GiB"),
    ],
)
def test_out_of_memory_is_an_event(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, error)
    *_, end = events(tiny_movie(), steps=5)
    assert isinstance(end, Failed)
    assert isinstance(end.error, MemoryError)
    assert end.error.__cause__ is error
    assert "cpu" in str(end.error)
    assert "smaller network" in str(end.error)


def test_other_errors_are_events_too(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, RuntimeError("cuDNN error"))
    *_, end = events(tiny_movie(), steps=5)
    assert isinstance(end, Failed)
    assert str(end.error) == "cuDNN error"


def test_a_movie_that_becomes_unreadable_is_an_event_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # a network drive that goes away, a file that is damaged in the middle
    monkeypatch.setattr(sampling, "MEMORY_BYTES", 1)
    numbers = np.asarray(tiny_movie(60).data)
    lost = threading.Event()

    class Remote:
        shape, dtype = numbers.shape, numbers.dtype

        def __getitem__(self, key: Any) -> Any:
            if lost.is_set():
                raise InputError("'m.tif' cannot be read: it is gone")
            return numbers[key]

    told = []
    for event in events(Stack.from_array(Remote(), "TYX"), steps=500):
        told.append(event)
        if isinstance(event, Step) and event.step == 3:
            lost.set()
    assert isinstance(told[-1], Failed)
    assert "cannot be read" in str(told[-1].error)


def test_a_loss_that_is_not_finite_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    change_loss(monkeypatch, lambda loss: loss * math.nan)
    told = list(events(tiny_movie(), steps=500))
    end = told[-1]
    assert isinstance(end, Failed)
    assert isinstance(end.error, RuntimeError)
    assert "not finite since step 0" in str(end.error)
    assert "lower learning rate" in str(end.error)
    assert len(told) < 40


def test_a_few_steps_without_a_finite_loss_do_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = 0

    def spoil(loss: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return loss * (math.nan if calls in (2, 3, 5) else 1.0)

    change_loss(monkeypatch, spoil)
    end = outcome(tiny_movie(), steps=8)
    assert math.isfinite(end.best_validation)
    assert torch.isfinite(weights(end.denoiser)).all()


def test_a_joint_prediction_that_is_not_finite_fails_with_the_same_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the covariance between channels is decomposed, which NaN makes impossible
    from napari_udvd.models import UDVD

    data = np.asarray(tiny_movie(7).data)
    movie = Stack.from_array(np.stack([data, data], axis=1), "TCYX")
    outputs = UDVD._outputs
    monkeypatch.setattr(UDVD, "_outputs", lambda *args: outputs(*args) * math.nan)
    *_, end = events(movie, joint_channels=True, steps=50)
    assert isinstance(end, Failed)
    assert "not finite" in str(end.error)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_validation_that_is_never_finite_fails(
    loss: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # otherwise the random weights it began with would be the result
    losses_in_turn(monkeypatch, lambda _: loss)
    *_, end = events(tiny_movie(), steps=4)
    assert isinstance(end, Failed)
    assert "validation" in str(end.error)


def test_a_checkpoint_that_cannot_be_written_is_an_event(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    run = events(
        tiny_movie(), steps=50, checkpoint=folder / "state", checkpoint_seconds=1e-6
    )
    *_, end = run
    assert isinstance(end, Failed)
    assert isinstance(end.error, OutputError)
    assert str(folder / "state") in str(end.error)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("movie", "settings", "message"),
    [
        (tiny_movie(1), {}, "at least 2"),
        (tiny_movie(4), {"model": "udvd"}, "udvd-3 fits"),
        (tiny_movie(), {"device": "tpu"}, "'tpu'"),
        (tiny_movie(), {"hole": (31, 31)}, "31 x 31"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_told(
    tmp_path: Path, movie: Stack, settings: dict[str, Any], message: str
) -> None:
    run = events(movie, checkpoint=tmp_path / "state", **settings)
    with pytest.raises(InputError, match=message):
        next(run)
    assert list(tmp_path.iterdir()) == []


def test_the_likelihood_uses_the_noise_of_the_movie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loss per pixel as in the textbook: half of residual^2 / S plus half of log S."""
    seen: list[tuple[Any, ...]] = []
    real = Denoising.loss

    def listen(*args: Any) -> torch.Tensor:
        seen.append((*args, real(*args)))
        return seen[-1][-1]

    monkeypatch.setattr(Denoising, "loss", listen)
    end = outcome(tiny_movie(), steps=1)
    _, prediction, batch, loss = seen[0]
    noisy = batch.targets
    (calibration,) = end.denoiser.calibrations
    mean = prediction.mean.detach().numpy()
    grey = mean * calibration.scale + calibration.offset
    camera = calibration.noise.variance(grey) / calibration.scale**2
    total = prediction.factor.detach().numpy()[:, :, 0] ** 2 + camera
    expected = (noisy.numpy() - mean) ** 2 / (2 * total) + np.log(total) / 2
    np.testing.assert_allclose(loss.detach(), expected[:, :, 0], rtol=1e-3, atol=1e-4)


# --- on a card ----------------------------------------------------------------------


def eleven_steps(model: str) -> list[TrainingEvent]:
    how: dict[str, Any] = {"model": model, "steps": 11, "targets": 1, "patch": 16}
    if model == "centerblind":
        how |= {"width": None, "preset": "small", "batch": 2}
    if model == "stbn":
        how |= {"targets": 4, "width": 4}
    # some steps have only held-out frames
    return list(events(tiny_movie(12), **how))


@cache
def waited(model: str) -> list[TrainingEvent]:
    """Take the same steps as on a processor, where each is waited for."""
    return eleven_steps(model)


@pytest.mark.parametrize("way", ["ahead", "card"])
@pytest.mark.parametrize("model", ["udvd-3", "centerblind", "stbn"])
def test_a_run_that_waits_for_no_step_learns_the_same(
    model: str, way: str, be_like_a_card: Callable[[str], None]
) -> None:
    waiting = waited(model)
    be_like_a_card(way)
    told = eleven_steps(model)
    assert [type(event) for event in told] == [type(event) for event in waiting]
    ends = waiting[-1], told[-1]
    assert isinstance(ends[0], Finished) and isinstance(ends[1], Finished)
    for (step, loss), (expected_step, expected) in zip(
        ends[1].history, ends[0].history, strict=True
    ):
        assert step == expected_step
        assert loss == pytest.approx(expected, rel=1e-3)
    shown, expected_losses = (
        [event.loss for event in course if isinstance(event, Step)]
        for course in (told, waiting)
    )
    # numbers are a few steps late, and right
    assert math.isfinite(shown[-1])
    assert min(abs(shown[-1] / x - 1) for x in expected_losses[-5:]) < 1e-3


@pytest.mark.usefixtures("as_on_a_card")
def test_a_loss_that_is_not_finite_is_noticed_without_waiting_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change_loss(monkeypatch, lambda loss: loss * math.nan)
    *told, last = events(tiny_movie(), steps=50, targets=2)
    assert isinstance(last, Failed)
    assert "the loss is not finite since step" in str(last.error)
    assert len([event for event in told if isinstance(event, Step)]) < 20


def run_on_a_card(**options: Any) -> Any:
    """Make a run that finds a card after it was made."""
    movie = tiny_movie(9)
    settings = make_settings(
        model="centerblind", preset="small", patch=16, minutes=1.0, **options
    )
    plan = trainer.make_plan([movie], settings, on_cpu=True)
    run = Run([movie], settings, plan, torch.device("cpu"), 0.0, None, DENOISE)
    run._batches._scaler((0,))
    be_on(run, "cuda")
    return run


def be_on(run: Run, device: str) -> None:
    run._device = run._batches._device = torch.device(device)


def summary(run: Run) -> str:
    said = started(
        run._learner,
        run._plan,
        run._start,
        run._budget,
        run._batches,
        Reserve(None, False, True),
    )
    return said.summary


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Let a card be filled by 64 clips."""
    asked: list[tuple[int, float]] = []

    def find(seconds: Any, first: int, device: Any, *, most_seconds: float) -> int:
        asked.append((first, most_seconds))
        return 64

    monkeypatch.setattr(batches, "find_batch", find)
    return asked


def test_a_card_is_filled(probe: list[tuple[int, float]], tmp_path: Path) -> None:
    run = run_on_a_card()
    assert "clips at once" not in summary(run)
    rate = run._start.rate
    run.choose_batch()
    assert probe == [(8, pytest.approx(1.8))]
    assert run._batches.size == 64
    assert run._start.rate == rate
    assert "64 clips at once" in summary(run)
    run._save(tmp_path / "state")
    saved = trainer.read_saved_run(tmp_path / "state", run._stacks)
    for options, batch in (({}, 64), ({"batch": 5}, 5)):
        resumed = run_on_a_card(**options)
        resumed.restore(saved)
        assert resumed._batches.size == batch
    elsewhere = run_on_a_card()
    be_on(elsewhere, "cpu")
    elsewhere.restore(saved)
    assert elsewhere._batches.size == 8


@pytest.mark.parametrize("options", [{"batch": 3}, {"steps": 10}])
def test_a_user_or_a_count_of_steps_decides_before_any_clock(
    options: dict[str, int], probe: list[tuple[int, float]]
) -> None:
    run = run_on_a_card(**options)
    run.choose_batch()
    assert not probe
    assert run._batches.size == options.get("batch", 8)
    assert "clips at once" not in summary(run)


def test_a_processor_is_not_filled(probe: list[tuple[int, float]]) -> None:
    list(events(tiny_movie(), minutes=0.01))
    assert not probe
