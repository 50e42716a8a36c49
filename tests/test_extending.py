"""The package on the page docs/extending.md works, exactly as it is there."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch

import napari_udvd as nu
from extending import FILES, PACKAGE, installed
from napari_udvd.models import catalogue
from network_contracts import (
    NETWORK_CONTRACTS,
    SPEC_CONTRACTS,
    a_model_file_brings_it_back,
)
from tiny import tiny_movie

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "my-median"

# trained for so short, it is no better than a filter, and says so
pytestmark = pytest.mark.filterwarnings("ignore:the result is no better")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the package of the page, for one test."""
    with installed(tmp_path / "site", monkeypatch) as folder:
        yield folder


def test_the_page_is_short() -> None:
    code = [text for name, text in FILES.items() if name.startswith(PACKAGE)]
    assert len(code) == 2
    for text in code:
        assert len(text.splitlines()) <= 80


def test_training_and_denoising(package: Path) -> None:
    movie = tiny_movie(12)
    denoiser = nu.train(movie, model=NAME, steps=8, patch=16, reach=1, device="cpu")
    assert denoiser.net.name == NAME
    assert denoiser.net.configuration()["reach"] == 1
    clean = denoiser.denoise(movie, device="cpu")
    assert clean.shape == movie.shape
    noisy = movie.read()
    # of the noise of the frame itself nothing is left, before the noisy pixel is back
    alone = denoiser.denoise(movie, device="cpu", use_posterior=False, dtype=np.float32)
    other = noisy.copy()
    other[5] = noisy[0]
    changed = nu.Stack.from_array(other, movie.axes, scale=movie.scale)
    again = denoiser.denoise(
        changed, device="cpu", use_posterior=False, dtype=np.float32
    )
    np.testing.assert_array_equal(alone[5], again[5])
    assert np.abs(alone[4] - again[4]).max() > 1


def test_settings_of_another_network_are_refused(package: Path) -> None:
    with pytest.raises(nu.InputError, match=r"preset is 'small'.*reach, features"):
        nu.train(tiny_movie(), model=NAME, preset="small", steps=1)
    with pytest.raises(nu.InputError, match="reach is 99"):
        nu.train(tiny_movie(), model=NAME, reach=99, steps=1)
    with pytest.raises(nu.InputError, match=r"3 frames.*looks at 5"):
        nu.train(tiny_movie(3), model=NAME, steps=1)


@pytest.mark.parametrize("contract", NETWORK_CONTRACTS.values(), ids=NETWORK_CONTRACTS)
def test_network(package: Path, contract: Any) -> None:
    with torch.random.fork_rng():  # what a network weighs differs with the seed
        torch.manual_seed(1)
        contract(importlib.import_module("test_my_median").make)


@pytest.mark.parametrize("contract", SPEC_CONTRACTS.values(), ids=SPEC_CONTRACTS)
def test_spec(package: Path, contract: Any) -> None:
    contract(catalogue.find(NAME))


def test_model_file(package: Path, tmp_path: Path) -> None:
    make = importlib.import_module("test_my_median").make
    a_model_file_brings_it_back(make, tmp_path)


def test_the_tests_of_the_page_are_those_of_the_package(package: Path) -> None:
    module = importlib.import_module("test_my_median")
    assert module.SPEC is catalogue.find(NAME)
    assert module.NETWORK_CONTRACTS is NETWORK_CONTRACTS


def test_a_model_without_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    with installed(tmp_path / "site", monkeypatch):
        net = importlib.import_module("test_my_median").make()
        nu.Denoiser(net, ()).save(path)
    with pytest.raises(nu.InputError, match="my-median-net"):
        nu.load(path)


ONE_AFTER_ANOTHER = """
import json, sys
from napari_udvd.cli import main

for command in json.loads(sys.argv[1]):
    sys.argv[1:] = command
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


def program(folder: Path, *commands: list[str]) -> subprocess.CompletedProcess[str]:
    """Run commands in one new process, which finds the package by itself."""
    paths = [str(folder), *filter(None, sys.path)]
    return subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(commands)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_line(package: Path, tmp_path: Path) -> None:
    movie, result = tiny_movie(12), tmp_path / "clean.ome.tif"
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie.read(), imagej=True, metadata={"axes": "TYX"})
    wanted = ["--model", NAME, "--reach", "1", "--minutes", "0.01", "--device", "cpu"]
    done = program(
        package,
        ["denoise", "--help"],
        ["denoise", str(path), "--output", str(result), "--quiet", *wanted],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (NAME, "--reach", "frames it sees on each side", "--features"):
        assert said in done.stdout, done.stdout + done.stderr
    assert nu.open(result).shape == movie.shape
