"""Options that stand for the settings of a training, made from the settings themselves.

Names, types, defaults and help are those of the fields. They are made when a command
that trains is asked for, and not before: the help of the program stays quick.
"""

from __future__ import annotations

import inspect
import types
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from typer.core import TyperCommand

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo

__all__ = ["TrainingCommand", "command_that_trains", "parse_hole", "parse_place"]

TASK = "denoise"
"""What is asked of the networks that these commands offer."""

FIRST = ("model",)
"""Settings before the networks' own ..."""

LAST = (
    "minutes",
    "device",
    "seed",
    "hole",
    "noise",
    "from_scratch",
    "learning_rate",
    "joint_channels",
    "likelihood",
    "distil",
    "self_ensemble",
)
"""... and after them. The others are for programs: they have no option."""

OPPOSITES = {
    "likelihood": (
        "mean_only",
        "train on the squared error, without likelihood and posterior",
    )
}
"""Settings that an option switches off, what that is called, and its help."""

BEFORE = "axes"
"""The option that those of settings come before."""

IF_NONE = " if None"
"""How a description ends that says what None stands for."""


class TrainingCommand(TyperCommand):
    """A command with an option for every setting.

    Attributes
    ----------
    left_out
        Settings that it has no option for.
    helps
        What to say of a setting in place of its description.
    task
        What the networks are trained for: only those that can do it are offered.
    """

    left_out: Sequence[str] = ()
    task: str = TASK
    helps: Mapping[str, str] = types.MappingProxyType({})

    @cached_property
    def made(self) -> list[Any]:
        """Options of the settings."""
        return _made(self.task, self.left_out, self.helps)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the command's own options and those of the settings."""
        own = super().get_params(ctx)
        at = [parameter.name for parameter in own].index(BEFORE)
        return [*own[:at], *self.made, *own[at:]]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options; say also which networks there would be but for a fault."""
        from napari_udvd.models import catalogue

        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if error.param is not None and error.param.name == "model":
                whole = [error.message.rstrip("."), *catalogue.broken().values()]
                error.message = "; ".join(whole)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run it; ``ctx.obj`` holds the settings that were given, by name."""
        ctx.obj = _settings(
            {each.name: ctx.params.pop(each.name) for each in self.made}
        )
        return super().invoke(ctx)


def command_that_trains(
    *left_out: str, task: str = TASK, **helps: str
) -> type[TrainingCommand]:
    """Make the class of a command, see :class:`TrainingCommand`."""
    chosen = {"left_out": left_out, "helps": helps, "task": task}
    return type("Command", (TrainingCommand,), chosen)


def parse_hole(text: str) -> tuple[int, int] | None:
    """Read rows and columns; None for ``auto``.

    Raises
    ------
    InputError
        If the text is neither.
    """
    if text == "auto":
        return None
    parts: list[Any] = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise InputError(
            f"hole {text!r} is not understood; write ROWSxCOLUMNS, such as 3x1, or auto"
        )
    return int(parts[0]), int(parts[1])


