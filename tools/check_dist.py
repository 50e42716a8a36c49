"""Check what is about to be published: contents and metadata of sdist and wheel."""

from __future__ import annotations

import sys
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

from packaging.metadata import Metadata

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "napari_udvd/"
LARGEST = 20e6
"""Bytes of a wheel; more means that something lies in the package by mistake."""


def main(folder: Path) -> None:
    """End with an error that names all that is wrong with the files in `folder`."""
    wheels, sdists = [*folder.glob("*.whl")], [*folder.glob("*.tar.gz")]
    if len(wheels) != 1 or len(sdists) != 1:
        sys.exit(f"{folder} must hold one wheel and one sdist; `make release` does")
    wrong = [*check_wheel(wheels[0]), *check_sdist(sdists[0])]
    if wrong:
        sys.exit("\n".join(wrong))
    for path in (*wheels, *sdists):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, as it should be")


def check_wheel(path: Path) -> list[str]:
    """Say what is wrong with a wheel."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        (metadata,) = (n for n in names if n.endswith(".dist-info/METADATA"))
        text = wheel.read(metadata).decode()
        (entries,) = (n for n in names if n.endswith(".dist-info/entry_points.txt"))
        entry_points = wheel.read(entries).decode()
    wrong = [
        f"the wheel lacks {name}"
        for name in sorted(expected_files())
        if PACKAGE + name not in names
    ]
    wrong += [
        f"the wheel has {name}, which is no part of the package"
        for name in sorted(names)
        if not name.startswith((PACKAGE, metadata.partition("/")[0]))
        or "/tests/" in name
        or name.endswith((".pyc", ".pt", ".pth"))
    ]
    wrong += [
        f"the wheel offers no {entry}"
        for entry in ("napari.manifest", "console_scripts")
        if f"[{entry}]" not in entry_points
    ]
    if path.stat().st_size > LARGEST:
        wrong.append(f"the wheel has {path.stat().st_size / 1e6:.0f} MB")
    return wrong + check_metadata(text)


def expected_files() -> set[str]:
    """Return all files of the package that are in the repository."""
    package = REPOSITORY / "src" / PACKAGE
    files = {p.relative_to(package) for p in package.rglob("*") if p.is_file()}
    names = {p.as_posix() for p in files if "__pycache__" not in p.parts}
    weights = (
        f"weights/{name}.safetensors"
        for name in (
            "centerblind-light",
            "centerblind-medium",
            "centerblind-sparse-medium",
        )
    )
    for needed in ("napari.yaml", "py.typed", *weights):
        if needed not in names:
            sys.exit(f"the repository itself lacks {needed}")
    return names


def check_metadata(text: str) -> list[str]:
    """Say what an index would refuse, or a user should not be asked to install."""
    try:
        metadata = Metadata.from_email(text, validate=True)
    except ExceptionGroup as group:
        return [f"the metadata is wrong: {error}" for error in group.exceptions]
    wrong = []
    content_type = HeaderParser().parsestr(text).get("Description-Content-Type")
    if not metadata.description or content_type != "text/markdown":
        wrong.append("the metadata has no description in Markdown")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    builders = set(project["dependency-groups"]) & set(metadata.provides_extra or [])
    if builders:
        wrong.append(f"an extra for builders: {', '.join(sorted(builders))}")
    return wrong


def check_sdist(path: Path) -> list[str]:
    """Say what is wrong with a source distribution."""
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    needed = {f"src/{PACKAGE}{name}" for name in expected_files()}
    needed |= {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile"}
    needed |= {"constraints.txt", "tests/conftest.py"}
    return [f"the sdist lacks {name}" for name in sorted(needed - names)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
