"""What is remembered of a batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from napari_udvd.errors import InputError, OutputError
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.jobs import ApplyModel, TrainAndRestore
from napari_udvd.jobs.events import (
    FileFailed,
    MovieDone,
    MovieSkipped,
    MovieStarted,
    MovieStopped,
    MovieTold,
    Note,
)
from napari_udvd.jobs.journal import Journal, settings_of
from tiny import tiny_calibration, tiny_net

FILES = [Path("a.tif"), Path("b.tif")]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.of(tmp_path, FILES)


def test_lines_say_what_happened(journal: Journal) -> None:
    journal.begin({"job": "ApplyModel"}, precision="torch.float32")
    events = [
        MovieStarted(FILES[0], "tcp://node7:1"),
        MovieTold(FILES[0], Note("not worth remembering")),
        MovieStarted(FILES[0], "tcp://node8:1", is_repeated=True),
        MovieDone(FILES[0], Path("out/a.denoised.ome.tif"), 1.25),
        MovieStarted(FILES[1]),
        FileFailed(FILES[1], InputError("all pixels are equal")),
        MovieStopped(FILES[1]),
    ]
    for event in events:
        journal.note(event)
    first, *lines = map(json.loads, journal.path.read_text().splitlines())
    assert first["precision"] == "torch.float32"
    assert [line["state"] for line in lines] == [
        "started", "repeated", "done", "started", "failed", "stopped",
    ]  # fmt: skip
    assert lines[1]["where"] == "tcp://node8:1"
    assert lines[4]["reason"] == "all pixels are equal"
    assert journal.done() == {"a.tif"}
    assert journal.go_on({"job": "ApplyModel"}) == first


def test_a_line_that_was_cut_off_is_none(journal: Journal) -> None:
    journal.begin({})
    journal.note(MovieSkipped(FILES[1], Path("b.ome.tif")))
    with journal.path.open("a") as file:
        file.write('{"movie": "a.tif", "state": "do')
    assert journal.done() == {"b.tif"}


def test_what_is_begun_again_is_not_done(journal: Journal) -> None:
    journal.begin({})
    journal.note(MovieDone(FILES[0], Path("a"), 1.0))
    journal.note(MovieStarted(FILES[0]))
    assert journal.done() == set()


def test_other_movies_have_another_journal(tmp_path: Path) -> None:
    one, other = (Journal.of(tmp_path, files) for files in (FILES, FILES[:1]))
    assert one != other
    assert one == Journal.of(tmp_path, FILES[::-1])


def test_a_batch_goes_on_with_its_own_settings(journal: Journal) -> None:
    job = TrainAndRestore(values={"minutes": 2.0, "width": 4, "model": "udvd"})
    journal.begin(settings_of(job))
    longer = replace(job, resume=True, values={**job.values, "minutes": 5.0})
    assert journal.go_on(settings_of(longer))
    wider = replace(job, values={**job.values, "width": 8})
    with pytest.raises(InputError) as caught:
        journal.go_on(settings_of(wider))
    for part in ("values.width '4'", "'8'", journal.path.name, "--resume"):
        assert part in str(caught.value)
    other = replace(job, request=Request(use_posterior=False))
    with pytest.raises(InputError, match=r"request\.use_posterior 'True'.*'False'"):
        journal.go_on(settings_of(other))


def test_another_model_is_another_setting() -> None:
    one, same, other = (
        settings_of(
            ApplyModel(denoiser=Denoiser(tiny_net(seed), (tiny_calibration(),)))
        )
        for seed in (0, 0, 1)
    )
    assert one == same != other


def test_no_place_for_it(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="remembers what of the batch is done"):
        Journal.of(tmp_path / "nowhere", FILES).begin({})
