"""Packages for bioimage.io: they pass its own test, and come back bit for bit."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import napari_udvd as nu
from napari_udvd.inference.packaged import HEADER, WEIGHTS
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.stack import Stack
from napari_udvd.zoo import Author, export_package
from tiny import (
    ALONE,
    learned_from,
    tiny_calibration,
    tiny_center_blind,
    tiny_movie,
    tiny_net,
)

torch.set_num_threads(1)

SOURCE = str(Path(nu.__file__).parents[1])

pytest.importorskip(
    "bioimageio.core", reason="the extra zoo (bioimageio.core) is not installed"
)

ADA = Author("Ada Lovelace", "Analytical Engines")
HOW: dict[str, Any] = {"authors": [ADA], "license": "CC-BY-4.0"}


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    """Return a network whose calibration has numbers of all magnitudes."""
    calibration = tiny_calibration(130.0 + 1 / 3, 80.0)
    record = {"seconds": 1.5, "rate": 1e-5, **learned_from(tiny_movie())}
    net = tiny_net(frames=3, likelihood=True)
    return Denoiser(net, (calibration,), record=record)


@pytest.fixture(scope="module")
def package(denoiser: Denoiser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoo") / "model.zip"
    export_package(denoiser, path, tags=["nuclei"], **HOW)
    return path


RUN_ITS_TEST = """
import json, sys
from bioimageio.core import test_model
from bioimageio.spec import ValidationContext, load_description

results = []
for package in sys.argv[1:]:
    # addresses in it are not looked up
    with ValidationContext(perform_io_checks=False):
        model = load_description(package, format_version="latest")
    summary = test_model(model, devices=["cpu"])
    errors = [e.msg for detail in summary.details for e in detail.errors]
    names = [detail.name for detail in summary.details]
    results.append({"status": summary.status, "errors": errors, "names": names})
print(json.dumps(results))
"""


def test_it_passes_the_test_of_bioimageio(package: Path, tmp_path: Path) -> None:
    """In a process of its own, as it leaves files open; a changed package fails."""
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "denoised.npy":
                buffer = io.BytesIO()
                np.save(buffer, np.load(io.BytesIO(content)) + 5)
                content = buffer.getvalue()
            if name == "rdf.yaml":  # which knows the sum of every file
                lines = content.decode().splitlines()
                content = "\n".join(x for x in lines if "sha256" not in x).encode()
            new.writestr(name, content)
    done = subprocess.run(
        [sys.executable, "-c", RUN_ITS_TEST, package, broken],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    good, bad = json.loads(done.stdout.splitlines()[-1])
    assert good["status"] == "passed", good["errors"]
    names = " ".join(good["names"])
    assert "Reproduce test outputs from test inputs (pytorch_state_dict)" in names
    # movies of other lengths and sizes, and several at once
    assert "batch_size: 2 and size parameter n: 2" in names
    assert bad["status"] == "valid-format"  # and no more
    assert "elements disagree with expected values" in " ".join(bad["errors"])


def test_what_it_says(package: Path, denoiser: Denoiser) -> None:
    with zipfile.ZipFile(package) as file:
        model = yaml.safe_load(file.read("rdf.yaml"))
        text = file.read("README.md").decode()
        grey = np.load(io.BytesIO(file.read("movie.npy")))
        sums = {name: sha256(file.read(name)).hexdigest() for name in file.namelist()}
    assert model["authors"] == [
        {"name": "Ada Lovelace", "affiliation": "Analytical Engines"}
    ]
    assert model["license"] == "CC-BY-4.0"
    assert {"denoising", "2d-t", "nuclei"} <= set(model["tags"])
    assert "https://arxiv.org/abs/2011.15045" in [x["url"] for x in model["cite"]]
    (movie,) = model["inputs"]
    kinds = [axis["type"] for axis in movie["axes"]]
    assert kinds == ["batch", "channel", "time", "space", "space"]
    assert [output["id"] for output in model["outputs"]] == ["denoised", "std"]
    weights = model["weights"]["pytorch_state_dict"]
    assert weights["sha256"] == sums[WEIGHTS]
    assert weights["architecture"]["import_from"] == "napari_udvd.zoo"
    assert "## Validation" in text
    assert f"{denoiser.calibrations[0].noise.gain:.4g}" in text
    # what goes in is as recorded: neither scaled nor without its offset
    assert 100 < np.median(grey) < 400


def test_it_comes_back_bit_for_bit(
    package: Path, denoiser: Denoiser, tmp_path: Path
) -> None:
    back = nu.load(package)
    assert back.header() == json.loads(json.dumps(denoiser.header()))
    back.save(tmp_path / "back.safetensors")
    denoiser.save(tmp_path / "first.safetensors")
    same = [(tmp_path / f"{n}.safetensors").read_bytes() for n in ("back", "first")]
    assert same[0] == same[1]
    movie = tiny_movie()
    results = [each.denoise(movie, **ALONE) for each in (back, denoiser)]
    np.testing.assert_array_equal(*results)


def test_the_middle_of_a_movie_becomes_the_test(
    denoiser: Denoiser, tmp_path: Path
) -> None:
    movie = tiny_movie(20, (120, 40))
    path = tmp_path / "model.zip"
    export_package(denoiser, path, movie=movie, **HOW)
    with zipfile.ZipFile(path) as file:
        found = np.load(io.BytesIO(file.read("movie.npy")))
    np.testing.assert_array_equal(found[0, 0], movie.data[:8, 28:92])


def test_movies_that_are_not_for_the_model(denoiser: Denoiser, tmp_path: Path) -> None:
    two = Stack.from_array(np.zeros((5, 2, 32, 32)), "TCYX")
    with pytest.raises(nu.InputError, match=r"has 2 channel.*takes 1"):
        export_package(denoiser, tmp_path / "m.zip", movie=two, **HOW)
    holes = Stack.from_array(np.full((5, 32, 32), np.nan), "TYX")
    with pytest.raises(nu.InputError, match="not measured"):
        export_package(denoiser, tmp_path / "m.zip", movie=holes, **HOW)
    assert not list(tmp_path.iterdir())


def test_what_bioimageio_does_not_take(denoiser: Denoiser, tmp_path: Path) -> None:
    for wrong in ({"license": "mine"}, {"name": "Ä movie"}):
        with pytest.raises(nu.InputError, match=r"bioimage\.io does not take"):
            export_package(denoiser, tmp_path / "m.zip", **{**HOW, **wrong})
    assert not list(tmp_path.iterdir())


def test_models_that_cannot_be_exported(tmp_path: Path) -> None:
    net = tiny_center_blind()
    fills = Denoiser(net, (tiny_calibration(),), task="reconstruct")
    with pytest.raises(nu.InputError, match="'reconstruct'"):
        export_package(fills, tmp_path / "m.zip", **HOW)
    with pytest.raises(nu.InputError, match="knows no grey levels"):
        export_package(Denoiser(net, ()), tmp_path / "m.zip", **HOW)


def test_weights_that_were_replaced_are_read(package: Path, tmp_path: Path) -> None:
    """Someone may train the network of a package on."""
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == WEIGHTS:
                state = torch.load(io.BytesIO(content), weights_only=True)
                buffer = io.BytesIO()
                torch.save({key: tensor + 1 for key, tensor in state.items()}, buffer)
                content = buffer.getvalue()
            new.writestr(name, content)
    now, then = (nu.load(path).net.state_dict() for path in (other, package))
    for key, tensor in now.items():
        assert torch.equal(tensor, then[key] + 1)
    with zipfile.ZipFile(other) as file:
        assert HEADER in file.namelist()
