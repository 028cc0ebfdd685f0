"""The report: a self-contained HTML page with the faces that each score drops first."""

import base64
import html

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from facesieve_training.evaluate import edc, tables
from facesieve_training.evaluate.edc import Ints, pair_quality
from facesieve_training.evaluate.figures import Drawn
from facesieve_training.evaluate.results import Result, Results
from facesieve_training.evaluate.style import STYLE
from facesieve_training.run import Run

_THUMB = 68
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]
# Number of false non-matches of the highest quality that are shown.
_LEFT_OVER = 12


def page(title: str, images: int, run: Run, results: Results, drawn: dict[str, Drawn]) -> str:
    """Write the page with `images` faces in each strip (0: without faces)."""
    first = results.rules.fmrs[0]
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        _summary(results),
        f"<p class=basis>{html.escape(tables.basis(results))}</p>",
        _warnings(results),
        _image(drawn["pauc"]),
        "<h2>Curves and figures</h2>",
    ]
    for convention in edc.CONVENTIONS:
        parts.append(f"<h3>{html.escape(tables.CONVENTION[convention].capitalize())}</h3>")
        for fmr in results.rules.fmrs:
            block = _image(drawn[f"edc-{convention}-{fmr:g}"]) + _table(results, convention, fmr)
            opened = " open" if convention == edc.FIXED and fmr == first else ""
            parts.append(f"<details{opened}><summary>FMR {fmr:g}</summary>{block}</details>")
    if images:
        parts += [_strips(results, images), _left_over(results)]
    parts += [
        _agreement(results),
        "<h2>The matcher</h2>",
        _matcher(results),
        _image(drawn["similarity"]),
        _origin(run),
    ]
    body = "\n".join(parts)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style><main>{body}</main></html>\n"
    )


def _summary(results: Results) -> str:
    """Summary of the result in one sentence."""
    fmr = results.rules.fmrs[0]
    ranked = results.ranked(edc.FIXED, fmr)
    best = ranked[0]
    curve = best.curve(edc.FIXED, fmr)
    at = {point: i for i, point in enumerate(results.rules.points)}
    worst_point = max(at)
    sentence = (
        f"<b>{html.escape(best.name)}</b> is best of {len(ranked)}: dropping its worst "
        f"{tables.percent(worst_point)} of the mated pairs takes the false non-match rate from "
        f"{100 * curve.points[0]:.2f} % to {100 * curve.points[at[worst_point]]:.2f} % at FMR {fmr:g} "
        f"(relative area {curve.area:.3f}, 95 % interval {curve.area_low:.3f} to {curve.area_high:.3f})."
    )
    reference = results.reference
    if reference is not best:
        rank = ranked.index(reference) + 1
        area = reference.curve(edc.FIXED, fmr).area
        sentence += f" <b>{html.escape(reference.name)}</b> is number {rank} with {area:.3f}."
    return f"<p class=lead>{sentence.replace(' %', '&nbsp;%')}</p>"


def _warnings(results: Results) -> str:
    """Warnings about unreliable figures."""
    faults = []
    for fmr in results.rules.fmrs:
        above = int(fmr * len(results.comparisons.nonmated) + 1e-9)
        if above < 30:
            faults.append(
                f"The threshold at FMR {fmr:g} rests on {above} non-mated pairs; take more of them."
            )
    for row in results.rows:
        if np.isnan(row.main.area):
            faults.append(f"{row.name} has no relative area: no mated pair fails at this FMR.")
        if row.unscored:
            faults.append(f"{row.name} could not score {row.unscored:,} faces; they are dropped first.")
        if row.levels < len(results.gallery) / 100:
            faults.append(f"{row.name} takes only {row.levels:,} different values; ties count as the mean.")
    return "".join(f"<p class=warning>{html.escape(fault)}</p>" for fault in faults)


def _table(results: Results, convention: str, fmr: float) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in tables.headings(results))
    rows = []
    for row in results.ranked(convention, fmr):
        cells = "".join(f"<td>{html.escape(c)}</td>" for c in tables.cells(results, row, convention, fmr))
        rows.append(f"<tr{' class=reference' if row is results.reference else ''}>{cells}</tr>")
    return f"<div class=scroll><table><tr>{head}</tr>{''.join(rows)}</table></div>"


def _image(drawn: Drawn) -> str:
    data = base64.b64encode(drawn.svg).decode()
    return f"<img class=figure alt='{html.escape(drawn.title)}' src='data:image/svg+xml;base64,{data}'>"


