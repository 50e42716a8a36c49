"""3x3 convolutions with fewer multiplications, for processors.

Winograd's minimal filtering (Lavin and Gray, CVPR 2016) along rows. A tile of output
rows is a sum of products of sums of input rows with sums of the kernel's rows: 6
products for 4 rows instead of 12 in float32, and 4 for 2 instead of 6 in bfloat16,
which has too few digits for the larger tile. Along columns, every product is an
ordinary convolution with a kernel of one row, in which the library is at its best. Sums
are taken in strips of rows that stay in the cache, where they cost little.

The same sums serve the gradients: that of the input is such a convolution of the
gradient with the kernel turned round, and that of the weights a product of the sums of
input rows with sums of the rows of the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["convolve_rows", "gradient_pays", "pays", "weight_gradient"]

STRIP_NUMBERS = 2**19
"""Numbers of a strip of input rows: what stays in the cache of a core."""

LEAST = 64
"""Channels from which the products cost more than the sums."""

LEAST_OF_GRADIENT = 48
"""The same for the gradient of the weights."""

Rows = Sequence[Tensor]


class Scheme(NamedTuple):
    """Minimal filtering of tiles of a few output rows with a kernel of three rows.

    Attributes
    ----------
    rows
        Output rows of a tile.
    kernel
        ``(products, 3)``: which sums of the kernel's rows are multiplied.
    spread
        From `rows` + 2 input rows to what is multiplied.
    collect
        From the products to output rows, into tensors that are given.
    collect_adjoint
        From output rows to products, the adjoint of `collect`.
    """

    rows: int
    kernel: tuple[tuple[float, float, float], ...]
    spread: Callable[[Rows], Iterator[Tensor]]
    collect: Callable[[Rows, Rows], None]
    collect_adjoint: Callable[[Rows], Iterator[Tensor]]


def _spread_2(d: Rows) -> Iterator[Tensor]:
    yield d[0] - d[2]
    yield d[1] + d[2]
    yield d[2] - d[1]
    yield d[1] - d[3]


def _collect_2(m: Rows, out: Rows) -> None:
    torch.add(m[0].add_(m[1]), m[2], out=out[0])
    torch.sub(m[1].sub_(m[2]), m[3], out=out[1])


def _collect_adjoint_2(y: Rows) -> Iterator[Tensor]:
    yield y[0]
    yield y[0] + y[1]
    yield y[0] - y[1]
    yield -y[1]


def _spread_4(d: Rows) -> Iterator[Tensor]:
    yield torch.sub(d[4], d[2], alpha=5).add_(d[0], alpha=4)
    even, odd = torch.sub(d[4], d[2], alpha=4), torch.sub(d[3], d[1], alpha=4)
    yield even + odd
    yield even.sub_(odd)
    even, odd = d[4] - d[2], d[3] - d[1]
    yield torch.add(even, odd, alpha=2)
    yield even.sub_(odd, alpha=2)
    yield torch.sub(d[5], d[3], alpha=5).add_(d[1], alpha=4)


def _collect_4(m: Rows, out: Rows) -> None:
    near, far = m[1] - m[2], m[3] - m[4]
    m[1].add_(m[2])
    m[3].add_(m[4])
    torch.add(m[0].add_(m[1]), m[3], out=out[0])
    torch.add(near, far, alpha=2, out=out[1])
    torch.add(m[1], m[3], alpha=4, out=out[2])
    torch.add(m[5].add_(near), far, alpha=8, out=out[3])


def _collect_adjoint_4(y: Rows) -> Iterator[Tensor]:
    yield y[0]
    even, odd = y[0] + y[2], y[1] + y[3]
    yield even + odd
    yield even.sub_(odd)
    even, odd = torch.add(y[0], y[2], alpha=4), torch.add(y[1], y[3], alpha=4)
    yield torch.add(even, odd, alpha=2)
    yield even.sub_(odd, alpha=2)
    yield y[3]


SMALL = Scheme(
    2,
    ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
    _spread_2,
    _collect_2,
    _collect_adjoint_2,
)

LARGE = Scheme(
    4,
    (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
    _spread_4,
    _collect_4,
    _collect_adjoint_4,
)


def pays(x: Tensor, weight: Tensor, groups: int = 1) -> bool:
    """Tell whether a 3x3 convolution of images is faster by :func:`convolve_rows`.

    In bfloat16 it is not: the sums cost what fewer products save.

    Parameters
    ----------
    x
        Images, ``(N, C, H, W)``.
    weight
        ``(O, C / groups, 3, 3)``.
    groups
        Of channels.
    """
    fewest = min(weight.shape[0] // groups, weight.shape[1])
    return _suits(x) and x.dtype == torch.float32 and fewest >= LEAST


def gradient_pays(grad: Tensor, x: Tensor) -> bool:
    """Tell whether :func:`weight_gradient` is faster than products of all rows.

    Parameters
    ----------
    grad, x
        Gradient of the output, and images, ``(N, C, H, W)`` each.
    """
    return _suits(x) and min(grad.shape[1], x.shape[1]) >= LEAST_OF_GRADIENT


def _suits(x: Tensor) -> bool:
    known = x.dtype in (torch.float32, torch.bfloat16)
    return known and x.device.type == "cpu" and x.shape[2] >= LARGE.rows


def convolve_rows(
    x: Tensor,
    weight: Tensor,
    first: int,
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """Convolve images with a 3x3 kernel; what is outside of them is zero.

    Parameters
    ----------
    x
        Images, ``(N, C, H, W)``, best with their memory channels last.
    weight
        ``(O, C / groups, 3, 3)``, in any precision.
    first
        Where the first row of the kernel lies, in steps of the dilation from the output
        row: -1 in an ordinary convolution.
    dilation
        Rows and columns from one entry of the kernel to the next.
    groups
        Of channels.

    Returns
    -------
    Tensor
        ``(N, O, H, W)``, memory channels last.
    """
    scheme = _scheme(x)
    step, aside = dilation
    kernels = _kernels(weight, scheme, x.dtype)
    n, _, rows, columns = x.shape
    tile = scheme.rows * step
    out = torch.empty(
        (n, weight.shape[0], -(-rows // tile) * tile, columns),
        dtype=x.dtype,
        memory_format=torch.channels_last,
    )
    for images, start, stop in _strips(x, tile):
        pieces = _tiles(_rows(x[images], start, stop, first, step), scheme.rows, step)
        products = [
            F.conv2d(
                piece.flatten(2, 3), kernel, None, 1, (0, aside), (1, aside), groups
            )
            for piece, kernel in zip(scheme.spread(pieces), kernels, strict=True)
        ]
        scheme.collect(
            [product.unflatten(2, (-1, step)) for product in products],
            _tiles(out[images, :, start:stop], scheme.rows, step, extra=0),
        )
    return out[:, :, :rows]


def weight_gradient(grad: Tensor, x: Tensor, first: int) -> Tensor:
    """Gradient of the kernel of :func:`convolve_rows`, without dilation and groups.

    Parameters
    ----------
    grad
        Gradient of the output, ``(N, O, H', W)``; it may have more rows.
    x
        Images, ``(N, C, H, W)``.
    first
        As there.

    Returns
    -------
    Tensor
        ``(O, C, 3, 3)``, float32 if the images are bfloat16.
    """
    scheme = _scheme(x)
    channels, outputs = x.shape[1], grad.shape[1]
    exact = torch.float32 if x.dtype == torch.bfloat16 else x.dtype
    total = x.new_zeros(len(scheme.kernel), outputs, 3 * channels, dtype=exact)
    for images, start, stop in _strips(grad, scheme.rows):
        seen = _tiles(_rows(x[images], start, stop, first, 1), scheme.rows, 1)
        wanted = _tiles(_rows(grad[images], start, stop, 0, 0), scheme.rows, 1, extra=0)
        pairs = zip(scheme.collect_adjoint(wanted), scheme.spread(seen), strict=True)
        for k, (of_output, of_input) in enumerate(pairs):
            of_output = of_output.permute(0, 2, 3, 4, 1).reshape(-1, outputs)
            total[k] += of_output.T @ _unfolded(of_input)
    kernel = total.new_tensor(scheme.kernel)
    rows: Tensor = torch.einsum("kr,koa->ora", kernel, total)
    return rows.view(outputs, 3, 3, channels).permute(0, 3, 1, 2)


def _scheme(x: Tensor) -> Scheme:
    return SMALL if x.dtype.itemsize < 4 else LARGE


def _kernels(weight: Tensor, scheme: Scheme, dtype: torch.dtype) -> list[Tensor]:
    """Kernels ``(O, I, 1, 3)`` of the products."""
    exact = weight.to(torch.promote_types(weight.dtype, torch.float32))
    rows = exact.permute(2, 0, 3, 1).contiguous()
    sums = exact.new_tensor(scheme.kernel) @ rows.flatten(1)
    # memory channels last, as they are
    return list(
        sums.to(dtype).view(-1, *rows.shape[1:]).unsqueeze(2).permute(0, 1, 4, 2, 3)
    )


def _strips(x: Tensor, tile: int) -> Iterator[tuple[slice, int, int]]:
    """Images and rows, whole tiles, that are computed at a time."""
    n, channels, rows, columns = x.shape
    fitting = max(STRIP_NUMBERS // (channels * columns * tile), 1)
    tiles = -(-rows // tile)
    # the same number of tiles in each, nearly
    step = tile * -(-tiles // -(-tiles // fitting))
    together = max(fitting // tiles, 1)
    for image in range(0, n, together):
        for start in range(0, rows, step):
            stop = min(start + step, tiles * tile)
            yield slice(image, image + together), start, stop


def _rows(x: Tensor, start: int, stop: int, first: int, step: int) -> Tensor:
    """Input rows of a strip of output rows; zeros where there is none."""
    low, high = start + first * step, stop + (first + 2) * step
    seen = x[:, :, max(low, 0) : max(high, 0)]
    above = min(max(-low, 0), high - low)
    below = high - low - above - seen.shape[2]
    return F.pad(seen, (0, 0, above, below)) if above or below else seen


def _tiles(x: Tensor, rows: int, step: int, extra: int = 2) -> list[Tensor]:
    """First, second … row of all tiles, ``(N, C, tiles, step, W)`` each; no copies.

    A row of a tile is `step` rows, those that lie between the steps of the dilation.
    """
    tiles = (x.shape[2] - extra * step) // (rows * step)
    stop = (tiles - 1) * rows * step + step
    return [
        x[:, :, k * step : k * step + stop].unfold(2, step, rows * step).movedim(4, 3)
        for k in range(rows + extra)
    ]


def _unfolded(x: Tensor) -> Tensor:
    """Every pixel with those to its left and right, ``(pixels, 3 C)``."""
    x = x.permute(0, 2, 3, 4, 1).flatten(0, 2)
    rows, columns, channels = x.shape
    out = x.new_empty(rows, columns, 3, channels)
    out[:, :, 1] = x
    out[:, 1:, 0], out[:, 0, 0] = x[:, :-1], 0
    out[:, :-1, 2], out[:, -1, 2] = x[:, 1:], 0
    return out.view(-1, 3 * channels)
