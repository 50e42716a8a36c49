"""Networks that go on from a denoised or a sharpened movie, by name.

They are no denoisers: each is given frames that were denoised already, beside the noisy
or the sharpened ones, and what it adds has to be learned from the movie at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from typing import TypeAlias

    from napari_udvd.models.s2svr import S2SVR

    Improver: TypeAlias = S2SVR

__all__ = [
    "SEEN",
    "build_improver",
    "check_improver",
    "check_student",
    "improver_names",
]

SEEN = 2
"""Pictures of each frame that a network is given: denoised, and sharpened."""

FEATURES = {"cpu": 16, "gpu": 24}
"""What a processor can train in a minute, and what a card can."""

ZOOMS = 1, 2
"""Pixels of a result to a pixel of the movie, along each edge, that they know."""


def improver_names() -> list[str]:
    """Return the names that a user may give."""
    return ["s2svr"]


def build_improver(
    name: str, zoom: int = 1, *, on_cpu: bool = True, seen: int = SEEN
) -> Improver:
    """Build one whose result is its base, as long as it has learned nothing.

    Parameters
    ----------
    name
        One of :func:`improver_names`.
    zoom
        Pixels of the base to a pixel of the movie, along each edge.
    on_cpu
        It will be trained without an accelerator.
    seen
        Pictures of each frame that it is given.

    Returns
    -------
    Module
        Called with a clip ``(N, T, seen, H, W)``, the flow between its frames and a
        base ``(N, T, seen, zoom H, zoom W)``, it returns the base and what it adds.

    Raises
    ------
    InputError
        If there is no such network, or it does not know this `zoom`.
    """
    check_improver(name, zoom)
    from napari_udvd.models.s2svr import S2SVR, S2SVRSettings

    features = FEATURES["cpu" if on_cpu else "gpu"]
    return S2SVR(S2SVRSettings(channels=seen, features=features, zoom=zoom))


def check_improver(name: str, zoom: int = 1) -> None:
    """Check that there is a network; parameters and errors as in `build_improver`."""
    if name not in improver_names():
        raise InputError(
            f"there is no network {name!r} to sharpen with, only "
            f"{', '.join(improver_names())}; leave it out for Richardson-Lucy alone"
        )
    if zoom not in ZOOMS:
        raise InputError(
            f"{name} sharpens at zoom {' or '.join(map(str, ZOOMS))}, not {zoom}; "
            "leave the network out for Richardson-Lucy alone"
        )


def check_student(name: str) -> None:
    """Check that there is a network to go on from a denoised movie.

    Raises
    ------
    InputError
        If there is no such network.
    """
    if name not in improver_names():
        raise InputError(
            f"there is no network {name!r} to go on from the denoised movie, only "
            f"{', '.join(improver_names())}; leave `network` out for the denoised "
            "movie itself, or choose what denoises by `model`"
        )
