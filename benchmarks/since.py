"""Compare the program with an earlier commit of it, which is prepared and kept.

    python -m benchmarks.since d01174e
    python -m benchmarks.since d01174e --measures memory --frames 200 --turns 1

The commit gets a worktree and an environment of its own, with the versions that its own
``constraints.txt`` names, in ``~/.cache/napari-udvd-benchmarks`` (or in the folder that
``XDG_CACHE_HOME`` or ``--cache`` name). That takes minutes the first time and nothing
after that. What is measured, and all other options, are those of
:mod:`benchmarks.two_trees`.

To be rid of it: ``git worktree remove --force FOLDER/tree``, and remove the folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.builds import Build
from benchmarks.common import REPOSITORY, progress
from benchmarks.two_trees import add_options, compare

if TYPE_CHECKING:
    from collections.abc import Sequence

CONSTRAINTS = "constraints.txt"


def cache_folder() -> Path:
    """Return where earlier builds are kept unless somebody says otherwise."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "napari-udvd-benchmarks"


def find_commit(name: str, repository: Path) -> str:
    """Return the full hash of a commit.

    Raises
    ------
    ValueError
        If the repository does not have it.
    """
    asked = [
        "git",
        "-C",
        str(repository),
        "rev-parse",
        "--verify",
        f"{name}^{{commit}}",
    ]
    done = subprocess.run(asked, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(
            f"{repository} has no commit {name!r} (a shallow clone has few): fetch it "
            "first"
        )
    return done.stdout.strip()


def make_tree(commit: str, folder: Path, repository: Path) -> Path:
    """Make a worktree of a commit in a folder, unless it is there."""
    tree = folder / "tree"
    if _head(tree) != commit:
        shutil.rmtree(tree, ignore_errors=True)
        git = ["git", "-C", str(repository), "worktree"]
        subprocess.run([*git, "prune"], check=True)
        add = [*git, "add", "--quiet", "--force", "--detach", str(tree), commit]
        subprocess.run(add, check=True)
    return tree


def _head(tree: Path) -> str | None:
    if not (tree / ".git").exists():
        return None
    asked = ["git", "-C", str(tree), "rev-parse", "HEAD"]
    done = subprocess.run(asked, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def make_environment(tree: Path, folder: Path) -> Path:
    """Make an environment with what a checkout needs, unless it is there.

    Returns
    -------
    Path
        Its interpreter.
    """
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = folder / "ready"
    if ready.exists() and python.exists():
        return python
    progress(f"installing what {tree} needs (minutes, the first time)")
    run = [sys.executable, "-m", "venv", "--clear", str(folder / "env")]
    subprocess.run(run, check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    for words in installed(tree):
        subprocess.run([*pip, *words], check=True, stdout=sys.stderr)
    ready.touch()
    return python


def installed(tree: Path) -> list[list[str]]:
    """Return what pip is asked for, one call each.

    Torch goes first and alone, by its exact version: that is how pip takes a build for
    CPUs that a machine keeps, rather than one that brings gigabytes of CUDA along.
    """
    constraints = tree / CONSTRAINTS
    lines = constraints.read_text("utf-8").splitlines()
    torch = [line for line in lines if line.startswith("torch==")]
    return [torch, ["--constraint", str(constraints), "--editable", str(tree)]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare the earlier build, and compare this one with it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commit", help="of this repository, to compare with")
    parser.add_argument("--cache", type=Path, default=cache_folder())
    parser.add_argument(
        "--prepare", action="store_true", help="prepare it and measure nothing"
    )
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        commit = find_commit(options.commit, REPOSITORY)
    except ValueError as error:
        parser.error(str(error))
    folder = options.cache / commit[:12]
    folder.mkdir(parents=True, exist_ok=True)
    tree = make_tree(commit, folder, REPOSITORY)
    python = make_environment(tree, folder)
    if options.prepare:
        print(f"{tree}: {python}")
        return
    how = options.threads, options.allocator
    newest = Build(REPOSITORY, Path(sys.executable), *how)
    compare(Build(tree, python, *how), newest, options)


if __name__ == "__main__":
    main()
