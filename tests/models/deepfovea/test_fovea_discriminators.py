"""The discriminators of DeepFovea++: what they see of which frame, and their norm."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from napari_udvd.models.deepfovea import (
    Discriminator,
    FFTDiscriminator,
    discriminator_loss,
    generator_loss,
)
from napari_udvd.training.optimiser import Adam
from noise_images import noise

TINY = (4, 3, 1)


def entering(net: Discriminator, clip: torch.Tensor) -> torch.Tensor:
    """Return what the first block sees."""
    seen: list[torch.Tensor] = []
    net.blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(clip)
    return seen[0]


@pytest.mark.parametrize("frames", [None, 4])
def test_frames_stay_apart_unless_mixed_as_published(frames: int | None) -> None:
    torch.manual_seed(0)
    net = Discriminator(2, frames, TINY).eval()
    clip = noise(1, 4, 2, 32, 32).requires_grad_()
    x = entering(net, clip)
    assert x.shape == (1, 4, 4, 8, 8)
    (gradient,) = torch.autograd.grad(x[:, :, 1].square().sum(), clip)
    reached = [bool(frame.any()) for frame in gradient[0]]
    assert reached == ([False, True, False, False] if frames is None else [True] * 4)


def test_answers_of_any_number_of_frames_and_clips() -> None:
    torch.manual_seed(0)
    net = Discriminator(1, widths=TINY).eval()
    for frames in (1, 5):
        both = noise(2, frames, 1, 64, 96)
        answers = net(both)
        assert answers.shape == (2, 1, 2, 3)
        torch.testing.assert_close(answers[1:], net(both[1:]))


def test_weights_have_unit_norm() -> None:
    torch.manual_seed(0)
    net = FFTDiscriminator(1, 2, TINY)
    clip = noise(1, 2, 1, 32, 32)
    for _ in range(30):  # each call in training comes closer
        net(clip)
    normed = [m for m in net.modules() if isinstance(m, nn.Conv3d | nn.Linear)]
    assert len(normed) == 3 * len(TINY) + 1
    for layer in normed:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
        assert float(largest) == pytest.approx(1, abs=0.02)


def test_a_discriminator_learns_to_tell() -> None:
    torch.manual_seed(0)
    net = Discriminator(1, widths=TINY)
    parameters = list(net.parameters())
    adam = Adam(parameters, (0.9, 0.999), math.inf)
    real = 1 + 0.1 * noise(4, 2, 1, 32, 32)
    fake = noise(4, 2, 1, 32, 32, seed=1)
    for _ in range(40):
        of_real, of_fake = discriminator_loss(net(real), net(fake))
        adam.step(torch.autograd.grad(of_real + of_fake, parameters), 1e-2)
    net.eval()
    assert net(real).min() > net(fake).max()
    # and the generator is told where to go
    fake.requires_grad_()
    generator_loss(net(fake)).backward()
    assert fake.grad is not None and fake.grad.mean() < 0


def test_the_other_one_does_not_see_a_spectrum() -> None:
    torch.manual_seed(0)
    net = FFTDiscriminator(1, 2, TINY).eval()
    clip = noise(1, 2, 1, 64, 64)
    assert net(clip).shape == (1, 1)
    # one pixel changes what enters near it; it would change a spectrum everywhere
    changed = clip.clone()
    changed[0, 0, 0, 3, 3] += 1
    difference = (entering(net, changed) - entering(net, clip))[0]
    assert difference.any(0).any(0).nonzero().tolist() == [[0, 0]]


def test_clips_that_do_not_fit() -> None:
    net = Discriminator(1, 3, TINY)
    for wrong in (
        noise(1, 2, 1, 64, 64),
        noise(1, 3, 2, 64, 64),
        noise(1, 3, 1, 64, 31),
        noise(3, 1, 64, 64),
    ):
        with pytest.raises(ValueError, match=r"\(N, 3, 1, H, W\) of at least 32 x 32"):
            net(wrong)
    with pytest.raises(ValueError, match="last block has one feature"):
        Discriminator(1, widths=(4, 2))
