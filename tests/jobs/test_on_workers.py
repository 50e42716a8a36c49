"""Movies on processes of dask: the same bytes, whatever happens to the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_udvd as nu
from dask_workers import in_this_process, processes
from napari_udvd import cutting
from napari_udvd.errors import InputError, OutputError, WorkersLost
from napari_udvd.formats import open_stack
from napari_udvd.inference import remote
from napari_udvd.inference.request import Request
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.inference.units import units_of
from napari_udvd.jobs import (
    ApplyModel,
    Batch,
    FileFailed,
    MovieDone,
    MovieSkipped,
    MovieStarted,
    MovieStopped,
    MovieTold,
    Stopped,
    TrainAndRestore,
    Warned,
    Written,
    restore_files,
)
from napari_udvd.jobs.crew import precision_there
from napari_udvd.runtime.cluster import Cluster
from napari_udvd.runtime.device import settled_precision
from napari_udvd.training import Step
from tiny import ALONE, tiny_calibration, tiny_movie, tiny_net
from written import content, write

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("distributed")

REQUEST = Request(device="cpu", precision=torch.float32, **ALONE)
QUICK: dict[str, Any] = {
    "steps": 2,
    "width": 4,
    "model": "udvd-3",
    "patch": 16,
    "self_ensemble": False,
}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two processes."""
    with processes(2) as client:
        yield client


@pytest.fixture(scope="module")
def near() -> Iterator[Any]:
    """Two workers in this process: enough where nobody is killed."""
    with in_this_process() as client:
        yield client


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two units each, of sixteen frames and of the rest."""
    return [
        write(tmp_path / f"{name}.ome.tif", tiny_movie(18, seed=seed))
        for seed, name in enumerate("abcd")
    ]


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut movies into units of four frames: many, of a short movie, in this process."""
    monkeypatch.setattr(cutting, "BLOCK_FRAMES", 4)


@pytest.fixture
def job() -> ApplyModel:
    net = tiny_net(frames=3, likelihood=True)
    return ApplyModel(denoiser=Denoiser(net, (tiny_calibration(),)), request=REQUEST)


def results(folder: Path) -> dict[str, bytes]:
    return content(folder)


