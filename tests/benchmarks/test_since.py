"""A build beside an earlier one: preparing it, measuring in turns, the table."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("psutil")

PYTHON = Path(sys.executable)


@pytest.fixture
def since(benchmark_script: Callable[[str], Any]) -> Any:
    return benchmark_script("since")


@pytest.fixture
def trees(benchmark_script: Callable[[str], Any]) -> Any:
    return benchmark_script("two_trees")


@pytest.fixture
def builds(benchmark_script: Callable[[str], Any]) -> Any:
    return benchmark_script("builds")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with two commits of something that looks like the package."""
    folder = tmp_path / "repository"
    (folder / "src/napari_udvd").mkdir(parents=True)

    def git(*words: str) -> None:
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True)

    git("init", "--quiet", "--initial-branch", "main")
    for version in ("one", "two"):
        text = f"version = {version!r}\n"
        (folder / "src/napari_udvd/__init__.py").write_text(text)
        (folder / "constraints.txt").write_text("numpy==2.0.0\ntorch==2.5.1\n")
        git("add", ".")
        git("commit", "--quiet", "--message", version)
    return folder


def test_an_earlier_commit_gets_a_tree_of_its_own_and_keeps_it(
    since: Any, repository: Path, tmp_path: Path
) -> None:
    commit = since.find_commit("HEAD~1", repository)
    assert len(commit) == 40
    tree = since.make_tree(commit, tmp_path / "cache", repository)
    source = tree / "src/napari_udvd/__init__.py"
    assert "one" in source.read_text()
    assert "two" in (repository / "src/napari_udvd/__init__.py").read_text()
    source.write_text("kept")
    assert since.make_tree(commit, tmp_path / "cache", repository) == tree
    assert source.read_text() == "kept"
    # a tree of another commit is no tree of this one
    newer = since.find_commit("main", repository)
    since.make_tree(newer, tmp_path / "cache", repository)
    assert "two" in source.read_text()


def test_a_commit_that_is_not_there_is_said(since: Any, repository: Path) -> None:
    with pytest.raises(ValueError, match="has no commit 'abc123'"):
        since.find_commit("abc123", repository)


