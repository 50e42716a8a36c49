"""Movies in files, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.formats import create

if TYPE_CHECKING:
    from pathlib import Path

    from napari_udvd.stack import Stack

__all__ = ["content", "write"]


def write(path: Path, stack: Stack) -> Path:
    """Write a movie as it is."""
    with create(path, like=stack, dtype=stack.dtype, record={}) as sink:
        for plane in stack.planes():
            sink.write(stack.read(slice(None), plane), 0, plane)
    return path


def content(path: Path) -> dict[str, bytes]:
    """Read a file, or all files of a folder."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {
        str(each.relative_to(path)): each.read_bytes()
        for each in path.rglob("*")
        if each.is_file()
    }
