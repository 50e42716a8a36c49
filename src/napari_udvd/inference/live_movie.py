"""A denoised movie that is there at once and fills up.

Whoever looks at it says which frame they look at (:meth:`DenoisedMovie.want`), a worker
thread denoises (:meth:`DenoisedMovie.fill`), and frames can be read at any time. They
live in a temporary file, so that the movie may be larger than memory.
"""

from __future__ import annotations

import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_udvd.cutting import blocks
from napari_udvd.errors import InputError
from napari_udvd.formats import check_output, create
from napari_udvd.inference.agenda import Agenda, Run
from napari_udvd.inference.fits import check_fits
from napari_udvd.inference.frame_store import FrameArray, check_space
from napari_udvd.inference.pictures import Residual
from napari_udvd.inference.request import Request
from napari_udvd.inference.stream import Progress
from napari_udvd.planes import series_of
from napari_udvd.stack import Layout, Plane, Stack
from napari_udvd.validity import refuse_infinite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_udvd.inference.block_denoiser import Blocks
    from napari_udvd.inference.flashes import Flash
    from napari_udvd.inference.restorer import Denoiser

__all__ = ["DenoisedMovie", "Filled"]

Block = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Filled:
    """Frames ``start .. stop - 1`` of some planes that can be read now.

    Attributes
    ----------
    planes
        Planes that these frames belong to: several if channels are joint.
    start, stop
        Range of time points.
    progress
        Frames in finished blocks; a single frame that was wanted does not count yet.
    flashes
        Events that were put back into these frames.
    """

    planes: tuple[Plane, ...]
    start: int
    stop: int
    progress: Progress
    flashes: tuple[Flash, ...] = ()


