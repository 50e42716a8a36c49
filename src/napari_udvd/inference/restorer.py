"""Denoiser: a trained network with everything needed to use it again."""

from __future__ import annotations

import warnings
import weakref
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_udvd._version import __version__
from napari_udvd.formats import ArraySink, to_plain
from napari_udvd.inference.fits import check_fits
from napari_udvd.inference.matching import Match, match
from napari_udvd.inference.model_file import write_model_file
from napari_udvd.inference.remote import SharedMovie
from napari_udvd.inference.request import Request
from napari_udvd.inference.rounding import Loss, rounding_loss
from napari_udvd.inference.second_stage import has_second_stage, in_two_stages
from napari_udvd.inference.stream import denoise_stack, write_unit
from napari_udvd.inference.survey import Given, Survey, Surveys
from napari_udvd.inference.units import units_of
from napari_udvd.models.catalogue import package_of
from napari_udvd.noise import check_finite, left_empty
from napari_udvd.runtime.cluster import Cluster
from napari_udvd.runtime.transfer import back_to
from napari_udvd.stack import ArrayLike, Layout, Stack
from napari_udvd.tasks import DENOISE, find_task

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_udvd.inference.block_denoiser import Blocks
    from napari_udvd.inference.flashes import Flash
    from napari_udvd.inference.scaling import Calibration
    from napari_udvd.inference.stream import FrameSink, Progress
    from napari_udvd.models import Network
    from napari_udvd.tasks import Task