def parse_place(text: str) -> tuple[int, int, int]:
    """Read frame, row and column of a pixel.

    Raises
    ------
    InputError
        If the text is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        t, y, x = map(int, parts)
    except ValueError as error:
        raise InputError(
            f"--at {text!r} is not understood; write frame,row,column as three whole "
            "numbers counted from 0, such as 12,100,64"
        ) from error
    return t, y, x


def _made(task: str, left_out: Sequence[str], helps: Mapping[str, str]) -> list[Any]:
    """Let typer make the options, of a function that has them as arguments."""

    def function(**_: Any) -> None:
        pass

    parameters = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=usual, annotation=annotation
        )
        for name, annotation, usual in _options(task, left_out, helps)
    ]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return list(typer.main.get_command(app).params)


def _options(
    task: str, left_out: Sequence[str], helps: Mapping[str, str]
) -> Iterator[tuple[str, Any, Any]]:
    """Name, annotation and default of every option."""
    from napari_udvd.models import catalogue
    from napari_udvd.training.settings import TrainingSettings

    common = TrainingSettings.model_fields
    own: dict[str, FieldInfo] = {}
    for spec in catalogue.specs(task).values():
        for name, field in spec.settings.model_fields.items():
            # the first is the one that is taken without a choice
            own.setdefault(name, field)
    fields = {name: common[name] for name in FIRST} | own
    fields |= {name: common[name] for name in LAST}
    for name, field in fields.items():
        if name in left_out:
            continue
        if name == "model":
            yield name, *_model(task)
        elif name in own:
            text = helps.get(name) or _described_by_networks(task, name)
            yield name, *_option(name, field, text, is_open=True)
        else:
            text = helps.get(name) or field.description or ""
            yield name, *_option(name, field, text)


def _model(task: str) -> tuple[Any, Any]:
    from napari_udvd.models import catalogue

    choices = (catalogue.AUTO, *catalogue.names(task))
    said = [f"{spec.name} {spec.summary}" for spec in catalogue.specs(task).values()]
    option = typer.Option(help=f"network; {', '.join(said)}")
    return Annotated[Literal[choices], option], catalogue.AUTO


def _described_by_networks(task: str, name: str) -> str:
    """Join what the networks that have an option say of it."""
    from napari_udvd.models import catalogue

    said: dict[str, None] = {}
    usual = ""
    for spec in catalogue.specs(task).values():
        field = spec.settings.model_fields.get(name)
        if field is not None:
            text, usual = _without_usual(field.description or "")
            said[text] = None
    whole = " or ".join(said)
    return f"{whole}; {usual}{IF_NONE}" if usual else whole


def _option(
    name: str, field: FieldInfo, description: str, *, is_open: bool = False
) -> tuple[Any, Any]:
    """Annotation and default of an option.

    Parameters
    ----------
    name, field, description
        The setting.
    is_open
        It must not be given where the network does not have it, not even its default.
    """
    text, usual = _without_usual(description)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    how: dict[str, Any] = {"help": text}
    default = field.default
    kind = _kind(field.annotation)
    if is_open:
        shown = None if isinstance(default, bool | None) else str(default)
        usual, default = usual or shown or "", None
    if usual:
        how["show_default"] = usual
    if "metavar" in extra:
        how["metavar"] = str(extra["metavar"])
    if kind == tuple[int, int]:
        how |= {"help": f"auto, or ROWSxCOLUMNS, such as 3x1: {text}"}
        del how["show_default"]
        return Annotated[str, typer.Option(**how)], "auto"
    if name in OPPOSITES:
        opposite, how["help"] = OPPOSITES[name]
        return Annotated[bool, typer.Option(_spelled(opposite), **how)], False
    if kind is bool and default is False:
        return Annotated[bool, typer.Option(_spelled(name), **how)], False
    if extra.get("format") == "path":
        kind = Path
    if default is None:
        kind = kind | None
    return Annotated[kind, typer.Option(**how)], default


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by name; None is as nothing, and so is a default."""
    from napari_udvd.training.settings import TrainingSettings, options

    fields = {**options(), **TrainingSettings.model_fields}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in OPPOSITES:
            value = False if value else None
        elif _kind(fields[name].annotation) == tuple[int, int]:
            value = parse_hole(value)
        elif isinstance(value, Path):
            value = str(value)
        elif name not in options() and value == fields[name].default:
            value = None
        found[name] = value
    return found


def _without_usual(description: str) -> tuple[str, str]:
    """Part a description from what it says that None stands for."""
    if not description.endswith(IF_NONE):
        return description, ""
    text, _, usual = description.removesuffix(IF_NONE).rpartition("; ")
    return text, usual


def _kind(annotation: Any) -> Any:
    """Return the type of a field without None."""
    if get_origin(annotation) not in (types.UnionType, Union):
        return annotation
    (kind,) = (kind for kind in get_args(annotation) if kind is not type(None))
    return kind


def _spelled(name: str) -> str:
    return f"--{name.replace('_', '-')}"
