"""Every command does its job and keeps what the movie says about itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from cli_tools import ALONE, calibrated, names, write
from PIL import Image

import napari_udvd
from napari_udvd.cli import demo
from napari_udvd.errors import TrainingFailed
from napari_udvd.formats import open_stack, read_record
from napari_udvd.inference import restorer
from napari_udvd.inference.loading import load
from napari_udvd.jobs import training
from napari_udvd.simulation import simulate
from napari_udvd.training import Failed
from tiny import fill, tiny_movie

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli_tools import Run

QUICK = ("--minutes", "0.01", "--width", "4")
JSON_KEYS = [
    *("axes", "shape", "gain", "offset", "read_noise", "correlation_x"),
    *(
        "correlation_y",
        "whiteness_t",
        "fine_share",
        "hole",
        "blind_neighbours",
        "verdict",
    ),
    *("reasons", "broken"),
]


# --- denoise ------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_denoise(run: Run, movie: Path, tmp_path: Path, suffix: str) -> None:
    result = tmp_path / f"clean{suffix}"
    code, out, err = run(
        *("denoise", movie, "-o", result, *QUICK, "--hole", "1x3"), second_stage=True
    )
    assert (code, out) == (0, f"{result}\n")
    assert "8 frames, 24 x 28" in err
    assert "hole 1x3" in err
    noisy, clean = open_stack(movie), open_stack(result)
    assert (clean.axes, clean.shape, clean.dtype) == ("TYX", (8, 24, 28), np.uint16)
    assert dict(clean.scale) == {"T": 2.5, "Y": 0.2, "X": 0.2}
    assert dict(clean.units) == {"T": "s", "Y": "µm", "X": "µm"}
    # smoother than the movie, around the same level
    assert clean.read().std() < noisy.read().std()
    assert clean.read().mean() == pytest.approx(noisy.read().mean(), rel=0.2)
    assert names(tmp_path) == sorted([movie.name, result.name])


def test_the_record_says_how_a_result_was_made(
    run: Run, movie: Path, tmp_path: Path
) -> None:
    result = tmp_path / "clean.ome.tif"
    outcome = run(
        *("denoise", movie, "-o", result, *QUICK, "--model", "udvd-3"),
        *("--seed", "7", "--no-posterior", "--quiet"),
    )
    assert outcome == (0, f"{result}\n", "")
    record = read_record(result)
    assert record is not None
    assert record["version"] == napari_udvd.__version__
    assert record["source"] == str(movie)
    assert record["network"]["name"] == "udvd"
    assert (record["network"]["frames"], record["network"]["width"]) == (3, 4)
    assert record["training"]["settings"]["seed"] == 7
    assert record["training"]["settings"]["minutes"] == 0.01
    assert record["training"]["steps"] >= 1
    assert record["calibrations"][0]["noise"]["gain"] > 0
    assert record["posterior"] is False


def test_channels_planes_and_their_names_come_back(run: Run, tmp_path: Path) -> None:
    frames = np.asarray(tiny_movie(6, (20, 24)).data)
    pixels = np.stack([frames, frames + 5, frames + 3000, frames + 3005], 1)
    stack = calibrated(
        pixels.reshape(6, 2, 2, 20, 24), "TCZYX", channel_names=("GFP", "RFP")
    )
    movie = write(tmp_path / "movie.ome.tif", stack)
    result = tmp_path / "clean.ome.tif"
    assert run("denoise", movie, "-o", result, *QUICK, "--quiet").code == 0
    clean = open_stack(result)
    assert (clean.axes, clean.shape) == ("TCZYX", (6, 2, 2, 20, 24))
    assert clean.channel_names == ("GFP", "RFP")
    assert dict(clean.scale) == dict(stack.scale)
    assert dict(clean.units) == dict(stack.units)
    for plane in stack.planes():
        level = stack.read(slice(None), plane).mean()
        assert clean.read(slice(None), plane).mean() == pytest.approx(level, rel=0.3)


def test_joint_channels(run: Run, tmp_path: Path) -> None:
    frames = np.asarray(tiny_movie(6, (20, 24)).data)
    stack = calibrated(np.stack([frames, 2 * frames], 1), "TCYX")
    movie = write(tmp_path / "movie.ome.tif", stack)
    result = tmp_path / "clean.ome.tif"
    outcome = run("denoise", movie, "-o", result, *QUICK, "--joint-channels")
    assert outcome.code == 0
    record = read_record(result)
    assert record is not None
    assert record["network"]["channels"] == 2
    assert open_stack(result).shape == (6, 2, 20, 24)


def test_other_axes_than_the_file_says(run: Run, tmp_path: Path) -> None:
    pixels = np.asarray(tiny_movie().data)
    np.save(tmp_path / "movie.npy", np.moveaxis(pixels, 0, 2))
    result = tmp_path / "clean.ome.tif"
    outcome = run(
        "denoise", tmp_path / "movie.npy", "-o", result, *QUICK, "--axes", "yxt"
    )
    assert outcome.code == 0
    assert open_stack(result).shape == (8, 24, 28)


def test_more_files_in_one_go(run: Run, movie: Path, tmp_path: Path) -> None:
    """The model and the standard deviation, in float32, over earlier results."""
    result, std = tmp_path / "clean.ome.tif", tmp_path / "std.ome.zarr"
    saved = tmp_path / "model.safetensors"
    for path in (result, saved):
        path.write_text("earlier")
    arguments = (
        *("denoise", movie, "-o", result, "--std", std, "--save", saved),
        *("--dtype", "float32", "--tile", "16", *QUICK),
    )
    assert run(*arguments).code == 2
    assert result.read_text() == saved.read_text() == "earlier"
    code, out, _ = run(*arguments, "--overwrite")
    assert (code, out) == (0, f"{result}\n")
    clean, spread = open_stack(result), open_stack(std)
    assert clean.dtype == spread.dtype == np.float32
    assert clean.shape == spread.shape == (8, 24, 28)
    assert dict(spread.scale) == dict(clean.scale)
    assert (spread.read() > 0).all()
    record = read_record(std)
    assert record is not None
    assert record["quantity"] == "standard deviation"
    assert load(saved).net.width == 4
    assert names(tmp_path) == sorted(p.name for p in (movie, result, std, saved))


def test_numbers_that_ome_tiff_does_not_know(
    run: Run, model: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "movie.npy", np.asarray(tiny_movie().data).astype("i8"))
    start = ("apply", model, tmp_path / "movie.npy", "-q", "-o")
    outcome = run(*start, tmp_path / "clean.ome.tif")
    assert outcome.code == 2
    assert "int64" in outcome.err and "float32" in outcome.err
    assert run(*start, tmp_path / "clean.ome.tif", "--dtype", "float32").code == 0
    assert run(*start, tmp_path / "clean.ome.zarr").code == 0
    assert open_stack(tmp_path / "clean.ome.zarr").dtype == np.int64


def test_a_folder_as_output(run: Run, movie: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    outcome = run("denoise", movie, "-o", tmp_path / "results", *QUICK, "--mean-only")
    result = tmp_path / "results" / "movie.denoised.ome.tif"
    assert outcome[:2] == (0, f"{result}\n")


# --- batches ------------------------------------------------------------------------


def results(folder: Path) -> list[str]:
    """Names of results, beside which the batch remembers that one is missing."""
    found = names(folder)
    (journal,) = [name for name in found if name.endswith(".jsonl")]
    assert journal.startswith("napari-udvd-batch-")
    return [name for name in found if name != journal]


def test_one_bad_file_does_not_stop_the_others(
    run: Run, movie: Path, model: Path, tmp_path: Path
) -> None:
    bad, last = tmp_path / "bad.tif", tmp_path / "last.ome.tif"
    bad.write_text("no movie")
    shutil.copy(movie, last)
    folder = tmp_path / "results"
    files = (movie, bad, tmp_path / "none.tif", last)
    code, out, err = run("apply", model, *files, "-o", folder, "--quiet")
    assert code == 1
    assert sorted(Path(line).name for line in out.splitlines()) == results(folder)
    assert results(folder) == ["last.denoised.ome.tif", "movie.denoised.ome.tif"]
    assert len(err.splitlines()) == 2
    assert "bad.tif" in err.splitlines()[0]
    assert "none.tif" in err.splitlines()[1]
    # and a batch without a bad one is fine
    again = run("apply", model, movie, last, "-o", folder, "-q", "--overwrite")
    assert (again.code, again.err) == (0, "")


def test_a_batch_that_trains(run: Run, movie: Path, tmp_path: Path) -> None:
    bad = tmp_path / "constant.npy"
    np.save(bad, np.full((8, 24, 28), 3, "u2"))
    folder = tmp_path / "results"
    code, _, err = run("denoise", bad, movie, "-o", folder, *QUICK, "-q")
    assert code == 1
    assert "constant.npy" in err
    assert results(folder) == ["movie.denoised.ome.tif"]


def test_an_unexpected_error_keeps_its_traceback(
    movie: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_udvd.cli import app

    def bug(*_: Any, **__: Any) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(restorer, "denoise_stack", bug)
    result = tmp_path / "clean.ome.tif"
    arguments = ["apply", str(model), str(movie), "-o", str(result), "-q"]
    monkeypatch.setattr(sys, "argv", ["napari-udvd", *arguments])
    with pytest.raises(AssertionError, match="a bug"):
        app.main()
    assert not result.exists()


@pytest.mark.parametrize("batch", [False, True])
def test_out_of_memory(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    batch: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError("a tile of 16 pixels does not fit")

    monkeypatch.setattr(restorer, "denoise_stack", full)
    other = shutil.copy(movie, tmp_path / "other.ome.tif")
    files = (movie, other) if batch else (movie,)
    output = tmp_path / ("results" if batch else "clean.ome.tif")
    code, out, err = run("apply", model, *files, "-o", output, "-q")
    assert (code, out) == (1, "")
    assert "16 pixels" in err
    assert "Traceback" not in err
    assert not output.exists() or not names(output)


def test_a_training_that_fails_does_not_stop_the_others(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = training.train_events, []

    def first_fails(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            return iter([Failed(TrainingFailed("the loss is not finite"))])
        return original(*arguments, **options)

    monkeypatch.setattr(training, "train_events", first_fails)
    other = tmp_path / "other.ome.tif"
    shutil.copy(movie, other)
    folder = tmp_path / "results"
    code, _, err = run("denoise", movie, other, "-o", folder, *QUICK, "-q")
    assert code == 1
    assert "movie.ome.tif" in err and "the loss is not finite" in err
    assert results(folder) == ["other.denoised.ome.tif"]


# --- train and apply ----------------------------------------------------------------


def test_train_then_apply(run: Run, movie: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.ome.tif"
    write(other, calibrated(np.asarray(tiny_movie(seed=3).data), "TYX"))
    saved = tmp_path / "model.safetensors"
    code, out, err = run("train", movie, other, "--save", saved, *QUICK)
    assert (code, out) == (0, f"{saved}\n")
    assert "movie.ome.tif" in err and "other.ome.tif" in err
    assert names(tmp_path) == [saved.name, movie.name, other.name]
    model = load(saved)
    assert len(model.record["movies"]) == 2
    result, std = tmp_path / "clean.ome.zarr", tmp_path / "std.ome.tif"
    outcome = run(
        *("apply", saved, movie, "-o", result, "--std", std, "--quiet"),
        second_stage=True,
    )
    assert outcome == (0, f"{result}\n", "")
    clean = open_stack(result)
    np.testing.assert_array_equal(clean.read(), model.denoise(open_stack(movie)))
    assert clean.dtype == np.uint16
    assert dict(clean.scale) == dict(open_stack(movie).scale)
    assert open_stack(std).dtype == np.float32


def test_a_list_of_the_events_that_were_put_back(
    run: Run, movie: Path, tmp_path: Path
) -> None:
    model, result = tmp_path / "model.safetensors", tmp_path / "clean.ome.tif"
    listed = tmp_path / "events.csv"
    assert run("train", movie, "--save", model, *QUICK).code == 0
    start = ("apply", model, movie, "-o", result, "-q")
    both = partial(run, second_stage=True)
    assert both(*start, "--events-table", listed).code == 0
    assert listed.read_text().startswith(
        "frame,channel,plane,row,column,kind,amplitude"
    )
    record = read_record(result)
    assert record is not None
    assert len(record["second_stage"]) == 1
    assert min(record["second_stage"][0]["odds"]) >= 7
    again = both(*start, "--events-table", listed)
    assert (again.code, "events.csv" in again.err) == (2, True)
    other = both(*start, "--overwrite", "--no-events", "--events-table", listed)
    assert other.code == 2
    assert "--events-table" in other.err
    assert run(*start, "--overwrite", "--no-events", "--no-refine").code == 0
    record = read_record(result)
    assert record is not None
    assert record["second_stage"] == []


def test_a_list_of_events_that_cannot_be_had_is_refused_before_training(
    run: Run, movie: Path, tmp_path: Path
) -> None:
    listed, result = tmp_path / "events.csv", tmp_path / "clean.ome.tif"
    start = ("denoise", movie, "-o", result, "--events-table", listed)
    found = run(*start, "--mean-only", "--minutes", "60", second_stage=True)
    assert found.code == 2
    assert "--events-table" in found.err
    assert "likelihood" in found.err
    assert not result.exists() and not listed.exists()


def test_apply_without_the_posterior(
    run: Run, movie: Path, model: Path, tmp_path: Path
) -> None:
    results = [tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"]
    for result, option in zip(results, ("--posterior", "--no-posterior"), strict=True):
        options = (option, "--dtype", "float32", "--device", "cpu")
        assert run("apply", model, movie, "-o", result, *options).code == 0
    both, prior = (open_stack(result).read() for result in results)
    stack = open_stack(movie)
    expected = load(model).denoise(stack, dtype="f4", use_posterior=False)
    np.testing.assert_array_equal(prior, expected)
    assert np.abs(both - prior).mean() > 0.5


def test_import_published_then_apply(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plain_udvd import PlainUDVD

    plain = PlainUDVD(frames=5, width=4, stage_one_features=8)
    fill(plain)
    checkpoint, saved = tmp_path / "best.pt", tmp_path / "model.safetensors"
    prefixed = {f"module.{k}": v for k, v in plain.state_dict().items()}
    torch.save({"model": [prefixed], "epoch": 4}, checkpoint)
    code, out, err = run("import-published", checkpoint, "-o", saved, "--hole", "3x1")
    assert (code, out) == (0, f"{saved}\n"), err
    model = load(saved)
    assert (model.net.frames, model.net.width, model.net.hole) == (5, 4, (3, 1))
    assert model.calibrations == ()
    assert model.record["imported"] == "best.pt"
    result = tmp_path / "clean.ome.tif"
    assert run("apply", saved, movie, "-o", result, "-q").code == 0
    # its calibration was measured on the movie, and the record says it
    record = read_record(result)
    assert record is not None
    assert record["calibrations"][0]["noise"]["gain"] > 0


@pytest.mark.parametrize(("axes", "what"), [("TYX", "8/8 frames"), ("TCYX", "16/16 p")])
def test_progress_counts_what_it_names(
    run: Run, tmp_path: Path, model: Path, axes: str, what: str
) -> None:
    """Frames are points in time: of two channels there are twice as many pictures."""
    pixels = np.asarray(tiny_movie().data)
    if "C" in axes:
        pixels = np.stack([pixels, pixels], 1)
        denoiser = load(model)
        calibrations = denoiser.calibrations * 2
        replace(denoiser, calibrations=calibrations).save(model)
    movie = write(tmp_path / "a.ome.tif", calibrated(pixels, axes))
    outcome = run("apply", model, movie, "-o", tmp_path / "r.ome.tif")
    assert outcome.code == 0
    assert what in outcome.err


# --- diagnose -----------------------------------------------------------------------


def test_diagnose_as_json(run: Run, movie: Path) -> None:
    code, out, err = run("diagnose", movie, "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    found = json.loads(out)
    assert list(found) == [*JSON_KEYS, "notes"]
    assert found["axes"] == "TYX"
    assert found["shape"] == [8, 24, 28]
    assert found["verdict"] in {"ok", "warn", "unsuitable"}
    assert len(found["hole"]) == 2
    assert found["gain"] > 0


def test_diagnose_many_channels_as_json(run: Run, tmp_path: Path) -> None:
    one = np.asarray(tiny_movie(8, (40, 40)).data)
    stack = calibrated(np.stack([one, 3 * one], 1), "TCYX")
    movie = write(tmp_path / "movie.ome.tif", stack)
    found = json.loads(run("diagnose", movie, "--json").out)
    assert list(found) == [*JSON_KEYS, "notes", "channels"]
    first, second = found["channels"]
    assert list(first) == list(second) == JSON_KEYS
    assert second["gain"] == pytest.approx(3 * first["gain"], rel=0.01)
    assert found["gain"] == first["gain"]


def test_diagnose_as_a_table(
    run: Run, movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = run("diagnose", movie, "--axes", "TYX")
    assert (code, err) == (0, "")
    found = json.loads(run("diagnose", movie, "--json").out)
    assert re.search(rf"verdict\W+{found['verdict']}", out)
    assert re.search(rf"gain\W+{re.escape(format(found['gain'], '.4g'))}", out)
    assert f"{found['hole'][0]} x {found['hole'][1]}" in out
    for reason in found["reasons"]:
        assert reason in out


@pytest.mark.parametrize(
    ("name", "hole"),
    [
        ("pims_stuck_beads_5x512x512.tif", [1, 1]),
        ("allen_2p_movie_100x100x100.tif", [3, 3]),
        ("embl_frap_70x512x512.tif", [3, 1]),
    ],
)
def test_diagnose_real_movies(
    run: Run, shared_data: Path, name: str, hole: list[int]
) -> None:
    outcome = run("diagnose", shared_data / name, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["hole"] == hole


@pytest.mark.parametrize("name", ["a[bold].ome.tif", "[/b].ome.tif", ":cow:.ome.tif"])
def test_file_names_that_look_like_markup(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    movie.rename(tmp_path / name)
    code, out, err = run("diagnose", name)
    assert (code, err) == (0, "")
    assert name in out


def test_diagnose_two_frames(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asarray(tiny_movie(2).data))
    outcome = run("diagnose", tmp_path / "a.npy", "--json")
    assert outcome.code == 0
    found = json.loads(outcome.out)
    assert found["whiteness_t"] is None
    assert run("diagnose", tmp_path / "a.npy").code == 0


# --- demo and the rest --------------------------------------------------------------


def test_demo(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(sample: str, frames: int, shape: Any, seed: int) -> Any:
        return simulate(sample, frames=frames // 5, shape=(32, 40), seed=seed)

    monkeypatch.setattr(demo, "simulate", small)
    folder = tmp_path / "new" / "demo"
    code, out, err = run("demo", folder, "--minutes", "0.02", "--quiet")
    assert (code, err) == (0, "")
    assert len(re.findall(r"PSNR .* \d+\.\d\d dB", out)) == 3
    assert out.splitlines()[-1] == f"files in {folder}"
    assert names(folder) == [
        "comparison.png",
        "denoised.ome.tif",
        "model.safetensors",
        "noisy.ome.tif",
        "truth.ome.tif",
    ]
    noisy = open_stack(folder / "noisy.ome.tif")
    for name in ("denoised", "truth"):
        stack = open_stack(folder / f"{name}.ome.tif")
        assert (stack.axes, stack.shape) == (noisy.axes, noisy.shape)
        assert dict(stack.scale) == dict(noisy.scale)
    load(folder / "model.safetensors")
    with Image.open(folder / "comparison.png") as picture:
        assert picture.width > 4 * 3 * 40


def test_demo_into_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("")
    outcome = run("demo", tmp_path / "demo", "--minutes", "0.01", "--quiet")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert str(tmp_path / "demo") in outcome.err


def test_version_and_help(run: Run) -> None:
    assert run("--version") == (0, f"{napari_udvd.__version__}\n", "")
    commands = ["denoise", "train", "apply", "diagnose", "import-published", "demo"]
    text = run("--help").out
    assert all(command in text for command in commands)
    for command in commands:
        assert run(command, "--help").code == 0


def test_a_pipe_gets_nothing_but_the_result(
    movie: Path, model: Path, tmp_path: Path
) -> None:
    result = tmp_path / "clean.ome.tif"
    command = ("napari_udvd", "apply", model, movie, "-o", result, *ALONE)
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, f"{result}\n"), done.stderr
    assert "8 frames" in done.stderr
    # no control codes of a terminal in what a log file gets
    assert "\x1b" not in done.stderr


def test_quiet_holds_for_every_command(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    listing: Callable[[], dict[str, bytes | None]],
) -> None:
    before = set(listing())
    saved, result = tmp_path / "new.safetensors", tmp_path / "clean.tif"
    assert run("train", movie, "--save", saved, *QUICK, "-q").err == ""
    assert run("apply", model, movie, "-o", result, "-q").err == ""
    assert set(listing()) - before == {saved.name, result.name}
