"""Results in a folder are known by what they were made of, not by their names."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from napari_udvd.errors import OutputError
from napari_udvd.inference.request import EXACT
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.jobs import (
    ApplyModel,
    Batch,
    FileFailed,
    MadeAnew,
    MovieDone,
    MovieSkipped,
    MovieStopped,
    MovieTold,
    TrainAndRestore,
)
from napari_udvd.jobs.made import made_of
from napari_udvd.training import Step
from tiny import ALONE, tiny_calibration, tiny_movie, tiny_net
from written import content, write

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = replace(EXACT, device="cpu", **ALONE)


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return write(tmp_path / "a.ome.tif", tiny_movie(4))


def applied(seed: int = 0) -> ApplyModel:
    net = tiny_net(seed, frames=3, likelihood=True)
    denoiser = Denoiser(net, (tiny_calibration(),))
    return ApplyModel(denoiser=denoiser, request=REQUEST, resume=True, renews=True)


def told(movie: Path, job: Any, suffix: str = ".ome.tif") -> tuple[Any, str]:
    """Run a batch of one; return how it ended, and why it was made anew."""
    output = movie.parent / "out"
    batch = Batch(files=(movie,), output=output, job=job, suffix=suffix)
    *_, end = events = list(batch.run())
    inner = [event.event for event in events if isinstance(event, MovieTold)]
    reasons = [event.reason for event in inner if isinstance(event, MadeAnew)]
    assert len(reasons) <= 1
    return end, "".join(reasons)


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_the_same_of_the_same_movie_is_skipped(movie: Path, suffix: str) -> None:
    job = applied()
    assert isinstance(told(movie, job, suffix)[0], MovieDone)
    before = content(movie.parent / "out")
    end, reason = told(movie, replace(job, client=None), suffix)
    assert isinstance(end, MovieSkipped)
    assert (reason, content(movie.parent / "out")) == ("", before)


def test_another_result_is_made_anew_and_it_is_said_why(movie: Path) -> None:
    job = applied()
    told(movie, job)
    before = content(movie.parent / "out")
    bare = replace(job, request=replace(REQUEST, use_posterior=False))
    end, reason = told(movie, bare)
    assert isinstance(end, MovieDone)
    assert reason == "it was made with use posterior True, not False"
    assert content(movie.parent / "out") != before
    assert told(movie, job)[1] == "it was made with use posterior False, not True"
    assert content(movie.parent / "out") == before
    assert told(movie, applied(1))[1] == "it was made by another model"
    write(movie.with_name("b.ome.tif"), tiny_movie(4, seed=1)).replace(movie)
    end, reason = told(movie, applied(1))
    assert isinstance(end, MovieDone)
    assert reason == "the movie was changed since, or was another one"
    # by its name alone, as a command goes on
    assert isinstance(told(movie, replace(job, renews=False))[0], MovieSkipped)


def test_a_file_of_unknown_origin_is_left_alone(movie: Path) -> None:
    output = movie.parent / "out"
    output.mkdir()
    foreign = write(output / "a.denoised.ome.tif", tiny_movie(4))
    before = foreign.read_bytes()
    end, _ = told(movie, applied())
    assert isinstance(end, FileFailed)
    assert isinstance(end.error, OutputError)
    assert "does not say what it was made of" in str(end.error)
    assert foreign.read_bytes() == before


def test_settings_are_alike_whoever_asks() -> None:
    stack = tiny_movie(4)
    job = TrainAndRestore(values={"seed": 3})
    spelled = {"seed": 3, "minutes": 2.0, "model": "auto", "device": "cpu"}
    spelled |= {"width": None}
    by_dock = replace(job, values=spelled, renews=True, overwrite=True)
    assert made_of(by_dock, stack) == made_of(job, stack)
    for name, value in (("seed", 4), ("minutes", 3.0), ("steps", 9)):
        other = replace(job, values={"seed": 3, name: value})
        assert made_of(other, stack) != made_of(job, stack)


@pytest.mark.filterwarnings("ignore:the result is no better")
def test_what_is_made_anew_can_be_stopped_and_goes_on(movie: Path) -> None:
    values = {"steps": 1, "width": 4, "model": "udvd-3", "patch": 16}
    job = TrainAndRestore(values=values, request=REQUEST, resume=True, renews=True)
    told(movie, job)
    longer = replace(job, values={**values, "steps": 60, "seed": 1})
    batch = Batch(files=(movie,), output=movie.parent / "out", job=longer)
    cancel, seen = threading.Event(), [0]
    for event in batch.run(cancel):
        if isinstance(event, MovieTold) and isinstance(event.event, Step):
            seen.append(event.event.step)
            cancel.set()
    assert isinstance(event, MovieStopped)
    assert event.state is not None
    again = replace(longer, values={**values, "steps": seen[-1] + 1, "seed": 1})
    for event in replace(batch, job=again).run():
        if isinstance(event, MovieTold) and isinstance(event.event, Step):
            seen.append(event.event.step)
    assert isinstance(event, MovieDone)
    assert seen == list(range(len(seen)))  # it went on where it was stopped
