"""Commands whose work is done by workers."""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cli_tools import calibrated, names, write

from dask_workers import in_this_process
from napari_udvd.cli import crew
from napari_udvd.runtime import cluster, workers
from tiny import tiny_movie

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli_tools import Run

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def near() -> Iterator[Any]:
    with in_this_process() as client:
        yield client


@pytest.fixture
def movies(tmp_path: Path) -> list[Path]:
    return [
        write(
            tmp_path / f"{name}.ome.tif",
            calibrated(np.asarray(tiny_movie(seed=seed).data), "TYX"),
        )
        for seed, name in enumerate("ab")
    ]


@pytest.fixture
def through(near: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let ``--workers`` use those of this process; tells what was asked for."""
    asked: list[Any] = []

    @contextmanager
    def computing_on(*given: Any) -> Iterator[Any]:
        asked.append(given)
        yield near

    monkeypatch.setattr(crew, "computing_on", computing_on)
    return asked


def test_a_batch_on_workers(
    run: Run, movies: list[Path], model: Path, tmp_path: Path, through: list[Any]
) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no movie")
    here, there = tmp_path / "here", tmp_path / "there"
    outcome = run("apply", model, *movies, bad, "-o", there, "--workers", 2)
    assert through == [(None, 2)]
    assert outcome.code == 1
    assert str(bad) in outcome.err
    assert sorted(outcome.out.split()) == [
        str(there / f"{name}.denoised.ome.tif") for name in "ab"
    ]
    through.clear()
    assert run("apply", model, *movies, "-o", here, "-q", "--scheduler", "x").code == 0
    assert through == [("x", None)]
    *results, journal = names(there)
    assert results == names(here)
    assert "bad.tif" in (there / journal).read_text()
    for name in results:
        assert (here / name).read_bytes() == (there / name).read_bytes()


def test_one_movie_on_workers(
    run: Run, movies: list[Path], model: Path, tmp_path: Path, through: list[Any]
) -> None:
    outcome = run(
        "apply", model, movies[0], "-o", tmp_path / "r.ome.zarr", "--workers", 2
    )
    assert outcome.code == 0, outcome.err
    assert outcome.out.split() == [str(tmp_path / "r.ome.zarr")]


def test_a_movie_that_a_worker_does_not_see(
    run: Run,
    movies: list[Path],
    model: Path,
    tmp_path: Path,
    through: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "_seen", lambda *_: ("node7", str(movies[1]), None))
    for given in (movies, movies[:1]):
        output = tmp_path / "r.ome.zarr" if len(given) == 1 else tmp_path / "results"
        outcome = run("apply", model, *given, "-o", output, "--workers", 2)
        assert outcome.code == 2
        assert "node7 does not see" in outcome.err
        assert not output.exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_scheduler_that_is_not_there(
    run: Run, movies: list[Path], model: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    connect = cluster.connect
    monkeypatch.setattr(cluster, "connect", lambda address: connect(address, 0.3))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    outcome = run("apply", model, *movies, "-o", tmp_path / "r", "--scheduler", address)
    assert outcome.code == 2
    assert address in outcome.err
    assert "dask scheduler" in outcome.err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--workers", 0), "--workers is 0"),
        (("--workers", 2, "--scheduler", "tcp://a:1"), "leave --workers 2 out"),
    ],
)
def test_what_cannot_be_asked_for(
    run: Run, movies: list[Path], model: Path, tmp_path: Path, options: Any, said: str
) -> None:
    outcome = run("apply", model, movies[0], "-o", tmp_path / "r.tif", *options)
    assert outcome.code == 2
    assert said in outcome.err


def test_without_the_package(
    run: Run,
    movies: list[Path],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    outcome = run("apply", model, movies[0], "-o", tmp_path / "r.tif", "--workers", 2)
    assert outcome.code == 2
    assert "napari-udvd[cluster]" in outcome.err
