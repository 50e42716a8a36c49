"""Where labels are kept: with the layer of the movie, and in a file beside the movie.

Nothing of what a person has marked is lost where the viewer crashes: the file is
written after each change, whole or not at all.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_udvd._widgets.events.state import Known
from napari_udvd.errors import InputError, OutputError
from napari_udvd.small_files import read_table, table, write_small
from napari_udvd.spans import Span, check_spans, read_spans

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_udvd.stack import Stack

__all__ = ["KEPT_SPANS", "Keeping", "sidecar_of"]

KEPT_SPANS = "napari-udvd-spans"
"""Key of a layer's metadata: labels with their colours, and labelled spans."""

HEAD = ("region", "label", "start", "stop", "confidence", "colour")

COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)


def sidecar_of(layer: Image) -> Path | None:
    """File for the labels of a movie; None where the movie is no file."""
    source = layer.source.path
    if not source or not os.path.exists(source):
        return None
    path = Path(source)
    stem = path.name.removesuffix(path.suffix) if path.suffix else path.name
    return path.with_name(f"{stem.removesuffix('.ome')}.spans.csv")


class Keeping:
    """Keeps what is known of one movie.

    Parameters
    ----------
    layer, stack
        The movie.

    Attributes
    ----------
    path
        File beside the movie; None where it is no file.
    """

    def __init__(self, layer: Image, stack: Stack) -> None:
        self._layer, self._stack = layer, stack
        self.path = sidecar_of(layer)
        self._is_damaged = False
        self._kept: tuple[Any, ...] = ()

    def read(self) -> Known | None:
        """Return what is kept: of the layer, else of the file; None if nothing is.

        Raises
        ------
        InputError
            If the file is damaged or of another movie. It is not replaced: the next
            :meth:`write` gives it another name.
        """
        kept = self._layer.metadata.get(KEPT_SPANS)
        if kept is not None:
            known = _of_plain(kept)
            self._kept = known.labels, known.labelled
            return known
        if self.path is None or not self.path.exists():
            return None
        try:
            spans = read_spans(self.path)
            check_spans(spans, n_frames=self._stack.n_frames)
            colours = _colours(self.path)
        except InputError as error:
            self._is_damaged = True
            raise InputError(
                f"the labels in {self.path.name!r} beside the movie cannot be used: "
                f"{error}. The file stays as it is; once you label something, it is "
                f"renamed to {_aside(self.path).name!r}"
            ) from error
        known = Known(MappingProxyType(colours))
        for span in spans:
            known = known.marked(span)
        self._kept = known.labels, known.labelled
        self._layer.metadata[KEPT_SPANS] = _plain(known)
        return known

    def write(self, known: Known) -> None:
        """Keep labels and labelled spans.

        Raises
        ------
        OutputError
            If the file cannot be written; the layer has them all the same.
        """
        if self._kept == (known.labels, known.labelled):
            return
        self._layer.metadata[KEPT_SPANS] = _plain(known)
        self._kept = known.labels, known.labelled
        if self.path is None:
            return
        if not known.labelled and (self._is_damaged or not self.path.exists()):
            return  # nothing is worth a file yet
        rows = [
            (s.region, s.label, s.start, s.stop, 1, known.labels[s.label])
            for s in known.labelled
        ]
        try:
            if self._is_damaged:
                os.replace(self.path, _aside(self.path))
                self._is_damaged = False
            write_small(self.path, table(HEAD, rows), overwrite=True)
        except OSError as error:
            reason = error if isinstance(error, OutputError) else error.strerror
            raise OutputError(
                f"the labels cannot be kept beside the movie ({reason}). They are in "
                "the layer, and gone when napari closes: export them"
            ) from error


def _aside(path: Path) -> Path:
    """Name for a file that is not to be replaced."""
    stem = path.name.removesuffix(".spans.csv")
    other, number = path.with_name(f"{stem}.spans.damaged.csv"), 2
    while other.exists():
        other = path.with_name(f"{stem}.spans.damaged-{number}.csv")
        number += 1
    return other


def _colours(path: Path) -> dict[str, str]:
    """Colours of the labels where the file has some, each as it comes first."""
    found: dict[str, str] = {}
    for row in read_table(path).rows:
        colour = row.cells.get("colour", "")
        if COLOUR.fullmatch(colour):
            found.setdefault(row.text("label"), colour)
    return found


def _plain(known: Known) -> dict[str, Any]:
    """Return what to keep, of types that every file format can write."""
    return {
        "labels": dict(known.labels),
        "spans": [(s.region, s.start, s.stop, s.label) for s in known.labelled],
    }


def _of_plain(kept: dict[str, Any]) -> Known:
    return Known(
        MappingProxyType(dict(kept["labels"])),
        tuple(Span(*each) for each in kept["spans"]),
    )
