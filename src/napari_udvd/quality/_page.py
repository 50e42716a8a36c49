"""The report as one page: everything is in it, and nothing is fetched."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from napari_udvd._version import __version__
from napari_udvd.quality._coverage import NORMAL
from napari_udvd.quality._plots import Line, diverging, grey, plot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_udvd.quality._accuracy import Accuracy
    from napari_udvd.quality._added import Added
    from napari_udvd.quality._regions import Region
    from napari_udvd.quality._report import PlaneReport, Report, Verdict
    from napari_udvd.quality._residual import Maps, Residual

__all__ = ["page_of"]

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2227; background: #fff;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #d5d9dd; }
h3 { font-size: 1rem; margin: 1.4rem 0 .2rem; }
.soft, .about { color: #5b6670; } .about { font-size: .9rem; }
.verdict { border-left: .5rem solid; padding: .6rem 1rem; background: #f5f6f7; }
.verdict strong { font-size: 1.15rem; }
.trust { border-color: #3a8a3a; } .care { border-color: #d19a1c; }
.distrust { border-color: #b22828; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0;
  text-align: left; vertical-align: top; }
th { white-space: nowrap; } td.number { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: .5rem 0; }
figure img { width: 14rem; image-rendering: pixelated; display: block; }
figcaption { font-size: .85rem; color: #5b6670; max-width: 14rem; }
svg { width: 26rem; max-width: 100%; font: 11px system-ui, sans-serif; }
svg .grid { stroke: #e3e6e9; } svg .guide { stroke: #808890; stroke-dasharray: 4 3; }
svg polyline { fill: none; stroke-width: 1.6; } svg .end { text-anchor: end; }
svg .mid { text-anchor: middle; } svg .soft { fill: #5b6670; }
"""

STANDARD_ERRORS = 6.0
"""Mean residual that the colours of its map reach to."""


def page_of(report: Report) -> str:
    """Return HTML of the whole report."""
    body = [
        "<h1>What the denoised movie is worth</h1>",
        f'<p class="soft">{escape(report.result)}<br>made of {escape(report.noisy)} '
        f"({escape(report.described)})"
        + (f"<br>by {escape(report.model)}" if report.model else "")
        + "</p>",
        _verdict(report.verdict),
    ]
    for plane in report.planes:
        body += _plane(plane, len(report.planes) > 1)
    body.append("<h2>On what the numbers stand</h2>")
    body.append(_bullets(report.notes))
    if not report.model:
        body.append(
            "<p>The model that made the result is not known. Without it, the predicted "
            "PSNR, the resolution and the number of false spots cannot be told: they "
            "need results of other noise, and a result that is split afterwards holds "
            "the same noise twice.</p>"
        )
    body.append(
        '<p class="about">No truth was used. What every copy of the movie shows alike '
        "because the network expects it cannot be told from what is there; and all "
        f"rests on the noise model. napari-udvd {__version__}</p>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Quality of {escape(report.result)}</title><style>{STYLE}</style>"
        f"</head><body>{''.join(body)}</body></html>\n"
    )


def _verdict(verdict: Verdict) -> str:
    kind = {"do not trust": "distrust"}.get(verdict.level, verdict.level)
    reasons = _bullets(
        f"{'Do not trust' if r.level == 'do not trust' else 'Care'}: {r.sentence}"
        for r in verdict.reasons
    )
    # it would be read as if it outweighed the reasons
    good = "" if verdict.level == "do not trust" else _bullets(verdict.good)
    return (
        f'<div class="verdict {kind}"><strong>{escape(verdict.summary)}</strong>'
        f"{reasons}{'<p>What speaks for it:</p>' + good if good else ''}</div>"
    )


def _bullets(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(s)}</li>" for s in sentences)
    return f"<ul>{items}</ul>" if items else ""


def _plane(plane: PlaneReport, several: bool) -> Iterator[str]:
    if several:
        yield f"<h2>{escape(plane.label)}</h2>{_verdict(plane.verdict)}"
    else:
        yield "<h2>Numbers</h2>"
    yield _table(_numbers(plane))
    yield _pictures(plane.maps)
    yield "<h3>What was taken away</h3>"
    yield (
        '<p class="about">The residual, noisy minus denoised, should be the noise: of '
        "mean zero, of the variance that the noise model tells at every brightness, "
        "and uncorrelated. Below 1, some noise is left in the result; above, signal "
        "was taken away.</p>"
    )
    yield f'<div class="row">{"".join(_residual_plots(plane.residual))}</div>'
    curves = list(_curves(plane))
    if curves:
        yield f'<div class="row">{"".join(curves)}</div>'
    yield _spots(plane.added)
    for region in plane.regions:
        yield _region(region)


