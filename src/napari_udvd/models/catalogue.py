"""Networks by name: what a model file and a user's choice refer to.

Those of this package are listed below, one line each. Others are entry points of the
group ``napari_udvd.networks`` of any installed package, each of which leads to a
:class:`~napari_udvd.models.spec.NetworkSpec`. One that cannot be used is remembered
with the reason, and does not get in the way of the others.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from napari_udvd.errors import InputError
from napari_udvd.models.spec import NetworkSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.models.base import Network

__all__ = [
    "AUTO",
    "GROUP",
    "broken",
    "build_network",
    "built_in",
    "find",
    "names",
    "package_of",
    "specs",
]

AUTO = "auto"
"""The name by which a user leaves the choice open."""

GROUP = "napari_udvd.networks"
"""Entry points that lead to networks of other packages."""

BUILT_IN = (  # in this order they are offered, and chosen
    "napari_udvd.models.centerblind.spec:SPEC",
    "napari_udvd.models.centerblind.spec:SPARSE",
    "napari_udvd.models.deepfovea.spec:SPEC",
    "napari_udvd.models.udvd.spec:SPEC",
    "napari_udvd.models.stbn.spec:SPEC",
)


class _Foreign(NamedTuple):
    """Networks of other packages: those that work, their packages, and the others."""

    specs: dict[str, NetworkSpec]
    packages: dict[str, str]
    broken: dict[str, str]


def specs(task: str | None = None) -> dict[str, NetworkSpec]:
    """Return all networks that can be used, by name; those of this package first.

    Parameters
    ----------
    task
        Name of what they are to be asked to do; anything if None.
    """
    found = {**built_in(), **_foreign().specs}
    return {
        name: spec for name, spec in found.items() if task is None or task in spec.tasks
    }


@cache
def built_in() -> dict[str, NetworkSpec]:
    """Return the networks of this package, by name."""
    found = [resolve_name(path) for path in BUILT_IN]
    return {spec.name: spec for spec in found}


def broken() -> dict[str, str]:
    """Return the entry points that lead to no network, and why."""
    return dict(_foreign().broken)


def find(name: str, package: str | None = None) -> NetworkSpec:
    """Return a network by its name or that of a variant.

    Parameters
    ----------
    name
        What a user or a file calls it.
    package
        That it comes with, where a file says so.

    Raises
    ------
    InputError
        If there is none; the message names those that there are.
    """
    # without looking at other packages, if possible
    for known in (built_in, specs):
        for spec in known().values():
            if name == spec.name or name in spec.names:
                return spec
    what = f"there is no network {name!r}"
    if name in _foreign().broken:
        raise InputError(f"{what}: {_foreign().broken[name]}")
    if package is not None:
        raise InputError(
            f"{what} here: it comes with the package {package!r}, which is not "
            "installed, or has it no more; install the package"
        )
    raise InputError(f"{what}; networks are {_listed()}")


def names(task: str | None = None) -> list[str]:
    """Return all that a user may call the networks of :func:`specs`, with variants."""
    return [name for spec in specs(task).values() for name in spec.names]


def package_of(name: str) -> str | None:
    """Return the package that a network comes with; None for those of this one."""
    return None if name in built_in() else _foreign().packages.get(name)


def build_network(name: str, configuration: Mapping[str, Any]) -> Network:
    """Build a network from the arguments its ``configuration()`` returned.

    Raises
    ------
    ValueError
        If no network has this name, or an argument is out of range.
    TypeError
        If an argument is unknown.
    """
    return find(name).load()(**configuration)


@cache
def _foreign() -> _Foreign:
    found = _Foreign({}, {}, {})
    taken = {
        AUTO,
        *(n for spec in built_in().values() for n in (spec.name, *spec.names)),
    }
    for entry in entry_points(group=GROUP):
        package = entry.dist.name if entry.dist else entry.module
        loaded, reason = _loaded(entry)
        if loaded is not None:
            twice = taken.intersection((loaded.name, *loaded.names))
            reason = f"the name {min(twice)!r} is taken" if twice else ""
        if loaded is None or reason:
            found.broken[entry.name] = (
                f"{entry.name!r} of the package {package!r} cannot be used: {reason}"
            )
        else:
            found.specs[loaded.name], found.packages[loaded.name] = loaded, package
            taken.update((loaded.name, *loaded.names))
    return found


def _loaded(entry: EntryPoint) -> tuple[NetworkSpec | None, str]:
    """Follow an entry point; the reason where it leads to no network."""
    try:
        loaded = entry.load()
    except Exception as error:  # somebody else's code
        return None, f"{type(error).__name__}: {error}"
    if not isinstance(loaded, NetworkSpec):
        return None, f"{entry.value} is {type(loaded).__name__}, not a NetworkSpec"
    try:
        loaded.settings()
    except ValidationError as error:
        wrong = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        return None, f"its settings have no default that can be used: {wrong}"
    return loaded, ""


def _listed() -> str:
    """Name the networks there are, and those that cannot be used with the reason."""
    whole = ", ".join(names())
    return "; ".join([whole, *broken().values()])
