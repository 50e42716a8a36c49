"""One call on a worker, as if it were made here."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar

from napari_udvd.inference.remote import Parcel
from napari_udvd.runtime.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_there"]

Result = TypeVar("Result")


def call_there(
    client: Any, function: Callable[..., Result], *given: Any, **more: Any
) -> Result:
    """Call a function on a worker, and wait.

    Parameters
    ----------
    client
        Of dask.distributed; the function is called here if None.
    function
        Of a module, so that the worker finds it.
    *given, **more
        Its arguments.

    Returns
    -------
    Result
        Of the function, or what it raises.

    Raises
    ------
    WorkersLost
        If the worker is gone, and another one after it.

    Warns
    -----
    UserWarning
        As the function does.
    """
    if client is None:
        return function(*given, **more)
    cluster = Cluster.of(client)
    sent = Parcel.of((function, given, more)).sent(cluster)
    said, result = cluster.submit(_called, sent).result()
    for text in said:
        warnings.warn(text, UserWarning, stacklevel=3)
    found: Result = result.open()
    return found


def _called(parcel: Parcel) -> tuple[list[str], Parcel]:
    """Call it, on the worker."""
    function, given, more = parcel.open()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = function(*given, **more)
    said = [str(each.message) for each in caught if each.category is UserWarning]
    return said, Parcel.of(result)
