"""A denoised movie that is there at once and fills up.

Whoever looks at it says which frame they look at (:meth:`DenoisedMovie.want`), a worker
thread denoises (:meth:`DenoisedMovie.fill`), and frames can be read at any time. They
live in a temporary file, so that the movie may be larger than memory.
"""

from __future__ import annotations

import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_udvd.cutting import blocks
from napari_udvd.errors import InputError
from napari_udvd.formats import check_output, create
from napari_udvd.inference.frame_store import FrameArray, check_space
from napari_udvd.inference.pictures import Residual
from napari_udvd.inference.restorer import Denoiser, check_fits
from napari_udvd.inference.stream import BlockDenoiser, Progress, check_request
from napari_udvd.planes import series_of
from napari_udvd.runtime.device import choose_device, choose_precision
from napari_udvd.stack import Plane, Stack
from napari_udvd.validity import refuse_infinite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    """

    planes: tuple[Plane, ...]
    start: int
    stop: int
    progress: Progress


class DenoisedMovie:
    """The result of denoising a stack, readable from the beginning.

    Frames are denoised in the blocks of
    :func:`~napari_udvd.inference.stream.denoise_stack`,
    so that the result is the same to the bit whatever was looked at, and when. A frame
    that is wanted comes first by itself and then once more with its block: for a
    network whose frames share work this costs nothing, since leaving it out would cost
    as much; for others it is one frame in sixteen.

    Parameters
    ----------
    denoiser
        Trained network.
    stack
        Movie to denoise; frames are read when they are denoised.
    folder
        Where the temporary file goes; the system's folder if None. It needs four
        bytes per pixel (eight with the standard deviation), and is gone with the
        movie, also if the process is killed.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
    use_posterior
        Put the noisy pixel back in, weighted by what is known of its noise.
    with_std
        Also keep the standard deviation; needs a network with a likelihood head.
    tile
        Rows and columns processed at a time; chosen if None.

    Attributes
    ----------
    stack
        The noisy movie.
    mean, std
        The result and its standard deviation (None unless asked for) for a viewer:
        float32 in grey levels, shape and axes of the stack. Frames that are not there
        yet read as NaN.
    residual
        The noisy movie minus the result, in the same way.

    Raises
    ------
    InputError
        If movie, tile or device do not fit, see
        :func:`~napari_udvd.inference.restorer.check_fits`. Pixels that are not finite
        are found later, by :meth:`fill`.
    OutputError
        If there is no space for the temporary file, or it cannot be made.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        stack: Stack,
        *,
        folder: Path | None = None,
        device: str = "auto",
        use_posterior: bool = True,
        with_std: bool = False,
        tile: int | None = None,
    ) -> None:
        check_fits(denoiser, stack)
        check_request(denoiser.net, with_std=with_std, tile=tile)
        self.stack = stack
        self._finite = _FiniteStack(**vars(stack))
        self._denoiser = denoiser
        self._device = choose_device(device)
        self._use_posterior = use_posterior
        self._tile = tile
        self._series = series_of(stack, denoiser.joint)
        self._blocks = blocks(stack)
        self._finished = np.zeros((len(self._series), len(self._blocks)), bool)
        self._frames_of = np.array([stop - start for start, stop in self._blocks])

        folder = Path(tempfile.gettempdir()) if folder is None else folder
        check_space(folder, stack, 2 if with_std else 1)
        self.mean = FrameArray(stack, folder)
        self.std = FrameArray(stack, folder) if with_std else None

        self.residual = Residual(stack, self.mean)

        self._lock = threading.Lock()
        self._wanted_frame: int | None = None
        self._wanted_series: tuple[int, ...] = ()
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
        channels = len(self._series[0].channels)
        done = int((self._finished * self._frames_of).sum()) * channels
        return Progress(done, self._finished.shape[0] * self.stack.n_frames * channels)

    @property
    def complete(self) -> bool:
        """Whether every frame is there to stay."""
        return bool(self._finished.all()) and not self.mean.closed

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
        asked = {
            k
            for k, series in enumerate(self._series)
            if plane is None or plane in series.planes()
        }
        if not 0 <= t < self.stack.n_frames or not asked:
            raise IndexError(
                f"frame {t} of {plane} of a movie: {self.stack.describe()}"
            )
        with self._lock:
            if t == self._wanted_frame:
                asked.update(self._wanted_series)
            self._wanted_frame, self._wanted_series = int(t), tuple(sorted(asked))

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
            worker = self._worker()
            while True:
                yield from self._fill_wanted(worker, stopped)
                missing = self._next_block()
                if missing is None or stopped():
                    return
                series, (start, stop) = missing
                for result in worker.steps(self._series[series], start, stop):
                    if result is not None:
                        yield self._keep(series, start, stop, *result)
                    elif stopped():
                        return
                    else:
                        yield from self._fill_wanted(worker, stopped)

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
        elif dtype == "auto":
            dtype = self._denoiser.dtype_for(self._finite)
        elif dtype == "input":
            dtype = self.stack.dtype
        dtype = np.dtype(dtype)
        every = slice(0, self.stack.n_frames)
        frames, rows, columns = part or (every, *map(slice, self.stack.frame_shape))
        like = self.stack.crop(frames, rows, columns)
        check_output(path, like=like, dtype=dtype, overwrite=overwrite)
        chosen = (range(*frames.indices(self.stack.n_frames)), rows, columns)
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

    def _worker(self) -> BlockDenoiser:
        """Build it anew for every call, so that its frames are not kept in between."""
        return BlockDenoiser(
            self._denoiser.net,
            self._denoiser.calibrations_for(self._finite),
            self._finite,
            joint=self._denoiser.joint,
            device=self._device,
            precision=choose_precision(self._device),
            use_posterior=self._use_posterior,
            self_ensemble=self._denoiser.self_ensemble,
            with_std=self.std is not None,
            tile=self._tile,
        )

    def _fill_wanted(
        self, worker: BlockDenoiser, stopped: Callable[[], bool]
    ) -> Iterator[Filled]:
        """Denoise the frames that are wanted, if they are not there."""
        # not for as long as there are any: somebody who plays the movie always wants
        # another one, and the blocks would never come to an end
        for _ in self._series:
            if stopped() or (wanted := self._next_wanted()) is None:
                return
            series, t = wanted
            for result in worker.steps(self._series[series], t, t + 1):
                if result is not None:
                    yield self._keep(series, t, t + 1, *result)
                elif stopped():
                    return

    def _next_wanted(self) -> tuple[int, int] | None:
        """Series and time of a frame that is wanted and not there."""
        with self._lock:
            t, wanted = self._wanted_frame, self._wanted_series
        if t is None:
            return None
        for series in wanted:
            if not self.is_done(t, self._series[series].planes()[0]):
                return series, t
        return None

    def _next_block(self) -> tuple[int, tuple[int, int]] | None:
        """Series and range of the block to denoise next."""
        with self._lock:
            t, wanted = self._wanted_frame or 0, self._wanted_series
        here = next(k for k, (_, stop) in enumerate(self._blocks) if t < stop)

        def rank(missing: tuple[int, int]) -> tuple[bool, bool, int, int]:
            series, block = missing
            # onwards, not to both sides: blocks in a row share the frames they read
            distance = (block - here) % len(self._blocks)
            other = series not in wanted
            return distance > 0 or other, other, series, distance

        missing = [(int(s), int(b)) for s, b in np.argwhere(~self._finished)]
        if not missing:
            return None
        series, block = min(missing, key=rank)
        return series, self._blocks[block]

    def _keep(
        self, series: int, start: int, stop: int, mean: Block, std: Block | None
    ) -> Filled:
        planes = tuple(self._series[series].planes())
        for (k, plane), t in product(enumerate(planes), range(start, stop)):
            if self.std is not None and std is not None:
                self.std.put(t, plane, std[t - start, k])
            self.mean.put(t, plane, mean[t - start, k])
        if (start, stop) in self._blocks:
            self._finished[series, self._blocks.index((start, stop))] = True
        return Filled(planes, start, stop, self.progress)

    def _export(
        self,
        source: FrameArray | Residual,
        path: str | Path,
        dtype: np.dtype[Any],
        quantity: str,
        overwrite: bool,
        cancel: threading.Event | None,
        like: Stack,
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
        record = self._denoiser.provenance(self._finite, posterior=self._use_posterior)
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
