"""The exit code of --strict, and what is said with and without it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cli_tools import calibrated, names, write

from napari_udvd.inference.restorer import Denoiser
from napari_udvd.jobs import training
from napari_udvd.simulation import simulate
from napari_udvd.training import Failed, Finished, Started
from tiny import tiny_calibration, tiny_movie, tiny_net

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli_tools import Run

    Train = Callable[..., None]

NOTE = "only 8 frames: there is little to learn from"
BROKEN = "frames were repeated; take them out"
NO_BETTER = "the result is no better than a plain average; train longer"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Train:
    """Replace the training by one that says what a test wants, movie by movie."""

    def trained(*told: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
        runs = iter(told)

        def events(*_: Any, **__: Any) -> Any:
            noise, verdict = next(runs)
            yield Started("a network", remarks=(NOTE, *noise), warnings=noise)
            net = tiny_net(frames=3, likelihood=True)
            denoiser = Denoiser(net, (tiny_calibration(),), record={})
            yield Finished(denoiser, "budget", 100, 1.5, warnings=verdict)

        monkeypatch.setattr(training, "train_events", events)

    return trained


@pytest.fixture
def repeating(tmp_path: Path) -> Path:
    """Write a movie whose frames come twice."""
    frames = simulate("nuclei", frames=6, shape=(32, 32)).noisy.data
    stack = calibrated(np.repeat(frames, 2, axis=0), "TYX")
    return write(tmp_path / "repeating.ome.tif", stack)


@pytest.mark.parametrize(
    "noise, verdict, code",
    [
        ((), (), 0),
        ((BROKEN,), (), 3),
        ((), (NO_BETTER,), 3),
        ((BROKEN,), (NO_BETTER,), 3),
    ],
)
@pytest.mark.parametrize("command", ["denoise", "train"])
def test_warnings_of_the_training(
    run: Run,
    movie: Path,
    tmp_path: Path,
    trained: Train,
    command: str,
    noise: tuple[str, ...],
    verdict: tuple[str, ...],
    code: int,
) -> None:
    option, name = (
        ("-o", "clean.ome.tif") if command == "denoise" else ("--save", "m.safetensors")
    )
    for strict, expected in ((True, code), (False, 0)):
        trained((noise, verdict))
        result = tmp_path / f"{strict}-{name}"
        outcome = run(command, movie, option, result, *(["--strict"] * strict))
        assert outcome.code == expected
        # the result is written, and everything is said, either way
        assert outcome.out == f"{result}\n"
        assert result.exists()
        assert f"note: {NOTE}\n" in outcome.err
        for sentence in noise + verdict:
            assert outcome.err.count(f"warning: {sentence}\n") == 1
        assert outcome.err.count("warning:") == len(noise + verdict)


@pytest.mark.parametrize("command", ["denoise", "train"])
def test_strict_and_quiet_say_why(
    run: Run, movie: Path, tmp_path: Path, trained: Train, command: str
) -> None:
    """Of all that is said, warnings alone are left: they explain the exit code."""
    option, name = (
        ("-o", "clean.ome.tif") if command == "denoise" else ("--save", "m.safetensors")
    )
    trained(((BROKEN,), (NO_BETTER,)))
    result = tmp_path / name
    outcome = run(command, movie, option, result, "--strict", "--quiet")
    about = f"{movie}: " if command == "denoise" else ""
    warnings = f"warning: {about}{BROKEN}\nwarning: {about}{NO_BETTER}\n"
    assert outcome == (3, f"{result}\n", warnings)


@pytest.mark.parametrize(
    ("told", "options"), [(((BROKEN,), ()), ()), (((), ()), ("--strict",))]
)
def test_quiet_is_silent_where_the_exit_code_is_0(
    run: Run, movie: Path, tmp_path: Path, trained: Train, told: Any, options: Any
) -> None:
    trained(told)
    result = tmp_path / "clean.ome.tif"
    outcome = run("denoise", movie, "-o", result, "--quiet", *options)
    assert outcome == (0, f"{result}\n", "")


def test_apply_strict_and_quiet_says_why(
    run: Run, repeating: Path, model: Path, tmp_path: Path
) -> None:
    result = tmp_path / "clean.ome.tif"
    outcome = run("apply", model, repeating, "-o", result, "--strict", "-q")
    assert (outcome.code, outcome.out) == (3, f"{result}\n")
    assert f"warning: {repeating}: 6 of 11 frames repeat" in outcome.err
    lines = outcome.err.splitlines()
    assert all(line.startswith(f"warning: {repeating}: ") for line in lines)


def test_one_warning_in_a_batch(
    run: Run, movie: Path, tmp_path: Path, trained: Train
) -> None:
    other = write(
        tmp_path / "other.ome.tif",
        calibrated(np.asarray(tiny_movie(seed=3).data), "TYX"),
    )
    folder = tmp_path / "results"
    trained(((), (NO_BETTER,)), ((), ()))
    command = ("denoise", movie, other, "-o", folder, "-q")
    outcome = run(*command, "--strict")
    assert (outcome.code, outcome.err) == (3, f"warning: {movie}: {NO_BETTER}\n")
    assert names(folder) == ["movie.denoised.ome.tif", "other.denoised.ome.tif"]
    trained(((), (NO_BETTER,)), ((), ()))
    assert run(*command, "--overwrite").code == 0


def test_a_failure_in_a_batch_outweighs_a_warning(
    run: Run, movie: Path, tmp_path: Path, trained: Train
) -> None:
    trained(((BROKEN,), ()))
    missing = tmp_path / "missing.tif"
    folder = tmp_path / "results"
    command = ("denoise", movie, missing, "-o", folder, "--strict", "-q")
    assert run(*command).code == 1
    result, journal = names(folder)
    assert result == "movie.denoised.ome.tif"
    assert "missing.tif" in (folder / journal).read_text()  # to be tried again


def test_a_training_that_fails_is_no_warning(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [
        Started("a network", remarks=(BROKEN,), warnings=(BROKEN,)),
        Failed(MemoryError("no room")),
    ]
    monkeypatch.setattr(training, "train_events", lambda *_, **__: iter(failing))
    outcome = run("denoise", movie, "-o", tmp_path / "clean.ome.tif", "--strict")
    assert outcome.code == 1
    assert "no room" in outcome.err


def test_apply_looks_at_the_movie(
    run: Run, movie: Path, repeating: Path, model: Path, tmp_path: Path
) -> None:
    result = tmp_path / "clean.ome.tif"
    command = ("apply", model, "-o", result, "--overwrite")
    assert run(*command, movie, "--strict").code == 0
    outcome = run(*command, repeating, "--strict")
    assert (outcome.code, outcome.out) == (3, f"{result}\n")
    assert "warning: 6 of 11 frames repeat the one before exactly" in outcome.err
    assert run(*command, repeating).code == 0


def test_apply_compares_the_holes(run: Run, model: Path, tmp_path: Path) -> None:
    """The network of the fixture does not see one pixel; this noise needs three."""
    simulated = simulate(
        "calcium", frames=12, shape=(64, 64), correlation=[[1, 1]]
    ).noisy
    movie = write(tmp_path / "movie.ome.tif", simulated)
    outcome = run("apply", model, movie, "-o", tmp_path / "clean.tif", "--strict")
    assert outcome.code == 3
    assert "beyond the hole of 1 x 1 pixels: it needs 1 x 3" in outcome.err


@pytest.mark.parametrize("json_option", [(), ("--json",)])
def test_diagnose(
    run: Run, movie: Path, repeating: Path, json_option: tuple[str, ...]
) -> None:
    for path, code in ((movie, 0), (repeating, 3)):
        plain = run("diagnose", path, *json_option)
        strict = run("diagnose", path, *json_option, "--strict")
        assert (plain.code, strict.code) == (0, code)
        assert strict.out == plain.out
        if json_option:
            broken = json.loads(strict.out)["broken"]
            assert bool(broken) == (code == 3)


def test_notes_are_not_enough(run: Run, tmp_path: Path) -> None:
    simulated = simulate("calcium", frames=4, correlation=[[1, 1]]).noisy
    movie = write(tmp_path / "movie.ome.tif", simulated)
    outcome = run("diagnose", movie, "--json", "--strict")
    answer = json.loads(outcome.out)
    assert len([s for s in answer["reasons"] if "gain" not in s]) == 2
    assert (outcome.code, answer["verdict"], answer["broken"]) == (0, "warn", [])


def test_one_bad_channel_is_enough(run: Run, tmp_path: Path) -> None:
    frames = simulate("nuclei", frames=12, shape=(32, 32)).noisy.data
    twice = np.repeat(frames[:6], 2, axis=0)
    stack = calibrated(np.stack([frames, twice], 1), "TCYX")
    movie = write(tmp_path / "movie.ome.tif", stack)
    assert run("diagnose", movie, "--strict").code == 3


def test_axes_are_named_as_the_option_is(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "movie.npy", np.ones((4, 3, 24, 28), np.uint16))
    depths = write(
        tmp_path / "depths.ome.tif",
        calibrated(np.asarray(tiny_movie().data), "ZYX"),
    )
    for path, words in (
        (tmp_path / "movie.npy", "for example --axes "),
        (depths, "really time, say --axes TYX"),
    ):
        outcome = run("diagnose", path)
        assert outcome.code == 2
        assert words in outcome.err
        assert 'axes="' not in outcome.err
        batch = run("denoise", path, path.with_name("none.tif"), "-o", tmp_path / "r")
        assert batch.code == 1
        assert words in batch.err
