"""Judge a result: every plane, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.inference.fits import check_fits
from napari_udvd.inference.request import Request
from napari_udvd.inference.stream import Progress
from napari_udvd.noise import check_varies
from napari_udvd.quality._by_plane import Judging, PlaneJudge
from napari_udvd.quality._copies import Cancelled
from napari_udvd.quality._report import LEVELS, PlaneReport, Reason, Report
from napari_udvd.quality._sampling import planes_to_judge
from napari_udvd.quality._verdict import verdict_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    import numpy as np
    import numpy.typing as npt

    from napari_udvd.inference.restorer import Denoiser
    from napari_udvd.quality._pair import Pair

__all__ = ["judge"]


def judge(
    pair: Pair,
    *,
    denoiser: Denoiser | None = None,
    request: Request = Request(),
    masks: Mapping[str, npt.NDArray[np.bool_]] | None = None,
    names: tuple[str, str, str] = ("", "", ""),
    notes: tuple[str, ...] = (),
    cancel: threading.Event | None = None,
) -> Iterator[Progress | Report]:
    """Judge a result without the truth.

    Parameters
    ----------
    pair
        Noisy movie and result.
    denoiser
        The model that made it, for what cannot be known without.
    request
        How the result was made.
    masks
        Regions of interest ``(Y, X)``, by name.
    names
        Noisy movie, result and model, for people.
    notes
        What else there is to know.
    cancel
        Set it to stop soon; then there is no report.

    Yields
    ------
    Progress or Report
        Steps that are done; the report last.

    Raises
    ------
    InputError
        If the result is not one of this movie, or the model not one for it.
    """
    if denoiser is not None:
        check_fits(denoiser, pair.noisy)
        request.check(denoiser.net)
    if not pair.planes:
        check_varies(pair.noisy)
    judging = Judging(
        pair=pair, denoiser=denoiser, request=request, masks=masks or {}, cancel=cancel
    )
    by_channel: dict[int, list[int]] = {}
    for plane in pair.planes:
        by_channel.setdefault(plane.c, []).append(plane.z)
    chosen = [
        plane
        for plane in pair.planes
        if plane.z in planes_to_judge(by_channel[plane.c])
    ]
    share = 1 / len(chosen)
    work = [PlaneJudge(judging, plane, share) for plane in chosen]
    total, done = sum(one.steps for one in work), 0
    planes = []
    try:
        for one in work:
            for found in one.run():
                if isinstance(found, PlaneReport):
                    planes.append(found)
                else:
                    done += 1
                    yield Progress(min(done, total), total)
    except Cancelled:
        return
    planes.sort(key=lambda p: -LEVELS.index(p.verdict.level))
    several = len(planes) > 1
    reasons = [
        Reason(r.level, f"{p.label}: {r.sentence}" if several else r.sentence)
        for p in planes
        for r in p.verdict.reasons
    ]
    good = planes[0].verdict.good if not several else ()
    told = list(notes)
    if len(chosen) < len(pair.planes):
        told.append(
            f"{len(chosen)} of {len(pair.planes)} planes were judged, spread over the "
            "depth"
        )
    told += dict.fromkeys(note for one in work for note in one.notes)
    yield Report(
        noisy=names[0] or pair.noisy.source or "noisy movie",
        result=names[1] or pair.result.source or "result",
        model="" if denoiser is None else names[2] or denoiser.net.title,
        described=pair.noisy.describe(),
        planes=tuple(planes),
        verdict=verdict_of(reasons, good),
        notes=tuple(told),
    )
