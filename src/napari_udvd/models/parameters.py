"""Parameters of published checkpoints: their shapes, and loading all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

__all__ = ["load_exactly", "shape_of"]


def shape_of(
    published: Mapping[str, Tensor], name: str, title: str
) -> tuple[int, int, int, int]:
    """Return the shape of the weights of a convolution.

    Parameters
    ----------
    published
        Published parameter names to tensors.
    name
        Which of them.
    title
        What the network is called, for messages.

    Raises
    ------
    ValueError
        If there are none, or they have other dimensions.
    """
    if name not in published:
        raise ValueError(
            f"the parameter {name} of a published {title} network is missing"
        )
    shape = tuple(published[name].shape)
    if len(shape) != 4:
        raise ValueError(
            f"the parameter {name} has shape {shape}; in a published {title} network "
            "it has four dimensions"
        )
    return shape


def load_exactly(net: nn.Module, tensors: Mapping[str, Tensor], title: str) -> None:
    """Load parameters that must all be there, in shape, and no others.

    Raises
    ------
    ValueError
        Otherwise; it names the first few of each kind.
    """
    expected = net.state_dict()
    missing = sorted(set(expected) - set(tensors))
    foreign = sorted(set(tensors) - set(expected))
    misshaped = [
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in sorted(set(tensors) & set(expected))
        if tensors[name].shape != expected[name].shape
    ]
    if missing or foreign or misshaped:
        raise ValueError(
            f"the parameters do not fit a published {title} network: "
            f"missing {missing[:4]}, unknown {foreign[:4]}, shapes {misshaped[:4]}"
        )
    net.load_state_dict(tensors)
