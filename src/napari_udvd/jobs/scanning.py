"""Files of a sparse scan: what is to be visited, and what it would have recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_udvd.errors import OutputError
from napari_udvd.formats import check_output, create
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.events import Begun, Opened, Stopped, Written
from napari_udvd.scanning import check_mask_output, scan, write_mask

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from napari_udvd.jobs.events import Event
    from napari_udvd.scanning import ScanMask
    from napari_udvd.stack import Stack

__all__ = ["ScanFiles"]


@dataclass(frozen=True, kw_only=True)
class ScanFiles:
    """What is written of a scan.

    Attributes
    ----------
    masks
        Files for the mask: TIFF, NPY, and CSV for positions in visiting order.
    scanned
        File for the scan of a movie, OME-TIFF or OME-Zarr; none if None.
    overwrite
        Whether earlier files may be replaced.
    """

    masks: tuple[Path, ...] = ()
    scanned: Path | None = None
    overwrite: bool = False

    def run(
        self,
        mask: ScanMask,
        movie: Stack | None = None,
        cancel: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Write them.

        Parameters
        ----------
        mask
            What is visited.
        movie
            What is scanned, where there is a file for that; no file replaces it.
        cancel
            Set it to stop; the scan of the movie is not left half.

        Yields
        ------
        Event
            ``Written`` for each file; ``Stopped`` last where it was cancelled.

        Raises
        ------
        InputError
            If the mask does not fit the movie.
        OutputError
            If a file cannot be written; before any is, where that can be known.
        """
        result = None if movie is None else scan(movie, mask)
        self._check_outputs(mask, result)
        for path in self.masks:
            write_mask(path, mask, overwrite=self.overwrite)
            yield Written(path)
        if result is None or self.scanned is None:
            return
        yield Opened(result.source or "the movie", result)
        yield Begun("scanning", "frames" if _planes(result) == 1 else "pictures")
        yield from self._write_scanned(self.scanned, result, mask, cancel)

    def _write_scanned(
        self,
        path: Path,
        result: Stack,
        mask: ScanMask,
        cancel: threading.Event | None,
    ) -> Iterator[Event]:
        total = result.n_frames * _planes(result)
        with create(
            path,
            like=result,
            dtype=result.dtype,
            record={"scan": mask.record, "source": result.source},
            overwrite=self.overwrite,
        ) as sink:
            for i, plane in enumerate(result.planes()):
                for t in range(result.n_frames):
                    if cancel is not None and cancel.is_set():
                        sink.discard()
                        yield Stopped()
                        return
                    sink.write(result.read(t, plane), t, plane)
                    yield Progress(i * result.n_frames + t + 1, total)
        yield Written(path)

    def _check_outputs(self, mask: ScanMask, result: Stack | None) -> None:
        used = [] if result is None else [Path(file) for file in result.files]
        if result is not None and self.scanned is not None:
            check_output(self.scanned, like=result, overwrite=self.overwrite)
            used.append(self.scanned)
        for path in self.masks:
            if path.resolve() in {each.resolve() for each in used}:
                raise OutputError(
                    f"{str(path)!r} is the movie, or another file of this command; "
                    "choose another name for the mask"
                )
            check_mask_output(path, mask, overwrite=self.overwrite)
            used.append(path)


def _planes(stack: Stack) -> int:
    return stack.n_channels * stack.n_planes
