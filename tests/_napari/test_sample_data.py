"""The sample movies of the viewer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_udvd._napari import sample_data
from napari_udvd._napari.sample_data import lattice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from npe2._pytest_plugin import TestPluginManager

MANIFEST = Path(__file__).parents[2] / "src" / "napari_udvd" / "napari.yaml"

CALIBRATION = {
    "nuclei": ((30.0, 0.65, 0.65), ("second", "micrometer", "micrometer")),
    "calcium": ((0.1, 1.2, 1.2), ("second", "micrometer", "micrometer")),
    "lattice": ((0.05, 0.025, 0.025), ("second", "nanometer", "nanometer")),
}


@pytest.fixture
def plugin(npe2pm: TestPluginManager) -> Iterator[TestPluginManager]:
    """Register our plugin, which may not be installed."""
    with npe2pm.tmp_plugin(manifest=str(MANIFEST)):
        yield npe2pm


def test_a_noisy_movie_and_its_truth(
    plugin: TestPluginManager, make_napari_viewer_proxy: Any
) -> None:
    viewer = make_napari_viewer_proxy()
    samples = [
        sample for _, of_plugin in plugin.iter_sample_data() for sample in of_plugin
    ]
    assert {sample.key for sample in samples} == set(CALIBRATION)
    for key, (scale, units) in CALIBRATION.items():
        noisy, truth = viewer.open_sample("napari-udvd", key)
        assert noisy.visible and not truth.visible
        assert noisy.name.endswith("(noisy)") and truth.name.endswith("(truth)")
        assert noisy.contrast_limits == truth.contrast_limits
        for layer in (noisy, truth):
            assert layer.data.shape == (60, 256, 256)
            np.testing.assert_allclose(layer.scale, scale)
            assert tuple(map(str, layer.units)) == units
            assert layer.axis_labels == ("t", "y", "x")
        check_noise(noisy.data, truth.data)


def check_noise(noisy: Any, truth: Any) -> None:
    """Check that noise lies between them: no bias, and as strong as the camera's."""
    error = noisy - truth.astype(np.float64)
    variance = 2.0 * (truth - 100.0) + 3.0**2 + 1 / 12
    assert error.mean() == pytest.approx(0, abs=5 * error.std() / error.size**0.5)
    assert (error**2 / variance).mean() == pytest.approx(1, abs=0.01)
    # Worth denoising: about as much noise as structure.
    assert error.std() > 0.7 * truth.std()


def test_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_data, "_SHAPE", (64, 64))
    first, second = (lattice()[0][0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
