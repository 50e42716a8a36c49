"""The help is whole on a narrow terminal, and the shell completes what is typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import shellingham
import typer

from napari_udvd.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli_tools import Run

ROOT: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = ROOT.commands


def option_names(command: Any) -> Iterator[str]:
    for parameter in command.get_params(typer.Context(command)):
        if parameter.param_type_name == "option":
            yield from parameter.opts
            yield from parameter.secondary_opts


@pytest.mark.parametrize("columns", [80, 60, 200])
@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_every_option_name_is_whole(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str | None, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    command = ROOT if name is None else COMMANDS[name]
    code, text, err = run(*([] if name is None else [name]), "--help")
    assert (code, err) == (0, "")
    wanted = list(option_names(command))
    assert wanted
    for option in [*wanted, "--help"]:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), option
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= columns


def test_the_help_tells_defaults_and_choices(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = " ".join(run("denoise", "--help").out.split())
    for words in (
        "--model <auto|centerblind|udvd|udvd-3|udvd-1|stbn>",
        "network; centerblind is fast",
        "together [default: 2.0]",
        "size of centerblind [default: (light)]",
        "slower [default: (if there is time)]",
        "several movies [required]",
    ):
        assert words in text


def test_every_command_is_in_the_list_with_what_it_does(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = run("--help").out
    for name, command in COMMANDS.items():
        assert re.search(rf"^ +{name} +{re.escape(command.help)}$", text, re.M)


# --- completion ---------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_show_completion(run: Run, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    # the shell is looked for among the parent processes, and a test may have none
    monkeypatch.setattr(shellingham, "detect_shell", lambda: (shell, f"/bin/{shell}"))
    code, script, err = run("--show-completion")
    assert (code, err) == (0, "")
    assert "napari-udvd" in script
    assert f"complete_{shell}" in script


def test_install_completion(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path))
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("bash", "/bin/bash"))
    code, out, _ = run("--install-completion")
    assert (code, "bash completion installed" in out) == (0, True)
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert "complete_bash" in script.read_text()
    assert script.name in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("napari-udvd dia", ["diagnose"]),
        ("napari-udvd denoise --self", ["--self-ensemble"]),
        ("napari-udvd denoise --model udvd-", ["udvd-3", "udvd-1"]),
    ],
)
def test_what_is_completed(
    run: Run, monkeypatch: pytest.MonkeyPatch, typed: str, completed: list[str]
) -> None:
    """Answer as the script asks that bash runs at each press of the tab key."""
    monkeypatch.setenv("_NAPARI_UDVD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    code, out, err = run()
    assert (code, out.split(), err) == (0, completed, "")
