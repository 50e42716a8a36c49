"""The events of a file, as a table."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from blinking import blinking
from napari_udvd.errors import InputError, OutputError
from napari_udvd.formats import create
from napari_udvd.identification import EventFinder
from napari_udvd.jobs import EventsFile, Learning, Note, Opened, Stopped, Written
from napari_udvd.spans import by_region, read_spans, write_spans
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)

SCENE = blinking()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with create(
        tmp_path / "movie.ome.tif", like=SCENE.noisy, dtype="f4", record={}
    ) as sink:
        sink.write(SCENE.noisy.read(), 0)
    regions = Stack.from_array(SCENE.labels, "YX")
    with create(
        tmp_path / "regions.ome.tif", like=regions, dtype="u2", record={}
    ) as sink:
        sink.write(regions.read(), 0)
    write_spans(tmp_path / "spans.csv", SCENE.of("1"))
    return tmp_path


@pytest.fixture
def job(folder: Path) -> EventsFile:
    return EventsFile(
        labels=folder / "spans.csv",
        regions=folder / "regions.ome.tif",
        learning=Learning(steps=3),
    )


def test_table_and_model_are_written(job: EventsFile, folder: Path) -> None:
    movie, output, model = (
        folder / name for name in ("movie.ome.tif", "events.csv", "finder.safetensors")
    )
    events = list(replace(job, save=model).run(movie, output))
    assert isinstance(events[0], Opened)
    assert events[-2:] == [Written(model), Written(output)]
    assert set(by_region(read_spans(output))) == {"1", "2", "3"}
    head, first = output.read_text().splitlines()[:2]
    assert head == "region,label,start,stop,start_s,stop_s,confidence"
    its = dict(zip(head.split(","), first.split(","), strict=True))
    assert float(its["stop_s"]) == 2 * int(its["stop"])  # 2000 ms a frame
    assert EventFinder.load(model).labels == ("dark", "lit")
    again = replace(job, labels=None, model=model)
    other = folder / "again.csv"
    assert list(again.run(movie, other))[-1] == Written(other)
    first_time, second_time = (
        [(s.region, s.start, s.label) for s in read_spans(path) if s.region != "1"]
        for path in (output, other)
    )
    assert first_time == second_time


def test_a_movie_without_an_interval_says_so(job: EventsFile, folder: Path) -> None:
    np.save(folder / "movie.npy", np.asarray(SCENE.noisy.data))
    plain = replace(job, axes="TYX")
    told = list(plain.run(folder / "movie.npy", folder / "a.csv"))
    assert any(
        isinstance(e, Note) and "`interval` adds seconds" in e.text for e in told
    )
    assert "start_s" not in (folder / "a.csv").read_text()
    list(replace(plain, interval=0.5).run(folder / "movie.npy", folder / "b.csv"))
    assert "start_s" in (folder / "b.csv").read_text()


def test_nothing_is_written_when_it_is_cancelled(job: EventsFile, folder: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    before = sorted(folder.iterdir())
    save = folder / "finder.safetensors"
    events = list(
        replace(job, save=save).run(
            folder / "movie.ome.tif", folder / "events.csv", cancel
        )
    )
    assert events[-1] == Stopped()
    assert sorted(folder.iterdir()) == before


def test_what_cannot_be_is_said_before_anything_is_read(
    job: EventsFile, folder: Path
) -> None:
    movie, output = folder / "no such movie.tif", folder / "events.csv"
    model = folder / "finder.safetensors"
    with pytest.raises(InputError, match="nothing to learn from"):
        next(replace(job, labels=None).run(movie, output))
    with pytest.raises(InputError, match="none to save"):
        next(replace(job, model=model, save=model).run(movie, output))
    with pytest.raises(InputError, match="`interval` is 0; expected a positive"):
        next(replace(job, interval=0.0).run(movie, output))
    with pytest.raises(OutputError, match="one of the files"):
        next(job.run(movie, folder / "spans.csv"))
    with pytest.raises(OutputError, match=r"use one of \.csv"):
        next(job.run(movie, folder / "events.xlsx"))
    output.write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        next(job.run(movie, output))
    assert output.read_text() == "mine"
