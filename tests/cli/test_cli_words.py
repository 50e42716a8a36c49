"""What is wrong is said in words of this program, never in those of a library."""

from __future__ import annotations

import errno
import json
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch
import zarr
from safetensors import safe_open
from safetensors.torch import save_file

from napari_udvd.cli.messages import as_options
from napari_udvd.errors import InputError, OutputError, system_reason
from napari_udvd.formats import open_stack
from napari_udvd.inference import restorer
from napari_udvd.inference.loading import load
from napari_udvd.jobs import make_settings, training
from napari_udvd.models.catalogue import names
from napari_udvd.training import Failed
from napari_udvd.training.settings import TrainingSettings, expected, options
from tiny import tiny_movie

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli_tools import Outcome, Run

FOREIGN = [
    *("pydantic", "validation error", "https://", "Traceback", "input_value"),
    *("Input should", "Value error", "Error(", "Errno", "unable to parse"),
    *("header=b", "tifffile", "numcodecs", "HeaderTooLarge", "deserializ"),
    *("state_dict", "Expecting value", "PytorchStreamReader", "torch.load"),
    *("magic string", "mmap", "liffile", "czifile", "KeyError", "object at 0x"),
]


def in_our_words(text: str, *parts: str) -> None:
    for foreign in FOREIGN:
        assert foreign.lower() not in text.lower(), text
    for part in parts:
        assert part in text


def refused(outcome: Outcome, *parts: str) -> None:
    assert (outcome.code, outcome.out) == (2, ""), outcome
    in_our_words(outcome.err, *parts)


# --- settings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ("--minutes -1", ["--minutes is -1.0; expected", "above 0"]),
        ("--minutes inf", ["--minutes is inf; expected"]),
        ("--width 0", ["--width is 0; expected", "from 4 to 256"]),
        ("--width 257", ["--width is 257; expected", "from 4 to 256"]),
        ("--hole 0x0", ["--hole is (0, 0); expected", "odd"]),
        ("--hole 3x2", ["--hole is (3, 2); expected", "odd"]),
        ("--noise -1 0 1", ["--noise is (-1.0, 0.0, 1.0); expected", "negative"]),
        ("--noise 1 0 -2", ["--noise is (1.0, 0.0, -2.0); expected", "negative"]),
        ("--noise 1 nan 1", ["--noise is (1.0, nan, 1.0); expected", "finite"]),
        ("--noise 0 5 0", ["--noise is (0.0, 5.0, 0.0); expected", "both 0"]),
        ("--seed -3", ["--seed is -3; expected", "from 0"]),
        ("--learning-rate 0", ["--learning-rate is 0.0; expected", "above 0"]),
        ("--learning-rate inf", ["--learning-rate is inf; expected", "0.001"]),
        ("--tile 4", ["--tile is 4; expected", "from 16"]),
        ("--minutes -1 --width 1", ["--minutes is -1.0", "; --width is 1; expected"]),
    ],
)
def test_settings(
    run: Run, movie: Path, tmp_path: Path, options: str, parts: list[str]
) -> None:
    command = ("denoise", movie, "-o", tmp_path / "r.tif", "-q", *options.split())
    outcome = run(*command)
    refused(outcome, *parts)
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ("--preset huge", ["--preset", "'huge'", "medium"]),
        ("--minutes two", ["--minutes", "'two' is not a number"]),
        ("--seed=1.5", ["--seed", "'1.5' is not a whole number"]),
        ("--noise 1 b 2", ["--noise", "is not a number"]),
    ],
)
def test_values_of_another_kind(
    run: Run, movie: Path, tmp_path: Path, options: str, parts: list[str]
) -> None:
    outcome = run("denoise", movie, "-o", tmp_path / "r.tif", *options.split())
    refused(outcome, *parts)


def test_every_setting_says_what_it_may_be() -> None:
    fields = TrainingSettings.model_fields.keys() | options().keys()
    assert expected().keys() == fields - {"network"}
    assert list(expected()) == list(TrainingSettings().model_dump())
    for name in expected():
        with pytest.raises(InputError) as caught:
            make_settings(**{name: ["nonsense"]})
        in_our_words(str(caught.value), f"{name} is ['nonsense']; expected ")
    for choice in ("small", "light", "medium", "large"):
        assert choice in expected()["preset"]
    for choice in ("auto", *names()):
        assert choice in expected()["model"]
    with pytest.raises(InputError) as caught:
        make_settings(momentum=0.9)
    in_our_words(str(caught.value), "no setting 'momentum'", "0.9", "learning_rate")


@pytest.mark.parametrize(
    ("command", "usual"), [("denoise", "light"), ("reconstruct", "medium")]
)
def test_what_is_usual_is_so_for_what_is_taken_without_a_choice(
    command: str, usual: str, run: Run
) -> None:
    text = run(command, "--help").out
    found = re.search(r"--preset .*?\[default: \((\w+)\)", text, re.DOTALL)
    assert found is not None
    assert found[1] == usual


def test_sentences_that_only_look_like_settings_stay() -> None:
    text = "the movie is dark; expected light"
    assert as_options(text) == text
    assert as_options("flow_weights is 1; expected a") == (
        "--flow-weights is 1; expected a"
    )


# --- movies -------------------------------------------------------------------------

