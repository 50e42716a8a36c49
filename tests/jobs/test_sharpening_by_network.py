"""A job that sharpens with a network: its time, what it tells, and how it is left."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from napari_udvd.formats import create, open_stack, read_record
from napari_udvd.inference.request import Request
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs import Begun, Note, Stopped, TrainAndSharpen, Written
from napari_udvd.jobs.efforts import shared
from tiny import ALONE, tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

STACK = tiny_movie(frames=13)

JOB: dict[str, Any] = {
    "values": {"steps": 3, "device": "cpu", "self_ensemble": False},
    "request": Request(device="cpu", **ALONE),
    "sigma": 1.0,
    "network": "s2svr",
}


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "movie.tif"
    with create(path, like=STACK, dtype=STACK.dtype, record={}) as sink:
        sink.write(STACK.read(), 0)
    return path


def test_a_network_gets_half_of_the_time() -> None:
    values, effort = shared({"minutes": 3.0, "seed": 5}, "s2svr", STACK)
    assert values["minutes"] == 1.5
    assert (effort.minutes, effort.steps, effort.seed) == (1.5, None, 5)
    values, effort = shared({"steps": 7}, "s2svr", STACK)
    assert values == {"steps": 7} and effort.steps == 7
    assert shared({"minutes": 3.0}, None, STACK)[0] == {"minutes": 3.0}


def test_it_tells_how_far_it_is_and_whether_the_network_is_used(
    movie: Path, tmp_path: Path
) -> None:
    output = tmp_path / "sharp.tif"
    told = list(TrainAndSharpen(**JOB).run(movie, output))
    (begun,) = (k for k, e in enumerate(told) if e == Begun("sharpening", "% learned"))
    shares = [e.done for e in told[begun + 1 :] if isinstance(e, Progress)][:3]
    assert shares == [33, 67, 100]
    assert told[-1] == Written(output)
    (note,) = (e.text for e in told if isinstance(e, Note) and "s2svr" in e.text)
    (found,) = read_record(output)["sharpening"]["networks"]
    assert found["reason"] == note
    assert found["used"] == ("is not used" not in note)
    assert open_stack(output).shape == STACK.shape


def test_it_can_be_left_while_the_network_learns(movie: Path, tmp_path: Path) -> None:
    cancel, output = threading.Event(), tmp_path / "sharp.tif"
    told, learning = [], False
    for event in TrainAndSharpen(**JOB).run(movie, output, cancel):
        told.append(event)
        learning |= isinstance(event, Begun) and event.what == "sharpening"
        if learning and isinstance(event, Progress):
            cancel.set()
    assert isinstance(told[-1], Stopped)
    assert sum(isinstance(event, Progress) for event in told) == 1
    assert not output.exists()