def _numbers(plane: PlaneReport) -> Iterator[tuple[str, str, str]]:
    yield from _accuracy(plane.accuracy)
    resolution = plane.resolution
    if resolution is not None:
        size = "none"
        if not resolution.is_empty:
            size = f"{resolution.pixels:.1f} px"
            if resolution.physical is not None:
                size += f" ({resolution.physical:.3g} {resolution.unit})"
        yield (
            "Resolution",
            size,
            "finest period that two results of independent copies share (Fourier ring "
            "correlation, 1/7), at twice the noise: that of the result is finer",
        )
    added = plane.added
    yield (
        "Spots without support",
        f"{added.unsupported} of {added.found}",
        f"in {added.frames} frames; the noisy movie does not show them at 3 standard "
        f"deviations. Of a single frame: {added.unsupported_events} of {added.events}",
    )
    if added.false_expected is not None:
        yield (
            "Spots made of noise",
            f"{added.false_expected:.1f}",
            "expected in as many frames: what the same pipeline makes of fresh noise "
            f"on the smooth background ({added.noise_frames} parts of frames)",
        )
    residual = plane.residual
    yield (
        "Structure in the residual",
        f"{residual.structure:+.1%}" if residual.structure_error < 1 else "not told",
        "share of the contrast of fine structures that was taken away, ± "
        f"{residual.structure_error:.0%}",
    )
    coverage = plane.coverage
    if coverage is not None:
        yield (
            "Coverage of ±1 std",
            f"{coverage.whole:.1%}",
            f"of noisy pixels; {NORMAL:.1%} is right, more where photons are few. They "
            f"are {coverage.spread:.2f} times as far away as was said. The variance of "
            f"the prediction is {coverage.power:.1%} of that of the noise: where that "
            "is little, so is what this tells",
        )
    noise = plane.noise
    yield (
        "Noise",
        f"gain {noise.gain:.3g}, read noise {noise.read_noise:.3g}",
        f"grey levels; darkest level {noise.offset:.4g}",
    )


def _accuracy(accuracy: Accuracy) -> Iterator[tuple[str, str, str]]:
    peak = f"for a peak of {accuracy.peak:.4g} grey levels"
    if accuracy.predicted is not None:
        value, least, most = accuracy.predicted
        yield (
            "Predicted PSNR",
            f"{value:.1f} dB",
            f"{least:.1f} to {most:.1f} dB is likely, {peak}",
        )
        ways = (
            ("by the standard deviation of the model", accuracy.posterior),
            ("measured in the movie", accuracy.measured),
        )
        for name, way in ways:
            if way is not None:
                yield f"… {name}", *_told(way)
        yield "Gain over the noisy movie", f"{accuracy.gain:+.1f} dB", ""
        yield (
            "Gain over an average",
            f"{accuracy.gain_over_average:+.1f} dB",
            "the plain average of three frames",
        )
        return
    bound = "no bound"
    if np.isfinite(accuracy.at_most):
        bound = f"at most {accuracy.at_most:.1f} dB"
    yield (
        "PSNR",
        bound,
        f"{peak}; from the residual less the noise. A result that holds some of the "
        "noise of its own pixel looks better by that than it is, so this is a bound; "
        "there is none where the residual has less than the noise",
    )
    yield "PSNR of the noisy movie", f"{accuracy.noisy:.1f} dB", peak
    yield "PSNR of an average", _decibels(accuracy.average), "of three frames"


def _decibels(value: float) -> str:
    return f"{value:.1f} dB" if np.isfinite(value) else "not told"


def _told(way: tuple[float, float, float]) -> tuple[str, str]:
    value, least, most = way
    return f"{value:.1f} dB", f"{least:.1f} to {most:.1f} dB"


def _table(rows: Iterable[tuple[str, str, str]]) -> str:
    cells = "".join(
        f'<tr><th>{escape(name)}</th><td class="number">{escape(value)}</td>'
        f'<td class="about">{escape(about)}</td></tr>'
        for name, value, about in rows
    )
    return f"<table>{cells}</table>"


