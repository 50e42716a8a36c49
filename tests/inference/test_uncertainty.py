"""What the network says of its own error, compared with the error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_udvd.formats import ArraySink
from napari_udvd.inference.stream import denoise_stack
from napari_udvd.jobs import make_settings
from napari_udvd.metrics import psnr
from napari_udvd.models import build_network
from napari_udvd.simulation import simulate
from napari_udvd.training.plan import make_plan
from napari_udvd.training.warm_start import warm_start

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("kind", "photons", "seed"),
    [("nuclei", 10.0, 10_001), ("calcium", 30.0, 10_002), ("vesicles", 50.0, 10_003)],
)
def test_the_shipped_weights_are_no_surer_than_they_may_be(
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
    error = np.abs(mean.array - truth)
    # of Gaussian errors 68 % and 95 % would be inside; movies as plain as these are
    # denoised better than the network dares to say
    assert (error <= std.array).mean() > 0.65
    assert (error <= 2 * std.array).mean() > 0.93
    # nor is it so careful that the number is of no use
    assert np.sqrt((error**2).mean() / (std.array**2).mean()) > 0.6
    low, high = np.quantile(std.array, (0.25, 0.75))
    sure, unsure = error[std.array <= low], error[std.array >= high]
    assert np.sqrt((unsure**2).mean()) > 1.5 * np.sqrt((sure**2).mean())
    # and what they put out is of use without any training
    assert psnr(truth, mean.array) > psnr(truth, noisy) + 5
