"""Bad input: one message with the value and the remedy, code 2, nothing written."""

from __future__ import annotations

import pickle
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch
from safetensors.torch import save_file

from tiny import tiny_movie

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli_tools import Outcome, Run

    Listing = Callable[[], dict[str, bytes | None]]

QUICK = ("--minutes", "0.01", "--width", "4", "--quiet")


def noise(shape: tuple[int, ...], dtype: str = "u2") -> np.ndarray:
    return np.random.default_rng(0).normal(500, 40, shape).astype(dtype)


def refused(outcome: Outcome, *parts: str) -> None:
    """One message that says all of `parts`, and nothing else."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.startswith("napari-udvd: ")
    assert outcome.err.count("\n") == 1, outcome.err
    for part in parts:
        assert part in outcome.err


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


# --- movies -------------------------------------------------------------------------


def missing(path: Path) -> Path:
    return path / "movie.tif"


def text(path: Path) -> Path:
    (path / "movie.tif").write_text("Experiment 7, very good movie\n" * 20)
    return path / "movie.tif"


def truncated(path: Path) -> Path:
    tifffile.imwrite(path / "movie.tif", noise((8, 24, 28)), metadata={"axes": "TYX"})
    whole = (path / "movie.tif").read_bytes()
    (path / "movie.tif").write_bytes(whole[: len(whole) // 2])
    return path / "movie.tif"


def unknown_suffix(path: Path) -> Path:
    (path / "movie.avi").write_bytes(b"RIFF")
    return path / "movie.avi"


def siblings_missing(path: Path) -> Path:
    uuids = [f"urn:uuid:12345678-1234-1234-1234-12345678901{k}" for k in range(4)]
    places = "".join(
        f'<TiffData FirstT="{k}" IFD="0" PlaneCount="1"><UUID FileName='
        f'"part{k}.ome.tif">{uuid}</UUID></TiffData>'
        for k, uuid in enumerate(uuids)
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy'
        f'.org/Schemas/OME/2016-06" UUID="{uuids[0]}"><Image ID="Image:0"><Pixels '
        'ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="28" SizeY="24" '
        'SizeZ="1" SizeC="1" SizeT="4"><Channel ID="Channel:0:0" '
        f'SamplesPerPixel="1"/>{places}</Pixels></Image></OME>'
    )
    target = path / "part0.ome.tif"
    tifffile.imwrite(target, noise((24, 28)), description=xml, metadata=None)
    return target


def array(name: str, make: Callable[[], np.ndarray]) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        np.save(path / f"{name}.npy", make(), allow_pickle=True)
        return path / f"{name}.npy"

    write.__name__ = name
    return write


def with_values(*values: float) -> np.ndarray:
    movie = noise((8, 24, 28), "f4")
    for k, value in enumerate(values):
        movie[3 + k, 5, 7] = value
    return movie


def colours(path: Path) -> Path:
    rgb = noise((8, 24, 28, 3), "u1")
    tifffile.imwrite(path / "movie.tif", rgb, photometric="rgb")
    return path / "movie.tif"


def depth(path: Path) -> Path:
    target = path / "movie.ome.tif"
    tifffile.imwrite(target, noise((8, 24, 28)), metadata={"axes": "ZYX"})
    return target


MOVIES = [
    (missing, ["movie.tif", "does not exist"]),
    (text, ["movie.tif", "TIFF"]),
    (truncated, ["movie.tif"]),
    (unknown_suffix, ["'.avi'", ".tif", ".zarr"]),
    (siblings_missing, ["part1.ome.tif", "part3.ome.tif"]),
    (depth, ["axes ZYX", "TYX"]),
    (array("one_frame", lambda: noise((1, 24, 28))), ["1 frame", "2"]),
    (array("picture", lambda: noise((24, 28))), ["picture.npy", "time"]),
    (array("inf", lambda: with_values(np.inf)), ["1 infinite", "T = 3, Y = 5, X = 7"]),
    (
        array("infinite", lambda: with_values(np.inf, -np.inf)),
        ["2 infinite", "T = 3, Y = 5, X = 7"],
    ),
    (array("constant", lambda: np.full((8, 24, 28), 7, "u2")), ["is 7", "constant"]),
    (array("bool", lambda: noise((8, 24, 28)) > 500), ["dtype bool", "float32"]),
    (array("complex", lambda: noise((8, 24, 28), "c8")), ["complex64", "float32"]),
    (array("object", lambda: noise((8, 24, 28), "O")), ["object.npy"]),
    (array("ambiguous", lambda: noise((4, 3, 24, 28))), ["(4, 3, 24, 28)", "axes"]),
    (array("empty", lambda: noise((0, 24, 28))), ["(0, 24, 28)", "empty"]),
    (colours, ["movie.tif", "colour"]),
]


@pytest.mark.parametrize("command", ["denoise", "train", "diagnose", "apply"])
@pytest.mark.parametrize(
    ("make", "parts"), MOVIES, ids=[make.__name__ for make, _ in MOVIES]
)
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_movies(
    run: Run,
    model: Path,
    tmp_path: Path,
    listing: Listing,
    command: str,
    make: Callable[[Path], Path],
    parts: list[str],
) -> None:
    file = make(tmp_path)
    before = listing()
    result = tmp_path / "result.ome.tif"
    arguments: dict[str, tuple[Any, ...]] = {
        "denoise": ("denoise", file, "-o", result, *QUICK),
        "train": ("train", file, "--save", tmp_path / "new.safetensors", *QUICK),
        "diagnose": ("diagnose", file),
        "apply": ("apply", model, file, "-o", result, "--quiet"),
    }
    refused(run(*arguments[command]), *parts)
    assert listing() == before


def test_the_siblings_of_a_real_movie(
    run: Run, shared_data: Path, tmp_path: Path
) -> None:
    file = shared_data / "mitosis_4D_ome_incomplete" / "mitosis_T00.ome.tif"
    outcome = run("denoise", file, "-o", tmp_path / "result.ome.tif", *QUICK)
    refused(outcome, "mitosis_T03.ome.tif")
    assert not list(tmp_path.iterdir())


def test_a_file_that_may_not_be_read(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("napari_udvd.formats._finding.open", denied, raising=False)
    outcome = run("denoise", movie, "-o", tmp_path / "result.ome.tif", *QUICK)
    refused(outcome, "movie.ome.tif", "Permission denied", "permissions")


def test_pickled_pixels_are_not_run(run: Run, tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "executed")], dtype=object)
    np.save(tmp_path / "trap.npy", trap, allow_pickle=True)
    refused(run("diagnose", tmp_path / "trap.npy"), "trap.npy")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("frames", "model_name", "fits"), [(4, "udvd", "udvd-3"), (2, "udvd-3", "udvd-1")]
)
def test_fewer_frames_than_the_window(
    run: Run,
    tmp_path: Path,
    listing: Listing,
    frames: int,
    model_name: str,
    fits: str,
) -> None:
    np.save(tmp_path / "short.npy", noise((frames, 24, 28)))
    before = listing()
    outcome = run(
        "denoise",
        tmp_path / "short.npy",
        *("-o", tmp_path / "result.tif", "--model", model_name, *QUICK),
    )
    refused(outcome, f"{frames} frames", f"{fits} fits")
    assert listing() == before


def test_frames_smaller_than_the_hole(
    run: Run, movie: Path, tmp_path: Path, listing: Listing
) -> None:
    before = listing()
    out = tmp_path / "result.tif"
    outcome = run("denoise", movie, "-o", out, "--hole", "25x31", *QUICK)
    refused(outcome, "24 x 28", "25 x 31")
    assert listing() == before


# --- options ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "parts"),
    [
        ("--device", "tpu", ["'tpu'", "cpu"]),
        ("--device", "cuda:99", ["'cuda:99'", "cpu"]),
        ("--hole", "big", ["'big'", "3x1"]),
        ("--hole", "2x2", ["(2, 2)", "odd"]),
        ("--hole", "3", ["'3'", "3x1"]),
        ("--minutes", "0", ["minutes", "0"]),
        ("--minutes", "nan", ["minutes", "nan"]),
        ("--width", "2", ["width", "2", "4"]),
        ("--seed", "-1", ["seed", "-1"]),
        ("--axes", "TYQ", ["TYQ", "TCZYX"]),
        ("--axes", "TY", ["TY", "(8, 24, 28)"]),
        ("--axes", "ZYX", ["ZYX", "TYX"]),
    ],
)
def test_options(
    run: Run,
    movie: Path,
    tmp_path: Path,
    listing: Listing,
    option: str,
    value: str,
    parts: list[str],
) -> None:
    before = listing()
    out = tmp_path / "result.ome.tif"
    refused(run("denoise", movie, "-o", out, *QUICK, option, value), *parts)
    assert listing() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("denoise", "--model", "resnet"),
        ("denoise", "--dtype", "uint7"),
        ("denoise", "--tile", "3"),
        ("denoise", "--minutes", "two"),
        ("denoise", "--nonsense", "1"),
        ("denoize", "--quiet", ""),
    ],
)
def test_words_that_the_command_line_does_not_know(
    run: Run,
    movie: Path,
    tmp_path: Path,
    listing: Listing,
    arguments: tuple[str, str, str],
) -> None:
    command, option, value = arguments
    before = listing()
    result = tmp_path / "result.tif"
    outcome = run(command, movie, "-o", result, option, value, "--quiet")
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    if command == "denoize":
        assert "denoize" in outcome.err
    else:
        assert option in outcome.err
    if option in ("--model", "--dtype"):
        assert value in outcome.err
        assert {"--model": "udvd-3", "--dtype": "float32"}[option] in outcome.err
    assert listing() == before


# --- outputs ------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["denoise", "apply"])
@pytest.mark.parametrize(
    ("output", "overwrite", "parts"),
    [
        ("movie.ome.tif", True, ["is the input", "another name"]),
        ("./sub/../movie.ome.tif", True, ["is the input"]),
        ("taken.ome.tif", False, ["taken.ome.tif", "exists", "overwrite"]),
        ("result.png", False, ["result.png", ".ome.tif"]),
        ("none/result.tif", False, ["none", "does not exist"]),
    ],
)
def test_outputs(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    listing: Listing,
    how: str,
    output: str,
    overwrite: bool,
    parts: list[str],
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "taken.ome.tif").write_text("precious")
    before = listing()
    options = ["--overwrite"] if overwrite else []
    start = ("denoise", movie, *QUICK) if how == "denoise" else ("apply", model, movie)
    outcome = run(*start, "-o", f"{tmp_path}/{output}", "--quiet", *options)
    refused(outcome, *parts)
    assert listing() == before


@pytest.mark.parametrize("how", ["denoise", "apply"])
def test_no_space_left(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    listing: Listing,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = listing()
    usage = SimpleNamespace(total=9999, used=9899, free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    start = ("denoise", movie, *QUICK) if how == "denoise" else ("apply", model, movie)
    outcome = run(*start, "-o", tmp_path / "result.ome.tif", "--quiet")
    refused(outcome, "result.ome.tif", "100 bytes", "make room")
    assert listing() == before


@pytest.mark.parametrize("command", ["denoise", "train", "import-published"])
def test_a_model_file_that_exists_is_kept(
    run: Run, movie: Path, model: Path, tmp_path: Path, listing: Listing, command: str
) -> None:
    before = listing()
    result = tmp_path / "result.ome.tif"
    arguments: dict[str, tuple[Any, ...]] = {
        "denoise": ("denoise", movie, "-o", result, "--save", model, *QUICK),
        "train": ("train", movie, "--save", model, *QUICK),
        "import-published": ("import-published", movie, "-o", model),
    }
    refused(run(*arguments[command]), "model.safetensors", "exists", "--overwrite")
    assert listing() == before


@pytest.mark.parametrize("command", ["denoise", "train", "import-published"])
def test_a_model_never_replaces_what_it_is_made_from(
    run: Run,
    movie: Path,
    tmp_path: Path,
    listing: Listing,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from plain_udvd import PlainUDVD

    weights = PlainUDVD(frames=3, width=4, stage_one_features=8).state_dict()
    torch.save(weights, tmp_path / "best.pt")
    before = listing()
    best, result = tmp_path / "best.pt", tmp_path / "result.ome.tif"
    arguments: dict[str, tuple[Any, ...]] = {
        "denoise": ("denoise", movie, "-o", result, "--save", movie, *QUICK),
        "train": ("train", movie, "--save", movie, *QUICK),
        "import-published": ("import-published", best, "-o", best),
    }
    outcome = run(*arguments[command], "--overwrite")
    refused(outcome, "best.pt" if "import" in command else "movie.ome.tif")
    assert listing() == before


def test_a_model_and_a_result_of_one_name(
    run: Run, movie: Path, tmp_path: Path, listing: Listing
) -> None:
    before = listing()
    result = tmp_path / "result.ome.tif"
    refused(
        run("denoise", movie, "-o", result, "--save", result, *QUICK),
        *("--save", "result.ome.tif"),
    )
    assert listing() == before


@pytest.mark.parametrize(
    ("std", "parts"),
    [
        ("result.ome.tif", ["--std", "same", "result.ome.tif"]),
        ("sub/../result.ome.tif", ["--std", "same"]),
        ("movie.ome.tif", ["is the input"]),
        ("std.png", ["std.png", ".ome.tif"]),
    ],
)
def test_the_place_of_the_standard_deviation(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    listing: Listing,
    std: str,
    parts: list[str],
) -> None:
    (tmp_path / "sub").mkdir()
    before = listing()
    result = tmp_path / "result.ome.tif"
    outcome = run(
        *("apply", model, movie, "-o", result, "--std", f"{tmp_path}/{std}"),
        *("--quiet", "--overwrite"),
    )
    refused(outcome, *parts)
    assert listing() == before


def test_mean_only_has_no_standard_deviation(
    run: Run,
    movie: Path,
    tmp_path: Path,
    listing: Listing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def waste(*_: Any, **__: Any) -> None:
        raise AssertionError("minutes of training before the refusal")

    monkeypatch.setattr("napari_udvd.jobs.training.train_events", waste)
    before = listing()
    outcome = run(
        *("denoise", movie, "-o", tmp_path / "result.tif", "--mean-only"),
        *("--std", tmp_path / "std.tif", *QUICK),
    )
    refused(outcome, "--std", "--mean-only")
    assert listing() == before


@pytest.mark.parametrize("option", ["--std", "--save"])
def test_options_for_a_single_movie(
    run: Run, movie: Path, tmp_path: Path, listing: Listing, option: str
) -> None:
    before = listing()
    outcome = run(
        *("denoise", movie, movie, "-o", tmp_path / "results", *QUICK),
        *(option, tmp_path / "other.tif"),
    )
    refused(outcome, option, "single movie")
    assert listing() == before


def test_one_file_for_many_results(
    run: Run, movie: Path, tmp_path: Path, listing: Listing
) -> None:
    before = listing()
    outcome = run("denoise", movie, movie, "-o", tmp_path / "result.ome.tif", *QUICK)
    refused(outcome, "result.ome.tif", "folder")
    assert listing() == before


def test_a_file_where_the_folder_of_results_should_be(
    run: Run, movie: Path, model: Path, tmp_path: Path, listing: Listing
) -> None:
    (tmp_path / "results").write_text("precious")
    before = listing()
    outcome = run("apply", model, movie, movie, "-o", tmp_path / "results", "-q")
    refused(outcome, "results", "folder")
    assert listing() == before


# --- models -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["missing", "truncated", "text", "foreign", "pickle", "torch pickle"]
)
def test_model_files(
    run: Run, movie: Path, model: Path, tmp_path: Path, listing: Listing, kind: str
) -> None:
    bad = tmp_path / "bad.safetensors"
    trap = Trap(tmp_path / "executed")
    if kind == "truncated":
        bad.write_bytes(model.read_bytes()[:2000])
    elif kind == "text":
        bad.write_text("weights")
    elif kind == "foreign":
        save_file({"weight": torch.ones(3)}, bad)
    elif kind == "pickle":
        bad.write_bytes(pickle.dumps(trap))
    elif kind == "torch pickle":
        torch.save({"model": [trap]}, bad)
    before = listing()
    outcome = run("apply", bad, movie, "-o", tmp_path / "result.tif", "--quiet")
    refused(outcome, "bad.safetensors")
    assert listing() == before


@pytest.mark.parametrize(
    "kind", ["missing", "text", "empty", "pickle", "torch pickle", "other network"]
)
def test_published_checkpoints(
    run: Run, tmp_path: Path, listing: Listing, kind: str
) -> None:
    bad = tmp_path / "bad.pt"
    trap = Trap(tmp_path / "executed")
    if kind == "text":
        bad.write_text("weights")
    elif kind == "empty":
        bad.write_bytes(b"")
    elif kind == "pickle":
        bad.write_bytes(pickle.dumps(trap))
    elif kind == "torch pickle":
        torch.save({"model": [trap]}, bad)
    elif kind == "other network":
        torch.save({"conv.weight": torch.ones(3)}, bad)
    before = listing()
    outcome = run("import-published", bad, "-o", tmp_path / "new.safetensors")
    if kind == "other network":
        refused(outcome, "conv", "denoiser_1")
    else:
        refused(outcome, "bad.pt")
    assert listing() == before


def test_channels_of_another_movie(
    run: Run, model: Path, tmp_path: Path, listing: Listing
) -> None:
    one = np.asarray(tiny_movie().data)
    two = tmp_path / "two.ome.tif"
    tifffile.imwrite(two, np.stack([one, one], 1), metadata={"axes": "TCYX"})
    before = listing()
    outcome = run("apply", model, two, "-o", tmp_path / "result.tif", "--quiet")
    refused(outcome, "two.ome.tif", "2 channel", "1")
    assert listing() == before


def test_a_device_that_is_not_there(
    run: Run, movie: Path, model: Path, tmp_path: Path, listing: Listing
) -> None:
    before = listing()
    result = tmp_path / "result.tif"
    outcome = run("apply", model, movie, "-o", result, "--device", "tpu", "--quiet")
    refused(outcome, "'tpu'", "cpu")
    assert listing() == before


def test_movies_that_cannot_be_trained_on_together(
    run: Run, movie: Path, tmp_path: Path, listing: Listing
) -> None:
    one = np.asarray(tiny_movie().data)
    two = tmp_path / "two.ome.tif"
    tifffile.imwrite(two, np.stack([one, one], 1), metadata={"axes": "TCYX"})
    before = listing()
    saved = tmp_path / "new.safetensors"
    outcome = run("train", movie, two, "--save", saved, *QUICK)
    refused(outcome, "[1, 2]", "channels")
    assert listing() == before


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_checkpoint_that_is_none(
    run: Run,
    movie: Path,
    model: Path,
    tmp_path: Path,
    listing: Listing,
    content: bytes | None,
) -> None:
    checkpoint = tmp_path / "r.tif.checkpoint"
    checkpoint.write_bytes(model.read_bytes() if content is None else content)
    before = listing()
    outcome = run("denoise", movie, "-o", tmp_path / "r.tif", "--resume", *QUICK)
    refused(outcome, "r.tif.checkpoint")
    assert listing() == before


def test_nothing_to_resume(
    run: Run, movie: Path, tmp_path: Path, listing: Listing
) -> None:
    before = listing()
    outcome = run("denoise", movie, "-o", tmp_path / "r.tif", "--resume", *QUICK)
    refused(outcome, "r.tif.checkpoint", "resume")
    assert listing() == before
