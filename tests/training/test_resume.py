"""Checkpoints: what a killed or interrupted run continues from."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_udvd.errors import InputError
from napari_udvd.formats import temporary_name
from napari_udvd.jobs import make_settings
from napari_udvd.stack import Stack
from napari_udvd.training import Checkpoint, Finished, Started, Step, train_events
from napari_udvd.training.checkpoint import read_checkpoint, write_checkpoint
from tiny import tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

QUICK: dict[str, Any] = {"model": "udvd-3", "width": 4, "patch": 16}


def run(
    movie: Stack, path: Path | None, stop_after: int | None = None, **options: Any
) -> list[Any]:
    resume = options.pop("resume", False)
    cancel = threading.Event()
    told = []
    for event in train_events(
        [movie],
        make_settings(**{**QUICK, **options}),
        checkpoint=path,
        resume=resume,
        cancel=cancel,
    ):
        told.append(event)
        if isinstance(event, Step) and event.step == stop_after:
            cancel.set()
    return told


def interrupted(path: Path, movie: Stack | None = None, **options: Any) -> None:
    *_, end = run(movie or tiny_movie(), path, stop_after=3, **{"steps": 8, **options})
    assert end.reason == "cancelled"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Checkpoint of an interrupted run, as all make that are told nothing else."""
    path = tmp_path_factory.mktemp("left") / "state"
    interrupted(path)
    return path.read_bytes()


@cache
def uninterrupted(frames: int, **options: Any) -> Finished:
    end = run(tiny_movie(frames), None, **options)[-1]
    assert isinstance(end, Finished)
    return end


def weights(end: Finished) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in end.denoiser.net.parameters()])


@pytest.mark.parametrize("targets", [4, 1])
@pytest.mark.parametrize("stop_after", [1, 5, 11])
def test_a_resumed_run_ends_exactly_like_an_uninterrupted_one(
    tmp_path: Path, stop_after: int, targets: int
) -> None:
    # with one target per clip, some steps have only held-out frames: nothing is learned
    movie = tiny_movie(12)
    how = {"steps": 12, "targets": targets}
    whole = uninterrupted(12, **how)
    run(movie, tmp_path / "state", stop_after=stop_after, **how)
    told = run(movie, tmp_path / "state", resume=True, **how)
    resumed = told[-1]
    steps = [event.step for event in told if isinstance(event, Step)]
    assert steps == list(range(stop_after + 1, 13))
    assert resumed.history == whole.history
    assert resumed.best_step == whole.best_step
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("from_scratch", [True, False])
@pytest.mark.parametrize("stop_after", [1, 4])
def test_a_resumed_run_of_the_fast_network_ends_like_an_uninterrupted_one(
    tmp_path: Path, stop_after: int, from_scratch: bool
) -> None:
    movie = tiny_movie(12)
    how = {"model": "centerblind", "width": None, "from_scratch": from_scratch}
    how |= {"preset": "small", "batch": 2, "steps": 6}
    whole = uninterrupted(12, **how)
    run(movie, tmp_path / "state", stop_after=stop_after, **how)
    # what it began with is in the checkpoint: it is not begun again
    told = run(movie, tmp_path / "state", resume=True, **how)
    steps = [event.step for event in told if isinstance(event, Step)]
    assert steps == list(range(stop_after + 1, 7))
    resumed = told[-1]
    assert resumed.history == whole.history
    assert resumed.best_step == whole.best_step
    assert torch.equal(weights(resumed), weights(whole))


def test_a_run_may_be_interrupted_again_and_again(tmp_path: Path) -> None:
    movie, path = tiny_movie(), tmp_path / "state"
    whole = run(movie, None, steps=9)[-1]
    run(movie, path, stop_after=2, steps=9)
    run(movie, path, stop_after=4, steps=9, resume=True)
    run(movie, path, stop_after=7, steps=9, resume=True)
    assert torch.equal(
        weights(run(movie, path, steps=9, resume=True)[-1]), weights(whole)
    )