def test_a_killed_worker_costs_one_movie(
    client: Any, files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    here = Batch(files=tuple(files), output=tmp_path / "here", job=job)
    for _ in here.run():
        pass
    there = Batch(files=tuple(files), output=tmp_path / "there", job=job, client=client)
    pids = client.run(os.getpid)
    killed, begun, done = "", [], []
    for event in there.run():
        if isinstance(event, MovieStarted):
            begun.append(event)
        if isinstance(event, MovieTold) and not killed:
            killed = begun[0].where
            os.kill(pids[killed], signal.SIGKILL)
        if isinstance(event, MovieDone):
            done.append(event.file)
    repeated = [event.file for event in begun if event.is_repeated]
    assert len(repeated) == 1
    assert sorted(done) == files
    assert results(tmp_path / "there") == results(tmp_path / "here")


def test_a_killed_worker_costs_one_unit_of_a_shared_movie(
    client: Any, job: ApplyModel, tmp_path: Path
) -> None:
    movie = write(tmp_path / "long.ome.zarr", tiny_movie(96))
    one, other = tmp_path / "one.ome.zarr", tmp_path / "other.ome.zarr"
    list(restore_files([movie], one, job))
    client.wait_for_workers(2, timeout=240)
    pid = next(iter(client.run(os.getpid).values()))
    for k, _ in enumerate(restore_files([movie], other, job, None, client)):
        if k == 3:
            os.kill(pid, signal.SIGKILL)
    assert content(one) == content(other)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_one_movie_shared_out_has_the_bytes_of_one_process(
    near: Any, job: ApplyModel, tmp_path: Path
) -> None:
    job = replace(job, request=replace(REQUEST, events=True))
    movie = write(tmp_path / "small.ome.tif", tiny_movie(18, shape=(16, 20)))
    for suffix in (".ome.tif", ".ome.zarr"):
        made = []
        for name, client in (("here", None), ("there", near)):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            std, output = folder / f"std{suffix}", folder / f"r{suffix}"
            asked = replace(job, std=std)
            *_, last = restore_files([movie], output, asked, None, client)
            assert last == Written(output)
            made.append((content(output), content(std)))
        assert made[0] == made[1]


@pytest.mark.usefixtures("small_units")
def test_a_stopped_zarr_is_gone_on_with(
    near: Any, job: ApplyModel, tmp_path: Path
) -> None:
    movie = write(tmp_path / "long.ome.zarr", tiny_movie(52))
    whole, output = tmp_path / "whole.ome.zarr", tmp_path / "r.ome.zarr"
    list(restore_files([movie], whole, job, None, near))
    cancel = threading.Event()
    told = []
    for event in restore_files([movie], output, job, cancel, near):
        told.append(event)
        if len(told) == 4:
            cancel.set()
    assert told[-1] == Stopped(tmp_path / ".r.ome.zarr.unfinished")
    assert not output.exists()
    with pytest.raises(OutputError, match="continue it with `resume`"):
        list(restore_files([movie], output, job, None, near))
    again = replace(job, resume=True)
    _, _, first, *_ = restore_files([movie], output, again, None, near)
    assert 4 < first.done < 52  # of before, told at once
    assert content(output) == content(whole)


UNTIL_KILLED = """
import sys
from pathlib import Path

import torch

from dask_workers import in_this_process
from napari_udvd.inference.loading import load
from napari_udvd.inference.request import Request
from napari_udvd.jobs import ApplyModel, Batch, MovieDone

torch.set_num_threads(1)
model, output, *files = map(Path, sys.argv[1:])
request = Request(device="cpu", precision=torch.float32, events=False, refine=False)
job = ApplyModel(denoiser=load(model), request=request)
with in_this_process() as client:
    batch = Batch(files=tuple(files), output=output, job=job, client=client)
    for event in batch.run():
        if isinstance(event, MovieDone):
            print(event.result, flush=True)
            sys.stdin.read()
"""


def test_scheduler_and_client_that_were_killed(
    near: Any, files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    """A batch is gone on with, to the bytes of one that nobody disturbed."""
    files = files[:3]
    model, output = tmp_path / "model.safetensors", tmp_path / "out"
    job.denoiser.save(model)
    job = replace(job, denoiser=nu.load(model))
    whole = Batch(files=tuple(files), output=tmp_path / "whole", job=job, client=near)
    assert all(not isinstance(event, FileFailed) for event in whole.run())
    words = [sys.executable, "-c", UNTIL_KILLED, model, output, *files]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        list(map(str, words)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        assert running.stdout is not None
        first = Path(running.stdout.readline().strip())
        running.kill()
    before = first.stat().st_mtime_ns
    (journal,) = output.glob("napari-udvd-batch-*.jsonl")
    assert first.name in journal.read_text()
    resumed = replace(job, resume=True)
    told = list(replace(whole, output=output, job=resumed).run())
    ends = [event for event in told if isinstance(event, MovieDone | MovieSkipped)]
    assert {event.file for event in ends} == set(files)
    assert isinstance(ends[0], MovieSkipped)
    assert first.stat().st_mtime_ns == before
    assert results(output) == results(whole.output)


def test_trainings_on_workers(near: Any, files: list[Path], tmp_path: Path) -> None:
    job = TrainAndRestore(values=QUICK, request=REQUEST)
    batch = Batch(files=tuple(files[:2]), output=tmp_path / "out", job=job, client=near)
    told = list(batch.run())
    assert sum(isinstance(event, MovieDone) for event in told) == 2
    warned = {
        e.file for e in told if isinstance(e, MovieTold) and isinstance(e.event, Warned)
    }
    assert warned == set(files[:2])  # trained for so short, it is no better
    assert sorted(results(batch.output)) == ["a.denoised.ome.tif", "b.denoised.ome.tif"]


def test_trainings_that_were_disturbed_have_the_bytes_of_one_process(
    client: Any, near: Any, files: list[Path], tmp_path: Path
) -> None:
    """A worker is killed while it trains; another batch is stopped, and goes on."""
    often = {"steps": 12, "checkpoint_seconds": 0.01}
    job = TrainAndRestore(values={**QUICK, **often}, request=REQUEST)
    here = Batch(files=tuple(files[:2]), output=tmp_path / "here", job=job)
    client.wait_for_workers(2, timeout=240)  # one may have been killed just now
    before = torch.get_num_threads()
    torch.set_num_threads(next(iter(client.run(torch.get_num_threads).values())))
    try:
        with settled_precision(precision_there(client, "cpu")):
            assert sum(isinstance(event, MovieDone) for event in here.run()) == 2

            there = replace(here, output=tmp_path / "there", client=client)
            pids, doing, killed = client.run(os.getpid), {}, None
            ends, repeated = {}, []
            for event in there.run():
                if isinstance(event, MovieStarted):
                    doing[event.file] = event.where
                    repeated += [event.file] * event.is_repeated
                elif isinstance(event, MovieTold) and killed is None:
                    if isinstance(event.event, Step):
                        killed = event.file
                        os.kill(pids[doing[killed]], signal.SIGKILL)
                elif isinstance(event, MovieDone | FileFailed):
                    ends[event.file] = event
            assert repeated == [killed]
            assert all(isinstance(end, MovieDone) for end in ends.values())
            assert results(there.output) == results(here.output)

            cancel = threading.Event()
            later = replace(here, output=tmp_path / "later", client=near)
            for event in later.run(cancel):
                if isinstance(event, MovieTold) and isinstance(event.event, Step):
                    cancel.set()
            assert list(later.output.glob("*.checkpoint"))
            for _ in replace(later, job=replace(job, resume=True)).run():
                pass
            assert results(later.output) == results(here.output)
    finally:
        torch.set_num_threads(before)


def test_a_movie_in_the_memory_of_workers_that_are_gone(client: Any) -> None:
    """It is said what was lost; the scheduler is there and not to blame."""
    client.wait_for_workers(2, timeout=240)
    denoiser = Denoiser(tiny_net(frames=3, likelihood=True), (tiny_calibration(),))
    shape = (600, 48, 48)
    pixels = np.random.default_rng(0).poisson(100, shape).astype(np.uint16)
    stack = nu.Stack.from_array(pixels, "TYX")
    assert pixels.nbytes > remote.LARGE  # or the scheduler would keep it, too
    shared = remote.SharedMovie(Cluster(client), denoiser, stack, REQUEST)
    coming = shared.frames(units_of(shared.facts.series, shared.facts.layout))
    next(coming)
    for pid in client.run(os.getpid).values():
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkersLost, match="all workers are gone that held the movie"):
        for _ in coming:
            pass


def test_a_stopped_training_saves_its_state(
    near: Any, files: list[Path], tmp_path: Path
) -> None:
    values, files = {**QUICK, "steps": 2000}, files[:3]
    job = TrainAndRestore(values=values, request=REQUEST)
    batch = Batch(files=tuple(files), output=tmp_path / "out", job=job, client=near)
    cancel = threading.Event()
    ends = {}
    for event in batch.run(cancel):
        if isinstance(event, MovieTold) and hasattr(event.event, "step"):
            cancel.set()
        if isinstance(event, MovieStopped):
            ends[event.file] = event.state
    assert set(ends) == set(files)
    states = [state for state in ends.values() if state is not None]
    assert states
    assert all(state.exists() for state in states)
    # two are trained again, for as long as they are now asked to
    shorter = replace(job, values={**values, "steps": 3}, resume=True)
    told = list(replace(batch, job=shorter).run())
    assert sum(isinstance(event, MovieDone) for event in told) == 3


def test_one_bad_movie(
    near: Any, files: list[Path], job: ApplyModel, tmp_path: Path
) -> None:
    files = files[:3]
    files[1].write_bytes(b"no movie")
    batch = Batch(files=tuple(files), output=tmp_path / "out", job=job, client=near)
    ends = {e.file: e for e in batch.run() if isinstance(e, MovieDone | FileFailed)}
    assert isinstance(ends[files[1]], FileFailed)
    assert isinstance(ends[files[1]].error, InputError)
    assert str(files[1]) in str(ends[files[1]].error)
    again = replace(batch, job=replace(job, resume=True))
    write(files[1].with_name("b.tmp.ome.tif"), tiny_movie(20)).replace(files[1])
    told = list(again.run())
    assert sum(isinstance(event, MovieSkipped) for event in told) == 2
    assert sum(isinstance(event, MovieDone) for event in told) == 1


@pytest.mark.usefixtures("small_units")
def test_an_array_in_memory(near: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pixels are sent once, and the result is that of one process."""
    monkeypatch.setattr(remote, "LARGE", 2**14)
    pixels = np.asarray(tiny_movie(40).data)
    assert pixels.nbytes > remote.LARGE
    denoiser = Denoiser(tiny_net(frames=3, likelihood=True), (tiny_calibration(),))
    with torch.no_grad():
        one = denoiser.denoise(pixels, "TYX", device="cpu", **ALONE)
        two = denoiser.denoise(pixels, "TYX", device="cpu", client=near, **ALONE)
    np.testing.assert_array_equal(one, two)


@pytest.mark.filterwarnings("ignore:the result is no better")
def test_the_functions_of_the_package(near: Any, files: list[Path]) -> None:
    stack = open_stack(files[0])
    clean = nu.denoise(stack, client=near, **QUICK, **ALONE)
    assert clean.shape == stack.shape
    sparse = np.asarray(tiny_movie(8).data).astype(np.float32)
    sparse[np.random.default_rng(0).random(sparse.shape) < 0.5] = np.nan
    filled = nu.reconstruct(sparse, "TYX", client=near, steps=2, self_ensemble=False)
    assert np.isfinite(filled).all()


def test_a_client_that_leaves_ends_the_work(near: Any, tmp_path: Path) -> None:
    """The worker is free again soon, and nothing half written is left."""
    movie = write(tmp_path / "m.ome.tif", tiny_movie(20))
    job = TrainAndRestore(values={**QUICK, "steps": 10**6}, request=REQUEST)
    batch = Batch(files=(movie,), output=tmp_path / "out", job=job, client=near)
    run = batch.run()
    for event in run:
        if isinstance(event, MovieTold) and hasattr(event.event, "step"):
            break
    run.close()
    until = time.monotonic() + 60
    while any(near.run(_busy).values()):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert not list((tmp_path / "out").glob("*.ome.tif"))


def _busy(dask_worker: Any) -> int:
    return int(dask_worker.state.executing_count)
