"""Half-plane U-Net: the convolutions of a blind-spot network, without copies.

A blind-spot network (Laine et al. 2019, section 2; Sheth et al. 2021, section 3)
looks at the image four times, rotated by multiples of 90 degrees, each time through
a U-Net whose output row sees only rows above it. The published layers shift rows
down by padding and cropping, and replicate the left and right border by padding,
around every convolution. The same numbers come out of three facts used here:

* A 3x3 convolution that sees rows ``r-2 .. r`` is an ordinary one with two zero rows
  of padding on top. Padding is symmetric in every framework, so two rows appear
  below the frame; rows below are never seen by rows above and are simply ignored.
  The extra zero row that a pool's shift needs is one more row of padding.
* Tensors carry border columns on both sides (4, 2 and 1 at full, half and quarter
  resolution). Only the innermost one is ever read; after each layer it is
  overwritten by its neighbour, which is what replication padding would have put
  there.
* A 3x3 convolution of an image upsampled by nearest neighbours is a transposed
  convolution of the small image with a 4x4 kernel, at 4/9 of the operations. It
  replaces upsampling and concatenation at the head of each decoder block.

All of it is exact for networks without biases (zeros stay zeros above the frame);
the published networks have none.
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

__all__ = ["BORDER", "SLOPE", "HalfPlaneUNet", "relative"]

SLOPE = 0.1
"""Negative slope of the leaky rectifiers."""

BORDER = 4
"""Border columns on each side at full resolution, so that a quarter still has one."""

STRIP_NUMBERS = 3 * 2**20
"""Numbers in one activation in inference: what stays in a CPU's cache."""

UNFOLDED_BYTES = 2**20
"""Size of the neighbourhoods unfolded at a time for a weight gradient."""

ROWS_ABOVE = 8
"""Rows that four causal convolutions, or three and a pool, see above a strip."""

ASIDE = 4
"""Columns that they see on either side."""


