"""Values that an option cannot take, in words for a user.

The option parser hands over what the library says that checks types, such as "Input
should be a valid integer, unable to parse string as an integer".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Commands"]


class Commands(TyperGroup):
    """All commands; a value that does not fit its option is quoted."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        given = list(ctx.args)
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            names = getattr(error.param, "opts", None) or []
            error.message = _in_words(error.message, _value(given, names))
            raise


def _value(given: Sequence[str], names: Sequence[str]) -> str | None:
    """Return what was given to an option; None for an argument."""
    for i, word in enumerate(given):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else next(iter(given[i + 1 :]), None)
    return None


def _in_words(message: str, value: str | None) -> str:
    if not message.startswith("Input should"):
        return message.removeprefix("Value error, ")
    kind = "a whole number" if "integer" in message else "a number"
    return f"expected {kind}" if value is None else f"{value!r} is not {kind}"
