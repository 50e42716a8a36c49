"""The blocks that S2SVR consists of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_udvd.models.flow.base import SLOPE
from napari_udvd.models.flow.warp import sample_bilinear
from napari_udvd.models.precision import convolve, pack

__all__ = [
    "ConvGRU",
    "Convolution",
    "LocalAttention",
    "ResConvGRU",
    "ResidualBlock",
    "conv",
    "fetched",
    "leaky",
]


class Convolution(nn.Conv2d):
    """A convolution in the precision of its input; its weights stay in float32."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        return convolve(self, x)


def conv(inputs: int, outputs: int, bias: bool = True) -> Convolution:
    """Return a convolution of 3 x 3 pixels that keeps the size."""
    return Convolution(inputs, outputs, 3, padding=1, bias=bias)


def leaky(x: Tensor) -> Tensor:
    """Apply the leaky rectifier that all of S2SVR has, in place."""
    return F.leaky_relu_(x, SLOPE)


def fetched(x: Tensor, flow: Tensor) -> Tensor:
    """Fetch ``(N, C, H, W)`` from where a flow (dy, dx) leads, zeros from outside.

    Positions need more digits than half precision has, and ``grid_sample`` takes images
    of the same precision alone; it also forgets that memory channels are last.
    """
    return pack(sample_bilinear(x.to(flow.dtype), flow, "zeros").to(x.dtype))


class ResidualBlock(nn.Module):
    """Two convolutions with a rectifier between them, and a way around.

    Parameters
    ----------
    features
        Channels that enter and leave.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.a = conv(features, features)
        self.b = conv(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, features, H, W)`` to as much."""
        change: Tensor = self.b(F.relu_(self.a(x)))
        return change + x


class ConvGRU(nn.Module):
    """A gated recurrent unit whose matrices are convolutions.

    Update and reset gate see the same, so they are one convolution.

    Parameters
    ----------
    inputs, features
        Channels of the input and of the state.
    """

    def __init__(self, inputs: int, features: int) -> None:
        super().__init__()
        self.gates = conv(features + inputs, 2 * features)
        self.candidate = conv(features + inputs, features)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Return the state after `x`.

        Parameters
        ----------
        x
            ``(N, inputs, H, W)``.
        state
            ``(N, features, H, W)``.
        """
        gates = torch.sigmoid(self.gates(torch.cat([state, x], dim=1)))
        update, reset = gates.chunk(2, dim=1)
        joined = torch.cat([reset * state, x], dim=1)
        return torch.lerp(state, torch.tanh(self.candidate(joined)), update)


class ResConvGRU(nn.Module):
    """A recurrent unit and residual blocks, whose result is the state.

    Parameters
    ----------
    inputs, features
        Channels of the input and of the state.
    blocks
        Number of residual blocks.
    fused
        A second state is mixed in behind the recurrent unit.
    """

    def __init__(
        self, inputs: int, features: int, blocks: int, fused: bool = False
    ) -> None:
        super().__init__()
        self.gru = ConvGRU(inputs, features)
        self.fuse = conv(2 * features, features) if fused else None
        self.blocks = nn.Sequential(*(ResidualBlock(features) for _ in range(blocks)))

    def forward(self, x: Tensor, state: Tensor, other: Tensor | None = None) -> Tensor:
        """Return the state after `x`.

        Parameters
        ----------
        x
            ``(N, inputs, H, W)``.
        state
            ``(N, features, H, W)``.
        other
            As `state`: the second one, where it is built for one.
        """
        state = self.gru(x, state)
        if self.fuse is not None:
            assert other is not None
            state = leaky(self.fuse(torch.cat([state, other], dim=1)))
        after: Tensor = self.blocks(state)
        return after


class LocalAttention(nn.Module):
    """Average of few frames, with weights for every pixel and feature.

    The weights compare each frame with a query at the same place, so frames have to be
    aligned before. (Bahdanau et al. 2015, with convolutions.)

    Parameters
    ----------
    features
        Channels of query and keys.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        # of the two, joined: the query is looked at once for all keys
        self.of_query = conv(features, features, bias=False)
        self.of_key = conv(features, features, bias=False)
        self.score = conv(features, features, bias=False)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Average the keys.

        Parameters
        ----------
        query
            ``(N, features, H, W)``.
        keys
            ``(N, K, features, H, W)``.

        Returns
        -------
        Tensor
            ``(N, features, H, W)``.
        """
        n = len(query)
        of_keys = self.of_key(pack(keys.flatten(0, 1))).unflatten(0, (n, -1))
        compared = torch.tanh(self.of_query(query)[:, None] + of_keys)
        scores: Tensor = self.score(compared.flatten(0, 1)).unflatten(0, (n, -1))
        return (scores.softmax(dim=1) * keys).sum(dim=1)
