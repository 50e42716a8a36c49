"""Published UDVD checkpoints: their parameter names, and ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_udvd.models.likelihood import factor_entries
from napari_udvd.models.parameters import load_exactly, shape_of
from napari_udvd.models.udvd.network import UDVD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

__all__ = ["SIGNS", "from_published"]

SIGNS = "a published UDVD network (it has denoiser_1 or unet, and nin_A to nin_C)"
"""How its checkpoints are recognised, for messages."""

_STAGES = {
    "unet": "stage_one",
    "denoiser_1": "stage_one",
    "denoiser_2": "stage_two",
    "sigma_net": "noise_level",
}
_JOINS = {"nin_A": "join_a", "nin_B": "join_b", "nin_C": "join_c"}


def from_published(
    published: Mapping[str, Tensor], hole: Sequence[int] = (1, 1)
) -> UDVD | None:
    """Build the UDVD of a published state dict and load its weights.

    The names and shapes of the parameters tell the variant, the number of channels,
    the width and the head. The hole leaves no trace in them.

    Parameters
    ----------
    published
        Published parameter names to tensors.
    hole
        Odd (rows, columns) that the network must not see.

    Returns
    -------
    UDVD or None
        In evaluation mode; None if the state dict is of another network.

    Raises
    ------
    ValueError
        If names or shapes are not those of a published UDVD.
    """
    prefixes = {name.partition(".")[0] for name in published}
    joins = set(_JOINS)
    variants = {
        frozenset({"unet"} | joins): 1,
        frozenset({"denoiser_1"} | joins): 3,
        frozenset({"denoiser_1", "denoiser_2"} | joins): 5,
    }
    blind_noise = "sigma_net" in prefixes
    frames = variants.get(frozenset(prefixes - {"sigma_net"}))
    if frames is None:
        return None
    if any(name.endswith("bias") for name in published):
        raise ValueError(
            "the network has biases; only the published bias-free networks can be "
            "imported, because their rewriting for speed is exact without biases only"
        )
    first = "unet" if frames == 1 else "denoiser_1"
    width, inputs = shape_of(published, f"{first}.enc1.conv1.conv.weight", "UDVD")[:2]
    outputs = shape_of(published, "nin_C.weight", "UDVD")[0]
    if inputs % min(frames, 3) or not inputs:
        raise ValueError(
            f"{inputs} input channels are not those of {min(frames, 3)} frame(s) of a "
            "published UDVD network"
        )
    channels = inputs // min(frames, 3)
    known = {channels: False, channels + factor_entries(channels): True}
    if outputs not in known:
        # "unknown noise" networks of the paper put out mean and factor alike
        raise ValueError(
            f"{outputs} outputs for {channels} channel(s): expected "
            f"{' or '.join(map(str, known))} (mean, or mean and covariance factor)"
        )
    net = UDVD(
        frames=frames,
        channels=channels,
        width=width,
        hole=hole,
        likelihood=known[outputs],
        blind_noise=blind_noise,
    )
    ours = {_our_name(name): tensor for name, tensor in published.items()}
    load_exactly(net, ours, "UDVD")
    return net.eval()


def _our_name(name: str) -> str:
    stage, _, rest = name.partition(".")
    if stage in _JOINS:
        return f"{_JOINS[stage]}.{rest}"
    ours = f"{_STAGES[stage]}.{rest.replace('.conv.', '.')}"
    if stage == "sigma_net":  # its chains are numbered from zero
        ours = re.sub(r"conv(\d)", lambda m: str(int(m[1]) - 1), ours)
    return ours
