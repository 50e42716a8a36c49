"""Every benchmark is run small, by ``make bench-smoke``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPTS = {
    path.stem
    for path in (Path(__file__).parents[2] / "benchmarks").glob("*.py")
    if '__name__ == "__main__"' in path.read_text()
}


@pytest.fixture
def smoke(benchmark_script: Callable[[str], Any]) -> Any:
    return benchmark_script("smoke")


def test_every_script_is_run(smoke: Any) -> None:
    assert set(smoke.RUNS) == SCRIPTS - {"smoke"}
    assert {"quality", "reconstruct", "sharpen"} <= SCRIPTS


def test_what_a_script_says_when_it_fails_is_shown(
    smoke: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(smoke.RUNS, "scan_patterns", "--no-such-option")
    ran = smoke.run("scan_patterns", tmp_path)
    assert ran.state == "FAILED with code 2"
    assert "unrecognized arguments: --no-such-option" in capsys.readouterr().err


def test_one_is_run_and_has_written_its_picture(smoke: Any, tmp_path: Path) -> None:
    assert smoke.run("scan_patterns", tmp_path).state == "ran"
    assert (tmp_path / "patterns.png").read_bytes().startswith(b"\x89PNG")


def test_arguments_do_not_depend_on_where_it_is_started(
    smoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def fake(command: list[str], **how: Any) -> Any:
        seen.update(command=command, **how)
        return smoke.Done(0, smoke.machine())

    monkeypatch.setattr(smoke, "carried_out", fake)
    monkeypatch.chdir(tmp_path)
    assert smoke.run("old_files", tmp_path).state == "ran"
    assert str(tmp_path / "old") in seen["command"]
    assert seen["cwd"] == smoke.REPOSITORY
    assert seen["env"]["BENCHMARK_LIMIT"] == smoke.SMALL


def test_a_script_that_does_not_say_what_it_ran_on_has_failed(
    smoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(command: list[str], **how: Any) -> Any:
        return smoke.Done(0, "12 frames per second")

    monkeypatch.setattr(smoke, "carried_out", fake)
    assert smoke.run("weave", tmp_path).state == "FAILED to say what it ran on"
    # its numbers go to another script
    assert smoke.run("probe", tmp_path).state == "ran"


def test_a_script_that_waits_for_another_one_is_ended_with_it(
    smoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "LONGEST", 2.0)
    command = (
        "import subprocess, sys\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "other = subprocess.Popen(sleep)\n"
        "print('begun', flush=True)\nother.wait()"
    )
    began = time.monotonic()
    done = smoke.carried_out(
        [sys.executable, "-c", command], cwd=tmp_path, env=dict(os.environ)
    )
    assert done.returncode is None
    assert done.said == "begun\n"
    # the other one has the pipe as well: it is read to the end once both are gone
    assert time.monotonic() - began < 30


def test_a_script_that_does_not_end_has_failed(
    smoke: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        smoke, "carried_out", lambda command, **how: smoke.Done(None, "turn 1")
    )
    assert smoke.run("weave", tmp_path).state == "FAILED to end in 300 s"
    assert "turn 1" in capsys.readouterr().err


def test_a_window_needs_a_screen_or_something_in_its_place(
    smoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(smoke.shutil, "which", lambda name: None)
    said = smoke.run("responsiveness", tmp_path).state
    assert said == "left out: there is no screen, nor xvfb-run"


def test_movies_are_cut_and_say_so(
    benchmark_script: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    common, movies = benchmark_script("common"), benchmark_script("movies")
    clean = np.arange(20 * 30 * 40.0).reshape(20, 30, 40)
    assert common.at_most(48, 128) == (48, 128)
    assert "JUST TO TRY" not in common.machine()
    monkeypatch.setenv(common.LIMIT, "16x32")
    assert common.at_most(48, 128) == (16, 32)
    assert common.at_most(8, 20) == (8, 20)
    np.testing.assert_array_equal(movies._limited(clean), clean[:16, :, 4:36])
    assert common.machine().startswith("MOVIES OF 16x32 AT MOST, JUST TO TRY; ")
