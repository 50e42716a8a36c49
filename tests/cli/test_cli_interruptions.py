"""Ctrl-C, kills and full disks: nothing half done is left, nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cli_tools import ALONE, calibrated, names, write

from napari_udvd.cli import follow
from napari_udvd.formats import open_stack
from napari_udvd.inference import model_file, restorer
from napari_udvd.training import Finished, Started, TrainingSettings, train_events
from napari_udvd.training.checkpoint import read_checkpoint
from tiny import tiny_movie

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cli_tools import Run

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")

QUICK = ("--minutes", "0.01", "--width", "4")

TRAIN_UNTIL_KILLED = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import torch
    from napari_udvd.formats import open_stack
    from napari_udvd.training import TrainingSettings, train_events

    torch.set_num_threads(1)
    settings = TrainingSettings(minutes=5, width=4, checkpoint_seconds=0.3)
    stacks = [open_stack(sys.argv[1])]
    for event in train_events(stacks, settings, checkpoint=Path(sys.argv[2])):
        if type(event).__name__ == "Checkpoint":
            print(event.step, flush=True)
    """
)

APPLY_UNTIL_KILLED = textwrap.dedent(
    """
    import sys, time
    import torch
    from napari_udvd.cli import main
    from napari_udvd.inference import restorer

    torch.set_num_threads(1)
    original = restorer.denoise_stack
    *command, first, second = sys.argv

    def slow(*arguments, **options):
        for progress in original(*arguments, **options):
            print("writing", flush=True)
            if sys.argv[-1] == first:  # begin the second, too
                sys.argv = [*command, second]
                main()
            time.sleep(60)
            yield progress

    restorer.denoise_stack = slow
    sys.argv = [*command, first]
    main()
    """
)


