"""Programs beside ours, played by small ones that keep their files where they do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("psutil")

PYTHON = Path(sys.executable)

SECONDS = 300.0
"""That a run may take at most: the players end as soon as they have played."""


@pytest.fixture
def peers(benchmark_script: Callable[[str], Any]) -> Any:
    return benchmark_script("peers")


@pytest.fixture
def movie() -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(3, 2, (12, 20, 24)).astype(np.float32)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), "utf-8")
    return folder


# What each of them keeps: one number that was "learned", 0.5, which is added when it
# denoises, so that a result shows that weights went from one process to the other.
FAKE_SUPPORT = {
    "src/__init__.py": "",
    "src/utils/__init__.py": "",
    "model/__init__.py": "",
    "src/train.py": """
        import argparse, os, time, torch, tifffile
        parser = argparse.ArgumentParser()
        for name in ("exp_name", "results_dir", "noisy_data"):
            parser.add_argument(f"--{name}")
        for name in ("n_epochs", "n_cpu", "checkpoint_interval_batch"):
            parser.add_argument(f"--{name}", type=int)
        for name in ("patch_size", "patch_interval", "unet_channels"):
            parser.add_argument(f"--{name}", type=int, nargs="+")
        opt = parser.parse_args()
        frames = tifffile.imread(opt.noisy_data)
        assert all(a >= b for a, b in zip(frames.shape, opt.patch_size))
        folder = f"{opt.results_dir}/saved_models/{opt.exp_name}"
        os.makedirs(folder)
        torch.zeros(1).cuda()
        torch.save({"scale": torch.tensor(0.5)}, f"{folder}/model_0_batch_0.pth")
        time.sleep(0.05)
        with open(f"{folder}/model_0_batch_5.pth", "wb") as file:
            file.write(b"cut off")
        """,
    "src/test.py": """
        import numpy as np, torch
        def validate(loader, model):
            movie = loader.dataset.noisy_image
            half = model.in_channels // 2
            found = np.zeros(tuple(movie.shape), np.float32)
            inner = movie[half:-half].numpy()
            found[half:-half] = inner + float(model.scale)
            return found
        """,
    "src/utils/dataset.py": """
        class DatasetSUPPORT_test_stitch:
            def __init__(self, noisy_image, patch_size, patch_interval):
                self.noisy_image = noisy_image
            def __len__(self):
                return 1
        """,
    "model/SUPPORT.py": """
        import torch
        class SUPPORT(torch.nn.Module):
            def __init__(self, in_channels, **options):
                super().__init__()
                self.in_channels = in_channels
                self.scale = torch.nn.Parameter(torch.tensor(0.0))
        """,
}

FAKE_DEEPCAD = {
    "DeepCAD_RT_pytorch/deepcad/__init__.py": "",
    "DeepCAD_RT_pytorch/deepcad/train_collection.py": """
        import math, os, torch, tifffile
        class training_class:
            def __init__(self, told):
                self.told = told
            def run(self):
                told = self.told
                (name,) = os.listdir(told["datasets_path"])
                frames, y, x = tifffile.imread(f"{told['datasets_path']}/{name}").shape
                gap = int(told["patch_x"] * (1 - told["overlap_factor"]))
                across = ((x - told["patch_x"]) // gap + 1) * (
                    (y - told["patch_y"]) // gap + 1
                )
                starts = math.ceil(told["train_datasets_size"] / across)
                assert (frames - 2 * told["patch_t"]) // (starts - 1) > 0
                folder = f"{told['pth_dir']}/movie_202601010000"
                os.makedirs(folder)
                torch.nn.L1Loss().cuda()
                torch.save({"scale": torch.tensor(0.5)}, f"{folder}/E_01_Iter_0001.pth")
        """,
    "DeepCAD_RT_pytorch/deepcad/test_collection.py": """
        import os, numpy as np, torch, tifffile
        class testing_class:
            def __init__(self, told):
                self.told = told
            def run(self):
                told = self.told
                (model,) = os.listdir(f"{told['pth_dir']}/{told['denoise_model']}")
                path = f"{told['pth_dir']}/{told['denoise_model']}/{model}"
                scale = float(torch.load(path)["scale"])
                (name,) = os.listdir(told["datasets_path"])
                found = tifffile.imread(f"{told['datasets_path']}/{name}") + scale
                folder = f"{told['output_dir']}/DataFolderIs_movie/{model[:-4]}"
                os.makedirs(folder)
                found = np.clip(found, 0, 65535).astype("uint16")
                tifffile.imwrite(f"{folder}/noisy_{model[:-4]}_output.tif", found)
        """,
}

FAKE_FAST = {
    "params.json": '{"mode": "test", "epochs": 100, "miniBatch_size": 4}',
    "train.py": """
        import os, torch
        def goTraining(args):
            assert args.mode == "train" and args.miniBatch_size == 4
            assert os.listdir(args.train_folder) == ["noisy.tif"]
            os.makedirs("checkpoint/movie202601010000")
            weights = {"state_dict": {"scale": torch.tensor(0.5)}}
            torch.save(weights, "checkpoint/movie202601010000/movie_Epoch_1.pth")
        """,
    "test.py": """
        import os, torch, tifffile
        def goTesting(args):
            weights = torch.load(args.checkpoint_path, weights_only=True)
            found = tifffile.imread(f"{args.test_path}/noisy.tif")
            found = found + float(weights["state_dict"]["scale"])
            os.makedirs("result/models_movie")
            tifffile.imwrite("result/models_movie/202601010000_noisy.tif", found)
        """,
}

FAKES = {"support": FAKE_SUPPORT, "deepcad-rt": FAKE_DEEPCAD, "fast": FAKE_FAST}


@pytest.mark.parametrize("name", FAKES)
def test_a_movie_goes_there_and_comes_back(
    peers: Any, movie: Any, tmp_path: Path, name: str
) -> None:
    checkout = write(tmp_path / "checkout", FAKES[name])
    before = sorted(checkout.rglob("*"))
    peer = peers.PEERS[name](PYTHON, checkout)
    outcome = peer.denoise(movie, SECONDS, threads=1)
    assert outcome.frames.dtype == np.float32
    # half a step of 50,000 was added; the others are roundings of whole numbers
    step = np.ptp(movie) / 50_000
    np.testing.assert_allclose(outcome.frames, movie, atol=1.6 * step)
    assert 0 < outcome.seconds < SECONDS
    assert outcome.peak > 50
    # it ran in a copy
    assert sorted(checkout.rglob("*")) == before


@pytest.fixture
def scripts(
    peers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Any]:
    """Run something in place of what runs inside FAST, which needs no torch then."""
    running = sys.modules["benchmarks.peers.running"]
    monkeypatch.setattr(running, "PATIENCE", 2.0)

    def prepare(script: str) -> Any:
        inside = write(tmp_path / "inside", {"fast.py": script})
        monkeypatch.setattr(running, "INSIDE", inside)
        checkout = write(tmp_path / "checkout", {"params.json": "{}"})
        return peers.PEERS["fast"](PYTHON, checkout)

    return prepare


def test_a_program_that_fails_says_what_it_said(
    peers: Any, movie: Any, scripts: Callable[[str], Any]
) -> None:
    peer = scripts("raise SystemExit('no device of mine')")
    with pytest.raises(peers.PeerError, match=r"FAST ended with code 1: no device"):
        peer.denoise(movie, 10.0, threads=1)


def test_a_training_without_weights_has_no_result(
    peers: Any, movie: Any, scripts: Callable[[str], Any]
) -> None:
    peer = scripts("import time; time.sleep(60)")
    with pytest.raises(peers.PeerError, match=r"left no checkpoint/\*/\*\.pth after 1"):
        peer.denoise(movie, 1.5, threads=1)


def test_a_training_is_stopped_and_its_last_weights_are_used(
    movie: Any, tmp_path: Path, scripts: Callable[[str], Any]
) -> None:
    peer = scripts(f"""
        import pathlib, shutil, sys, time
        if sys.argv[1] == "train":
            folder = pathlib.Path("checkpoint/movie")
            folder.mkdir(parents=True)
            for epoch in range(1000):
                (folder / f"{{epoch}}.pth").touch()
                time.sleep(0.1)
        pathlib.Path("result").mkdir()
        shutil.copy("movie/noisy.tif", "result/done.tif")
        pathlib.Path({str(tmp_path / "given")!r}).write_text(" ".join(sys.argv[2:]))
        """)
    outcome = peer.denoise(movie, 6.0, threads=1)
    assert 0.7 * 6 <= outcome.seconds < 12
    last, before = (
        int(Path(name).stem) for name in (tmp_path / "given").read_text().split()
    )
    assert 0 < last == before + 1


def test_a_program_that_takes_too_long_is_ended_with_all_it_started(
    peers: Any, movie: Any, tmp_path: Path, scripts: Callable[[str], Any]
) -> None:
    import psutil

    mark = tmp_path / "child"
    peer = scripts(f"""
        import pathlib, subprocess, sys
        folder = pathlib.Path("checkpoint/movie")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "1.pth").touch()
        if sys.argv[1] == "denoise":
            child = subprocess.Popen(
                [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
            )
            pathlib.Path({str(mark)!r}).write_text(str(child.pid))
            child.wait()
        """)
    with pytest.raises(peers.PeerError, match="FAST took more than"):
        peer.denoise(movie, 2.0, threads=1)
    child = int(mark.read_text())
    assert (
        not psutil.pid_exists(child)
        or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    )


def test_a_result_of_another_shape_is_none(
    peers: Any, movie: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = peers.PEERS["careamics"](PYTHON)
    monkeypatch.setattr(type(peer), "run", lambda self, run, movie: movie[1:])
    with pytest.raises(peers.PeerError, match=r"the movie is \(12, 20, 24\)"):
        peer.denoise(movie, 1.0, threads=1)


def test_careamics_is_trained_for_a_share_of_the_time(
    peers: Any, movie: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = sys.modules["benchmarks.peers.running"]
    script = """
        import sys, tifffile
        noisy, denoised, seconds, threads = sys.argv[1:]
        assert float(seconds) == 7.0 and threads == "1"
        tifffile.imwrite(denoised, tifffile.imread(noisy).astype("float32"))
        """
    monkeypatch.setattr(
        running, "INSIDE", write(tmp_path, {"careamics_n2v.py": script})
    )
    outcome = peers.PEERS["careamics"](PYTHON).denoise(movie, 10.0, threads=1)
    np.testing.assert_allclose(outcome.frames, movie, atol=np.ptp(movie) / 90_000)


def test_what_is_no_checkout_or_no_interpreter_is_said(
    peers: Any, tmp_path: Path
) -> None:
    with pytest.raises(peers.PeerError, match=r"SUPPORT: .* has no src/train\.py"):
        peers.PEERS["support"](PYTHON, tmp_path)
    with pytest.raises(peers.PeerError, match="there is no interpreter"):
        peers.PEERS["careamics"](tmp_path / "python")


def test_the_memory_of_a_tree_of_processes_is_watched(
    benchmark_script: Callable[[str], Any],
) -> None:
    watching = benchmark_script("watching")
    code = "held = b'x' * 150_000_000; print(flush=True); input()"
    with watching.PeakMemory(os.getpid(), interval=0.01) as memory:
        alone = watching.tree_memory(os.getpid())
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            child.stdout.readline()
            both = watching.tree_memory(os.getpid())
            child.communicate(b"\n")
    assert both > alone + 140
    assert memory.peak >= alone
    assert watching.tree_memory(child.pid) == 0
