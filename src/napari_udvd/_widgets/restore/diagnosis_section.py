"""Noise of the chosen movie, in one sentence and in numbers."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_udvd._widgets.shared.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.noise import Diagnosis

__all__ = ["DiagnosisSection", "as_sentence"]


class DiagnosisSection(QWidget):
    """Shows a diagnosis; nothing can be chosen here."""

    def __init__(self) -> None:
        super().__init__()
        self.sentence = Message()
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)  # only moves
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.numbers = QLabel()
        self.numbers.setWordWrap(True)
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        self.numbers.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.details = QCollapsible("Details of the noise")
        self.details.setContent(self.numbers)
        self.details.collapse(animate=False)
        self.details.toggleButton().setToolTip("What was measured, in numbers")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.sentence)
        layout.addWidget(self.bar)
        layout.addWidget(self.details)
        self.clear()

    def clear(self) -> None:
        """Forget the last movie."""
        self.bar.setVisible(False)
        self.sentence.clear()
        self.numbers.clear()
        self.details.setVisible(False)

    def wait(self) -> None:
        """Say that the noise is being measured."""
        self.clear()
        self.sentence.inform("Measuring the noise …")
        self.bar.setVisible(True)

    def fail(self, text: str) -> None:
        """Say why the movie cannot be denoised."""
        self.clear()
        self.sentence.fail(text)

    def show_diagnoses(self, diagnoses: Sequence[Diagnosis]) -> None:
        """Show what was measured, one diagnosis per channel."""
        self.clear()
        verdicts = {diagnosis.verdict for diagnosis in diagnoses}
        if "unsuitable" in verdicts:
            self.sentence.fail(_summary(diagnoses), notify=False)
        elif "warn" in verdicts:
            self.sentence.warn(_summary(diagnoses))
        else:
            self.sentence.inform(_summary(diagnoses))
        lines = []
        for k, diagnosis in enumerate(diagnoses):
            if len(diagnoses) > 1:
                lines.append(f"<b>Channel {k}</b>")
            lines += [f"{name}: <b>{text}</b>" for name, text in _numbers(diagnosis)]
        for sentence in dict.fromkeys(s for d in diagnoses for s in d.reasons):
            lines.append(f"{escape(as_sentence(sentence))}")
        self.numbers.setText("<br>".join(lines))
        self.details.setVisible(True)


def as_sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def _numbers(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    noise, white = diagnosis.noise, diagnosis.whiteness_t
    rows, columns = diagnosis.hole
    pair = (diagnosis.correlation_x, diagnosis.correlation_y)
    correlation = ", ".join(f"{round(value, 2) + 0.0:.2f}" for value in pair)
    return [
        ("Gain, grey levels per photon", f"{noise.gain:.3g}"),
        ("Offset, grey levels", f"{noise.offset:.4g}"),
        ("Read noise, grey levels", f"{noise.read_noise:.3g}"),
        ("Correlation between columns, rows", correlation),
        ("Hole, pixels hidden from the network", f"{rows} x {columns}"),
        (
            "Whiteness in time (1: frames are independent)",
            "too few frames to tell" if math.isnan(white) else f"{white:.2f}",
        ),
    ]


def _summary(diagnoses: Sequence[Diagnosis]) -> str:
    worst = max(diagnoses, key=lambda d: ("ok", "warn", "unsuitable").index(d.verdict))
    if worst.verdict == "unsuitable":
        return f"This movie cannot be denoised well: {worst.reasons[0]}."
    if worst.verdict == "warn":
        more = len({s for d in diagnoses for s in d.reasons}) - 1
        others = f" {more} more under Details." if more else ""
        return f"{as_sentence(worst.reasons[0])}{others}"
    return "The noise is independent from pixel to pixel: fit to be denoised."
