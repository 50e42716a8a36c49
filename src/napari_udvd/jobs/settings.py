"""Settings from what a user said, with messages in words for users."""

from __future__ import annotations

from typing import Any

import pydantic

from napari_udvd.errors import InputError
from napari_udvd.training.settings import EXPECTED, TrainingSettings

__all__ = ["make_settings"]


def make_settings(**values: Any) -> TrainingSettings:
    """Build training settings; values that are None keep their default.

    Raises
    ------
    InputError
        If a value is out of range or a name unknown.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return TrainingSettings(**given)
    except pydantic.ValidationError as error:
        wrong = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors())
        raise InputError("; ".join(_wrong(name, given[name]) for name in wrong)) from (
            error
        )


def _wrong(name: str, value: Any) -> str:
    """Say what is wrong with a setting; not in pydantic's words."""
    if name not in EXPECTED:
        return (
            f"there is no setting {name!r} (it was given {value!r}); settings are "
            f"{', '.join(EXPECTED)}"
        )
    return f"{name} is {value!r}; expected {EXPECTED[name]}"
