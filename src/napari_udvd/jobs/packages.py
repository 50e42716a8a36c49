"""Models for others, and from others: packages of bioimage.io as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_udvd.errors import InputError
from napari_udvd.formats import check_small_output, open_stack
from napari_udvd.inference.loading import load
from napari_udvd.jobs.events import Note, Written
from napari_udvd.jobs.files import check_new_model, save_model

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from napari_udvd.jobs.events import Event

__all__ = ["ExportModel", "import_model"]


@dataclass(frozen=True, kw_only=True)
class ExportModel:
    """Write a trained model as a resource of bioimage.io.

    Attributes
    ----------
    output
        Package to write, ``.zip``.
    authors
        Who made the model, each as :meth:`napari_udvd.zoo.Author.read` reads it.
    license
        Of the model, an identifier of SPDX such as ``CC-BY-4.0``.
    name
        What the model is called.
    tags
        What it may be found by, beside what is known of it.
    movie
        Of which the middle becomes the test input; simulated if None.
    axes
        Names of its axes where the file has none.
    overwrite
        Whether an earlier package may be replaced.
    """

    output: Path
    authors: tuple[str, ...]
    license: str
    name: str = "Movie denoiser"
    tags: tuple[str, ...] = ()
    movie: Path | None = None
    axes: str | None = None
    overwrite: bool = False

    def run(
        self, model: Path, cancel: threading.Event | None = None
    ) -> Iterator[Event]:
        """Export a model file.

        Raises
        ------
        InputError
            If the model cannot be read or exported, see
            :func:`napari_udvd.zoo.export_package`.
        OutputError
            If the package cannot be written.
        """
        from napari_udvd.zoo import Author, check_exportable, export_package

        if not self.authors:
            raise InputError(
                "a package needs an author: who made the model? (`author`)"
            )
        authors = [Author.read(text) for text in self.authors]
        check_small_output(self.output, (".zip",), overwrite=self.overwrite)
        denoiser = load(model)
        check_exportable(denoiser)
        movie = None if self.movie is None else open_stack(self.movie, self.axes)
        export_package(
            denoiser,
            self.output,
            authors=authors,
            license=self.license,
            name=self.name,
            tags=self.tags,
            movie=movie,
            overwrite=self.overwrite,
        )
        if all(author.github is None for author in authors):
            yield Note(
                "no author has an account at GitHub in angle brackets, which the "
                "collection of bioimage.io asks for when a model is uploaded"
            )
        yield Written(self.output)


def import_model(
    package: Path, output: Path, *, overwrite: bool = False
) -> Iterator[Event]:
    """Turn a denoiser in a package of bioimage.io back into its model file.

    Parameters
    ----------
    package
        As exported by :class:`ExportModel`.
    output
        Model file to write.
    overwrite
        Whether an earlier model may be replaced.

    Raises
    ------
    InputError, OutputError
        If the package holds no denoiser of this program, or the model cannot be
        written.
    """
    check_new_model(output, overwrite, [package])
    yield from save_model(load(package), output)
