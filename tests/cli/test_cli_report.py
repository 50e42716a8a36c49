"""The command that judges a result."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from cli_tools import calibrated, names, write

from napari_udvd.formats import create, open_stack
from napari_udvd.inference.restorer import Denoiser
from tiny import tiny_calibration, tiny_movie, tiny_net

if TYPE_CHECKING:
    from pathlib import Path

    from cli_tools import Outcome, Run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write a movie, and the average of its frames as a result."""
    noisy = tiny_movie(8, (40, 44)).read()
    still = np.repeat(noisy.mean(axis=0)[None], 8, axis=0).astype(np.float32)
    write(tmp_path / "noisy.ome.tif", calibrated(noisy, "TYX"))
    write(tmp_path / "clean.ome.tif", calibrated(still, "TYX"))
    return tmp_path


def refused(outcome: Outcome, *parts: str) -> None:
    assert outcome.code == 2, outcome
    message = outcome.err.splitlines()[-1]
    assert message.startswith("napari-udvd: ")
    for part in parts:
        assert part in message


def test_a_page_and_numbers(run: Run, files: Path) -> None:
    page, numbers = files / "report.html", files / "report.json"
    labels = np.zeros((40, 44), np.uint8)
    labels[5:9, 5:9] = 2
    tifffile.imwrite(files / "rois.tif", labels)
    outcome = run(
        *("report", files / "noisy.ome.tif", files / "clean.ome.tif", "-q"),
        *("-o", page, "--json", numbers, "--rois", files / "rois.tif"),
    )
    assert outcome.code == 0, outcome
    assert outcome.out.splitlines()[-2:] == [str(page), str(numbers)]
    found = json.loads(numbers.read_text("utf-8"))
    assert found["planes"][0]["regions"][0]["name"] == "2"
    assert found["model"] is None
    assert outcome.out.startswith(found["verdict"]["summary"])
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_with_the_model_and_strictly(
    run: Run, movie: Path, model: Path, tmp_path: Path
) -> None:
    result, page = tmp_path / "clean.ome.tif", tmp_path / "report.html"
    assert run("apply", model, movie, "-o", result, "-q").code == 0
    command = ("report", movie, result, "--model", model, "-o", page)
    outcome = run(*command, "--strict")
    # it was hardly trained
    assert outcome.code == 3, outcome
    assert "Do not trust this result" in outcome.out
    assert "judging" in outcome.err
    refused(run(*command), "exists")


def test_nothing_is_written_where_something_is_wrong(run: Run, files: Path) -> None:
    noisy, clean = files / "noisy.ome.tif", files / "clean.ome.tif"
    before = names(files)
    short = write(
        files / "short.ome.tif", calibrated(open_stack(clean).read()[:5], "TYX")
    )
    before = names(files)
    page = ("-o", files / "report.html")
    refused(run("report", noisy, short, *page), "one size", "5 frames")
    refused(run("report", noisy, clean), "nothing to write", "--output", "--json")
    refused(run("report", noisy, clean, "-o", files / "report.pdf"), ".html")
    refused(run("report", noisy, clean, "--json", noisy), "one of the files")
    refused(run("report", noisy, clean, "--std", files / "no.tif", *page), "no.tif")
    refused(run("report", noisy, clean, "--rois", noisy, *page), "whole numbers")
    small = np.ones((7, 7), np.uint8)
    tifffile.imwrite(files / "small.tif", small)
    refused(run("report", noisy, clean, "--rois", files / "small.tif", *page), "(7, 7)")
    (files / "small.tif").unlink()
    assert names(files) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_cannot_be_written(run: Run, files: Path) -> None:
    target = files / "locked"
    target.mkdir(mode=0o500)
    page = target / "report.html"
    noisy, clean = files / "noisy.ome.tif", files / "clean.ome.tif"
    refused(run("report", noisy, clean, "-o", page), "not writable")


def test_files_that_say_what_they_are(run: Run, files: Path) -> None:
    noisy, page = files / "noisy.ome.tif", files / "report.html"
    still = open_stack(files / "clean.ome.tif")
    for name, record in (
        ("std.ome.tif", {"quantity": "standard deviation"}),
        ("other.ome.tif", {"network": {"name": "somebody", "size": 3}}),
    ):
        with create(files / name, like=still, dtype="float32", record=record) as sink:
            sink.write(still.read(), 0)
    refused(
        run("report", noisy, files / "std.ome.tif", "-o", page), "standard deviation"
    )
    model = files / "model.safetensors"
    Denoiser(tiny_net(), (tiny_calibration(),)).save(model)
    refused(
        run("report", noisy, files / "other.ome.tif", "--model", model, "-o", page),
        "made by the network 'somebody'",
    )
    assert not page.exists()
