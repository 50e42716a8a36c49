"""What the network says of its own error, compared with the error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_udvd.denoising import denoise_stack
from napari_udvd.formats import ArraySink
from napari_udvd.models import build_network
from napari_udvd.quality import psnr
from napari_udvd.simulation import simulate
from napari_udvd.training.plan import make_plan
from napari_udvd.training.warm_start import warm_start
from napari_udvd.workflows import make_settings

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("kind", "photons", "seed"),
    [("nuclei", 10.0, 10_001), ("calcium", 30.0, 10_002), ("vesicles", 50.0, 10_003)],
)
def test_the_shipped_weights_know_how_far_they_are_off(
    kind: str, photons: float, seed: int
) -> None:
    movie = simulate(kind, frames=30, shape=(64, 64), seed=seed, photons=photons)
    plan = make_plan([movie.noisy], make_settings(model="centerblind"), on_cpu=True)
    net = build_network(plan.name, plan.network)
    assert warm_start(net).done
    with ArraySink(movie.noisy, "f4") as mean, ArraySink(movie.noisy, "f4") as std:
        for _ in denoise_stack(net, plan.calibrations, movie.noisy, mean, std_sink=std):
            pass
    truth, noisy = movie.truth.read(), movie.noisy.read()
    covered = (np.abs(mean.array - truth) <= std.array).mean()
    assert covered == pytest.approx(0.68, abs=0.12)
    # and what they put out is of use without any training
    assert psnr(truth, mean.array) > psnr(truth, noisy) + 5
