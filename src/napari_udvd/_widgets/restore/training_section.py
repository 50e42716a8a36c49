"""Buttons, progress and loss of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_udvd._widgets.restore.diagnosis_section import as_sentence
from napari_udvd._widgets.restore.loss_plot import LossPlot
from napari_udvd._widgets.shared.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_udvd.jobs.states import State
    from napari_udvd.training import Finished, Step

__all__ = ["Phase", "TrainingSection"]

Phase = Literal["nothing", "ready", "interrupted", "training", "stopping"]


class TrainingSection(QWidget):
    """Asks for a training to begin, to rest, to go on or to end, and shows it."""

    train = Signal()
    pause = Signal()
    resume = Signal()
    stop = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.train_button = QPushButton("Train")
        self.train_button.setToolTip(
            "Learn from the movie, from the beginning. Trainings before this one are "
            "kept: Resume goes on with any of them"
        )
        self.pause_button = QPushButton("Pause")
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("End the training and use what it has learned")
        self.states_box = QComboBox()
        self.states_box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.states_box.setToolTip(
            "Which training of this movie Resume goes on with, the newest first; they "
            "are kept for 30 days"
        )
        self._states: tuple[State, ...] = ()
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.plot = LossPlot()
        self.message = Message()
        buttons = QHBoxLayout()
        for button in (self.train_button, self.pause_button, self.stop_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.states_box)
        layout.addWidget(self.bar)
        layout.addWidget(self.message)
        layout.addWidget(self.plot)
        self.train_button.clicked.connect(self.train)
        self.pause_button.clicked.connect(self._on_pause_clicked)
        self.stop_button.clicked.connect(self.stop)
        self.set_phase("nothing")
        self.bar.setVisible(False)
        self.plot.setVisible(False)

    def set_phase(self, phase: Phase) -> None:
        """Enable what makes sense.

        Parameters
        ----------
        phase
            ``nothing``: there is no movie; ``ready``: to train; ``interrupted``: as
            well, or to go on; ``training``; ``stopping``: until the weights are saved.
        """
        self._phase = phase
        self.train_button.setEnabled(phase in ("ready", "interrupted"))
        self.pause_button.setEnabled(phase in ("training", "interrupted"))
        self.stop_button.setEnabled(phase == "training")
        goes_on = phase == "interrupted"
        self.pause_button.setText("Resume" if goes_on else "Pause")
        self.pause_button.setToolTip(
            "Go on where the training was interrupted"
            if goes_on
            else "Save the state and give the processor back; Resume goes on"
        )
        self.states_box.setVisible(goes_on and len(self._states) > 1)

    def offer(self, states: Sequence[State]) -> None:
        """List what Resume can go on with; the first is chosen."""
        if tuple(states) == self._states:
            return  # another choice of the user's stays
        self._states = tuple(states)
        self.states_box.clear()
        self.states_box.addItems([state.describe() for state in states])

    @property
    def state_chosen(self) -> State | None:
        """State of the training that Resume goes on with; None where there is none."""
        index = self.states_box.currentIndex()
        return self._states[index] if index >= 0 else None

    def begin(self) -> None:
        """Clear what the last training showed."""
        self.plot.clear()
        self.message.clear()
        self.bar.setRange(0, 0)  # moves until there is something to say
        self.bar.setFormat("looking at the movie …")
        self.bar.setVisible(True)
        self.plot.setVisible(True)

    def show_step(self, step: Step) -> None:
        """Show how far it is, and how long it will take."""
        self.plot.add(step.elapsed, step.loss, step.validation)
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * step.progress))
        self.bar.setFormat(remaining(step.progress, step.elapsed))

    def show_finished(self, outcome: Finished, warnings: Sequence[str]) -> None:
        """Say what came out; first what speaks against the result.

        Parameters
        ----------
        outcome
            The last event of the training.
        warnings
            What was said against the movie when it began.
        """
        against = [*warnings, *outcome.warnings]
        if outcome.steps == 0 and outcome.reason == "budget":
            used = "The shipped weights are used as they are"
            against.append("no time was left to train; give it more")
        elif outcome.steps == 0:
            used = "Stopped before its first step; the weights are those it began with"
        elif outcome.best_step:
            used = f"Trained; the weights of step {outcome.best_step} are used"
        else:
            used = "The shipped weights are used: training did not make them better"
        said_last = [used, *outcome.remarks]
        if outcome.noise_removed is not None and outcome.noise_removed > 0:
            said_last.insert(
                0,
                f"On frames held out {outcome.noise_removed:.0%} of the noise (mean "
                "squared) is removed",
            )
        text = " ".join(map(as_sentence, (*dict.fromkeys(against), *said_last)))
        if against:
            self.message.warn(text, notify=True)
        else:
            self.message.done(f"{text} Resume trains longer.")

    def forget(self) -> None:
        """Clear what belongs to another movie."""
        self.plot.clear()
        self.plot.setVisible(False)
        self.message.clear()

    def _on_pause_clicked(self) -> None:
        (self.resume if self._phase == "interrupted" else self.pause).emit()


def remaining(progress: float, elapsed: float) -> str:
    """Say how much is done and how long the rest takes, as a progress bar does."""
    if progress <= 0:
        return f"{progress:.0%}"
    seconds = max(elapsed * (1 - progress) / progress, 0.0)
    text = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return f"{progress:.0%}, {text} left"
