"""Forms made from models of settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, SpinBox
from pydantic import BaseModel, Field, field_validator
from qtpy.QtWidgets import QCheckBox, QLabel

from napari_udvd._widgets.shared.form import SettingsForm
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


class Oven(BaseModel):
    """Settings of something that has nothing to do with movies."""

    bread: Literal["rye", "wheat"] = Field("rye", description="what is baked")
    loaves: int = Field(2, ge=1, lt=10, title="Loaves of bread")
    heat: float = Field(220.0, gt=0, le=300, description="heat, °C")
    steam: bool = Field(True, title="Steam", description="let water in")
    tray: Literal["top", "middle"] | None = None
    fan: bool | None = None
    minutes: int | None = Field(None, ge=5, le=90, description="how long")
    salt: float | None = Field(None, gt=0)
    size: tuple[int, int] | None = Field(None, description="of the form, cm")
    box: tuple[int, int] = Field((1, 1), json_schema_extra={"expected": "two odd ones"})
    name: str = "Ada"
    note: str | None = None

    @field_validator("size")
    @classmethod
    def _even(cls, size: tuple[int, int] | None) -> tuple[int, int] | None:
        if size is not None and any(n % 2 for n in size):
            raise ValueError("must be even")
        return size


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    made = SettingsForm(Oven)
    qtbot.addWidget(made)
    return made


def test_each_type_has_its_control(form: SettingsForm) -> None:
    kinds = {name: type(control) for name, control in form.controls.items()}
    assert kinds == {
        "bread": ComboBox,
        "loaves": SpinBox,
        "heat": FloatSpinBox,
        "steam": CheckBox,
        "tray": ComboBox,
        "fan": ComboBox,
        "minutes": LineEdit,
        "salt": LineEdit,
        "size": LineEdit,
        "box": LineEdit,
        "name": LineEdit,
        "note": LineEdit,
    }
    assert list(kinds) == list(Oven.model_fields)
    loaves, heat = form.controls["loaves"], form.controls["heat"]
    assert (loaves.min, loaves.max) == (1, 9)
    assert heat.min > 0 and heat.max == 300
    assert form.controls["bread"].choices == ("rye", "wheat")
    assert form.controls["tray"].choices == (None, "top", "middle")
    assert form.controls["fan"].choices == (None, True, False)


def test_labels_and_tooltips_are_those_of_the_model(form: SettingsForm) -> None:
    rows = {
        label.text(): label.toolTip()
        for label in form.findChildren(QLabel) + form.findChildren(QCheckBox)
    }
    assert len(rows) == len(form.controls)
    assert {"Bread", "Loaves of bread", "Heat", "Steam", "Tray", "Fan"} <= set(rows)
    assert rows["Heat"] == "Heat, °C" and rows["Steam"] == "Let water in"
    assert all(rows.values())
    assert all(control.native.toolTip() for control in form.controls.values())


def test_controls_are_aligned_with_those_of_another_form(form: SettingsForm) -> None:
    form.align(300)
    form.resize(800, 600)
    form.show()
    starts = {
        name: control.native.mapTo(form, control.native.rect().topLeft()).x()
        for name, control in form.controls.items()
        if name not in ("steam", "fan")  # which have their row to themselves
    }
    assert min(starts.values()) > 300 and len(set(starts.values())) == 1


def test_nothing_differs_at_first(form: SettingsForm) -> None:
    assert form.values() == {}


def test_what_is_set_comes_back(form: SettingsForm) -> None:
    settings = {
        "bread": "wheat",
        "loaves": 9,
        "heat": 180.5,
        "steam": False,
        "tray": "middle",
        "fan": False,
        "minutes": 45,
        "salt": 1e-4,
        "size": (10, 20),
        "box": (3, 5),
        "name": "Eve",
        "note": "no hurry",
    }
    form.set_values(settings)
    assert form.values() == settings
    form.set_values(Oven().model_dump())
    assert form.values() == {}


def test_a_change_is_told(form: SettingsForm, qtbot: QtBot) -> None:
    with qtbot.waitSignal(form.changed):
        form.controls["loaves"].native.stepBy(1)
    with qtbot.waitSignal(form.changed):
        form.set_values({"minutes": 7})
    assert form.values() == {"loaves": 3, "minutes": 7}


def test_only_some_fields(qtbot: QtBot) -> None:
    form = SettingsForm(Oven, only=("heat", "bread"))
    qtbot.addWidget(form)
    assert list(form.controls) == ["bread", "heat"]  # as they stand in the model
    form.set_values({"heat": 100.0, "loaves": 3, "unknown": 1})
    assert form.values() == {"heat": 100.0}


@pytest.mark.parametrize("typed", ["10x20", "10 X 20", "10 × 20", " 10, 20 ", "10;20"])
def test_several_numbers(form: SettingsForm, typed: str) -> None:
    form.controls["size"].value = typed
    assert form.values() == {"size": (10, 20)}


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("minutes", "soon", "a whole number, at least 5, at most 90 (how long)"),
        ("minutes", "4", "at least 5"),
        ("minutes", "7.5", "a whole number"),
        ("salt", "much", "a number, above 0"),
        ("salt", "nan", "above 0"),
        ("size", "10", "2 whole numbers (of the form, cm)"),
        ("size", "axb", "2 whole numbers"),
        ("size", "10x20x30", "2 whole numbers"),
        ("size", "9x20", "must be even"),
        ("box", "1", "expected two odd ones"),
    ],
)
def test_what_the_model_refuses_is_quoted(
    form: SettingsForm, name: str, typed: str, said: str
) -> None:
    form.controls[name].value = typed
    with pytest.raises(InputError) as refusal:
        form.values()
    assert str(refusal.value).startswith(f"{name} is {typed!r}")
    assert said in str(refusal.value)
    form.set_values({name: Oven().model_dump()[name]})
    assert form.values() == {}


def test_a_model_may_refuse_its_values_together(qtbot: QtBot) -> None:
    from pydantic import model_validator

    class Pair(BaseModel):
        low: int = 1
        high: int = 2

        @model_validator(mode="after")
        def _ordered(self) -> Any:
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    form = SettingsForm(Pair)
    qtbot.addWidget(form)
    form.set_values({"low": 5})
    with pytest.raises(InputError, match=r"^low is above high$"):
        form.values()
    form.set_values({"low": -5})
    assert form.values() == {"low": -5}
