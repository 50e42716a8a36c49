"""Fill a movie at once, from file to file or in one call: no training, averages."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_udvd._version import __version__
from napari_udvd.errors import InputError
from napari_udvd.formats import ArraySink, check_output, create, open_stack
from napari_udvd.inference.preview import previews
from napari_udvd.inference.request import Request
from napari_udvd.inference.stream import Progress
from napari_udvd.jobs.events import Begun, Opened, Stopped, Written
from napari_udvd.jobs.files import check_holes
from napari_udvd.noise import check_pixels

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from napari_udvd.jobs.events import Event
    from napari_udvd.stack import Stack

__all__ = ["PreviewFile", "preview_movie"]


def preview_movie(stack: Stack) -> Any:
    """Average what was measured.

    Parameters
    ----------
    stack
        A movie with gaps.

    Returns
    -------
    ndarray
        Shape, axes, dtype and grey levels of the movie, without holes.

    Raises
    ------
    InputError
        If the movie cannot be used, or all or nothing was measured.
    """
    check_holes(stack)
    check_pixels(stack)
    with ArraySink(stack.layout, stack.dtype) as sink:
        for part in previews(stack):
            sink.write(part.mean, part.start, part.plane)
    return sink.array


@dataclass(frozen=True, kw_only=True)
class PreviewFile:
    """Fill a file with averages of what was measured.

    Attributes
    ----------
    axes, dark, mask, unmeasured
        As for :func:`~napari_udvd.formats.open_stack`.
    std
        File for the standard deviation of the result; none if None.
    dtype
        Of the result, see :class:`~napari_udvd.inference.request.Request`.
    overwrite
        Whether earlier results may be replaced.
    """

    axes: str | None = None
    dark: Path | None = None
    mask: Path | None = None
    unmeasured: float | None = None
    std: Path | None = None
    dtype: Literal["auto", "input", "float32"] = "auto"
    overwrite: bool = False

    def resumed(self, output: Path) -> PreviewFile:
        """Return what is left to do for one file of a batch: it is done in a second."""
        return self

    def run(
        self, file: Path, output: Path, cancel: threading.Event | None = None
    ) -> Iterator[Event]:
        """Fill one file.

        Raises
        ------
        InputError, OutputError
            Before anything is written, where that can be known.
        """
        stack = open_stack(
            file,
            self.axes,
            dark=self.dark,
            mask=self.mask,
            unmeasured=self.unmeasured,
        )
        yield Opened(str(file), stack)
        dtype = Request(dtype=self.dtype).dtype_of(stack.dtype)
        check_output(output, like=stack, dtype=dtype, overwrite=self.overwrite)
        targets = [(output, dtype, "average of what was measured")]
        if self.std is not None:
            if self.std.resolve() == output.resolve():
                raise InputError(
                    f"`std` and `output` are the same file, {str(output)!r}; name two"
                )
            real = np.dtype(np.float32)
            check_output(self.std, like=stack, dtype=real, overwrite=self.overwrite)
            targets.append((self.std, real, "standard deviation"))
        check_holes(stack)
        check_pixels(stack)
        yield Begun("averaging", "frames")
        with ExitStack() as open_sinks:
            sinks = [
                open_sinks.enter_context(
                    create(
                        path,
                        like=stack.layout,
                        dtype=kind,
                        record=self._record(stack, quantity),
                        overwrite=self.overwrite,
                    )
                )
                for path, kind, quantity in targets
            ]
            done, total = 0, stack.n_channels * stack.n_planes * stack.n_frames
            for part in previews(stack, with_std=self.std is not None):
                sinks[0].write(part.mean, part.start, part.plane)
                if part.std is not None:
                    sinks[1].write(part.std, part.start, part.plane)
                done += len(part.mean)
                yield Progress(done, total)
                if cancel is not None and cancel.is_set():
                    for sink in sinks:
                        sink.discard()
                    yield Stopped()
                    return
        yield Written(output)

    def _record(self, stack: Stack, quantity: str) -> dict[str, Any]:
        return {
            "program": "napari-udvd",
            "version": __version__,
            "source": stack.source,
            **stack.mask_record,
            "task": "preview",
            "quantity": quantity,
        }
