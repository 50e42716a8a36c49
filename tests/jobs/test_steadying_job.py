"""A job that goes on from the denoised movie: what it tells, refuses and leaves."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_udvd as nu
from napari_udvd.errors import InputError
from napari_udvd.formats import create, open_stack, read_record
from napari_udvd.inference.request import Request
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs import Begun, Note, Stopped, TrainAndSteady, Written
from tiny import ALONE, tiny_movie

if TYPE_CHECKING:
    from pathlib import Path

STACK = tiny_movie(frames=13)

JOB: dict[str, Any] = {
    "values": {"steps": 3, "device": "cpu", "self_ensemble": False},
    "request": Request(device="cpu", **ALONE),
    "network": "s2svr",
}


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "movie.tif"
    with create(path, like=STACK, dtype=STACK.dtype, record={}) as sink:
        sink.write(STACK.read(), 0)
    return path


def test_it_tells_how_far_it_is_and_whether_the_network_is_used(
    movie: Path, tmp_path: Path
) -> None:
    output = tmp_path / "steady.tif"
    told = list(TrainAndSteady(**JOB).run(movie, output))
    (begun,) = (k for k, e in enumerate(told) if e == Begun("steadying", "% learned"))
    shares = [e.done for e in told[begun + 1 :] if isinstance(e, Progress)][:3]
    assert shares == [33, 67, 100]
    assert told[-1] == Written(output)
    (note,) = (e.text for e in told if isinstance(e, Note) and "s2svr" in e.text)
    (found,) = read_record(output)["students"]
    assert found["reason"] == note
    assert found["used"] == ("is not used" not in note)
    assert open_stack(output).shape == STACK.shape


def test_left_while_the_network_learns_it_can_be_resumed(
    movie: Path, tmp_path: Path
) -> None:
    cancel, output = threading.Event(), tmp_path / "steady.tif"
    told, learning = [], False
    for event in TrainAndSteady(**JOB).run(movie, output, cancel):
        told.append(event)
        learning |= isinstance(event, Begun) and event.what == "steadying"
        if learning and isinstance(event, Progress):
            cancel.set()
    assert isinstance(told[-1], Stopped)
    assert sum(isinstance(event, Progress) for event in told) == 1
    assert not output.exists()
    *_, last = TrainAndSteady(**JOB, resume=True).run(movie, output)
    assert last == Written(output)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"network": "s2vsr"}, "no network 's2vsr'"),
        ({"save": "model.safetensors"}, "leave `save` out"),
        ({"std": "std.tif"}, "leave `std` out"),
        ({"task": "reconstruct"}, "the task is 'reconstruct'"),
    ],
)
def test_what_cannot_be_done_is_refused_before_time_is_spent(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        TrainAndSteady(**{**JOB, **wrong})


@pytest.mark.filterwarnings("ignore:the result")
def test_python_denoises_with_it_two_frames_and_several_channels_too() -> None:
    how: dict[str, Any] = {**ALONE, "steps": 1, "network": "s2svr"}
    how |= {"device": "cpu", "self_ensemble": False}
    short = np.asarray(STACK.read(), np.float32).reshape(13, *STACK.frame_shape)[:2]
    both = np.stack([short, short[:, ::-1]], axis=1)
    result = nu.denoise(both, "TCYX", **how)
    assert result.shape == both.shape and np.isfinite(result).all()
    with pytest.raises(InputError, match="no network 'unet'"):
        nu.denoise(short, "TYX", **{**how, "network": "unet"})
