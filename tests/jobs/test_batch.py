"""Batches as lists of events, and what is known of every movie."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_udvd.errors import InputError
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs import ApplyModel, Batch, Overview, restore_files
from napari_udvd.jobs.events import (
    Begun,
    FileFailed,
    MovieDone,
    MovieSkipped,
    MovieStarted,
    MovieStopped,
    MovieTold,
    Written,
)
from napari_udvd.jobs.waiting import WaitingList
from napari_udvd.training import Step
from tiny import ALONE, learned_from, tiny_calibration, tiny_movie, tiny_net
from written import write

if TYPE_CHECKING:
    from typing import Any


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [
        write(tmp_path / f"{name}.ome.tif", tiny_movie(frames, seed=seed))
        for seed, (name, frames) in enumerate((("a", 3), ("b", 20), ("c", 4)))
    ]


@pytest.fixture
def job() -> ApplyModel:
    net = tiny_net(frames=3, likelihood=True)
    known = learned_from(tiny_movie(3))
    request = EXACT.__class__(device="cpu", precision=EXACT.precision, **ALONE)
    return ApplyModel(
        denoiser=Denoiser(net, (tiny_calibration(),), record=known), request=request
    )


def test_every_movie_has_an_end(
    files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    bad = tmp_path / "none.tif"
    everything = (files[0], bad, *files[1:])
    batch = Batch(files=everything, output=tmp_path / "out", job=job)
    overview = Overview(everything)
    told = []
    for event in batch.run():
        told.append(event)
        now = overview.take(event)
        assert now == overview.movies[event.file]
    assert {type(event) for event in told} == {
        MovieStarted, MovieTold, MovieDone, FileFailed,
    }  # fmt: skip
    assert [movie.state for movie in overview.movies.values()] == [
        "done", "failed", "done", "done",
    ]  # fmt: skip
    assert "none.tif" in overview.movies[bad].reason
    assert overview.movies[files[2]].result == batch.results()[files[2]]
    assert overview.count("done", "failed") == 4
    # what failed can be tried again: the rest is remembered
    assert batch.journal.done() == {str(file) for file in files}


def test_nothing_is_left_of_a_batch_that_is_complete(
    files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    batch = Batch(files=tuple(files), output=tmp_path / "out", job=job)
    for _ in batch.run():
        assert batch.journal.path.exists()
    assert {p.name for p in batch.output.iterdir()} == {
        f"{name}.denoised.ome.tif" for name in "abc"
    }


def test_a_stopped_batch_goes_on(
    files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    cancel = threading.Event()
    batch = Batch(files=tuple(files), output=tmp_path / "out", job=job)
    overview = Overview(files)
    for event in batch.run(cancel):
        overview.take(event)
        if event.file == files[1] and isinstance(event, MovieTold):
            cancel.set()
    states = [movie.state for movie in overview.movies.values()]
    assert states == ["done", "stopped", "stopped"]
    first = batch.results()[files[0]].read_bytes()
    going_on = Batch(files=tuple(files), output=batch.output, job=_resumed(job))
    told = list(going_on.run())
    assert told[0] == MovieSkipped(files[0], batch.results()[files[0]])
    assert sum(isinstance(event, MovieDone) for event in told) == 2
    assert batch.results()[files[0]].read_bytes() == first
    assert not batch.journal.path.exists()


def test_another_model_does_not_go_on(
    files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    cancel = threading.Event()
    batch = Batch(files=tuple(files), output=tmp_path / "out", job=job)
    for event in batch.run(cancel):
        if isinstance(event, MovieDone):
            cancel.set()
    other = Denoiser(tiny_net(1, frames=3, likelihood=True), (tiny_calibration(),))
    again = Batch(
        files=tuple(files),
        output=batch.output,
        job=ApplyModel(denoiser=other, request=job.request, resume=True),
    )
    with pytest.raises(InputError, match="was begun with denoiser"):
        list(again.run())


def test_a_batch_goes_on_in_the_format_that_it_was_begun_in(
    files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    cancel, output = threading.Event(), tmp_path / "out"
    for event in restore_files(files, output, job, cancel, format="ome-zarr"):
        if isinstance(event, MovieDone):
            cancel.set()
    resumed = _resumed(job)
    with pytest.raises(InputError, match=r"begun with suffix '.ome.zarr'"):
        list(restore_files(files, output, resumed))
    told = list(restore_files(files, output, resumed, format="ome-zarr"))
    assert sum(isinstance(event, MovieSkipped) for event in told) == 1
    assert {p.name for p in output.iterdir()} == {
        f"{name}.denoised.ome.zarr" for name in "abc"
    }
    other = tmp_path / "other" / "a.tif"
    with pytest.raises(InputError, match="several movies would be written"):
        list(restore_files([files[0], other], output, job, format="ome-zarr"))


def test_one_movie_in_a_folder_and_by_a_name(
    files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    *_, last = restore_files(files[:1], tmp_path, job, format="ome-zarr")
    assert last == Written(tmp_path / "a.denoised.ome.zarr")
    with pytest.raises(InputError, match="leave `format` out, or let the name end"):
        list(restore_files(files[:1], tmp_path / "r.tif", job, format="ome-zarr"))
    *_, last = restore_files(files[:1], tmp_path / "r.tif", job, format="ome-tiff")
    assert last == Written(tmp_path / "r.tif")


def test_what_is_known_of_a_movie() -> None:
    movie = Path("a.tif")
    overview = Overview([movie])
    assert overview.movies[movie].state == "waiting"
    for event, state, progress in (
        (MovieStarted(movie, "tcp://a"), "training", 0.0),
        (MovieTold(movie, Begun("training")), "training", 0.0),
        (MovieTold(movie, Step(1, 0.5, 1.0, 0.0, None)), "training", 0.5),
        (MovieTold(movie, Begun("denoising")), "denoising", 0.0),
        (MovieTold(movie, Progress(3, 4)), "denoising", 0.75),
        (MovieStarted(movie, "tcp://b", is_repeated=True), "training", 0.0),
        (MovieStopped(movie), "stopped", 0.0),
    ):
        now = overview.take(event)
        assert (now.state, now.progress) == (state, progress)
    assert now.repeats == 1
    assert now.where == "tcp://b"


def _resumed(job: ApplyModel) -> Any:
    return ApplyModel(denoiser=job.denoiser, request=job.request, resume=True)


def test_what_is_dropped_meanwhile_has_no_end(
    files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    waiting = WaitingList(files)
    batch = Batch(
        files=tuple(files),
        output=tmp_path / "out",
        job=job,
        suffix=".ome.zarr",
        waiting=waiting,
    )
    ended = []
    for event in batch.run():
        if isinstance(event, MovieStarted) and event.file == files[0]:
            waiting.arrange([files[2]])
        if isinstance(event, MovieDone):
            ended.append(event.file)
        assert event.file != files[1]
    assert ended == [files[0], files[2]]
    # nothing is left to go on with
    names = {p.name for p in batch.output.iterdir()}
    assert names == {"a.denoised.ome.zarr", "c.denoised.ome.zarr"}
