"""A form made from a model of settings: a control for each of its fields.

What a field may be, its limits, what users call it and what it does stand in the model
alone. A field that is added there is in the form without another line.
"""

from __future__ import annotations

import re
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union, get_args, get_origin

import pydantic
from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, SpinBox
from pydantic_core import PydanticUndefined
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QWidget

from napari_udvd._widgets.shared.calm import Calm
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magicgui.widgets.bases import ValueWidget
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

__all__ = ["SettingsForm"]

OPEN = "automatic"
"""Text in a control whose setting is left open (None)."""

MOST = 2**63 - 1
"""Size of whole numbers without a limit of their own."""

MOST_FLOAT = 1e9
"""Size of other numbers without a limit of their own."""

BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
"""Limits of a number, and what they are in words."""

BETWEEN = re.compile(r"[\s,;x×]+")
"""Separators between the numbers of a setting that has several."""


class SettingsForm(QWidget):
    """Controls for the fields of a pydantic model, in their order.

    A switch becomes a check box, a choice a list, a number a spin box. Texts, several
    numbers, and numbers that may be left open (None) are typed; an empty line is open.
    Labels are the titles of the fields, tooltips their descriptions. What a refused
    value should have been is ``"expected"`` in the field's ``json_schema_extra``, or
    follows from its type and limits.

    Parameters
    ----------
    model
        The model. Fields that are not in the form need defaults.
    only
        Names of the fields that are shown; all if None.
    """

    changed = Signal()
    """A user, or :meth:`set_values`, has changed a control."""

    def __init__(
        self, model: type[BaseModel], only: Iterable[str] | None = None
    ) -> None:
        super().__init__()
        self._model = model
        wanted = None if only is None else set(only)
        self.fields = {
            name: _Field(name, info)
            for name, info in model.model_fields.items()
            if wanted is None or name in wanted
        }
        """The fields, by name."""
        self.controls = {name: _control(field) for name, field in self.fields.items()}
        """The control of each field, by name."""
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        for name, control in self.controls.items():
            self._add(self.fields[name], control)
            control.changed.connect(self._on_control_changed)
        Calm(self)

    def _add(self, field: _Field, control: ValueWidget[Any]) -> None:
        control.native.setToolTip(field.tooltip)
        if isinstance(control, CheckBox):
            self._layout.addRow(control.native)
            return
        label = QLabel(field.title)
        label.setToolTip(field.tooltip)
        if field.kind is bool:  # named by a sentence, which has the row to itself
            row = QHBoxLayout()
            row.addWidget(label)
            row.addWidget(control.native, 1)
            self._layout.addRow(row)
        else:
            self._layout.addRow(label, control.native)

    def align(self, label_width: int) -> None:
        """Begin the controls where those of a form above it begin.

        Parameters
        ----------
        label_width
            Width of the labels there, in pixels; longer ones keep theirs.
        """
        for control in self.controls.values():
            label = self._layout.labelForField(control.native)
            if label is not None:
                label.setMinimumWidth(label_width)

    def values(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults of the model.

        Raises
        ------
        InputError
            If a value is none that the model takes; names the setting and quotes what
            was typed.
        """
        given = {
            name: value
            for name, control in self.controls.items()
            if (value := _read(self.fields[name], control)) is not PydanticUndefined
        }
        try:
            settings = self._model.model_validate(given)
        except pydantic.ValidationError as error:
            raise InputError(self._refusal(error)) from error
        values = {name: getattr(settings, name) for name in given}
        return {
            name: value
            for name, value in values.items()
            if value != self.fields[name].default
        }

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show some settings; the others stay as they are.

        Parameters
        ----------
        values
            Settings by name; names that are not in the form are passed over.
        """
        for name, value in values.items():
            if name in self.controls:
                _show(self.controls[name], value)

    def _on_control_changed(self, _value: Any) -> None:
        self.changed.emit()

    def _refusal(self, error: pydantic.ValidationError) -> str:
        """Say what is wrong with the first value that is refused."""
        first = error.errors()[0]
        name = first["loc"][0] if first["loc"] else ""
        said = first["msg"].removeprefix("Value error, ")
        field = self.fields.get(str(name))
        if field is None:
            return said
        given = f"{field.title.lower()} is {self.controls[field.name].value!r}"
        if field.said is None and first["type"] == "value_error":
            return f"{given}: {said}"  # a rule of the model, in its own words
        return f"{given}; expected {field.said or field.expected}"


class _Field(NamedTuple):
    """One field of a model, and all that the model says of it."""

    name: str
    info: FieldInfo

    @property
    def title(self) -> str:
        """Name that users know the setting by."""
        return self.info.title or self.name.replace("_", " ").capitalize()

    @property
    def tooltip(self) -> str:
        """Sentence about what the setting does."""
        said = self.info.description or self.title
        return f"{said[:1].upper()}{said[1:]}"

    @property
    def default(self) -> Any:
        """Value of the setting where nothing is said."""
        return self.info.get_default(call_default_factory=True)

    @property
    def is_optional(self) -> bool:
        """True for a setting that may be left open."""
        return NoneType in _members(self.info.annotation)

    @property
    def kind(self) -> Any:
        """Type of a value, without None."""
        kinds = [k for k in _members(self.info.annotation) if k is not NoneType]
        return kinds[0] if len(kinds) == 1 else str

    @property
    def choices(self) -> tuple[Any, ...]:
        """Values of a setting that is a choice; empty for all others."""
        if get_origin(self.kind) is Literal:
            return get_args(self.kind)
        return (True, False) if self.kind is bool and self.is_optional else ()

    @property
    def bounds(self) -> dict[str, Any]:
        """Limits that the model sets, by the name that pydantic has for each."""
        return {
            name: getattr(limit, name)
            for limit in self.info.metadata
            for name in BOUNDS
            if hasattr(limit, name)
        }

    def limits(self, size: float, step: float) -> tuple[Any, Any]:
        """Return the smallest and the largest value.

        Parameters
        ----------
        size
            Limit on both sides where the model sets none.
        step
            Distance to a limit that itself is excluded.
        """
        bounds = self.bounds
        least = bounds["gt"] + step if "gt" in bounds else bounds.get("ge", -size)
        most = bounds["lt"] - step if "lt" in bounds else bounds.get("le", size)
        return least, most

    @property
    def said(self) -> str | None:
        """Values that it takes, in the words of the model; None where it has none."""
        extra = self.info.json_schema_extra
        known = extra.get("expected") if isinstance(extra, dict) else None
        return None if known is None else str(known)

    @property
    def expected(self) -> str:
        """Values that it takes, in words that follow from type and limits."""
        parts = get_args(self.kind) if get_origin(self.kind) is tuple else ()
        kind = parts[0] if parts else self.kind
        what = {int: "whole number", float: "number"}.get(kind, "text")
        words = f"{len(parts)} {what}s" if parts else f"a {what}"
        for name, bound in self.bounds.items():
            words += f", {BOUNDS[name]} {bound}"
        return f"{words} ({self.info.description})" if self.info.description else words


def _members(annotation: Any) -> tuple[Any, ...]:
    is_union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if is_union else (annotation,)


def _control(field: _Field) -> ValueWidget[Any]:
    """Make the control that suits a field, with its default."""
    control: ValueWidget[Any]
    if field.choices:
        words = {True: "yes", False: "no"} if field.kind is bool else {}
        choices = [(words.get(each, str(each)), each) for each in field.choices]
        if field.is_optional:
            choices.insert(0, (OPEN, None))
        control = ComboBox(choices=choices)
    elif field.kind is bool:
        control = CheckBox(text=field.title)
    elif field.is_optional or field.kind not in (int, float):
        control = LineEdit()
        if field.is_optional:
            control.native.setPlaceholderText(OPEN)
    elif field.kind is int:
        least, most = field.limits(MOST, 1)
        control = SpinBox(min=int(least), max=int(most))
    else:
        least, most = field.limits(MOST_FLOAT, 0.01)
        control = FloatSpinBox(min=least, max=most)
    if field.default is not PydanticUndefined:
        _show(control, field.default)
    return control


def _show(control: ValueWidget[Any], value: Any) -> None:
    if isinstance(control, LineEdit):
        parts = value if isinstance(value, tuple | list) else [value]
        control.value = "" if value is None else " ".join(map(str, parts))
    else:
        control.value = value


def _read(field: _Field, control: ValueWidget[Any]) -> Any:
    """Return what a control says, for the model to take; undefined where nothing."""
    value = control.value
    if not isinstance(control, LineEdit):
        return value
    text = value.strip()
    if not text and field.is_optional:
        return None
    if not text and field.kind is not str:
        return PydanticUndefined
    if get_origin(field.kind) is tuple:
        return BETWEEN.split(text.lower())
    return text
