"""The workflow and the wrapper for Snakemake, linted and run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workflow(engines: Path, movie: Path, tmp_path: Path) -> Path:
    """Copy the workflow, with the configuration of a tiny run."""
    folder = tmp_path / "workflow of mine"
    shutil.copytree(engines / "snakemake", folder)
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    config |= {
        "movies": {"first": str(movie)},
        "options": "--minutes 0.01 --model udvd --device cpu --no-refine",
        "threads": 1,
    }
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_its_linter_has_nothing_to_say(workflow: Path, tool: Any, run: Any) -> None:
    done = run(tool("snakemake", "snakemake"), "--lint", cwd=workflow)
    assert done.returncode == 0, done.stderr
    assert "Congratulations" in done.stderr + done.stdout


def test_it_denoises(workflow: Path, tool: Any, run: Any, check_denoised: Any) -> None:
    done = run(tool("snakemake", "snakemake"), "--cores", 1, cwd=workflow)
    assert done.returncode == 0, done.stderr
    check_denoised(workflow / "results/first.ome.tif")
    assert (workflow / "results/logs/first.log").read_text()
    # and nothing is left to do
    again = run(tool("snakemake", "snakemake"), "--cores", 1, cwd=workflow)
    assert "Nothing to be done" in again.stderr + again.stdout


def test_the_wrapper(
    workflow: Path, movie: Path, tool: Any, run: Any, check_denoised: Any
) -> None:
    folder = workflow / "wrapper/test"
    movie.rename(folder / "cells.tif")
    target = "cells_denoised.ome.tif"
    done = run(tool("snakemake", "snakemake"), "--cores", 1, target, cwd=folder)
    assert done.returncode == 0, done.stderr
    check_denoised(folder / target)


def test_it_is_for_this_version(engines: Path) -> None:
    import napari_udvd

    wanted = f"napari-udvd[formats] =={napari_udvd.__version__}"
    for file in ("workflow/envs/napari-udvd.yaml", "wrapper/environment.yaml"):
        environment = yaml.safe_load((engines / "snakemake" / file).read_text())
        assert {"pip": [wanted]} in environment["dependencies"], file
