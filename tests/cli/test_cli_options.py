"""The options of a training are made from its settings."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer

from napari_udvd.cli.app import app
from napari_udvd.jobs import TrainAndRestore, TrainModel, restoring, training
from napari_udvd.models import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli_tools import Run

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def option_of(command: str, name: str) -> Any:
    made = COMMANDS[command].get_params(typer.Context(COMMANDS[command]))
    return next(option for option in made if option.name == name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keep the jobs that are begun, and do nothing."""
    jobs: list[Any] = []

    def begun(job: Any, *_: Any) -> Any:
        jobs.append(job)
        return iter(())

    monkeypatch.setattr(restoring.TrainAndRestore, "run", begun)
    monkeypatch.setattr(training.TrainModel, "run", begun)
    return jobs


def said(values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize("command", ["denoise", "train"])
def test_every_option_of_a_network_is_there(command: str) -> None:
    fields = {
        name: field
        for spec in catalogue.specs("denoise").values()
        for name, field in spec.settings.model_fields.items()
    }
    assert len(fields) > 3
    for name, field in fields.items():
        option = option_of(command, name)
        assert option.opts[0] == f"--{name.replace('_', '-')}"
        told = (field.description or "").partition("; ")[0]
        assert told.split(" if None")[0] in option.help
        assert not option.required


def test_what_networks_say_of_one_option_is_joined() -> None:
    text = option_of("denoise", "width").help
    assert "udvd" in text and "stbn" in text
    assert "if None" not in text


def test_the_choice_is_that_of_the_catalogue(run: Run) -> None:
    option = option_of("denoise", "model")
    choices = "|".join([catalogue.AUTO, *catalogue.names("denoise")])
    assert f"--model <{choices}>" in run("denoise", "--help").out
    for spec in catalogue.specs("denoise").values():
        assert f"{spec.name} {spec.summary}" in option.help


def test_nothing_is_said_that_was_not_given(
    run: Run, movie: Path, tmp_path: Path, asked: list[Any]
) -> None:
    run("denoise", movie, "-o", tmp_path / "a.tif")
    run("train", movie, "--save", tmp_path / "a.safetensors", "--model", "auto")
    assert [type(job) for job in asked] == [TrainAndRestore, TrainModel]
    assert [said(job.values) for job in asked] == [{}, {}]
    assert "self_ensemble" not in asked[1].values


def test_what_is_given_is_a_setting(
    run: Run, movie: Path, tmp_path: Path, asked: list[Any]
) -> None:
    run(
        *("denoise", movie, "-o", tmp_path / "a.tif", "--model", "stbn"),
        *("--minutes", "3", "--device", "cpu", "--seed", "7", "--hole", "3x1"),
        *("--width", "8", "--no-flow", "--no-noise-input"),
        *("--flow-weights", "pwc.pth", "--noise", "2", "100", "3.5"),
        *("--from-scratch", "--learning-rate", "0.01", "--joint-channels"),
        *("--mean-only", "--no-self-ensemble", "--no-distil"),
    )
    (job,) = asked
    assert said(job.values) == {
        "model": "stbn",
        "minutes": 3.0,
        "device": "cpu",
        "seed": 7,
        "hole": (3, 1),
        "width": 8,
        "flow": False,
        "noise_input": False,
        "flow_weights": "pwc.pth",
        "noise": (2.0, 100.0, 3.5),
        "from_scratch": True,
        "learning_rate": 0.01,
        "joint_channels": True,
        "likelihood": False,
        "self_ensemble": False,
        "distil": False,
    }
    assert job.request.device == "cpu"


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (("--model", "centerblind", "--width", "8"), ["--width", "8", "preset"]),
        (("--model", "udvd", "--preset", "small"), ["--preset", "small", "width"]),
        (("--model", "udvd", "--no-flow"), ["--flow", "udvd"]),
    ],
)
def test_an_option_of_another_network_is_refused(
    run: Run,
    movie: Path,
    tmp_path: Path,
    listing: Callable[[], dict[str, Any]],
    given: tuple[str, ...],
    parts: list[str],
) -> None:
    before = listing()
    outcome = run("denoise", movie, "-o", tmp_path / "a.tif", *given)
    assert (outcome.code, outcome.out) == (2, "")
    for part in parts:
        assert part.lower() in outcome.err.lower()
    assert listing() == before


def test_the_help_of_a_training_is_light() -> None:
    code = (
        "import sys; sys.argv = ['napari-udvd', 'train', '--help']\n"
        "from napari_udvd.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'torch', 'scipy', 'zarr'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_network_that_cannot_be_used_is_named_with_the_reason(
    run: Run, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "'slow' of the package 'p' cannot be used: ImportError: no such module"
    monkeypatch.setattr(catalogue, "broken", lambda: {"slow": why})
    code, _, err = run("denoise", movie, "-o", tmp_path / "a.tif", "--model", "slow")
    assert code == 2
    said = " ".join(err.split())
    assert why in said
    assert "'stbn'" in said