@pytest.mark.alone
def test_the_budget_counts_what_was_trained_before(tmp_path: Path) -> None:
    movie, path = tiny_movie(), tmp_path / "state"
    budget = 2.0
    cancel = threading.Event()
    for event in train_events(
        [movie],
        make_settings(**QUICK, minutes=budget / 60),
        checkpoint=path,
        cancel=cancel,
    ):
        if isinstance(event, Step) and event.elapsed > 0.7 * budget:
            cancel.set()
    began = time.monotonic()
    told = run(movie, path, resume=True, minutes=budget / 60)
    assert time.monotonic() - began < 0.3 * budget + 1
    assert isinstance(told[0], Started)
    assert 0.7 * budget < told[0].resumed_at < 1.5 * budget
    assert told[-1].reason in ("budget", "converged")
    elapsed = [event.elapsed for event in told if isinstance(event, Step)]
    assert elapsed[0] > told[0].resumed_at


def test_a_run_whose_budget_is_used_up_just_ends(tmp_path: Path) -> None:
    movie, path = tiny_movie(), tmp_path / "state"
    run(movie, path, stop_after=6, steps=6)
    told = run(movie, path, steps=6, resume=True)
    assert not any(isinstance(event, Step) for event in told)
    assert told[-1].reason == "budget"
    assert math.isfinite(told[-1].best_validation)


def test_checkpoints_come_at_their_interval(tmp_path: Path) -> None:
    path = tmp_path / "state"
    told = run(tiny_movie(), path, steps=6, checkpoint_seconds=1e-6)
    saved = [event for event in told if isinstance(event, Checkpoint)]
    assert [event.step for event in saved] == [1, 2, 3, 4, 5, 6, 6]
    assert os.listdir(tmp_path) == ["state"]
    header, tensors = read_checkpoint(path)
    assert header["step"] == 6
    assert set(tensors) == {"net", "average", "best", "adam_first", "adam_second"}
    told = run(tiny_movie(), tmp_path / "other", steps=6, checkpoint_seconds=999)
    (saved_last,) = (event for event in told if isinstance(event, Checkpoint))
    assert saved_last.step == 6  # always at the end, to go on from there


def test_nothing_is_written_without_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(tiny_movie(), None, steps=3, checkpoint_seconds=1e-6)
    assert os.listdir(tmp_path) == []


