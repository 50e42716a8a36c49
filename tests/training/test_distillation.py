"""A network that is taught by its own result: when, how, and whether it is kept."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_udvd.jobs import make_settings
from napari_udvd.planes import Series
from napari_udvd.training import Finished, Step, distillation, train_events
from napari_udvd.training.best import Best
from napari_udvd.training.budget import Budget
from napari_udvd.training.distillation import DIM, SHARE, Distillation
from napari_udvd.training.estimate import Pace
from napari_udvd.training.sampling import Movie
from napari_udvd.training.validation import Validation
from tiny import tiny_center_blind, tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

NET = tiny_center_blind()


def judge(signal: float = 0.0, gain: float = 0.0, error: float = 1.0) -> Any:
    return SimpleNamespace(
        signal=lambda _: signal,
        advantage=lambda *_: (gain, error),
        loss=lambda _: 0.25,
    )


def considered(
    *,
    signal: float = DIM / 2,
    steps: int | None = 200,
    is_warm: bool = True,
    held_out: frozenset[int] = frozenset({4}),
    pace: Pace | None = None,
    step_seconds: float = 0.1,
    **settings: Any,
) -> tuple[Distillation, Budget]:
    movies = [Movie(tiny_movie(), Series((0,), 0), held_out)]
    asked = make_settings(steps=steps, **settings)
    found = Distillation(movies, SimpleNamespace(), asked, pace, 8)  # type: ignore[arg-type]
    found.is_warm = is_warm
    budget = Budget(asked.minutes, asked.steps, 0.0)
    budget.step, budget.step_seconds = 5, step_seconds
    found.consider(budget, NET, judge(signal))
    if steps is not None:
        budget.step = int(SHARE * steps)
    return found, budget


def test_only_dim_movies_are_taught_without_being_asked_for() -> None:
    for signal, distil, expected in (
        (DIM / 2, None, True),
        (DIM * 2, None, False),
        (DIM * 2, True, True),
        (DIM / 2, False, False),
    ):
        found, budget = considered(signal=signal, distil=distil)
        assert found.is_due(budget) is expected
        assert not found.remarks


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"is_warm": False}, "did not start from the shipped weights"),
        ({"held_out": frozenset()}, "no frame can be spared"),
        ({"steps": 60}, "time is too short"),
    ],
)
def test_what_cannot_be_is_said_to_whoever_asked(how: Any, said: str) -> None:
    found, budget = considered(**how)
    assert not found.is_due(budget)
    assert not found.remarks
    asked, budget = considered(distil=True, **how)
    assert not asked.is_due(budget)
    assert said in asked.remarks[0]


def test_there_must_be_time_for_lessons_and_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Budget, "elapsed", 1.0)
    how: dict[str, Any] = {"steps": None, "minutes": 1.0, "distil": True}
    for pace, step_seconds, expected in (
        (1e-9, 0.1, ()),
        (1e-9, 10.0, ("time is too short",)),
        (1e-3, 0.1, ("time is too short",)),
    ):
        found, _ = considered(pace=Pace(pace, pace), step_seconds=step_seconds, **how)
        assert tuple(s.rpartition(": ")[2] for s in found.remarks) == expected


def test_teacher_and_student_each_have_a_whole_course() -> None:
    found, budget = considered()
    assert found.course(40, 0.2) == (40, 0.5)
    assert found.course(80, 0.4) == (80, 1.0)
    found.restore(state_with(found, began=(80, 0.4)))
    assert found.course(81, 0.4) == (1, 0.0)
    step, progress = found.course(140, 0.7)
    assert (step, progress) == (60, pytest.approx(0.5))
    without, _ = considered(distil=False)
    assert without.course(40, 0.2) == (40, 0.2)
    assert budget.judgements == 1


def state_with(found: Distillation, **what: Any) -> dict[str, Any]:
    state = found.state()
    return {"distillation": {**state["distillation"], **what}}


@pytest.mark.parametrize(
    ("signal", "gain", "kept"),
    [
        (DIM / 2, 0.5, True),
        (DIM / 2, -0.5, True),  # hardly anything speaks against it
        (DIM / 2, -1.5, False),
        (DIM * 2, 0.5, False),  # hardly anything speaks for it
        (DIM * 2, 1.5, True),
    ],
)
def test_frames_held_out_judge(signal: float, gain: float, kept: bool) -> None:
    found, budget = considered(signal=signal, distil=True)
    found.restore(state_with(found, began=(80, 0.4)))
    teacher, student = Best(NET), tiny_center_blind(seed=1)
    teacher.consider(NET, 80, 1.0, 0.4)
    budget.step = 200
    best = found.judged(teacher, student, budget, judge(gain=gain))
    assert found.record["kept"] is kept
    assert ("was kept" in found.remarks[0]) is kept
    assert ("was not kept" in found.remarks[0]) is not kept
    if kept:
        assert (best.step, best.loss) == (200, 0.25)
        assert torch.equal(best.net.join_a.weight, student.join_a.weight)
    else:
        assert best is teacher


def test_a_student_that_has_hardly_begun_is_not_judged() -> None:
    found, budget = considered()
    found.restore(state_with(found, began=(80, 0.4)))
    teacher = Best(NET)
    for step in (110, 130):
        budget.step = step
        assert found.judged(teacher, NET, budget, judge(gain=9.0)) is teacher


def test_checkpoints_of_earlier_versions_go_on_without() -> None:
    found, budget = considered(distil=True)
    found.restore({})
    budget.step = 5
    found.consider(budget, NET, judge())
    assert found.state()["distillation"]["is_decided"]


QUICK: dict[str, Any] = {"patch": 16, "batch": 1, "steps": 12, "distil": True}


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distillation, "LEAST_STEPS", 8)
    monkeypatch.setattr(distillation, "FEWEST", 2)


def run(
    path: Path | None = None, stop_after: int | None = None, **options: Any
) -> list[Any]:
    resume, cancel = options.pop("resume", False), threading.Event()
    told = []
    for event in train_events(
        [tiny_movie(12)],
        make_settings(**{**QUICK, **options}),
        checkpoint=path,
        resume=resume,
        cancel=cancel,
    ):
        told.append(event)
        if isinstance(event, Step) and event.step == stop_after:
            cancel.set()
    return told


def weights(end: Finished) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in end.denoiser.net.parameters()])


@pytest.mark.usefixtures("few_steps")
def test_a_run_with_a_student_goes_on_exactly_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Validation, "advantage", lambda *_: (1.0, 0.1))
    whole = run()[-1]
    assert whole.best_step == whole.steps == 12
    record = whole.denoiser.record["distillation"]
    assert record["kept"]
    assert record["step"] <= 5
    assert any("taught by its own result" in s for s in whole.remarks)
    for stop_after in (5, 8):  # when lessons are due, and in the middle of them
        path = tmp_path / f"state-{stop_after}"
        *_, stopped = run(path, stop_after)
        assert stopped.reason == "cancelled"
        *_, end = run(path, resume=True)
        assert end.history == whole.history
        assert torch.equal(weights(end), weights(whole))


@pytest.mark.usefixtures("few_steps")
def test_a_student_that_is_no_better_leaves_no_trace_in_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Validation, "advantage", lambda *_: (-1.0, 0.1))
    end = run()[-1]
    assert not end.denoiser.record["distillation"]["kept"]
    assert end.best_step <= 5
    best = min(loss for step, loss in end.history if step <= 5)
    assert end.best_validation == best


@pytest.mark.usefixtures("few_steps")
def test_making_lessons_can_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, made = threading.Event(), distillation.make_lessons

    def cancelled(*args: Any) -> Any:
        for lessons in made(*args):
            stop.set()
            yield lessons

    monkeypatch.setattr(distillation, "make_lessons", cancelled)
    settings = make_settings(**QUICK)
    path = tmp_path / "state"
    *_, end = train_events([tiny_movie(12)], settings, checkpoint=path, cancel=stop)
    assert end.reason == "cancelled"
    assert end.steps == 5
    monkeypatch.setattr(distillation, "make_lessons", made)
    monkeypatch.setattr(Validation, "advantage", lambda *_: (1.0, 0.1))
    *_, resumed = run(path, resume=True)
    assert torch.equal(weights(resumed), weights(run()[-1]))


def test_bright_movies_and_short_trainings_are_as_ever() -> None:
    *_, end = run(distil=None)
    assert "distillation" not in end.denoiser.record
    assert not end.remarks
    *_, without = run(distil=False)
    assert torch.equal(weights(end), weights(without))
