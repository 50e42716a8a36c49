"""Batches that are interrupted, and files that must not be lost."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from cli_tools import calibrated, names, write

from napari_udvd.cli import follow
from napari_udvd.formats import open_stack
from tiny import tiny_movie

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cli_tools import Run

QUICK = ("--minutes", "0.01", "--width", "4", "--quiet")


@pytest.fixture
def movies(tmp_path: Path) -> list[Path]:
    return [
        write(
            tmp_path / f"{name}.ome.tif",
            calibrated(np.asarray(tiny_movie(seed=seed).data), "TYX"),
        )
        for seed, name in enumerate("abc")
    ]


def test_an_interrupted_batch_is_finished_by_the_same_command_with_resume(
    run: Run, movies: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is done, the second was interrupted, the third was never begun."""
    original, begun = follow.interruptible, 0

    @contextmanager
    def second_time_at_once(cancel: threading.Event) -> Iterator[None]:
        nonlocal begun
        begun += 1
        with original(cancel):
            if begun == 2:
                cancel.set()
            yield

    folder = tmp_path / "results"
    command = ("denoise", *movies, "-o", folder, *QUICK)
    with monkeypatch.context() as patched:
        patched.setattr(follow, "interruptible", second_time_at_once)
        outcome = run(*command)
    assert outcome.code == 130
    assert "--resume" in outcome.err
    done = folder / "a.denoised.ome.tif"
    *left, journal = names(folder)
    assert left == [done.name, "b.denoised.ome.tif.checkpoint"]
    assert journal.startswith("napari-udvd-batch-")
    first = done.read_bytes()

    outcome = run(*command, "--resume")
    assert outcome.code == 0, outcome.err
    assert names(folder) == [f"{name}.denoised.ome.tif" for name in "abc"]
    assert done.read_bytes() == first  # what was done is not done again


def test_a_folder_of_ome_zarr(
    run: Run, movies: list[Path], model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    outcome = run(
        "apply", model, *movies, "-o", folder, "-q", "--format", "ome-zarr", "--resume"
    )
    assert outcome.code == 0, outcome.err
    assert names(folder) == [f"{name}.denoised.ome.zarr" for name in "abc"]
    assert open_stack(folder / "a.denoised.ome.zarr").shape == tiny_movie().shape
    named = ("-o", tmp_path / "r.tif", "-q", "--format", "ome-zarr")
    outcome = run("apply", model, movies[0], *named)
    assert outcome.code == 2
    assert "leave --format out" in outcome.err


def test_a_batch_of_nothing_but_bad_files_writes_nothing(
    run: Run, model: Path, tmp_path: Path, listing: Callable[[], dict[str, Any]]
) -> None:
    before = listing()
    files = (tmp_path / "none.tif", tmp_path / "nowhere.tif")
    outcome = run("apply", model, *files, "-o", tmp_path / "results", "-q")
    assert outcome.code == 1
    assert listing() == before


def test_two_movies_of_one_name_are_both_there_in_the_end(
    run: Run, movies: list[Path], model: Path, tmp_path: Path
) -> None:
    # experiments are often told apart by their folders
    for name, movie in zip("ab", movies, strict=False):
        (tmp_path / name).mkdir()
        shutil.copy(movie, tmp_path / name / "movie.ome.tif")
    twice = [tmp_path / name / "movie.ome.tif" for name in "ab"]
    folder = tmp_path / "results"
    outcome = run("apply", model, *twice, "-o", folder, "-q", "--overwrite")
    # told before anything is written, or solved
    if outcome.code == 2:
        assert "movie.ome.tif" in outcome.err
        assert not folder.exists()
    else:
        assert outcome.code == 0
        results = [open_stack(path).read() for path in folder.iterdir()]
        assert len(results) == 2
        assert (results[0] != results[1]).any()


def test_the_training_of_another_movie_is_not_taken_up(
    run: Run, movies: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Movies of one microscope have one size: the content tells them apart."""

    @contextmanager
    def at_once(cancel: threading.Event) -> Iterator[None]:
        with original(cancel):
            cancel.set()
            yield

    original = follow.interruptible
    result = tmp_path / "result.ome.tif"
    with monkeypatch.context() as patched:
        patched.setattr(follow, "interruptible", at_once)
        assert run("denoise", movies[0], "-o", result, *QUICK).code == 130
    kept = (tmp_path / "result.ome.tif.checkpoint").read_bytes()
    outcome = run("denoise", movies[1], "-o", result, "--resume", *QUICK)
    assert outcome.code == 2
    assert "result.ome.tif.checkpoint" in outcome.err
    assert not result.exists()
    assert (tmp_path / "result.ome.tif.checkpoint").read_bytes() == kept


def test_the_checkpoint_of_a_training_is_not_a_model(
    run: Run, movies: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_udvd.training.checkpoint import write_checkpoint

    state = tmp_path / "state.checkpoint"
    write_checkpoint(state, {"net": {"w": torch.ones(2)}}, {"step": 1})
    outcome = run("apply", state, movies[0], "-o", tmp_path / "r.tif", "-q")
    assert outcome.code == 2
    assert "state.checkpoint" in outcome.err
    assert "--resume" in outcome.err


def test_the_demo_does_not_replace_files_of_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "noisy.ome.tif"
    precious.write_text("two weeks of work")
    outcome = run("demo", tmp_path, "--minutes", "0.01", "--quiet")
    assert outcome.code == 2
    assert "noisy.ome.tif" in outcome.err
    assert names(tmp_path) == [precious.name]
    assert precious.read_text() == "two weeks of work"


def test_a_checkpoint_cut_short_is_no_published_network(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "best.pt"
    torch.save({"model": [{"w": torch.ones(5000)}]}, path)
    path.write_bytes(path.read_bytes()[:9000])
    outcome = run("import-published", path, "-o", tmp_path / "m.safetensors")
    assert outcome.code == 2
    assert "best.pt" in outcome.err
    assert names(tmp_path) == ["best.pt"]


@pytest.mark.parametrize("seed", ["18446744073709551616", "99999999999999999999999"])
def test_seeds_that_are_too_large(
    run: Run, movies: list[Path], tmp_path: Path, seed: str
) -> None:
    result = tmp_path / "r.ome.tif"
    outcome = run("denoise", movies[0], "-o", result, "--seed", seed, *QUICK)
    assert outcome.code == 2
    assert "seed" in outcome.err and seed in outcome.err
    assert not result.exists()
