"""Network, device and time, and everything else folded away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_udvd._widgets.shared.messages import Message
from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_udvd._widgets.shared.preferences import Preferences

__all__ = ["SettingsSection"]

PRESETS = ("small", "medium", "large")


class SettingsSection(QWidget):
    """Controls for a training; their defaults work."""

    def __init__(self, preferences: Preferences) -> None:
        super().__init__()
        self._device = preferences.device
        self.model_box = QComboBox()
        self.model_box.addItem("Automatic", "auto")
        self.model_box.setToolTip("The network; Automatic takes what suits the movie")
        self.preset_box = QComboBox()
        self.preset_box.addItems(PRESETS)
        self.preset_box.setCurrentText("medium")
        self.preset_box.setToolTip("Its size: smaller is faster, larger needs longer")
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
        self._times: Mapping[str, float] = {}

        self.hole_edit = QLineEdit()
        self.hole_edit.setPlaceholderText("from the diagnosis")
        self.hole_edit.setToolTip("Hidden rows x columns, odd numbers, such as 1x3")
        self.noise_edit = QLineEdit()
        self.noise_edit.setPlaceholderText("measured on the movie")
        self.noise_edit.setToolTip(
            "Of a camera that you know, in grey levels: gain per electron, level "
            "without light, read noise, such as 2.17 100 3.48"
        )
        self.width_spin = _automatic(QSpinBox(), 256)
        self.width_spin.setToolTip(
            "Channels of UDVD (48 as published) or of STBN (64 as published)"
        )
        self.patch_spin = QSpinBox()
        self.patch_spin.setRange(16, 512)
        self.patch_spin.setValue(64)
        self.patch_spin.setSuffix(" px")
        self.patch_spin.setToolTip("Rows and columns of a training patch")
        self.batch_spin = _automatic(QSpinBox(), 256)
        self.batch_spin.setToolTip("Clips in a step")
        self.rate_edit = QLineEdit()
        self.rate_edit.setPlaceholderText("automatic")
        self.rate_edit.setToolTip("Learning rate of Adam at its peak, such as 0.001")
        self.seed_spin = QSpinBox()
        self.seed_spin.setRange(0, 2**31 - 1)
        self.seed_spin.setToolTip("Of weights and patches")
        self.flow_check = QCheckBox("Follow what moves by optical flow (STBN)")
        self.flow_check.setChecked(True)
        self.flow_check.setToolTip(
            "Tried, and kept where it helps; without, training is faster from the start"
        )
        self.likelihood_check = QCheckBox("Predict the uncertainty, too")
        self.likelihood_check.setChecked(True)
        self.likelihood_check.setToolTip("Needed to put the noisy pixel back in")
        self.joint_check = QCheckBox("One network for all channels at once")
        self.joint_check.setToolTip(
            "For channels that show the same structures: it sees all of them. Else "
            "each is denoised on its own"
        )
        self.scratch_check = QCheckBox("Do not start from the shipped weights")
        self.scratch_check.setToolTip(
            "Learn from this movie alone, from random weights: needs much longer"
        )
        self.ensemble_check = QCheckBox("Average over turned views (slow)")
        self.ensemble_check.setToolTip(
            "Denoise every frame turned and mirrored, too: a little better, up to "
            "eight times as slow"
        )
        self.posterior_check = QCheckBox("Put the noisy pixel back in (posterior)")
        self.posterior_check.setChecked(True)
        self.posterior_check.setToolTip(
            "Combine the prediction with the noisy pixel, which the network never "
            "sees: sharper, needs the uncertainty"
        )
        self.std_check = QCheckBox("Add a layer of the uncertainty")
        self.std_check.setToolTip(
            "The standard deviation of every pixel, in grey levels, as a hidden layer "
            "of the next result"
        )
        self.follow_check = QCheckBox("Denoise when the training ends")
        self.follow_check.setChecked(True)
        self.follow_check.setToolTip("Else press Denoise when you want the whole movie")

        inside = QWidget()
        more = QFormLayout(inside)
        more.addRow("Hole", self.hole_edit)
        more.addRow("Noise", self.noise_edit)
        more.addRow("Width", self.width_spin)
        more.addRow("Patch", self.patch_spin)
        more.addRow("Batch", self.batch_spin)
        more.addRow("Learning rate", self.rate_edit)
        more.addRow("Seed", self.seed_spin)
        for check in (
            self.flow_check,
            self.likelihood_check,
            self.joint_check,
            self.scratch_check,
            self.ensemble_check,
            self.posterior_check,
            self.std_check,
            self.follow_check,
        ):
            more.addRow(check)
        self.advanced = QCollapsible("Advanced")
        self.advanced.setContent(inside)
        self.advanced.collapse(animate=False)
        self.advanced.toggleButton().setToolTip(
            "Settings that are right for most movies as they are"
        )

        form = QFormLayout()
        form.addRow("Network", self.model_box)
        form.addRow("Size", self.preset_box)
        form.addRow("Device", self.device_box)
        form.addRow("Time", self.minutes_spin)
        form.addRow(self.estimate)
        form.addRow(self.message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.advanced)
        self.model_box.currentIndexChanged.connect(self._on_model_changed)
        self.minutes_spin.valueChanged.connect(self._show_estimate)
        self._on_model_changed()

    def offer(self, titles: Mapping[str, str], devices: Sequence[str]) -> None:
        """Fill the choices with what there is.

        Parameters
        ----------
        titles
            What users call each network, by name.
        devices
            Names of devices, best first.
        """
        for name, title in titles.items():
            self.model_box.addItem(title, name)
        for name in devices:
            self.device_box.addItem(name.upper(), name)
        index = self.device_box.findData(self._device)
        if index < 0:
            self.message.warn(
                f"the preferences ask for the device {self._device!r}, which is not "
                "here; Automatic is taken"
            )
        self.device_box.setCurrentIndex(max(index, 0))

    def show_times(self, seconds: Mapping[str, float]) -> None:
        """Say how long denoising takes after the training.

        Parameters
        ----------
        seconds
            By name of the network; empty where it is not known.
        """
        self._times = seconds
        self._show_estimate()

    @property
    def device(self) -> str:
        """Name of the chosen device."""
        return str(self.device_box.currentData())

    def values(self) -> dict[str, Any]:
        """Return the settings of a training, by name; None where they are open.

        Raises
        ------
        InputError
            If what was typed is no number; the message beside the control says so.
        """
        self.message.clear()
        try:
            return self._values()
        except InputError as error:
            self.message.fail(str(error), notify=False)
            raise

    def _values(self) -> dict[str, Any]:
        model = self.model_box.currentData()
        preset = self.preset_box.currentText()
        has_preset = self.preset_box.isEnabled() and preset != "medium"
        return {
            "model": model,
            "preset": preset if has_preset else None,
            "device": self.device,
            "minutes": self.minutes_spin.value(),
            "hole": _hole(self.hole_edit.text()),
            "noise": _noise(self.noise_edit.text()),
            "flow": False if self._is_without_flow else None,
            "width": (self.width_spin.value() or None)
            if self.width_spin.isEnabled()
            else None,
            "patch": self.patch_spin.value(),
            "batch": self.batch_spin.value() or None,
            "learning_rate": _rate(self.rate_edit.text()),
            "seed": self.seed_spin.value(),
            "likelihood": self.likelihood_check.isChecked(),
            "joint_channels": self.joint_check.isChecked(),
            "from_scratch": self.scratch_check.isChecked(),
            "self_ensemble": self.ensemble_check.isChecked(),
        }

    @property
    def _is_without_flow(self) -> bool:
        return self.flow_check.isEnabled() and not self.flow_check.isChecked()

    def _on_model_changed(self) -> None:
        name = self.model_box.currentData()
        self.flow_check.setEnabled(name == "stbn")
        self.preset_box.setEnabled(name in ("auto", "centerblind"))
        self.width_spin.setEnabled(name in ("udvd", "stbn"))
        self._show_estimate()

    def _show_estimate(self, _value: float = 0.0) -> None:
        self.estimate.clear()
        name = self.model_box.currentData()
        if name == "auto" and self._times:
            name = next(iter(self._times))  # what Automatic takes comes first
        if name in self._times:
            training = about(60 * self.minutes_spin.value())
            self.estimate.inform(
                f"Training takes {training}, denoising then {about(self._times[name])}."
            )


def _automatic(spin: QSpinBox, most: int) -> QSpinBox:
    spin.setRange(0, most)
    spin.setSpecialValueText("automatic")
    return spin


def _hole(text: str) -> tuple[int, int] | None:
    if not text.strip():
        return None
    try:
        rows, columns = (int(n) for n in text.lower().replace("×", "x").split("x"))
        if min(rows, columns) < 1 or not rows % 2 == columns % 2 == 1:
            raise ValueError("not odd")
    except ValueError as error:
        raise InputError(
            f"hole is {text!r}; it must be rows x columns, two odd numbers such as 1x3"
        ) from error
    return rows, columns


def _noise(text: str) -> tuple[float, float, float] | None:
    if not text.strip():
        return None
    try:
        gain, offset, read_noise = (float(n) for n in text.replace(",", " ").split())
        if min(gain, read_noise) < 0 or not 0 < max(gain, read_noise) < math.inf:
            raise ValueError("impossible")
    except ValueError as error:
        raise InputError(
            f"noise is {text!r}; it must be three numbers, gain, offset and read noise "
            "in grey levels, such as 2.17 100 3.48"
        ) from error
    return gain, offset, read_noise


def _rate(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        rate = float(text)
        if not 0 < rate < math.inf:
            raise ValueError("not positive")
    except ValueError as error:
        raise InputError(
            f"learning rate is {text!r}; it must be a positive number such as 0.001"
        ) from error
    return rate


def about(seconds: float) -> str:
    """Return a time in words, as exact as an estimate is."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
