"""The module for Nextflow, as the linter of nf-core sees it.

Nextflow itself is no Python package: of it the linter asks only for the configuration
of the folder, and there is none. The JSON schema of nf-core is not part of its tools
either; that inputs, outputs and topics are described is compared with the code.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import napari_udvd

MODULE = Path("modules/napari-udvd/napariudvd/denoise")

NOT_PUBLISHED = {"docker_tag", "singularity_tag"}
"""What fails as long as the image is in no registry."""


def test_nf_core_has_nothing_to_say(
    engines: Path, tool: Any, run: Any, tmp_path: Path
) -> None:
    program, git = tool("nf-core", "nf-core"), shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    first, bare, repository = (tmp_path / n for n in ("first", "bare.git", "clone"))
    shutil.copytree(engines / "nextflow", first)
    for name in ("meta", "environment"):
        (first / f"modules/{name}-schema.json").write_text("{}")
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for command in (
        (git, "-C", first, "init", "-q", "-b", "master"),
        (git, "-C", first, "add", "-Af"),
        (git, "-C", first, *who, "commit", "-qm", "module"),
        (git, "clone", "-q", "--bare", first, bare),
        (git, "clone", "-q", bare, repository),
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    nextflow = tmp_path / "programs" / "nextflow"
    nextflow.parent.mkdir()
    nextflow.write_text("#!/bin/sh\nexit 0\n")
    nextflow.chmod(0o755)
    done = run(
        *(program, "modules", "-g", f"file://{repository}", "-b", "master"),
        *("lint", "--dir", repository, "--all", "--passed", "--plain-text"),
        env={
            "PATH": f"{nextflow.parent}:{Path(program).parent}:/usr/bin:/bin",
            "HIDE_PROGRESS": "1",
            "COLUMNS": "200",
        },
    )
    said = done.stdout + done.stderr
    passed, _, failed = said.partition("Module Tests Failed")
    found = set(re.findall(r"^napariudvd/denoise (\w+)", failed, re.M))
    assert found <= NOT_PUBLISHED, said
    for name in ("correct_meta_inputs", "correct_meta_outputs", "correct_meta_topics"):
        assert name in passed, said


def test_it_is_for_this_version(engines: Path) -> None:
    folder = engines / "nextflow" / MODULE
    environment = yaml.safe_load((folder / "environment.yml").read_text())
    wanted = f"napari-udvd=={napari_udvd.__version__}"
    assert {"pip": [wanted]} in environment["dependencies"]
    code = (folder / "main.nf").read_text()
    assert f'container "napari-udvd:{napari_udvd.__version__}"' in code


def test_the_module_is_described(engines: Path) -> None:
    described = yaml.safe_load((engines / "nextflow" / MODULE / "meta.yml").read_text())
    assert described["name"] == "napariudvd_denoise"
    assert len(described["keywords"]) >= 3
    assert described["tools"][0]["napariudvd"]["licence"] == ["BSD-3-Clause"]