class HalfPlaneUNet(nn.Module):
    """U-Net whose output row ``r`` depends on input rows ``<= r`` only.

    Parameters
    ----------
    in_channels, out_channels
        Channels in and out.
    width
        Channels of the encoder; the decoder has twice as many. 48 as published.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int) -> None:
        super().__init__()
        wide = 2 * width
        self.enc1 = Encoder(in_channels, width, width, border=BORDER)
        self.enc2 = Encoder(width, width, width, border=BORDER // 2)
        self.enc3 = Encoder(width, wide, width, border=BORDER // 4, pool=False)
        self.dec2 = Decoder(width, width, wide, wide, border=BORDER // 2)
        self.dec1 = Decoder(wide, in_channels, wide, out_channels, border=BORDER)

    def forward(self, x: Tensor) -> Tensor:
        """Run the network.

        Parameters
        ----------
        x
            ``(N, C, H, W + 2 BORDER)`` with ``H`` and ``W`` multiples of 4 and the
            border columns filled by replication.

        Returns
        -------
        Tensor
            ``(N, out_channels, H, W + 2 BORDER)``; what is in the border columns has
            no meaning.
        """
        rows = x.shape[2]
        half = self._in_strips(_first_block, x)
        quarter = self.enc2(half)[:, :, : rows // 4]
        low = self.enc3(quarter)[:, :, : rows // 4]
        low = self.dec2(low, half)[:, :, : rows // 2]
        return self._in_strips(_last_block, x, low)

    def forward_at(self, x: Tensor, rows: slice, columns: slice) -> Tensor:
        """Run the network for a part of its output only.

        The encoder runs over all of `x`, the decoder where it is needed.

        Parameters
        ----------
        x
            As for :meth:`forward`.
        rows, columns
            The part, without border columns, on the grid of 4.

        Returns
        -------
        Tensor
            ``(N, out_channels, rows, columns + 2 BORDER)``; what is in the border
            columns has no meaning.
        """
        height, width = x.shape[2], x.shape[3] - 2 * BORDER
        half = self.enc1(x)[:, :, : height // 2]
        quarter = self.enc2(half)[:, :, : height // 4]
        low = self.enc3(quarter)[:, :, : height // 4]
        seen_rows = _widened(rows, ROWS_ABOVE, 0, height)
        seen_columns = _widened(columns, ASIDE, ASIDE, width)
        wide_rows = _widened(seen_rows, 2 * ROWS_ABOVE, 0, height)
        wide_columns = _widened(seen_columns, 2 * ASIDE, 2 * ASIDE, width)
        low = self.dec2(
            _part(low, wide_rows, wide_columns, 4),
            _part(half, wide_rows, wide_columns, 2),
        )[:, :, : (wide_rows.stop - wide_rows.start) // 2]
        low = _part(
            low,
            relative(seen_rows, wide_rows),
            relative(seen_columns, wide_columns),
            2,
        )
        out = self.dec1(low, _part(x, seen_rows, seen_columns, 1))
        return _part(out, relative(rows, seen_rows), relative(columns, seen_columns), 1)

    def _in_strips(self, block: Any, x: Tensor, *low: Tensor) -> Tensor:
        """Run a full-resolution block in strips of rows that stay in the cache.

        Exact, because a strip needs nothing but `ROWS_ABOVE` more rows above it.
        Training keeps every activation anyway and runs in one piece.
        """
        rows = x.shape[2]
        step = rows if torch.is_grad_enabled() else self._rows_per_strip(x)
        strips = []
        for start in range(0, rows, step):
            first = max(start - ROWS_ABOVE, 0)
            strips.append(block(self, x, *low, first, start, min(start + step, rows)))
        return strips[0] if len(strips) == 1 else torch.cat(strips, dim=2)

    def _rows_per_strip(self, x: Tensor) -> int:
        widest = self.dec1.conv2.weight.shape[0]
        per_row = x.shape[0] * widest * x.shape[3]
        return max(STRIP_NUMBERS // per_row // 4 * 4, 4 * ROWS_ABOVE)


def _first_block(
    net: HalfPlaneUNet, x: Tensor, first: int, start: int, stop: int
) -> Tensor:
    half: Tensor = net.enc1(x[:, :, first:stop])
    return half[:, :, (start - first) // 2 : (stop - first) // 2]


def _last_block(
    net: HalfPlaneUNet, x: Tensor, low: Tensor, first: int, start: int, stop: int
) -> Tensor:
    out: Tensor = net.dec1(low[:, :, first // 2 : stop // 2], x[:, :, first:stop])
    return out[:, :, start - first : stop - first]


def _widened(part: slice, before: int, after: int, length: int) -> slice:
    return slice(max(part.start - before, 0), min(part.stop + after, length))


def relative(part: slice, whole: slice) -> slice:
    """Move a range so that it counts from the start of another that holds it."""
    return slice(part.start - whole.start, part.stop - whole.start)


def _part(x: Tensor, rows: slice, columns: slice, scale: int) -> Tensor:
    """Cut a part, given at full resolution, out of an image at ``1 / scale`` of it."""
    border = BORDER // scale
    x = x[:, :, rows.start // scale : rows.stop // scale]
    x = x[..., columns.start // scale : columns.stop // scale + 2 * border]
    return x.contiguous(memory_format=torch.channels_last)


class Encoder(nn.Module):
    """Three causal convolutions and a pool over rows ``2q-1`` and ``2q``.

    Rows grow by two per convolution; the caller keeps those of the frame.
    """

    def __init__(
        self, inputs: int, middle: int, outputs: int, border: int, pool: bool = True
    ) -> None:
        super().__init__()
        self.conv1 = CausalConv(inputs, middle, border)
        self.conv2 = CausalConv(middle, middle, border)
        self.conv3 = CausalConv(middle, outputs, border, before_pool=pool)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3(self.conv2(self.conv1(x)))
        return F.max_pool2d(x, 2) if self.pool else x


class Decoder(nn.Module):
    """Join the small image with the skip connection, then three convolutions."""

    def __init__(
        self, low: int, skip: int, middle: int, outputs: int, border: int
    ) -> None:
        super().__init__()
        self.conv1 = CausalJoin(low, skip, middle, border)
        self.conv2 = CausalConv(middle, middle, border)
        self.conv3 = CausalConv(middle, middle, border)
        self.conv4 = CausalConv(middle, outputs, border)

    def forward(self, low: Tensor, skip: Tensor) -> Tensor:
        x: Tensor = self.conv1(low, skip[:, :, : 2 * low.shape[2]])
        x = self.conv4(self.conv3(self.conv2(x)))
        return x


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