KILLED = """
    import sys
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    sys.path.insert(0, sys.argv[2])
    from tiny import tiny_movie
    from napari_udvd.training import Checkpoint, train_events
    from napari_udvd.jobs import make_settings
    settings = make_settings(
        model="udvd-3", width=4, patch=16, minutes=5, checkpoint_seconds=1e-6
    )
    for event in train_events([tiny_movie()], settings, checkpoint=Path(sys.argv[1])):
        if isinstance(event, Checkpoint):
            print(event.step, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_loses_at_most_one_interval(tmp_path: Path) -> None:
    path = tmp_path / "state"
    here = os.path.dirname(os.path.dirname(__file__))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path), here],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    # checkpoints are written without a pause: it dies in the middle of one
    lines = []
    for line in process.stdout:
        lines.append(int(line))
        if len(lines) == 12:
            time.sleep(0.013)
            process.send_signal(signal.SIGKILL)
            break
    lines += [int(line) for line in process.stdout if line.strip().isdigit()]
    process.stdout.close()
    assert process.wait(30) == -signal.SIGKILL
    header, tensors = read_checkpoint(path)
    assert lines[-1] <= header["step"] <= lines[-1] + 1
    assert all(torch.isfinite(t).all() for t in tensors["net"].values())
    told = run(tiny_movie(), path, resume=True, steps=header["step"] + 3)
    assert isinstance(told[-1], Finished)
    assert told[-1].reason == "budget"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot tell who died")
def test_what_a_killed_run_was_writing_is_not_left_for_ever(tmp_path: Path) -> None:
    # checkpoints may be large, and runs may be killed often
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    mine = temporary_name(tmp_path / "state", "partial").name
    stale = tmp_path / mine.replace(f"-{os.getpid()}-", f"-{process.pid}-")
    stale.write_bytes(b"half a checkpoint")
    others = tmp_path / ".other.partial-1"
    others.write_bytes(b"of another run, which goes on")
    run(tiny_movie(), tmp_path / "state", steps=2, checkpoint_seconds=1e-6)
    assert sorted(os.listdir(tmp_path)) == [".other.partial-1", "state"]


# --- what cannot be resumed ---------------------------------------------------------


def refuse(match: str, movie: Stack, path: Path | None, **options: Any) -> None:
    before = path.read_bytes() if path and path.is_file() else None
    with pytest.raises(InputError, match=match):
        run(movie, path, resume=True, **{"steps": 8, **options})
    if before is not None and path is not None:
        assert path.read_bytes() == before


def test_nothing_to_resume(tmp_path: Path) -> None:
    refuse("no checkpoint", tiny_movie(), tmp_path / "none")
    refuse("no checkpoint", tiny_movie(), None)


def test_the_checkpoint_of_a_movie_of_another_size(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(left)
    refuse(r"24, 28.*24, 30", tiny_movie(8, (24, 30)), path)
    refuse(r"uint16.*float32", Stack.from_array(tiny_movie().read().astype("f4")), path)


def test_the_checkpoint_of_another_movie_of_the_same_size(
    tmp_path: Path, left: bytes
) -> None:
    # one microscope makes hundreds of movies of one size
    path = tmp_path / "state"
    path.write_bytes(left)
    refuse("another", tiny_movie(seed=5), path)


def test_a_movie_may_have_moved_meanwhile(tmp_path: Path) -> None:
    path, movie = tmp_path / "state", np.asarray(tiny_movie().data)
    interrupted(path, Stack.from_array(movie, "TYX", source="old/m.tif"))
    told = run(
        Stack.from_array(movie, "TYX", source="new/m.tif"), path, resume=True, steps=8
    )
    assert told[-1].reason == "budget"


def test_a_finished_model_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    run(tiny_movie(), None, steps=2)[-1].denoiser.save(path)
    refuse("finished model", tiny_movie(), path)


@pytest.mark.parametrize("damage", ["empty", "text", "half", "no plan", "no weights"])
def test_damaged_checkpoints(tmp_path: Path, damage: str, left: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(left)
    header, tensors = read_checkpoint(path)
    if damage == "no plan":
        del header["plan"]
        write_checkpoint(path, tensors, header)
    elif damage == "no weights":
        del tensors["net"]["join_a.weight"]
        write_checkpoint(path, tensors, header)
    else:
        path.write_bytes({"empty": b"", "text": b"x", "half": left[:5000]}[damage])
    refuse("damaged|checkpoint", tiny_movie(), path)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("width", 4, 8),
        ("hole", (1, 1), (3, 3)),
        ("likelihood", True, False),
        ("model", "udvd-3", "udvd"),
        ("model", "udvd-1", "udvd-3"),
        ("model", "udvd-3", "centerblind"),
    ],
)
def test_settings_that_contradict_the_checkpoint(
    tmp_path: Path, name: str, first: Any, second: Any
) -> None:
    path = tmp_path / "state"
    interrupted(path, **{name: first})
    others = {"width": None} if second == "centerblind" else {}
    refuse(name, tiny_movie(), path, **{name: second}, **others)
    # while the same choice, or none, continues
    for again in ({name: first}, {name: None}):
        quick = {k: v for k, v in QUICK.items() if k != name} | again
        settings = make_settings(**quick, steps=8)
        *_, end = train_events([tiny_movie()], settings, checkpoint=path, resume=True)
        assert isinstance(end, Finished)


def test_joint_channels_stay_joint(tmp_path: Path) -> None:
    path, data = tmp_path / "state", np.asarray(tiny_movie(7).data)
    movie = Stack.from_array(np.stack([data, data[::-1]], axis=1), "TCYX")
    interrupted(path, movie, joint_channels=True)
    # left out: as before
    assert run(movie, path, resume=True, steps=8)[-1].denoiser.joint
    interrupted(path, movie, joint_channels=False)
    refuse("joint_channels", movie, path, joint_channels=True)


@pytest.mark.usefixtures("as_on_a_card")
@pytest.mark.parametrize("stop_after", [1, 6])
def test_what_is_prepared_ahead_is_drawn_again(tmp_path: Path, stop_after: int) -> None:
    movie = tiny_movie(12)
    how = {"steps": 10, "targets": 1}
    whole = run(movie, None, **how)[-1]
    run(movie, tmp_path / "state", stop_after=stop_after, **how)
    resumed = run(movie, tmp_path / "state", resume=True, **how)[-1]
    assert resumed.history == whole.history
    assert torch.equal(weights(resumed), weights(whole))
