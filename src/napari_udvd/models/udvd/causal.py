"""Convolutions whose output sees rows above it only, and their gradients.

Why they need neither shifts nor copies: see :mod:`napari_udvd.models.udvd.halfplane`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from napari_udvd.models import winograd
from napari_udvd.models.precision import like

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SLOPE", "CausalConv", "CausalJoin"]

SLOPE = 0.1
"""Negative slope of the leaky rectifiers."""

UNFOLDED_BYTES = 2**20
"""Size of the neighbourhoods unfolded at a time for a weight gradient."""


class CausalConv(nn.Module):
    """3x3 convolution of rows ``r-2 .. r``, leaky ReLU and replicated borders.

    With `before_pool` the output starts with one row of zeros (the pool's shift) and
    two border columns mirror the frame, so that pooling leaves a replicated border.
    """

    def __init__(
        self, inputs: int, outputs: int, border: int, before_pool: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        nn.init.kaiming_normal_(self.weight, SLOPE)
        self.border = border
        self.before_pool = before_pool

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(N, inputs, H, W + 2 border)``."""
        weight, shift = like(self.weight, x), int(self.before_pool)
        return _causal_conv(x, weight, shift, self.border, 1 + shift)


class CausalJoin(nn.Module):
    """Causal convolution of ``cat(upsample(low), skip)`` without building it.

    The weight has the published layout ``(out, low + skip, 3, 3)``.
    """

    def __init__(self, low: int, skip: int, outputs: int, border: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, low + skip, 3, 3))
        nn.init.kaiming_normal_(self.weight, SLOPE)
        self.low = low
        self.border = border

    def forward(self, low: Tensor, skip: Tensor) -> Tensor:
        """Join ``(N, low, H / 2, ...)`` with ``(N, skip, H, W + 2 border)``."""
        up = _upsampling_kernel(self.weight[:, : self.low])
        side = like(self.weight[:, self.low :], skip)
        return _causal_join(low, skip, like(up, low), side, self.border)


def _upsampling_kernel(weight: Tensor) -> Tensor:
    """4x4 stride-2 kernel ``(in, out, 4, 4)`` that equals upsampling and `weight`.

    Input row i appears in upsampled rows 2i and 2i+1; adding what both contribute
    turns the taps (w0, w1, w2) into (w2, w1 + w2, w0 + w1, w0).
    """
    flipped = F.pad(weight.flip(2, 3), (1, 1, 1, 1))
    return 4 * F.avg_pool2d(flipped, 2, stride=1).transpose(0, 1)


def _fill_border(x: Tensor, border: int, depth: int) -> None:
    for k in range(depth):
        x[..., border - 1 - k] = x[..., border + k]
        x[..., x.shape[3] - border + k] = x[..., x.shape[3] - border - 1 - k]


def _fold_border(grad: Tensor, border: int, depth: int) -> None:
    """Adjoint of :func:`_fill_border`."""
    for k in range(depth):
        right = grad.shape[3] - border
        grad[..., border + k] += grad[..., border - 1 - k]
        grad[..., right - 1 - k] += grad[..., right + k]
        grad[..., border - 1 - k] = 0
        grad[..., right + k] = 0


def _gradient_before_rectifier(grad: Tensor, out: Tensor, border: int, depth: int):  # type: ignore[no-untyped-def]
    grad = torch.ops.aten.leaky_relu_backward(grad, out, SLOPE, True)
    _fold_border(grad, border, depth)
    return grad


def _convolution(
    x: Tensor, weight: Tensor, shift: int = 0, exact: bool = False
) -> Tensor:
    """Convolve rows ``r-2 .. r``, `shift` rows further down.

    Rows of the frame, and those that padding adds below it where the library convolves.
    With fewer multiplications there is more rounding, so not where it must be `exact`.
    """
    if not exact and winograd.pays(x, weight):
        return winograd.convolve_rows(x, weight, -2 - shift)
    return F.conv2d(x, weight, padding=(2 + shift, 1))


