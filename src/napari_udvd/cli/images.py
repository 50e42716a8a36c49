"""The list of the images in a file, and which of them is read without a choice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_udvd.formats import Image, listing, split_choice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["show_images"]

RULE = (
    "Without a choice the only image is read, or of several the only one with more "
    "than one frame; of a set with one file for each position, that of the file you "
    "name."
)


def show_images(path: Path, as_json: bool) -> None:
    """Print number, name, axes and shape of every image in a file.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    name, _ = split_choice(str(path))
    images, default = listing(name)
    if as_json:
        print(json.dumps(_record(name, images, default)))
        return
    for line in _table(images, default):
        print(line)
    print(_how_to_choose(name, images, default))


def _record(
    name: str, images: Sequence[Image], default: int | None
) -> dict[str, object]:
    return {
        "file": name,
        "images": [
            {
                "number": i + 1,
                "name": image.name,
                "axes": image.axes,
                "shape": list(image.shape),
                "open_as": f"{name}#{i + 1}",
                "default": i == default,
            }
            for i, image in enumerate(images)
        ],
    }


def _table(images: Sequence[Image], default: int | None) -> list[str]:
    """Lines of columns; names come last, since they may be long."""
    rows = [("", "number", "axes", "shape", "name")]
    for i, image in enumerate(images):
        shape = " x ".join(map(str, image.shape))
        mark = "*" if i == default else ""
        rows.append((mark, str(i + 1), image.axes, shape, image.name))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    return [
        "  ".join(
            [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            + [row[4]]
        ).rstrip()
        for row in rows
    ]


def _how_to_choose(name: str, images: Sequence[Image], default: int | None) -> str:
    other = next((i for i in range(len(images)) if i != default), 0)
    spelled = repr(f"{name}#{other + 1}")
    unnamed = (
        " The file does not name an axis that is shown as ?."
        if any("?" in image.axes for image in images)
        else ""
    )
    if len(images) == 1:
        return f"It is the only image, and is read.{unnamed}"
    if default is None:
        choice = f"None is read without a choice: name the one you mean, {spelled}."
    else:
        choice = f"* is read without a choice; another one is named like {spelled}."
    return f"{choice} {RULE}{unnamed}"
