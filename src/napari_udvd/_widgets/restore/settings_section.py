"""Network, device and time, and everything else folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_udvd._widgets.restore.words import DENOISE, WORDS
from napari_udvd._widgets.shared.form import SettingsForm
from napari_udvd._widgets.shared.messages import Message
from napari_udvd._widgets.shared.tabs import tab_order
from napari_udvd.errors import InputError
from napari_udvd.models.catalogue import AUTO
from napari_udvd.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd._widgets.shared.preferences import Preferences
    from napari_udvd.jobs.choices import Choices
    from napari_udvd.models import NetworkSpec

__all__ = ["SettingsSection"]

ADVANCED = (
    "from_scratch",
    "noise",
    "hole",
    "likelihood",
    "self_ensemble",
    "distil",
    "joint_channels",
    "seed",
    "patch",
    "batch",
    "learning_rate",
)
"""Settings of every training that are folded away."""

OWN_DEFAULTS = {"self_ensemble": False}
"""Settings that are others than a training's own: a user waits for the result."""


class SettingsSection(QWidget):
    """Controls for a training; their defaults work.

    Parameters
    ----------
    preferences
        What device and time begin with.
    for_files
        Results become files: what is about layers is left out.
    """

    device_chosen = Signal()
    """A user has chosen another device."""

    def __init__(self, preferences: Preferences, *, for_files: bool = False) -> None:
        super().__init__()
        self._device = preferences.device
        self._times: Mapping[str, float] = {}
        self._networks: Sequence[NetworkSpec] = ()
        self._task = DENOISE
        self.model_box = QComboBox()
        self.model_box.addItem("Automatic", AUTO)
        self.model_box.setToolTip("The network; Automatic takes what suits the movie")
        self.forms: dict[str, SettingsForm] = {}
        """Settings of each network, by its name; only one is seen."""
        self._form, self._place = QFormLayout(), QVBoxLayout()
        self.device_box = QComboBox()
        self.device_box.addItem("Automatic", "auto")
        self.device_box.setToolTip("Where to compute; Automatic takes the fastest")
        self.minutes_spin = QDoubleSpinBox()
        self.minutes_spin.setRange(0.05, 100_000)
        self.minutes_spin.setDecimals(2)
        self.minutes_spin.setSingleStep(0.5)
        self.minutes_spin.setValue(preferences.minutes)
        self.minutes_spin.setSuffix(" min")
        self.minutes_spin.setToolTip("Training ends after this time, or when you stop")
        self.estimate = Message()
        self.message = Message()

        self.common = SettingsForm(TrainingSettings, only=ADVANCED)
        self.common.set_values(OWN_DEFAULTS)
        self.posterior_check = QCheckBox("Put the noisy pixel back in (posterior)")
        self.posterior_check.setChecked(True)
        self.posterior_check.setToolTip(
            "Combine the prediction with the noisy pixel, which the network never "
            "sees: sharper, needs the uncertainty"
        )
        self.events_check = QCheckBox("Put back events of a single frame")
        self.events_check.setChecked(True)
        self.events_check.setToolTip(
            "Flashes and spikes that no prediction can know of are looked for in every "
            "frame, and shown as points over the result; needs the noisy pixel"
        )
        self.refine_check = QCheckBox("Refine the result")
        self.refine_check.setChecked(True)
        self.refine_check.setToolTip(
            "A small network that has learned from simulated movies looks at the "
            "result once more; a noisier copy of the movie decides how much of it is "
            "taken; needs the noisy pixel"
        )
        self.std_check = QCheckBox("Add a layer of the uncertainty")
        self.std_check.setToolTip(
            "The standard deviation of every pixel, in grey levels, as a hidden layer "
            "of the next result"
        )
        self.follow_check = QCheckBox("Denoise when the training ends")
        self.follow_check.setChecked(True)
        self.follow_check.setToolTip("Else press it when you want the whole movie")
        self.advanced = QCollapsible("Advanced")
        for check in (self.std_check, self.follow_check):
            check.setVisible(not for_files)
        self._lay_out()

        self.model_box.currentIndexChanged.connect(self._on_model_changed)
        self.device_box.activated.connect(self._on_device_activated)
        self.minutes_spin.valueChanged.connect(self._show_estimate)

    def _lay_out(self) -> None:
        inside = QWidget()
        more = QVBoxLayout(inside)
        more.addWidget(self.common)
        for check in (
            self.posterior_check,
            self.events_check,
            self.refine_check,
            self.std_check,
            self.follow_check,
        ):
            more.addWidget(check)
        self.advanced.setContent(inside)
        self.advanced.collapse(animate=False)
        self.advanced.toggleButton().setToolTip(
            "Settings that are right for most movies as they are"
        )
        self._form.addRow("Network", self.model_box)
        self._form.addRow(self._place)
        self._form.addRow("Device", self.device_box)
        self._form.addRow("Time", self.minutes_spin)
        self._form.addRow(self.estimate)
        self._form.addRow(self.message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._form)
        layout.addWidget(self.advanced)

    def offer(self, choices: Choices) -> None:
        """Fill the lists; Automatic has the settings of the first network."""
        width = self.label_width
        self._networks = choices.networks
        for spec in choices.networks:
            self.forms[spec.name] = form = SettingsForm(spec.settings)
            form.align(width)
            self._place.addWidget(form)
        self.ask_for(self._task)
        controls = [c.native for f in self.forms.values() for c in f.controls.values()]
        tab_order(self.model_box, *controls, self.device_box)
        for name in choices.devices:
            self.device_box.addItem(name.upper(), name)
        index = self.device_box.findData(self._device)
        doubts = list(choices.broken)
        if index < 0:
            doubts.append(
                f"the preferences ask for the device {self._device!r}, which is not "
                "here; Automatic is taken"
            )
        if doubts:
            self.message.warn("; ".join(doubts))
        self.device_box.setCurrentIndex(max(index, 0))

    def ask_for(self, task: str) -> None:
        """List the networks that can do a task; Automatic is chosen."""
        self._task = task
        self.model_box.clear()
        self.model_box.addItem("Automatic", AUTO)
        for spec in self._able:
            self.model_box.addItem(spec.title, spec.name)
            row = self.model_box.count() - 1
            self.model_box.setItemData(row, spec.summary, Qt.ItemDataRole.ToolTipRole)
        for check in (self.events_check, self.refine_check):
            check.setEnabled(task == DENOISE)
        self.follow_check.setText(f"{WORDS[task].title} when the training ends")
        self._on_model_changed()

    def allow_training(self, on: bool) -> None:
        """Enable what only a training asks for."""
        for part in (self.model_box, self.minutes_spin, self.common):
            part.setEnabled(on)
        for form in self.forms.values():
            form.setEnabled(on)

    def show_times(self, seconds: Mapping[str, float]) -> None:
        """Say how long denoising takes after the training.

        Parameters
        ----------
        seconds
            Times by the name of the network; empty where they are not known.
        """
        self._times = seconds
        self._show_estimate()

    @property
    def label_width(self) -> int:
        """Width of the labels beside the controls, px."""
        return int(self._form.labelForField(self.model_box).sizeHint().width())

    @property
    def device(self) -> str:
        """Name of the chosen device."""
        return str(self.device_box.currentData())

    @property
    def model(self) -> str:
        """Name of the chosen network, or that of the automatic choice."""
        return str(self.model_box.currentData())

    @property
    def form(self) -> SettingsForm | None:
        """Settings of the chosen network, None until the networks are known."""
        first = next((spec.name for spec in self._able), "")
        return self.forms.get(first if self.model == AUTO else self.model)

    @property
    def _able(self) -> list[NetworkSpec]:
        """Networks that can do what is asked."""
        return [spec for spec in self._networks if self._task in spec.tasks]

    def values(self) -> dict[str, Any]:
        """Return the settings of a training by name, as far as they were chosen.

        Raises
        ------
        InputError
            If what was typed is no value; the message beside the control says so.
        """
        self.message.clear()
        try:
            own = {} if self.form is None else self.form.values()
            common = self.common.values()
        except InputError as error:
            self.message.fail(str(error), notify=False)
            raise
        chosen = {
            "model": self.model,
            "device": self.device,
            "minutes": self.minutes_spin.value(),
        }
        return chosen | common | own

    def _on_model_changed(self, _index: int = 0) -> None:
        for form in self.forms.values():
            form.setVisible(form is self.form)
        self._show_estimate()

    def _on_device_activated(self, _index: int) -> None:
        self.device_chosen.emit()

    def _show_estimate(self, _value: float = 0.0) -> None:
        self.estimate.clear()
        name = self.model
        if name == AUTO and self._times:
            name = next(iter(self._times))  # what Automatic takes comes first
        if name in self._times:
            training = about(60 * self.minutes_spin.value())
            self.estimate.inform(
                f"Training takes {training}, {WORDS[self._task].doing} then "
                f"{about(self._times[name])}."
            )


def about(seconds: float) -> str:
    """Return a time in words, as exact as an estimate is."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
