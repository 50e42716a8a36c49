"""The noise in one sentence, and in numbers under it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from napari_udvd._widgets.restore.diagnosis_section import DiagnosisSection, as_sentence
from napari_udvd.noise import Diagnosis, diagnose
from napari_udvd.stack import Stack

if TYPE_CHECKING:
    import numpy as np
    from pytestqt.qtbot import QtBot


@pytest.fixture(scope="module")
def diagnosis(noisy: np.ndarray) -> Diagnosis:
    return diagnose(Stack.from_array(noisy, "TYX"))


@pytest.fixture
def section(qtbot: QtBot) -> DiagnosisSection:
    section = DiagnosisSection()
    qtbot.addWidget(section)
    return section


def test_nothing_is_said_before_there_is_a_movie(section: DiagnosisSection) -> None:
    assert section.sentence.isHidden() and section.details.isHidden()


def test_white_noise_is_fit_to_be_denoised(
    section: DiagnosisSection, diagnosis: Diagnosis
) -> None:
    section.show_diagnoses([replace(diagnosis, verdict="ok", reasons=())])
    assert "fit to be denoised" in section.sentence.text()
    assert not section.details.isHidden() and not section.details.isExpanded()
    assert "Channel" not in section.numbers.text()


def test_the_numbers_are_those_of_the_diagnosis(
    section: DiagnosisSection, diagnosis: Diagnosis
) -> None:
    section.show_diagnoses([diagnosis])
    rows, columns = diagnosis.hole
    text = section.numbers.text()
    assert f"per photon: <b>{diagnosis.noise.gain:.3g}</b>" in text
    assert f"Read noise, grey levels: <b>{diagnosis.noise.read_noise:.3g}</b>" in text
    assert f"hidden from the network: <b>{rows} x {columns}</b>" in text


def test_the_worst_channel_speaks_for_all(
    section: DiagnosisSection, diagnosis: Diagnosis
) -> None:
    good = replace(diagnosis, verdict="ok", reasons=())
    warned = replace(diagnosis, verdict="warn", reasons=("it drifts", "it bleaches"))
    lost = replace(diagnosis, verdict="unsuitable", reasons=("it stands still",))
    section.show_diagnoses([good, warned])
    assert section.sentence.text() == "It drifts. 1 more under Details."
    section.show_diagnoses([good, lost, warned])
    assert section.sentence.text() == (
        "This movie cannot be denoised well: it stands still."
    )
    text = section.numbers.text()
    assert [f"Channel {k}" in text for k in range(4)] == [True, True, True, False]
    assert "It drifts." in text and "It bleaches." in text


def test_what_channels_have_in_common_is_said_once(
    section: DiagnosisSection, diagnosis: Diagnosis
) -> None:
    warned = replace(diagnosis, verdict="warn", reasons=("it drifts",))
    section.show_diagnoses([warned, warned])
    assert section.sentence.text() == "It drifts."
    assert section.numbers.text().count("It drifts.") == 1


def test_signs_of_a_text_are_no_markup(
    section: DiagnosisSection, diagnosis: Diagnosis
) -> None:
    warned = replace(diagnosis, verdict="warn", reasons=("gain < 1 & offset > 2",))
    section.show_diagnoses([warned])
    assert "Gain &lt; 1 &amp; offset &gt; 2." in section.numbers.text()


def test_too_few_frames_give_no_number(
    section: DiagnosisSection, diagnosis: Diagnosis
) -> None:
    section.show_diagnoses([replace(diagnosis, whiteness_t=float("nan"))])
    assert "too few frames to tell" in section.numbers.text()
    assert "nan" not in section.numbers.text()


def test_while_it_measures_nothing_old_is_shown(
    section: DiagnosisSection, diagnosis: Diagnosis
) -> None:
    section.show_diagnoses([diagnosis])
    section.wait()
    assert section.sentence.text() == "Measuring the noise …"
    assert section.details.isHidden() and not section.numbers.text()


def test_a_failure_replaces_the_numbers(
    section: DiagnosisSection, diagnosis: Diagnosis
) -> None:
    section.show_diagnoses([diagnosis])
    section.fail("pixels of 'm' are not finite")
    assert section.sentence.text() == "pixels of 'm' are not finite"
    assert section.details.isHidden()
    section.clear()
    assert section.sentence.isHidden()


def test_a_sentence_begins_large_and_ends() -> None:
    assert as_sentence("the hole is 1x3") == "The hole is 1x3."
    assert as_sentence("") == "."