__all__ = ["Denoiser"]


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A trained network, its calibration and the record of its training.

    Attributes
    ----------
    net
        The network, in evaluation mode.
    calibrations
        Normalisation and noise, one per channel of the movie it was trained on;
        empty for an imported network, which is calibrated on each movie anew.
    joint
        The network takes all channels at once instead of one by one.
    self_ensemble
        Average over all mirrored and turned views, not the fewest that the network
        needs; decided by the time there was.
    record
        How it was made: settings, movie, diagnosis, validation curve.
    task
        Name of what it was trained for, see :data:`napari_udvd.tasks.TASKS`.
    single_view
        Average over one view, not the fewest that the network needs: there was no time
        for them after the training. No part of the model's file.
    second_stage
        Whether to look for events and refine the result where nobody says so. Not where
        the training had no time for it; no part of the model's file, since whoever
        opens that has.
    """

    net: Network
    calibrations: tuple[Calibration, ...]
    joint: bool = False
    self_ensemble: bool = False
    record: Mapping[str, Any] = field(default_factory=dict)
    task: str = DENOISE.name
    second_stage: bool = True
    single_view: bool = False
    _matches: weakref.WeakKeyDictionary[Stack, Match] = field(
        default_factory=weakref.WeakKeyDictionary, init=False, repr=False
    )
    _surveys: Surveys = field(default_factory=Surveys, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process is made of: not what it has met."""
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("_matches", "_surveys")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become that copy."""
        met = {"_matches": weakref.WeakKeyDictionary(), "_surveys": Surveys()}
        self.__dict__.update(state | met)

    def denoise(
        self,
        movie: Stack | ArrayLike,
        axes: str | None = None,
        *,
        device: str = "auto",
        dtype: npt.DTypeLike | None = None,
        use_posterior: bool = True,
        events: bool | None = None,
        refine: bool | None = None,
        tile: int | None = None,
        client: Any = None,
    ) -> Any:
        """Denoise a whole movie into memory.

        Parameters
        ----------
        movie
            A stack or an array.
        axes
            Names of the array's axes, see :meth:`Stack.from_array`.
        device
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
        dtype
            Of the result; the movie's own by default, or float32 where rounding to
            whole grey levels would cost more than the noise that is left.
        use_posterior
            Put the noisy pixel back in, weighted by what is known of its noise.
        events
            Look for events that last a single frame, and put them back. If None,
            unless the training that was just done had no time for it.
        refine
            Refine the result, as far as that helps. None as above.
        tile
            Rows and columns processed at a time; chosen if None.
        client
            Of dask.distributed, whose workers share the frames out.

        Returns
        -------
        ndarray
            Shape and axes of the movie, grey levels; an array of CuPy on the same card
            where the movie is one.

        Raises
        ------
        InputError
            If the movie does not fit, see
            :func:`~napari_udvd.inference.fits.check_fits`.

        Warns
        -----
        UserWarning
            If the result cannot be trusted, see :meth:`match`.
        """
        stack = movie if isinstance(movie, Stack) else Stack.from_array(movie, axes)
        request = Request(
            device=device,
            use_posterior=use_posterior,
            events=events,
            refine=refine,
            tile=tile,
            dtype="auto" if dtype is None else dtype,
        )
        if client is not None:
            return back_to(stack, self._shared(stack, request, client))
        check_finite(stack)
        check_fits(self, stack)
        request.check(self.net)
        for warning in self.match(stack).warnings:
            warnings.warn(warning, UserWarning, stacklevel=2)
        with ArraySink(self.layout(stack), self.dtype_for(stack, request)) as sink:
            for _ in self.restore(stack, sink, request):
                pass
        return back_to(stack, sink.array)

    def _shared(self, stack: Stack, request: Request, client: Any) -> npt.NDArray[Any]:
        """Denoise on workers, see :meth:`denoise`."""
        shared = SharedMovie(Cluster.of(client), self, stack, request)
        for warning in shared.facts.match.warnings:
            warnings.warn(warning, UserWarning, stacklevel=3)
        units = units_of(shared.facts.series, stack)
        with ArraySink(shared.facts.layout, shared.facts.dtype) as sink:
            for unit, result in zip(units, shared.frames(units), strict=True):
                write_unit(unit, result, sink, None)
        return sink.array

    def restore(
        self,
        stack: Stack,
        sink: FrameSink,
        request: Request,
        *,
        std_sink: FrameSink | None = None,
        flashes: list[Flash] | None = None,
        cancel: threading.Event | None = None,
    ) -> Iterator[Progress]:
        """Restore a movie block by block, wherever the frames go.

        Parameters
        ----------
        stack
            A movie that fits, see :func:`~napari_udvd.inference.fits.check_fits`.
        sink, std_sink, flashes, cancel
            As for :func:`~napari_udvd.inference.stream.denoise_stack`.
        request
            How to do it.

        Returns
        -------
        iterator of Progress
            Frames done so far.

        Raises
        ------
        InputError, MemoryError
            See :func:`~napari_udvd.inference.stream.denoise_stack`.
        """
        surveys = self._surveys
        if len(request.devices()) > 1:  # made once, and not on every device
            surveys = Given(self.survey(stack, request))
        return denoise_stack(
            self.net,
            self.calibrations_for(stack),
            stack,
            sink,
            self._completed(request),
            joint=self.joint,
            std_sink=std_sink,
            cancel=cancel,
            task=find_task(self.task),
            blocks_of=partial(self._blocks, surveys),
            flashes=flashes,
        )

    def blocks(
        self,
        stack: Stack,
        request: Request,
        surveys: Sequence[Survey] | None = None,
    ) -> Blocks:
        """Make what restores any frames of a movie, in any order.

        Parameters
        ----------
        stack, request
            As for :meth:`restore`.
        surveys
            What :meth:`survey` says of the whole movie, where `stack` is a part or a
            copy of it that shall be treated alike.
        """
        return self._blocks(
            self._surveys if surveys is None else Given(surveys),
            self.net,
            self.calibrations_for(stack),
            stack,
            self._completed(request),
            joint=self.joint,
            task=find_task(self.task),
        )

    def _blocks(
        self,
        surveys: Surveys,
        net: Network,
        calibrations: Sequence[Calibration],
        stack: Stack,
        request: Request,
        *,
        joint: bool,
        task: Task,
    ) -> Blocks:
        """Make them; those who go on from what is denoised wrap it."""
        return in_two_stages(
            net,
            calibrations,
            stack,
            request,
            joint=joint,
            task=task,
            surveys=surveys,
        )

    def _completed(self, request: Request) -> Request:
        """Answer what the request leaves to the model."""
        return request.completed(
            self_ensemble=self.self_ensemble,
            single_view=self.single_view,
            events=self.second_stage,
            refine=self.second_stage,
        )

    def match(self, stack: Stack) -> Match:
        """Compare what the model knows of grey levels and noise with a movie.

        Measured once for each movie. The movies that it was trained on are known, and
        nothing is said of them.

        Raises
        ------
        InputError
            If nothing varies in the movie.
        """
        if stack not in self._matches:
            known = {m.get("fingerprint") for m in self.record.get("movies", ())}
            if self.calibrations and stack.fingerprint() in known:
                self._matches[stack] = Match(self.calibrations)
            else:
                found = match(self.net, self.calibrations, self.record, stack)
                self._matches[stack] = self._with_task(found, stack)
        return self._matches[stack]

    def _with_task(self, found: Match, stack: Stack) -> Match:
        """Say so where a movie asks for another task than the model's."""
        fills = find_task(self.task).fills
        if not fills and stack.is_sparse:
            return found._replace(warnings=(*found.warnings, left_empty(stack)))
        if fills and all(stack.share_measured(p) == 1 for p in stack.planes()):
            said = (
                "the model was trained to reconstruct, and all pixels of this movie "
                "were measured: it denoises them; a model trained for that does it "
                "better"
            )
            return found._replace(notes=(*found.notes, said))
        return found

    def calibrations_for(self, stack: Stack) -> tuple[Calibration, ...]:
        """Return the model's calibrations, or the movie's own; see :meth:`match`."""
        return self.match(stack).calibrations

    def told(self, stack: Stack, calibrations: Sequence[Calibration]) -> Denoiser:
        """Return the model with what is known of a movie, which it does not measure.

        Parameters
        ----------
        stack
            Such as a part or a copy of a movie that the model has met.
        calibrations
            One for each of its channels.
        """
        movies = [{"fingerprint": stack.fingerprint()}]
        record = {**self.record, "movies": movies}
        return replace(self, calibrations=tuple(calibrations), record=record)

    def rounding_loss(self, stack: Stack) -> Loss | None:
        """Tell whether a result for this movie is too fine for whole grey levels.

        None for a movie whose grey levels are no whole numbers.
        """
        if stack.dtype.kind not in "ui":
            return None
        return rounding_loss(self.calibrations_for(stack), self.record)

    def dtype_for(self, stack: Stack, request: Request = Request()) -> np.dtype[Any]:
        """Return the data type of a result, see :class:`Request`."""
        loss = self.rounding_loss(stack) if request.chooses_dtype else None
        return request.dtype_of(stack.dtype, loss)

    def layout(self, stack: Stack) -> Layout:
        """Return axes, shape, scale and units of the result for a movie."""
        return find_task(self.task).layout(stack.layout)

    def looks_for_events(self, stack: Stack, request: Request) -> bool:
        """Tell whether events of a single frame are looked for.

        They are not by a network without likelihood, or one that takes several
        channels together.
        """
        asked = self._completed(request)
        return bool(asked.events) and self._has_second_stage(stack, asked)

    def _has_second_stage(self, stack: Stack, request: Request) -> bool:
        task = find_task(self.task)
        return has_second_stage(self.net, stack, request, joint=self.joint, task=task)

    def survey(self, stack: Stack, request: Request) -> list[Survey]:
        """Return what the second stage must know of each channel.

        Found by a look at a few frames, once for each movie; none where there is no
        second stage.
        """
        asked = self._completed(request)
        if not self._has_second_stage(stack, asked):
            return []
        calibrations = self.calibrations_for(stack)
        return [
            self._surveys.made(self.net, calibrations, stack, channel, asked)
            for channel in range(stack.n_channels)
        ]

    def provenance(
        self, stack: Stack, request: Request | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return what a result records of how it was made.

        Parameters
        ----------
        stack
            The movie that was denoised.
        request
            How it was denoised: whether the noisy pixel was put back, what is called
            an event in it, and how much it was refined.
        **more
            Added to the record.
        """
        if request is not None:
            surveys = self.survey(stack, request)
            more["posterior"] = request.use_posterior
            more["second_stage"] = [survey.to_dict() for survey in surveys]
        return {
            "program": "napari-udvd",
            "version": __version__,
            "source": stack.source,
            **stack.mask_record,
            "task": self.task,
            "network": {"name": self.net.name, **self.net.configuration()},
            "calibrations": [c.to_dict() for c in self.calibrations_for(stack)],
            "training": dict(self.record),
            **more,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one ``.safetensors`` file with weights and everything in its header.

        Raises
        ------
        OutputError
            If the file cannot be written; nothing is left behind.
        """
        write_model_file(path, self.net.state_dict(), self.header())

    def header(self) -> dict[str, Any]:
        """Return all that a model file says besides the weights, as plain values."""
        header = {
            "version": __version__,
            "task": self.task,
            "network": self.net.name,
            "configuration": self.net.configuration(),
            "calibrations": [c.to_dict() for c in self.calibrations],
            "joint": self.joint,
            "self_ensemble": self.self_ensemble,
            "record": to_plain(self.record),
        }
        package = package_of(self.net.name)
        if package is not None:
            header["package"] = package
        return header