class DenoisedMovie:
    """The result of denoising a stack, readable from the beginning.

    Frames are denoised in the blocks of
    :func:`~napari_udvd.inference.stream.denoise_stack`,
    so that the result is the same to the bit whatever was looked at, and when. A frame
    that is wanted comes first by itself, as a first look without the search for events,
    and then once more with its block: for a network whose frames share work this costs
    nothing, since leaving it out would cost as much; for others it is one frame in
    sixteen.

    Parameters
    ----------
    denoiser
        Trained network.
    stack
        Movie to denoise; frames are read when they are denoised.
    request
        How to denoise it. The standard deviation is kept too if it is asked for; the
        data type matters to :meth:`export` alone, which is told.
    folder
        Where the temporary file goes; the system's folder if None. It needs four
        bytes per pixel (eight with the standard deviation), and is gone with the
        movie, also if the process is killed.

    Attributes
    ----------
    stack
        The noisy movie.
    layout
        Axes, shape, scale and units of the result.
    mean, std
        The result and its standard deviation (None unless asked for) for a viewer:
        float32 in grey levels, shape and axes of `layout`. Frames that are not there
        yet read as NaN.
    residual
        The noisy movie minus the result, in the same way.

    Raises
    ------
    InputError
        If movie, tile or device do not fit, see
        :func:`~napari_udvd.inference.fits.check_fits`. Pixels that are not finite
        are found later, by :meth:`fill`.
    OutputError
        If there is no space for the temporary file, or it cannot be made.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        stack: Stack,
        request: Request = Request(),
        *,
        folder: Path | None = None,
    ) -> None:
        check_fits(denoiser, stack)
        request.check(denoiser.net)
        self.stack = stack
        self._finite = _FiniteStack(**vars(stack))
        self._denoiser = denoiser
        self._request = request
        self._agenda = Agenda(series_of(stack, denoiser.joint), stack)

        folder = Path(tempfile.gettempdir()) if folder is None else folder
        self.layout = denoiser.layout(stack)
        check_space(folder, self.layout, 2 if request.with_std else 1)
        self.mean = FrameArray(self.layout, folder)
        self.std = FrameArray(self.layout, folder) if request.with_std else None
        self.residual = Residual(stack, self.mean)

        self._turn = threading.Lock()
        self._thread: int | None = None

    def is_done(self, t: int, plane: Plane = Plane()) -> bool:
        """Whether a frame can be read.

        Raises
        ------
        IndexError
            If the movie has no such frame.
        """
        return self.mean.has(t, plane)

    @property
    def progress(self) -> Progress:
        """Frames in finished blocks, of all frames of all planes."""
        return self._agenda.progress

    @property
    def complete(self) -> bool:
        """Whether every frame is there to stay."""
        return self._agenda.complete and not self.mean.closed

    def want(self, t: int, plane: Plane | None = None) -> None:
        """Say that somebody looks at a frame; it comes next, and then its block.

        Never waits, so it may be called from the thread of a window. Frames at the
        same time point add up; another time point takes the place of all of them.

        Parameters
        ----------
        t
            Time point.
        plane
            Channel and depth; every plane if None.

        Raises
        ------
        IndexError
            If the movie has no such frame.
        """
        self._agenda.want(t, plane)

    def fill(self, cancel: threading.Event | None = None) -> Iterator[Filled]:
        """Denoise what is missing; for a worker thread.

        First the block of the frame that is wanted, then from there to the end of the
        movie, and on from its beginning. Whatever is done stays, so that a call after
        an interruption continues; a block that was interrupted begins anew. A second
        call in another thread waits for the first to end.

        Parameters
        ----------
        cancel
            Set it to stop after the current frame (on several cores, as many frames
            at once). :meth:`close` stops it too.

        Yields
        ------
        Filled
            After each block, and after each frame that was wanted.

        Raises
        ------
        InputError
            If pixels are not finite.
        OutputError
            If the disk is full or fails.
        MemoryError
            If not even the smallest tile fits in memory.
        RuntimeError
            If this thread is in the middle of another call.
        """
        self._check_open()

        def stopped() -> bool:
            return self.mean.closed or (cancel is not None and cancel.is_set())

        with self._alone(stopped) as alone:
            if not alone or self.complete or stopped():
                return
            # anew for every call, so that its frames are not kept in between
            worker = self._denoiser.blocks(self._finite, self._request)
            # a first look need not wait for the frames that the second stage sees
            look = worker
            if self._request.events or self._request.refine:
                plain = replace(self._request, events=False, refine=False)
                look = self._denoiser.blocks(self._finite, plain)
            counts = look is worker  # else the block that a frame is in comes later
            while True:
                yield from self._fill_wanted(look, stopped, counts)
                run = self._agenda.next_block()
                if run is None or stopped():
                    return
                for result in self._steps(worker, run):
                    if result is not None:
                        yield result
                    elif stopped():
                        return
                    else:
                        yield from self._fill_wanted(look, stopped, counts)

    def export(
        self,
        path: str | Path,
        dtype: npt.DTypeLike | Literal["auto", "input"] = "auto",
        *,
        quantity: Literal["mean", "std", "residual"] = "mean",
        part: tuple[slice, slice, slice] | None = None,
        overwrite: bool = False,
        cancel: threading.Event | None = None,
    ) -> Iterator[Progress]:
        """Denoise what is missing, then write the movie to a file; for a worker thread.

        Parameters
        ----------
        path
            OME-TIFF or OME-Zarr, see :func:`~napari_udvd.formats.create`.
        dtype
            Of the pixels; ``"input"`` is that of the stack (integers are rounded), and
            ``"auto"`` is that, or float32 where rounding would cost more than the noise
            that is left.
        quantity
            What to write: the denoised movie, its standard deviation, or the residual
            (noisy minus denoised). The last two are float32 unless a type is named.
        part
            Frames, rows and columns to write; all if None.
        overwrite
            Whether an earlier result may be replaced.
        cancel
            Set it to stop. No file is left then; the frames that were denoised stay.

        Returns
        -------
        iterator of Progress
            Frames denoised and written. Path and data type are checked at once, all
            else is done as the iterator advances.

        Raises
        ------
        InputError
            If the standard deviation was not asked for.
        OutputError
            If the file cannot be written; nothing is left behind.
        ValueError
            If the movie is closed.
        """
        self._check_open()
        sources = {"mean": self.mean, "std": self.std, "residual": self.residual}
        source = sources[quantity]
        if source is None:
            raise InputError(
                "this movie was denoised without its standard deviation; denoise it "
                "again and ask for it (with_std)"
            )
        if dtype in ("auto", "input") and quantity != "mean":
            dtype = np.float32
        request = replace(self._request, dtype=dtype)
        dtype = self._denoiser.dtype_for(self._finite, request)
        every = slice(0, self.layout.n_frames)
        frames, rows, columns = part or (every, *map(slice, self.layout.frame_shape))
        like = self.layout.crop(frames, rows, columns)
        check_output(path, like=like, dtype=dtype, overwrite=overwrite)
        chosen = (range(*frames.indices(self.layout.n_frames)), rows, columns)
        return self._export(
            source, path, dtype, quantity, overwrite, cancel, like, chosen
        )

    def close(self) -> None:
        """Give the space on the disk back; all frames read as NaN from now on.

        May be called more than once and from any thread; also happens by itself when
        nothing refers to the frames any more.
        """
        for frames in (self.mean, self.std):
            if frames is not None:
                frames.close()

    def _check_open(self) -> None:
        if self.mean.closed:
            raise ValueError("this denoised movie is closed: denoise the stack again")

    @contextmanager
    def _alone(self, stopped: Callable[[], bool]) -> Iterator[bool]:
        """Wait until no other thread denoises; False if stopped before."""
        if self._thread == threading.get_ident():
            raise RuntimeError(
                "this thread is denoising the movie already: end or close that "
                "iterator first"
            )
        while not self._turn.acquire(timeout=0.05):
            if stopped():
                yield False
                return
        self._thread = threading.get_ident()
        try:
            yield True
        finally:
            self._thread = None
            self._turn.release()

    def _fill_wanted(
        self, worker: Blocks, stopped: Callable[[], bool], counts: bool
    ) -> Iterator[Filled]:
        """Denoise the frames that are wanted, if they are not there.

        Where it `counts`, one that is all of a block need not be denoised again.
        """
        # not for as long as there are any: somebody who plays the movie always wants
        # another one, and the blocks would never come to an end
        for _ in self._agenda.series:
            run = None if stopped() else self._agenda.next_frame(self.is_done)
            if run is None:
                return
            for result in self._steps(worker, run, counts):
                if result is not None:
                    yield result
                elif stopped():
                    return

    def _steps(
        self, worker: Blocks, run: Run, counts: bool = True
    ) -> Iterator[Filled | None]:
        """Denoise and keep frames; None between steps."""
        series = self._agenda.series[run.series]
        for result in worker.steps(series, run.start, run.stop):
            if result is None:
                yield None
                continue
            self._put(run, *result)
            if counts:
                self._agenda.finish(run)
            yield Filled(
                tuple(series.planes()),
                run.start,
                run.stop,
                self.progress,
                tuple(worker.flashes_in(series, run.start, run.stop)),
            )

    def _put(self, run: Run, mean: Block, std: Block | None) -> None:
        planes = self._agenda.series[run.series].planes()
        for (k, plane), t in product(enumerate(planes), range(run.start, run.stop)):
            if self.std is not None and std is not None:
                self.std.put(t, plane, std[t - run.start, k])
            self.mean.put(t, plane, mean[t - run.start, k])

    def _export(
        self,
        source: FrameArray | Residual,
        path: str | Path,
        dtype: np.dtype[Any],
        quantity: str,
        overwrite: bool,
        cancel: threading.Event | None,
        like: Layout,
        chosen: tuple[range, slice, slice],
    ) -> Iterator[Progress]:
        before, n_frames = self.progress.done, self.progress.total
        times, rows, columns = chosen
        total = n_frames - before + len(times) * like.n_channels * like.n_planes
        if not self.complete:
            for filled in self.fill(cancel):
                yield Progress(filled.progress.done - before, total)
        if cancel is not None and cancel.is_set():
            return
        self._check_open()
        record = self._denoiser.provenance(self._finite, self._request)
        if quantity != "mean":
            named = {"std": "standard deviation", "residual": "noisy minus denoised"}
            record["quantity"] = named[quantity]
        written = 0
        with create(
            path, like=like, dtype=dtype, record=record, overwrite=overwrite
        ) as sink:
            for plane, (start, stop) in product(like.planes(), blocks(like)):
                if cancel is not None and cancel.is_set():
                    sink.discard()
                    return
                frames = [
                    source.frame(t, plane)[rows, columns] for t in times[start:stop]
                ]
                sink.write(np.stack(frames), start, plane)
                written += stop - start
                yield Progress(n_frames - before + written, total)


class _FiniteStack(Stack):
    """A stack that looks for infinity as it is read, instead of before."""

    @property
    def on_card(self) -> bool:
        """No: it is looked at on the CPU, wherever it lies."""
        return False

    def read(self, *args: Any, **kwargs: Any) -> npt.NDArray[Any]:
        block = super().read(*args, **kwargs)
        if block.dtype.kind == "f" and np.isinf(block).any():
            refuse_infinite(Stack(**vars(self)))  # counts them, and says where
        return block