def start(*command: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@posix
def test_ctrl_c_saves_and_resume_finishes(
    run: Run, movie: Path, tmp_path: Path
) -> None:
    result = tmp_path / "clean.ome.tif"
    checkpoint = tmp_path / "clean.ome.tif.checkpoint"
    command = ("denoise", movie, "-o", result, "--width", "4")
    with start("-m", "napari_udvd", *command, "--minutes", "5") as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "width 4" in line:  # training begins
                break
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert out == ""
    assert str(checkpoint) in err.replace("\n", "")
    assert "--resume" in err
    assert "Traceback" not in err
    assert names(tmp_path) == [checkpoint.name, movie.name]
    before, _ = read_checkpoint(checkpoint)
    assert before["step"] >= 1

    # neither lost nor taken up by mistake
    kept = checkpoint.read_bytes()
    outcome = run(*command, "--minutes", "0.01")
    assert outcome.code == 2
    assert "--resume" in outcome.err and "--overwrite" in outcome.err
    assert checkpoint.read_bytes() == kept

    minutes = before["elapsed"] / 60 + 0.01
    outcome = run(*command, "--minutes", minutes, "--resume")
    assert outcome[:2] == (0, f"{result}\n"), outcome.err
    assert names(tmp_path) == [result.name, movie.name]
    assert open_stack(result).shape == (8, 24, 28)


@contextmanager
def at_once(cancel: threading.Event) -> Iterator[None]:
    """Ctrl-C in the first step."""
    cancel.set()
    yield


def test_a_stopped_training_of_a_model_continues(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "model.safetensors"
    command = ("train", movie, "--save", saved, "--width", "4")
    with monkeypatch.context() as patched:
        patched.setattr(follow, "interruptible", at_once)
        outcome = run(*command, "-q")
    assert outcome.code == 130
    assert "--resume" in outcome.err
    checkpoint = tmp_path / "model.safetensors.checkpoint"
    assert names(tmp_path) == sorted([checkpoint.name, movie.name])
    header, _ = read_checkpoint(checkpoint)

    # what would contradict the checkpoint is refused, and it is kept
    kept = checkpoint.read_bytes()
    outcome = run("train", movie, "--save", saved, "--width", "8", "--resume", "-q")
    assert outcome.code == 2
    assert "width 4" in outcome.err
    assert checkpoint.read_bytes() == kept

    minutes = header["elapsed"] / 60 + 0.03
    outcome = run(*command, "--resume", "--minutes", minutes, "-q")
    assert outcome == (0, f"{saved}\n", "")
    assert names(tmp_path) == sorted([saved.name, movie.name])


def test_ctrl_c_stops_a_batch(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "interruptible", at_once)
    folder = tmp_path / "results"
    other = shutil.copy(movie, tmp_path / "other.ome.tif")
    outcome = run("denoise", movie, other, "-o", folder, "--width", "4", "-q")
    assert outcome.code == 130
    left, journal = names(folder)
    assert left == "movie.denoised.ome.tif.checkpoint"
    assert journal.startswith("napari-udvd-batch-")


@posix
def test_ctrl_c_before_the_training(movie: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal; from napari_udvd.cli import main\n"
        "from napari_udvd.jobs import restoring\n"
        "restoring.open_stack = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        "main()"
    )
    with start("-c", code, "denoise", movie, "-o", tmp_path / "a.tif") as child:
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert names(tmp_path) == [movie.name]


def test_ctrl_c_while_writing(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = restorer.denoise_stack

    def stopped(*arguments: Any, **options: Any) -> Any:
        yield next(original(*arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(restorer, "denoise_stack", stopped)
    before = names(tmp_path)
    outcome = run("apply", model, movie, "-o", tmp_path / "clean.ome.tif", "-q")
    assert outcome.code == 130
    assert outcome.out == ""
    assert names(tmp_path) == before


def test_ctrl_c_while_writing_keeps_the_training(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The minutes of training are worth more than those of writing."""

    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt
        yield

    saved, clean = tmp_path / "model.safetensors", tmp_path / "clean.ome.tif"
    command = ("denoise", movie, "-o", clean)
    with monkeypatch.context() as patch:
        patch.setattr(restorer, "denoise_stack", stopped)
        outcome = run(*command, "--save", saved, *QUICK)
    assert outcome.code == 130
    checkpoint = f"{clean.name}.checkpoint"
    assert names(tmp_path) == [checkpoint, saved.name, movie.name]
    # the training is complete: only the writing is done again
    assert run(*command, *QUICK, "--resume").code == 0
    assert names(tmp_path) == [clean.name, saved.name, movie.name]


def test_a_batch_stops_at_ctrl_c(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = write(
        tmp_path / "other.ome.tif", calibrated(np.asarray(tiny_movie().data), "TYX")
    )

    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(restorer, "denoise_stack", stopped)
    outcome = run("apply", model, movie, other, "-o", tmp_path / "results", "-q")
    assert outcome.code == 130
    assert names(tmp_path / "results") == []


@posix
def test_a_killed_training_continues_from_the_last_checkpoint(
    run: Run, movie: Path, tmp_path: Path
) -> None:
    result = tmp_path / "clean.ome.tif"
    checkpoint = tmp_path / "clean.ome.tif.checkpoint"
    with start("-c", TRAIN_UNTIL_KILLED, movie, checkpoint) as child:
        assert child.stdout is not None and child.stderr is not None
        steps = [int(child.stdout.readline() or -1) for _ in range(2)]
        child.kill()
        assert steps[1] > 0, child.stderr.read()
    header, _ = read_checkpoint(checkpoint)
    assert header["step"] >= steps[1] > steps[0] >= 1

    minutes = header["elapsed"] / 60 + 0.03
    settings = TrainingSettings(minutes=minutes, width=4)
    stacks = [open_stack(movie)]
    events = list(train_events(stacks, settings, checkpoint=checkpoint, resume=True))
    assert isinstance(events[0], Started)
    assert events[0].resumed_at == pytest.approx(header["elapsed"])
    assert isinstance(events[-1], Finished)
    assert events[-1].denoiser.record["steps"] > header["step"]

    outcome = run(
        *("denoise", movie, "-o", result, "--width", "4", "--resume"),
        *("--minutes", minutes),
    )
    assert outcome.code == 0, outcome.err
    # nothing that the killed run left is still there either
    assert names(tmp_path) == [result.name, movie.name]


@posix
def test_a_killed_run_leaves_nothing_that_looks_finished(
    run: Run, movie: Path, model: Path, tmp_path: Path
) -> None:
    """Neither a file nor a folder, which one process was writing when it ended."""
    results = ("clean.ome.tif", "clean.ome.zarr")
    command = ("apply", model, movie, "-q", *ALONE, "-o")
    paths = [tmp_path / name for name in results]
    with start("-c", APPLY_UNTIL_KILLED, *command, *paths) as child:
        assert child.stdout is not None and child.stderr is not None
        lines = [child.stdout.readline() for _ in results]
        child.kill()
        assert lines == ["writing\n"] * 2, child.stderr.read()
    left = set(names(tmp_path)) - {movie.name, model.name}
    kinds = [
        {entry for entry in left if entry.startswith(f".{name}.partial-")}
        for name in results
    ]
    assert all(kinds)
    assert left == kinds[0] | kinds[1]
    # and the same command simply works, and tidies up
    for path in paths:
        assert run(*command, path).code == 0
    assert names(tmp_path) == sorted([*results, movie.name, model.name])


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_when_the_model_is_written(
    run: Run,
    movie: Path,
    tmp_path: Path,
    listing: Callable[[], dict[str, bytes | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = listing()
    monkeypatch.setattr(model_file, "save", full)
    saved = tmp_path / "model.safetensors"
    code, out, err = run("train", movie, "--save", saved, *QUICK, "-q")
    assert (code, out) == (2, "")
    assert "No space left" in err and str(saved) in err
    assert err.startswith("napari-udvd: ") and err.count("\n") == 1
    assert listing() == before


def test_a_disk_that_is_full_when_the_result_is_written(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    listing: Callable[[], dict[str, bytes | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = listing()
    monkeypatch.setattr(os, "fsync", full)
    outcome = run("apply", model, movie, "-o", tmp_path / "clean.ome.tif", "-q")
    assert outcome.code == 2
    assert "No space left" in outcome.err and "clean.ome.tif" in outcome.err
    assert listing() == before
