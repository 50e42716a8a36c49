"""The package on the page docs/extending.md, installed for a while."""

from __future__ import annotations

import re
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_udvd.models import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

__all__ = ["FILES", "PACKAGE", "installed"]

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"

FILES = dict(
    re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE.read_text(), re.M | re.S)
)
"""Text of each file on the page, by its name."""

PACKAGE = "my_median_net"


@contextmanager
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Write the files of the page, and what pip writes beside them, into a folder."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    about = folder / f"{PACKAGE}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\n"
        f"Version: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {to}" for name, to in entries.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        catalogue._foreign.cache_clear()
        yield folder
    for name in [n for n in sys.modules if n.startswith((PACKAGE, "test_my_median"))]:
        del sys.modules[name]
    catalogue._foreign.cache_clear()
