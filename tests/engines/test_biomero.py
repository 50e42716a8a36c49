"""The workflow that BIOMERO runs: its description, and what it is started by."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from napari_udvd.models import catalogue

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def descriptor(engines: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (engines / "biomero/descriptor.json").read_text()
    )
    return found


def test_biomero_takes_the_description(engines: Path, tool: Any, run: Any) -> None:
    program = tool("biomero-schema", "biomero-schema")
    done = run(program, "validate", engines / "biomero/descriptor.json")
    assert done.returncode == 0, done.stdout
    assert "Validation successful" in done.stdout


def test_what_may_be_chosen_is_there(descriptor: dict[str, Any]) -> None:
    (network,) = (x for x in descriptor["inputs"] if x["id"] == "network")
    networks = set(catalogue.names("denoise"))
    assert set(network["value-choices"]) - {"auto"} <= networks
    for each in descriptor["inputs"]:
        assert each["id"].upper() in descriptor["command-line"].split()
        assert each["default-value"] in each.get(
            "value-choices", [each["default-value"]]
        )


def test_as_biomero_starts_it(
    engines: Path,
    descriptor: dict[str, Any],
    run: Any,
    movie: Path,
    check_denoised: Any,
    tmp_path: Path,
) -> None:
    folders = {name: tmp_path / name for name in ("in", "out", "gt")}
    for name in ("in", "gt"):
        folders[name].mkdir()
    movie.rename(folders["in"] / "cells.ome.tif")
    (folders["in"] / "broken.tif").write_text("no movie")
    asked = {x["id"]: x["default-value"] for x in descriptor["inputs"]}
    asked |= {"minutes": 0.01, "network": "udvd", "device": "cpu"}
    parameters = [word for id, value in asked.items() for word in (f"--{id}", value)]
    wrapper = engines / "biomero/wrapper.py"
    done = run(
        *(sys.executable, wrapper, "--infolder", folders["in"]),
        *("--gtfolder", folders["gt"], "--outfolder", folders["out"]),
        *(*parameters, "--local", "-nmc"),
    )
    # one of two failed, and is named; the other is there
    assert done.returncode == 2, done.stderr
    assert "broken.tif" in done.stderr
    assert [path.name for path in folders["out"].iterdir()] == ["cells.ome.tif"]
    check_denoised(folders["out"] / "cells.ome.tif")


def test_an_empty_folder(engines: Path, run: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    wrapper = engines / "biomero/wrapper.py"
    done = run(
        *(sys.executable, wrapper, "--infolder", tmp_path / "in"),
        *("--outfolder", tmp_path / "out"),
    )
    assert done.returncode == 2
    assert "has no movies" in done.stdout