def _pictures(maps: Maps) -> str:
    if not maps.result.size:
        return ""
    low, high = (float(v) for v in np.percentile(maps.result, (0.5, 99.8)))
    figures = (
        (grey(maps.noisy, low, high), "noisy, a frame in the middle"),
        (grey(maps.result, low, high), "denoised, the same frame"),
        (
            diverging(maps.mean, 0.0, STANDARD_ERRORS),
            f"mean residual, ±{STANDARD_ERRORS:g} standard errors (red: the result is "
            "too dark); structures here were taken for noise",
        ),
        (
            diverging(maps.variance, 1.0, 1.0),
            "variance of the residual over that of the noise, 0 (blue) to 2 (red)",
        ),
    )
    return (
        '<div class="row">'
        + "".join(
            f'<figure><img alt="{escape(text)}" src="{uri}"><figcaption>{escape(text)}'
            "</figcaption></figure>"
            for uri, text in figures
        )
        + "</div>"
    )


def _residual_plots(residual: Residual) -> Iterator[str]:
    yield plot(
        [Line("", residual.level, residual.variance)],
        "brightness of the result, grey levels",
        "variance over the noise's",
        guides=[(1.0, "the noise")],
        y_range=(0.5, 1.5),
    )
    yield plot(
        [Line("", residual.level, residual.mean)],
        "brightness of the result, grey levels",
        "mean residual, std of the noise",
        guides=[(0.0, "")],
        y_range=(-0.2, 0.2),
    )
    lines = [
        Line(name, range(1, len(values) + 1), values)
        for name, values in (
            ("along x, px", residual.along_x),
            ("along y, px", residual.along_y),
            ("in time, frames", residual.along_t),
        )
        if values
    ]
    if lines:
        yield plot(
            lines,
            "distance",
            "autocorrelation of the residual",
            guides=[(0.0, "")],
            y_range=(-0.2, 0.2),
        )


def _curves(plane: PlaneReport) -> Iterator[str]:
    if plane.resolution is not None:
        rings = plane.resolution.rings
        yield plot(
            [Line("", rings.frequency.tolist(), rings.correlation.tolist())],
            "spatial frequency, cycles per px",
            "Fourier ring correlation",
            guides=[(1 / 7, "1/7")],
            y_range=(0.0, 1.0),
        )
    if plane.coverage is not None:
        yield plot(
            [Line("", plane.coverage.level, plane.coverage.share)],
            "brightness of the prediction, grey levels",
            "share within ±1 std",
            guides=[(NORMAL, "normal errors")],
            y_range=(0.5, 0.85),
        )


def _spots(added: Added) -> str:
    if not added.listed:
        return ""
    rows = "".join(
        f'<tr><td class="number">{s.frame}</td><td class="number">{s.row}</td>'
        f'<td class="number">{s.column}</td><td class="number">{s.amplitude:.3g}</td>'
        f'<td class="number">{s.support:.1f}</td>'
        f'<td class="number">{s.expected:.1f}</td></tr>'
        for s in added.listed[:15]
    )
    return (
        "<h3>Spots that the noisy movie does not support</h3>"
        '<p class="about">The brightest of them. Support is what the noisy movie shows '
        "at their place and times, expected what it would show if the result were "
        "right, both in standard deviations: where the second is below 3 too, the "
        "movie cannot tell.</p><table><tr><th>frame</th><th>row</th><th>column</th>"
        f"<th>amplitude</th><th>support</th><th>expected</th></tr>{rows}</table>"
    )


def _region(region: Region) -> str:
    frames = range(len(region.noisy))
    curve = plot(
        [Line("noisy", frames, region.noisy), Line("denoised", frames, region.result)],
        "frame",
        "mean grey level",
    )
    numbers = (
        ("Pixels", f"{region.pixels}", ""),
        (
            "Bias",
            f"{region.bias:+.3g}",
            f"grey levels, ± {region.bias_error:.2g} by the noise",
        ),
        (
            "Noise of the trace",
            f"{region.noise_before:.3g} → {region.noise_after:.3g}",
            "grey levels from frame to frame, before and after",
        ),
        (
            "Events",
            f"{region.events_before} → {region.events_after}",
            f"above 3 times the noise of the noisy trace; {region.events_kept} are in "
            "both",
        ),
    )
    return (
        f"<h3>Region {escape(region.name)}</h3>"
        f'<div class="row">{curve}{_table(numbers)}</div>'
    )
