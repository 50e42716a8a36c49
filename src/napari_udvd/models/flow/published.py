"""Published PWC-Net checkpoints: their parameter names, and ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_udvd.models.flow.pwc_net import PWCNet
from napari_udvd.models.parameters import load_exactly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["PREFIX", "is_pwc", "pwc_from_published", "pwc_parameters"]

PREFIX = "pwcnet."
"""Prefix of the names inside of a video network that has a PWC-Net."""

_NUMBERS = {"One": 0, "Two": 1, "Thr": 2, "Fou": 3, "Fiv": 4, "Six": 5}


def is_pwc(published: Mapping[str, Tensor]) -> bool:
    """Tell PWC-Net from other published networks."""
    return any(re.match(r"(net|module)Extractor\.", name) for name in published)


def pwc_from_published(published: Mapping[str, Tensor], channels: int = 3) -> PWCNet:
    """Build PWC-Net and load published weights, from its own file or STBN's.

    Parameters
    ----------
    published
        Published parameter names to tensors. The names of older files (``module``
        where newer ones say ``net``) are understood.
    channels
        Of the frames it shall be shown, see :class:`PWCNet`.

    Raises
    ------
    ValueError
        If names or shapes are not those of this PWC-Net.
    """
    # inside of a video network, it has a prefix of its own
    inside = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in published.items()
        if name.startswith(PREFIX)
    }
    published = inside or published
    if not is_pwc(published):
        prefixes = sorted({name.partition(".")[0] for name in published})
        raise ValueError(
            f"parameters that begin with {', '.join(prefixes[:6])} are not those of "
            "PWC-Net in PyTorch (netExtractor, netTwo to netSix, netRefiner); weights "
            "of another flow network cannot be used. Choose the light flow network, "
            "which learns from the movie itself"
        )
    net = PWCNet(channels)
    load_exactly(net, pwc_parameters(published), "PWC-Net")
    return net.eval()


def pwc_parameters(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of PWC-Net; those of other networks stay as they are."""
    return {
        _pwc_name(re.sub(r"(^|\.)module(?=[A-Z])", r"\1net", name)): tensor
        for name, tensor in published.items()
    }


def _pwc_name(name: str) -> str:
    """Our name; a name that is not PWC-Net's stays as it is."""
    word = "|".join(_NUMBERS)
    if found := re.fullmatch(rf"netExtractor\.net({word})\.([024])\.(\w+)", name):
        return f"pyramid.{_NUMBERS[found[1]]}.{int(found[2]) // 2}.{found[3]}"
    if found := re.fullmatch(r"netRefiner\.netMain\.(\d+)\.(\w+)", name):
        layer = int(found[1]) // 2
        return (
            f"refiner.{layer}.{found[2]}" if layer < 6 else f"refiner_flow.{found[2]}"
        )
    if found := re.fullmatch(rf"net({word})\.net(Upflow|Upfeat|{word})\.(.+)", name):
        decoder = f"decoders.{5 - _NUMBERS[found[1]]}"
        rest = found[3].removeprefix("0.")
        if found[2] in ("Upflow", "Upfeat"):
            layer_name = "up_flow" if found[2] == "Upflow" else "up_features"
        elif found[2] == "Six":
            layer_name = "flow"
        else:
            layer_name = f"layers.{_NUMBERS[found[2]]}"
        return f"{decoder}.{layer_name}.{rest}"
    return name