def test_its_environment_has_the_versions_of_its_own_constraints(
    since: Any, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def fake(command: list[str], **how: Any) -> Any:
        assert how["check"]
        ran.append(command)
        if command[1:3] == ["-m", "venv"]:
            python = Path(command[-1]) / "bin/python"
            python.parent.mkdir(parents=True)
            python.touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(since.subprocess, "run", fake)
    python = since.make_environment(repository, tmp_path)
    assert python == tmp_path / "env/bin/python"
    constraints = str(repository / "constraints.txt")
    assert [command[5:] for command in ran[1:]] == [
        ["torch==2.5.1"],
        ["--constraint", constraints, "--editable", str(repository)],
    ]
    assert all(command[0] == str(python) for command in ran[1:])
    since.make_environment(repository, tmp_path)
    assert len(ran) == 3


def test_an_environment_that_was_not_finished_is_made_again(
    since: Any, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/bin/python").touch()

    def fail(command: list[str], **how: Any) -> Any:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(since.subprocess, "run", fail)
    with pytest.raises(subprocess.CalledProcessError):
        since.make_environment(repository, tmp_path)
    assert not (tmp_path / "ready").exists()


def test_the_cache_is_where_the_system_keeps_such_things(
    since: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert since.cache_folder() == tmp_path / "napari-udvd-benchmarks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert since.cache_folder() == Path.home() / ".cache/napari-udvd-benchmarks"


def test_a_build_is_measured_with_its_own_package_threads_and_allocator(
    builds: Any, repository: Path
) -> None:
    build = builds.Build(repository, PYTHON, 1)
    found = build.probe("imported")
    assert Path(found["from"]) == repository / "src/napari_udvd/__init__.py"
    assert found["torch"] is False
    assert 0 <= found["seconds"] < found["wall"]
    code = "import os; print(*(os.environ.get(n) for n in %r))"
    names = ("OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")
    assert build.run("-c", code % (names,)).split() == ["1", str(2 * 256 * 2**20)]
    own = builds.Build(repository, PYTHON, 2, "own")
    assert own.run("-c", code % (names,)).split() == ["2", "None"]
    with pytest.raises(ValueError, match="is no checkout"):
        builds.Build(repository / "src", PYTHON)


def test_what_fails_in_a_build_is_said(builds: Any, repository: Path) -> None:
    (repository / "src/napari_udvd/__init__.py").write_text("raise OSError('broken')")
    with pytest.raises(builds.Failed, match="broken"):
        builds.Build(repository, PYTHON).probe("imported")


def test_gains_are_medians_of_pairs_and_goals_are_judged(trees: Any) -> None:
    fast = trees.Row("Fast, 512 x 512: network alone, frames per s")
    memory = trees.Row("peak memory, MB", "less")
    quality = trees.Row("nuclei: PSNR, dB", "dB")
    soon = trees.Row("start to first useful preview, s", "less")
    before = {
        fast: [4.0, 2.0, 8.0],
        memory: [700.0] * 3,
        quality: [30.0, 31.0, 30.0],
        soon: [3.0] * 3,
    }
    after = {
        fast: [8.0, 6.0, 8.0],
        memory: [800.0] * 3,
        quality: [30.5, 30.95, 30.0],
        soon: [1.6, 1.5, 1.6],
    }
    lines = trees.comparison(before, after).splitlines()[2:]
    assert lines == [
        f"| {fast.what} | 4 | 8 | 2.000 | 1.000 to 3.000 | 2 times: reached |",
        "| peak memory, MB | 700 | 800 | 0.875 | 0.875 to 0.875 "
        "| not worse: **missed** |",
        "| nuclei: PSNR, dB | 30.00 | 30.50 | +0.00 dB | -0.05 dB to +0.50 dB "
        "| not worse: reached |",
        f"| {soon.what} | 3 | 1.6 | 1.875 | 1.875 to 2.000 | at most 1.5: **missed** |",
    ]


def fake_measure(trees: Any, order: list[str]) -> Any:
    def measure(tree: Any, scenes: Any) -> None:
        order.append("after" if tree.is_new else "before")
        tree.note(trees.Row("steps per s"), 2.0 if tree.is_new else 1.0)
        tree.facts["loads torch"] = tree.is_new

    return measure


def told(trees: Any, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    trees.add_options(parser)
    return parser.parse_args(["--measures", "training", "--turns", "2", *words])


def test_trees_take_turns_and_two_days_can_be_put_beside_each_other(
    trees: Any,
    builds: Any,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    order: list[str] = []
    monkeypatch.setitem(trees.MEASURES, "training", fake_measure(trees, order))
    monkeypatch.setattr(trees, "same_cores", lambda count: None)
    build, output = builds.Build(repository, PYTHON), tmp_path / "numbers.json"
    trees.compare(build, build, told(trees, "--output", str(output)))
    assert order == ["before", "after", "after", "before"]
    said = capsys.readouterr().out
    assert "| steps per s | 1 | 2 | 2.000 | 2.000 to 2.000 |" in said
    assert "| loads torch | no | yes |" in said
    kept = json.loads(output.read_text())
    assert kept["numbers"]["steps per s"]["before"] == [1.0, 1.0]
    assert kept["numbers"]["steps per s"]["gain"] == 2.0
    trees.compare(build, build, told(trees, "--beside", str(output)))
    assert kept["when"] in (said := capsys.readouterr().out)
    assert said.count("| 1 | 2 | 2.000 |") == 2


def test_the_new_build_has_fewer_seconds_for_the_same_movie(
    trees: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Fake:
        def probe(self, *words: Any) -> dict[str, float]:
            asked.append(words)
            np.save(words[-1], np.load(words[1]))
            return {"seconds": words[3]}

    options = told(trees, "--quality", "25", "60", "--movies", "nuclei")
    scenes = trees.Scenes(tmp_path, options)
    numbers = []
    for is_new in (False, True):
        tree = trees.Tree(Fake(), is_new)
        trees.quality(tree, scenes)
        numbers.append(tree.numbers)
    assert [words[3] for words in asked] == [60, 25]
    before, after = numbers
    row = trees.Row("nuclei: PSNR (60 s before, 25 s after), dB", "dB")
    assert before[row] == after[row]
    assert 19 < before[row][0] < 21


def test_a_preview_is_found_in_its_movie(
    benchmark_script: Callable[[str], Any],
) -> None:
    probe = benchmark_script("probe")
    rng = np.random.default_rng(0)
    truth = np.zeros((6, 30, 40), np.float32)
    noisy = rng.normal(0, 2, truth.shape).astype(np.float32)
    crop = noisy[None, 4, 3:19, 20:40]
    assert probe.preview_gain(crop, crop / 2, noisy, truth) == pytest.approx(6.02, 0.01)
    assert probe.preview_gain(noisy[1], noisy[1], noisy, truth) == pytest.approx(0)
    with pytest.raises(ValueError, match="no part of the movie"):
        probe.preview_gain(crop + 1, crop, noisy, truth)
