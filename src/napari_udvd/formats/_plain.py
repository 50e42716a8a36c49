"""Records as JSON can hold them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["to_plain"]


def to_plain(value: Any) -> Any:
    """Return `value` in types that JSON knows; a number not finite becomes None.

    Raises
    ------
    TypeError
        If it holds something that has no place in a file.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    raise TypeError(
        f"the record holds {value!r} of type {type(value).__name__}, which a file "
        "cannot keep: use numbers, text, lists and mappings"
    )