def _strips(results: Results, count: int) -> str:
    parts = [
        "<h2>What is dropped first</h2><p>For each score the faces of lowest quality, worst first, and those "
        "of highest quality. Point at a face for its name and score.</p>"
    ]
    for row in results.ranked(edc.FIXED, results.rules.fmrs[0]):
        order = np.argsort(np.where(np.isnan(row.quality), -np.inf, row.quality), kind="stable")
        worst, best = order[:count], order[::-1][: max(1, count // 2)]
        parts.append(
            f"<section><h3>{html.escape(row.name)} <span class=area>{row.main.area:.3f}</span></h3>"
            f"<p class=about>{html.escape(row.about)}</p>"
            f"<div class=strip><span>dropped first</span>{_thumbs(results, row, worst)}</div>"
            f"<div class=strip><span>kept longest</span>{_thumbs(results, row, best)}</div></section>"
        )
    return "".join(parts)


def _thumbs(results: Results, row: Result, rows: Ints) -> str:
    batch = results.gallery.read(rows)
    cells = []
    for face, key, at in zip(batch.aligned, batch.keys, rows, strict=True):
        value = "no score" if np.isnan(row.quality[at]) else f"{row.quality[at]:.4g}"
        cells.append(f"<figure>{_thumb(face, f'{key}: {value}')}<figcaption>{value}</figcaption></figure>")
    return "".join(cells)


def _thumb(face: NDArray[np.uint8], title: str) -> str:
    small = cv2.resize(np.ascontiguousarray(face), (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
    data = base64.b64encode(cv2.imencode(".jpg", small, _JPEG)[1].tobytes()).decode()
    size = f"width={_THUMB} height={_THUMB}"
    return f"<img {size} title='{html.escape(title)}' src='data:image/jpeg;base64,{data}'>"


def _left_over(results: Results) -> str:
    """False non-matches that the reference score drops last: wrong labels, age, a matcher's limits."""
    pairs, row = results.comparisons.mated, results.reference
    failed = np.flatnonzero(results.comparisons.mated_similarity <= results.thresholds[0])
    quality = pair_quality(results.compared(row), pairs.left, pairs.right)
    shown = failed[np.argsort(-quality[failed], kind="stable")][:_LEFT_OVER]
    cells = []
    for pair in shown:
        sides = int(pairs.left[pair]), int(pairs.right[pair])
        both = results.gallery.read(np.array([results.face(row, side) for side in sides]))
        similarity = results.comparisons.mated_similarity[pair]
        thumbs = "".join(_thumb(f, k) for f, k in zip(both.aligned, both.keys, strict=True))
        cells.append(f"<figure class=pair>{thumbs}<figcaption>cosine {similarity:.2f}</figcaption></figure>")
    return (
        f"<h2>Errors that remain</h2><p>Mated pairs that do not match at FMR {results.rules.fmrs[0]:g} "
        f"although {html.escape(row.name)} is high for both faces, the best pair first: check for wrong "
        f"labels, age and disguise.</p><div class=strip>{''.join(cells)}</div>"
    )


def _agreement(results: Results) -> str:
    """Spearman's rank correlation of every two scores."""
    ranks = [rankdata(np.nan_to_num(row.quality, nan=-np.inf)) for row in results.rows]
    with np.errstate(invalid="ignore"):
        matrix = np.atleast_2d(np.corrcoef(np.stack(ranks)))
    names = [html.escape(row.name) for row in results.rows]
    head = "<th></th>" + "".join(f"<th>{name}</th>" for name in names)
    lines = []
    for name, values in zip(names, matrix, strict=True):
        cells = "".join(
            f"<td style='background:rgba(0,114,178,{0.55 * max(0.0, v):.2f})'>{v:.2f}</td>"
            for v in np.nan_to_num(values)
        )
        lines.append(f"<tr><td>{name}</td>{cells}</tr>")
    return (
        "<h2>Which scores agree</h2><p>Spearman's rank correlation over the faces.</p>"
        f"<div class=scroll><table class=matrix><tr>{head}</tr>{''.join(lines)}</table></div>"
    )


def _matcher(results: Results) -> str:
    c = results.comparisons
    thresholds = ", ".join(
        f"{threshold:.4f} at FMR {fmr:g} (FNMR {100 * float((c.mated_similarity <= threshold).mean()):.2f} %)"
        for fmr, threshold in zip(results.rules.fmrs, results.thresholds, strict=True)
    )
    thresholds = thresholds.replace(" %", "&nbsp;%")
    return f"<p>A pair matches when the cosine of its embeddings is above the threshold: {thresholds}.</p>"


def _origin(run: Run) -> str:
    wanted = ("command", "commit", "data_hash", "seed", "started")
    rows = "".join(
        f"<tr><td>{name.replace('_', ' ')}</td>"
        f"<td><code>{html.escape(str(run.meta.get(name)))}</code></td></tr>"
        for name in wanted
    )
    return f"<h2>Provenance</h2><table class=origin>{rows}</table>"
