"""The commands that look into a network: filter and motion."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cli_tools import calibrated, names, write
from PIL import Image

from napari_udvd.filters import adaptive_filter
from napari_udvd.formats import open_stack, read_record
from napari_udvd.inference.loading import load
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.jobs import motion as motion_jobs
from napari_udvd.motion import estimated_motion, implied_motion
from napari_udvd.stack import Stack
from tiny import tiny_calibration, tiny_movie, tiny_net

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli_tools import Outcome, Run

    Listing = Callable[[], dict[str, bytes | None]]


@pytest.fixture
def one_frame(tmp_path: Path) -> Path:
    """Save a network that sees one frame only."""
    path = tmp_path / "one.safetensors"
    Denoiser(tiny_net(frames=1), (tiny_calibration(),)).save(path)
    return path


def refused(outcome: Outcome, *parts: str) -> None:
    """One message that says all of `parts`, and nothing else."""
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    message = outcome.err.splitlines()[-1]
    assert message.startswith("napari-udvd: ")
    for part in parts:
        assert part in message


# --- filter -------------------------------------------------------------------------


def test_filter_as_arrays(run: Run, movie: Path, model: Path, tmp_path: Path) -> None:
    result = tmp_path / "filter.npz"
    outcome = run("filter", model, movie, "--at", "4,12,13", "-o", result)
    found = adaptive_filter(load(model), open_stack(movie), 4, 12, 13)
    assert outcome == (0, f"{found.describe()}\n{result}\n", "")
    with np.load(result) as saved:
        np.testing.assert_array_equal(saved["weights"], found.weights)
        assert not saved["is_posterior"]
        t, y, x = saved["origin"]
        frames, height, width = saved["weights"].shape
        noisy = open_stack(movie).read()
        part = noisy[t : t + frames, y : y + height, x : x + width]
        value = (saved["weights"] * part).sum(dtype=float) + saved["bias"]
        assert value == pytest.approx(float(saved["prediction"]), rel=1e-4)


def test_filter_of_the_posterior(
    run: Run, movie: Path, model: Path, tmp_path: Path
) -> None:
    result = tmp_path / "filter.npz"
    command = ("filter", model, movie, "-o", result, "--at", " 4, 12, 13")
    assert run(*command, "--posterior").code == 0
    with np.load(result) as saved:
        assert saved["is_posterior"]
        own = tuple(np.subtract((4, 12, 13), saved["origin"]))
        assert 0 < saved["weights"][own] < 1
    refused(run(*command), "exists", "overwrite")
    assert run(*command, "--no-posterior", "--overwrite").code == 0
    with np.load(result) as saved:
        assert not saved["is_posterior"]


def test_filter_as_picture_and_table(
    run: Run, movie: Path, model: Path, tmp_path: Path
) -> None:
    for name in ("a.png", "a.csv"):
        code, out, _ = run(
            "filter", model, movie, "--at", "4,12,13", "-o", tmp_path / name
        )
        assert code == 0 and out.endswith(f"{tmp_path / name}\n")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "RGB" and picture.width > 3 * 80
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].startswith("frame,share,") and len(lines) == 1 + 3


def test_frames_beyond_the_movie_are_told(
    run: Run, movie: Path, model: Path, tmp_path: Path
) -> None:
    _, out, _ = run("filter", model, movie, "--at", "0,12,13", "-o", tmp_path / "a.npz")
    told = out.splitlines()[1]
    assert told.startswith("1 of the 3 frames") and "beyond the ends" in told
    assert "as far away" not in told  # a short movie has none there


def test_channel_plane_and_axes(run: Run, model: Path, tmp_path: Path) -> None:
    pixels = np.stack([np.asarray(tiny_movie(seed=k).data) for k in range(2)], axis=1)
    np.save(tmp_path / "movie.npy", pixels)
    command = ("filter", model, tmp_path / "movie.npy", "--at", "4,12,13")
    result = tmp_path / "a.npz"
    refused(run(*command, "-o", result), "--axes")
    outcome = run(*command, "-o", result, "--axes", "TZYX", "--plane", 1)
    assert outcome.code == 0, outcome.err
    stack = Stack.from_array(pixels, "TZYX")
    found = adaptive_filter(load(model), stack, 4, 12, 13, z=1)
    with np.load(result) as saved:
        np.testing.assert_array_equal(saved["weights"], found.weights)
        assert saved["pixel"].tolist() == [4, 0, 1, 12, 13]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--at", "4,12"), ("'4,12'", "frame,row,column", "12,100,64")),
        (("--at", "4,12,x"), ("'4,12,x'", "three whole numbers")),
        (("--at", "4,12,1.5"), ("'4,12,1.5'",)),
        (("--at", "8,12,13"), ("t is 8", "8 frame(s)", "0 to 7")),
        (("--at", "-1,12,13"), ("t is -1", "0 to 7")),
        (("--at", "4,24,13"), ("y is 24", "0 to 23")),
        (("--at", "4,12,28"), ("x is 28", "0 to 27")),
        (("--at", "4,12,13", "--channel", "1"), ("c is 1", "1 channel(s)")),
        (("--at", "4,12,13", "--plane", "1"), ("z is 1", "1 plane(s)")),
    ],
    ids=lambda value: "_".join(value),
)
def test_filter_of_a_place_that_is_not_there(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    listing: Listing,
    arguments: tuple[str, ...],
    parts: tuple[str, ...],
) -> None:
    before = listing()
    outcome = run("filter", model, movie, *arguments, "-o", tmp_path / "a.npz")
    refused(outcome, *parts)
    assert outcome.out == "" and listing() == before


def test_filter_of_other_bad_input(
    run: Run,
    movie: Path,
    model: Path,
    one_frame: Path,
    tmp_path: Path,
    listing: Listing,
) -> None:
    two = calibrated(np.zeros((8, 2, 24, 28), "u2"), "TCYX")
    channels = write(tmp_path / "two.ome.tif", two)
    bad = np.asarray(tiny_movie().data, dtype=np.float32)
    bad[3, 5, 6] = np.inf
    holes = write(tmp_path / "bad.ome.tif", calibrated(bad, "TYX"))
    before = listing()
    out = tmp_path / "a.npz"
    at = ("--at", "4,12,13")
    refused(run("filter", model, movie, *at, "-o", tmp_path / "a.tif"), ".png", ".npz")
    refused(run("filter", model, movie, *at, "-o", tmp_path / "b" / "a.npz"), "create")
    refused(run("filter", movie, movie, *at, "-o", out), "not a model file")
    refused(run("filter", tmp_path / "no", movie, *at, "-o", out), "does not exist")
    refused(run("filter", model, tmp_path / "no.tif", *at, "-o", out), "does not exist")
    refused(run("filter", model, channels, *at, "-o", out), "2 channel(s)", "on 1")
    refused(run("filter", model, holes, *at, "-o", out), "infinite")
    refused(run("filter", one_frame, movie, *at, "-o", out, "--posterior"), "mean only")
    assert listing() == before


# --- motion -------------------------------------------------------------------------


def test_motion_as_a_movie(run: Run, movie: Path, model: Path, tmp_path: Path) -> None:
    result = tmp_path / "motion.ome.tif"
    outcome = run("motion", model, movie, "-o", result, "--spacing", 12)
    assert outcome[:2] == (0, f"{result}\n"), outcome.err
    assert "8 frames" in outcome.err
    found = open_stack(result)
    assert found.shape == (8, 2, 24, 28)
    assert found.dtype == np.float32
    assert found.channel_names == ("dy", "dx")
    assert dict(found.units) == dict(open_stack(movie).units)
    assert dict(found.scale) == pytest.approx(dict(open_stack(movie).scale))
    expected = implied_motion(load(model), open_stack(movie), 3, 12)
    np.testing.assert_array_equal(
        np.concatenate([found.read(3, plane) for plane in found.planes()]),
        expected.dense(),
    )
    record = read_record(result)
    assert record is not None
    assert (record["method"], record["spacing"]) == ("implied", 12)
    assert record["network"]["name"] == "udvd"
    assert record["source"] == str(movie)


def test_motion_on_a_grid(run: Run, movie: Path, model: Path, tmp_path: Path) -> None:
    result = tmp_path / "motion.npz"
    outcome = run("motion", model, movie, "-o", result, "-q", "--spacing", 12)
    assert outcome == (0, f"{result}\n", "")
    with np.load(result) as saved:
        assert saved["to_next"].shape == (8, 2, 2, 2)
        assert np.isnan(saved["to_previous"][0]).all()
        assert saved["units"].tolist() == ["s", "µm", "µm"]
        assert saved["method"] == "implied"


@pytest.mark.parametrize("method", ["tvl1", "ilk"])
def test_classical_flow_needs_no_model(
    run: Run, movie: Path, tmp_path: Path, method: str
) -> None:
    result = tmp_path / "motion.npz"
    command = ("motion", "none", movie, "-o", result, "--method", method, "-q")
    assert run(*command, "--spacing", 8) == (0, f"{result}\n", "")
    expected = estimated_motion(open_stack(movie), 4, method, 8)
    with np.load(result) as saved:
        np.testing.assert_array_equal(saved["to_next"][4], expected.to_next)
        assert saved["method"] == method


def test_tracks_and_confidence(run: Run, movie: Path, tmp_path: Path) -> None:
    result = tmp_path / "tracks.csv"
    command = ("motion", "none", movie, "-o", result, "--method", "ilk", "-q")
    assert run(*command, "--spacing", 8).code == 0
    every = result.read_text().splitlines()
    assert every[0] == "track,frame,y,x,t_s,y_um,x_um"
    refused(run(*command), "exists", "overwrite")
    sure = (*command, "--spacing", 8, "--confidence", 0.99, "--overwrite")
    assert run(*sure).code == 0
    assert 9 <= len(result.read_text().splitlines()) - 1 < len(every) - 1


def test_bad_input_of_motion(
    run: Run,
    movie: Path,
    model: Path,
    one_frame: Path,
    tmp_path: Path,
    listing: Listing,
) -> None:
    two = calibrated(np.zeros((8, 2, 24, 28), "u2"), "TCYX")
    channels = write(tmp_path / "two.ome.tif", two)
    still = write(tmp_path / "still.tif", calibrated(two.read()[:1], "TYX"))
    copied = shutil.copy(movie, tmp_path / "copied.tif")
    before = listing()
    out = ("-o", tmp_path / "a.tif", "-q")
    refused(run("motion", one_frame, movie, *out), "one frame only")
    refused(run("motion", model, movie, *out, "--spacing", 0), "spacing is 0")
    refused(run("motion", model, movie, *out, "--channel", 1), "c is 1")
    refused(run("motion", model, movie, *out, "--plane", 7), "z is 7")
    refused(run("motion", model, movie, *out, "--confidence", 1.5), "1.5", "0", "1")
    refused(run("motion", model, movie, *out, "--device", "tpu"), "tpu")
    refused(run("motion", model, channels, *out), "2 channel(s)")
    refused(run("motion", movie, movie, *out), "not a model file")
    refused(run("motion", model, still, *out), "frame(s)")
    refused(run("motion", "-", still, *out, "--method", "ilk"), "two frames at least")
    refused(run("motion", model, movie, "-o", tmp_path / "a.png", "-q"), ".csv")
    refused(run("motion", model, copied, "-o", copied, "-q", "--overwrite"), "input")
    assert listing() == before


def test_a_method_that_does_not_exist(run: Run, movie: Path, tmp_path: Path) -> None:
    outcome = run("motion", "-", movie, "-o", tmp_path / "a.tif", "--method", "best")
    assert outcome.code == 2
    assert "best" in outcome.err and "tvl1" in outcome.err


@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr", "a.npz", "a.csv"])
def test_ctrl_c_leaves_nothing(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    name: str,
    listing: Listing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = motion_jobs.implied_motion

    def stopped(*arguments: Any, **options: Any) -> Any:
        if arguments[2] == 3:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(motion_jobs, "implied_motion", stopped)
    before = listing()
    outcome = run("motion", model, movie, "-o", tmp_path / name, "-q")
    assert (outcome.code, outcome.out) == (130, "")
    assert listing() == before


SLOWLY = textwrap.dedent(
    """
    import sys, time
    import torch
    from napari_udvd.cli import main
    from napari_udvd.jobs import motion

    torch.set_num_threads(1)
    original = motion.implied_motion

    def slow(*arguments, **options):
        if arguments[2] == 2:
            print("writing", flush=True)
            time.sleep(60)
        return original(*arguments, **options)

    motion.implied_motion = slow
    main()
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_a_real_ctrl_c(movie: Path, model: Path, tmp_path: Path) -> None:
    before = names(tmp_path)
    arguments = ("motion", model, movie, "-o", tmp_path / "a.tif")
    with subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline() == "writing\n"
        assert len(names(tmp_path)) == len(before) + 1
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert names(tmp_path) == before
