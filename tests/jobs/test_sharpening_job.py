"""From a blurred movie to a sharp one: in one call, and from file to file."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_udvd as nu
from blurred_scenes import PLAIN, blurred, untrained
from napari_udvd.formats import create, read_record
from napari_udvd.jobs import Begun, Note, Stopped, TrainAndSharpen, Warned, Written
from napari_udvd.jobs.sharpening import _told
from napari_udvd.metrics import fourier_rings
from napari_udvd.optics import Gaussian
from napari_udvd.sharpening import Assessment, Choice, Optics, Sharpener
from napari_udvd.stack import Instrument, Light, Stack
from tiny import ALONE

torch.set_num_threads(1)

# trained for so short, networks are bad, and training says so
pytestmark = pytest.mark.filterwarnings("ignore:the result is no better")

QUICK: dict[str, Any] = {"steps": 1}

PLAINLY: dict[str, Any] = {**ALONE, **QUICK}


@pytest.fixture
def stack() -> Stack:
    return Stack.from_array(
        blurred("filaments", 1.2, 30, edge=40, frames=5).noisy,
        "TYX",
        scale={"T": 2.0, "Y": 0.2, "X": 0.2},
        units={"T": "s", "Y": "µm", "X": "µm"},
    )


@pytest.fixture
def movie(stack: Stack, tmp_path: Path) -> Path:
    path = tmp_path / "movie.ome.tif"
    with create(path, like=stack, dtype=stack.dtype, record={}) as sink:
        sink.write(stack.read(), 0)
    return path


def job(**how: Any) -> TrainAndSharpen:
    return TrainAndSharpen(**{"values": QUICK, "request": PLAIN, "sigma": 1.2, **how})


def test_an_array_in_one_call(stack: Stack) -> None:
    array = np.asarray(stack.data)
    sharp = nu.sharpen(array, "TYX", sigma=1.2, **PLAINLY)
    assert sharp.shape == array.shape and sharp.dtype == np.float32
    # more contrast than in the blurred movie without noise, and as much light
    clean = nu.denoise(array, "TYX", **PLAINLY)
    assert sharp.std() > 1.1 * clean.std()
    assert sharp.mean() == pytest.approx(clean.mean(), rel=0.02)


def test_a_stack_on_a_finer_grid(stack: Stack) -> None:
    sharp = nu.sharpen(
        stack, na=0.9, wavelength=520, pixel_size=0.35, zoom=2, iterations=3, **PLAINLY
    )
    assert sharp.shape == (5, 80, 80)


def test_too_many_iterations_are_a_warning() -> None:
    noisy = blurred("nuclei", 1.75, 6, edge=40, frames=4).noisy
    with pytest.warns(UserWarning, match="brought out noise"):
        nu.sharpen(noisy, "TYX", sigma=1.75, iterations=200, **PLAINLY)


def test_the_blur_is_checked_before_time_is_spent(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_udvd.jobs.training.train_events", None)
    with pytest.raises(nu.InputError, match="nothing says what blurred"):
        nu.sharpen(stack, **QUICK)


def test_what_was_done_is_told_and_kept(movie: Path, tmp_path: Path) -> None:
    output = tmp_path / "sharp.ome.tif"
    events = list(job().run(movie, output))
    assert events[-1] == Written(output)
    assert [e.what for e in events if isinstance(e, Begun)][-2:] == [
        "sharpening",
        "denoising",
    ]
    told = [event.text for event in events if isinstance(event, Note)]
    assert any(text.startswith("a point is 2.8") for text in told)
    assert any("light is counted from grey level" in text for text in told)
    assert any("as an independent copy of the movie asks for" in t for t in told)
    record = read_record(output)
    assert record is not None
    (channel,) = record["sharpening"]["channels"]
    assert any(f"sharpened by {channel['iterations']} iteration" in t for t in told)
    assert record["sharpening"]["assessed"][0]["mottled"] < 0.1
    assert not list(tmp_path.glob("*checkpoint*"))


def test_iterations_and_offset_that_were_told(movie: Path, tmp_path: Path) -> None:
    output = tmp_path / "sharp.ome.tif"
    values = {**QUICK, "noise": (2.0, 98.0, 1.4)}
    events = list(job(iterations=3, values=values).run(movie, output))
    told = [event.text for event in events if isinstance(event, Note)]
    assert any("sharpened by 3 iterations, as told" in text for text in told)
    assert "light is counted from grey level 98, as `noise` says" in told
    record = read_record(output)
    assert record is not None
    assert record["sharpening"]["channels"][0]["curve"] == []


def test_what_the_file_says_of_the_microscope_is_taken_and_told(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    light = Light(emission=610.0)
    known = replace(stack, instrument=Instrument(na=0.8, channels=(light,)))
    monkeypatch.setattr("napari_udvd.jobs.restoring.open_stack", lambda *_, **__: known)
    steps = job(sigma=None).run(Path("a.tif"), tmp_path / "sharp.ome.tif")
    told = [event.text for event in islice(steps, 3) if isinstance(event, Note)]
    steps.close()
    assert told[0] == "taken from the file: NA 0.8, light of 610 nm"
    assert "NA 0.8 in air (1), 610 nm, 200 nm a pixel" in told[1]


def test_cancelled_while_iterations_are_chosen(movie: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    output = tmp_path / "sharp.ome.tif"
    events = []
    for event in job().run(movie, output, cancel):
        events.append(event)
        if event == Begun("sharpening"):
            cancel.set()
    assert isinstance(events[-1], Stopped)
    assert not output.exists()
    # the training is not lost
    state = events[-1].state
    assert state is not None and state.exists()
    again = list(job(resume=True).run(movie, output))
    assert again[-1] == Written(output) and not state.exists()


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ({"iterations": 0}, ["`iterations` is 0"]),
        ({"std": Path("std.ome.tif")}, ["standard deviation", "`std`"]),
    ],
)
def test_what_cannot_be_asked_for(how: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(nu.InputError) as caught:
        job(**how)
    for part in parts:
        assert part in str(caught.value)


def test_warnings_name_their_channel(stack: Stack) -> None:
    movie = np.asarray(stack.data)
    rings = fourier_rings(movie, movie)
    both = Stack.from_array(np.stack([movie, movie], 1), "TCYX")
    sharpener = Sharpener.of(
        untrained(both),
        Optics(Gaussian(1.2)),
        [Choice.asked(200), Choice(1, (1.0, 1.0))],
        [Assessment(rings, rings, 0.4), Assessment(rings, rings, 0.0)],
    )
    events = list(_told(sharpener, both))
    (warning,) = [event.text for event in events if isinstance(event, Warned)]
    assert warning.startswith("channel 0: in 40 % of the frame")
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any(
        n.startswith("channel 1: sharpened by 1 iteration, as an") for n in notes
    )