SUFFIXES = [
    *("tif", "ome.tif", "lsm", "stk", "npy", "mrc", "zarr.zip", "czi", "lif"),
    *("oif", "oib", "nd2", "hspy", "dm3", "dm4", "emd"),
]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"Experiment 7, very good movie\n" * 40])
def test_files_that_are_something_else(
    run: Run, tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"movie.{suffix}"
    path.write_bytes(content)
    refused(run("diagnose", path), path.name)


@pytest.mark.parametrize("kind", ["tif", "npy", "ome.zarr"])
def test_files_cut_short(run: Run, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"movie.{kind}"
    pixels = np.asarray(tiny_movie().data)
    if kind == "tif":
        tifffile.imwrite(path, pixels, metadata={"axes": "TYX"})
    elif kind == "npy":
        np.save(path, pixels)
    else:
        zarr.save_array(path, pixels)
    victim = path / "zarr.json" if path.is_dir() else path
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    refused(run("diagnose", path), path.name, "again")


def test_an_array_of_objects(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}, []], object), allow_pickle=True)
    refused(run("diagnose", tmp_path / "a.npy"), "a.npy", "Python objects", "numbers")


def test_pixels_that_cannot_be_decoded(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    pixels = np.asarray(tiny_movie().data)
    tifffile.imwrite(path, pixels, compression="zlib", metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[4].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 8)
    refused(run("diagnose", path), "movie.tif", "damaged", "copy it again")


def test_a_description_that_cannot_be_followed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "movie.ome.tif"
    tifffile.imwrite(path, np.asarray(tiny_movie().data), metadata={"axes": "TYX"})
    path.write_bytes(path.read_bytes().replace(b"</Image>", b"</Imago>"))
    refused(
        run("diagnose", path),
        "movie.ome.tif",
        "OME-XML",
        "does not fit what the file holds",
    )


# --- models -------------------------------------------------------------------------


def _network_of_another_shape(model: Path) -> None:
    with safe_open(model, framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    name = next(iter(tensors))
    tensors[name] = tensors[name][:-1].contiguous()
    save_file(tensors, model, metadata=header)


def _header_cut(model: Path) -> None:
    save_file({"a": torch.ones(3)}, model, metadata={"napari_udvd": '{"net": '})


def _header_without_network(model: Path) -> None:
    header = json.dumps({"network": "resnet", "configuration": {}, "version": "9"})
    save_file({"a": torch.ones(3)}, model, metadata={"napari_udvd": header})


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lambda model: model.write_bytes(b""), "not a model file"),
        (lambda model: model.write_text("weights" * 9), "not a model file"),
        (lambda model: model.write_bytes(model.read_bytes()[:900]), "damaged"),
        (_network_of_another_shape, "does not hold a network"),
        (_header_cut, "header"),
        (_header_without_network, "written by version 9"),
    ],
)
def test_models(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    damage: Callable[[Path], Any],
    part: str,
) -> None:
    damage(model)
    outcome = run("apply", model, movie, "-o", tmp_path / "r.tif", "-q")
    refused(outcome, "model.safetensors", part)


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04" + bytes(99)])
def test_published_checkpoints(run: Run, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(content)
    outcome = run("import-published", path, "-o", tmp_path / "m.safetensors")
    refused(outcome, "best.pt")


def test_the_checkpoint_of_a_training(
    run: Run, movie: Path, tmp_path: Path, model: Path
) -> None:
    checkpoint = tmp_path / "r.tif.checkpoint"
    with safe_open(model, framework="pt") as file:
        tensors = {f"net/{name}": file.get_tensor(name) for name in file.keys()}
    movies = [open_stack(movie).fingerprint()]
    header = json.dumps({"checkpoint": {"movies": movies, "plan": {}}})
    save_file(tensors, checkpoint, metadata={"napari_udvd": header})
    outcome = run("denoise", movie, "-o", tmp_path / "r.tif", "--resume", "-q")
    refused(outcome, "r.tif.checkpoint", "damaged or of another version", "start anew")


# --- the disk, memory, and what nobody expected -------------------------------------


def test_the_reason_of_the_system_is_kept(
    run: Run, movie: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "the library's words")
    assert system_reason(full) == os.strerror(errno.ENOSPC)
    assert system_reason(OSError("the library's words")) == ""
    assert system_reason(ValueError(errno.ENOSPC)) == ""

    def fails(*_: Any, **__: Any) -> None:
        raise full

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OutputError) as caught:
        _saved_again(model, tmp_path / "copy.safetensors")
    in_our_words(str(caught.value), os.strerror(errno.ENOSPC), "copy.safetensors")
    assert "library" not in str(caught.value)


def _saved_again(model: Path, path: Path) -> None:
    load(model).save(path)


def test_memory_that_a_library_asks_for(
    run: Run, movie: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ArrayMemoryError(MemoryError):
        """As that of NumPy."""

    def full(*_: Any, **__: Any) -> None:
        raise ArrayMemoryError("Unable to allocate 3 GiB for an array")

    monkeypatch.setattr(restorer, "denoise_stack", full)
    outcome = run("apply", model, movie, "-o", tmp_path / "r.tif", "-q")
    assert (outcome.code, outcome.out) == (1, "")
    in_our_words(outcome.err, "out of memory", "--tile")
    assert "allocate" not in outcome.err


def test_a_training_that_cannot_go_on(run: Run, movie: Path, tmp_path: Path) -> None:
    outcome = run(
        *("denoise", movie, "-o", tmp_path / "r.tif", "-q", "--minutes", "0.05"),
        *("--width", "4", "--learning-rate", "1e30"),
    )
    assert (outcome.code, outcome.out) == (1, "")
    in_our_words(outcome.err, "not finite", "lower learning rate")


def test_a_bug_in_a_batch_is_told_without_its_words(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Failed(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    monkeypatch.setattr(training, "train_events", lambda *_, **__: iter([broken]))
    outcome = run("denoise", movie, movie.with_name("b.tif"), "-o", tmp_path / "r")
    assert outcome.code == 1
    in_our_words(outcome.err, "movie.ome.tif", "alone", "report it")
    assert "mat1" not in outcome.err