def _causal_backward(
    grad: Tensor, x: Tensor, weight: Tensor, shift: int, needs: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`_convolution`."""
    need_x, need_weight = needs
    grad_x = grad_weight = None
    whole = grad.shape[2] == x.shape[2]
    quick = whole and not _is_of_movie(needs)
    if need_x and quick and winograd.pays(grad, weight.transpose(0, 1)):
        turned = weight.flip(2, 3).transpose(0, 1)
        grad_x, need_x = winograd.convolve_rows(grad, turned, shift), False
    if need_weight and winograd.gradient_pays(grad, x):
        grad_weight = winograd.weight_gradient(grad, x, -2 - shift).to(weight.dtype)
        need_weight = False
    if need_x or need_weight:
        padding = (2 + shift, 1)
        grad = _with_rows(grad, x.shape[2] + 2 + 2 * shift)
        rest = _convolution_backward(grad, x, weight, padding, (need_x, need_weight))
        grad_x = rest[0] if need_x else grad_x
        grad_weight = rest[1] if need_weight else grad_weight
    return grad_x, grad_weight


def _with_rows(x: Tensor, rows: int) -> Tensor:
    """Add rows of zeros below, up to so many."""
    return F.pad(x, (0, 0, 0, rows - x.shape[2])) if x.shape[2] < rows else x


def _convolution_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    padding: tuple[int, int],
    needs: Sequence[bool],
    transposed: bool = False,
) -> tuple[Tensor | None, Tensor | None]:
    need_x, need_weight = needs
    in_strips = need_weight and x.device.type == "cpu"
    stride = 2 if transposed else 1
    grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [stride] * 2, padding, [1, 1], transposed, [0, 0], 1,
        [need_x, need_weight and not in_strips, False],
    )  # fmt: skip
    if in_strips:
        # a transposed convolution is an ordinary one with input and output swapped
        few, many = (x, grad) if transposed else (grad, x)
        grad_weight = _weight_gradient(few, many, weight.shape[2], padding, stride)
        grad_weight = grad_weight.to(weight.dtype)
    return grad_x, grad_weight


def _weight_gradient(
    grad: Tensor, x: Tensor, kernel: int, padding: tuple[int, int], stride: int = 1
) -> Tensor:
    """Weight gradient of a convolution as matrix products of short strips.

    On CPUs this is faster than the library's own (see the benchmarks): the unfolded
    pixels of a strip never leave the cache.

    Parameters
    ----------
    grad
        Gradient of the output, ``(N, O, H', W')``.
    x
        Input, ``(N, I, H, W)``.

    Returns
    -------
    Tensor
        ``(O, I, kernel, kernel)``, float32 if the input is bfloat16.
    """
    above, aside = padding
    x = F.pad(x.permute(0, 2, 3, 1), (0, 0, aside, aside, above, above)).contiguous()
    # as many rows of gradients as x has now: all images become one tall image
    extra = (kernel - stride) // stride
    grad = F.pad(grad.permute(0, 2, 3, 1), (0, 0, 0, 0, 0, extra)).flatten(0, 1)
    rows, columns, outputs = grad.shape
    rows -= extra
    _, row, pixel, _ = x.stride()
    # neighbours in a row lie side by side in memory and are unfolded; neighbours in a
    # column are other rows of what was unfolded, sorted by their place in the stride
    side = kernel * pixel
    step = UNFOLDED_BYTES // (stride * columns * side * x.element_size())
    step = min(max(step, 1), rows)
    unfolded = x.new_empty(stride, step + extra, columns, side)
    exact = torch.float32 if x.dtype == torch.bfloat16 else x.dtype
    total = x.new_zeros(kernel, outputs, side, dtype=exact)
    for start in range(0, rows, step):
        size = min(step, rows - start)
        windows = x.as_strided(
            (stride, size + extra, columns, side),
            (row, stride * row, stride * pixel, 1),
            x.storage_offset() + stride * start * row,
        )
        strip = unfolded[:, : size + extra].copy_(windows)
        part = grad[start : start + size].reshape(-1, outputs).T
        for k in range(kernel):
            first = k // stride
            total[k] += part @ strip[k % stride, first : first + size].view(-1, side)
    return rearrange(total, "row o (column i) -> o i row column", column=kernel)


def _is_of_movie(needs: Sequence[bool]) -> bool:
    """Tell from what needs a gradient, movie and weights, that a filter is asked for.

    It must be exact: rounding turns rectifiers at their kinks on or off, and with them
    whole parts of the filter.
    """
    return needs[0] and not needs[-1]


class _CausalConv(torch.autograd.Function):
    """Rectifier and border in place: one tensor kept per layer, none copied."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, shift: int, border: int, depth: int
    ) -> Tensor:
        is_exact = _is_of_movie(ctx.needs_input_grad[:2])
        out = _convolution(x, weight, shift, is_exact)
        F.leaky_relu_(out, SLOPE)
        _fill_border(out, border, depth)
        ctx.save_for_backward(x, weight, out)
        ctx.geometry = shift, border, depth
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, weight, out = ctx.saved_tensors
        shift, border, depth = ctx.geometry
        grad = _gradient_before_rectifier(grad, out, border, depth)
        gradients = _causal_backward(grad, x, weight, shift, ctx.needs_input_grad[:2])
        return *gradients, None, None, None


class _CausalJoin(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, low: Tensor, skip: Tensor, up: Tensor, side: Tensor, border: int
    ) -> Tensor:
        out = F.conv_transpose2d(low, up, stride=2, padding=(0, 1))
        is_exact = _is_of_movie(ctx.needs_input_grad[:4])
        beside = _convolution(skip, side, exact=is_exact)
        out = out[:, :, : beside.shape[2]].add_(beside)
        F.leaky_relu_(out, SLOPE)
        _fill_border(out, border, 1)
        ctx.save_for_backward(low, skip, up, side, out)
        ctx.border = border
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        low, skip, up, side, out = ctx.saved_tensors
        grad = _gradient_before_rectifier(grad, out, ctx.border, 1)
        need_low, need_skip, need_up, need_side, _ = ctx.needs_input_grad
        grad_low, grad_up = _convolution_backward(
            _with_rows(grad, 2 * low.shape[2] + 2),
            low,
            up,
            (0, 1),
            (need_low, need_up),
            transposed=True,
        )
        grad_skip, grad_side = _causal_backward(
            grad, skip, side, 0, (need_skip, need_side)
        )
        return grad_low, grad_skip, grad_up, grad_side, None


_causal_conv: Callable[..., Tensor] = _CausalConv.apply
_causal_join: Callable[..., Tensor] = _CausalJoin.apply
