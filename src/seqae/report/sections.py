"""The page's text: what was learnt, from what, whether it is any good, and what is strange, in HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from ..detection.result import Detection
from ..examination.quality import Measured
from ..examination.result import Examination

MOST_ROWS = 20
MOST_CHANNELS = 3
ENOUGH_SHARE = 0.1


def in_short(examination: Examination, detection: Detection | None, n_diagnostics: int) -> list[str]:
    """The page in a few sentences."""
    told = [_data_sentence(examination)]
    if examination.quality.verdict:
        told.append(examination.quality.verdict)
    told += [kinds_sentence(examination), strangest_sentence(examination)]
    if detection is not None:
        n = len(detection.intervals)
        told.append(f"{n:,} {'stretch is' if n == 1 else 'stretches are'} above the limit learnt from normal data.")
    if n_diagnostics:
        told.append(
            f"{n_diagnostics} thing{'s' if n_diagnostics > 1 else ''} to know about this model: see Diagnostics."
        )
    return told


def _data_sentence(examination: Examination) -> str:
    sequences = examination.source.ragged
    n, lengths = len(sequences), sequences.lengths
    least, most = int(lengths.min()), int(lengths.max())
    steps = _counted(most, "step") if least == most else f"{least:,} to {most:,} steps"
    of = "symbols" if sequences.is_tokens else f"{_counted(sequences.n_channels, 'channel')}"
    return f"{_counted(n, 'sequence')} of {steps}, {of}, as vectors of {examination.latent_size} values."


def kinds_sentence(examination: Examination) -> str:
    """How many kinds of sequences there are."""
    sizes = examination.kinds.sizes
    if len(sizes) == 1:
        return "The vectors form one cloud: there is one kind of sequence, without separate groups."
    listed = ", ".join(f"{size:,}" for size in sizes[:-1]) + f" and {sizes[-1]:,}"
    apart = f"silhouette {examination.kinds.silhouette:.2f}"
    return f"The vectors fall into {len(sizes)} kinds, of {listed} sequences ({apart})."


def strangest_sentence(examination: Examination) -> str:
    """Which sequence is the strangest, and in which channel."""
    i = int(examination.worst_first[0])
    if np.isnan(examination.error[i]) or len(examination) < 2:
        return "There are too few sequences to call one strange."
    name, k = examination.source.ids[i], int(examination.shares[i].argmax())
    times = f"its error is {examination.times_usual[i]:.2g} times the usual"
    what = examination.source.id_name
    told = f"{what[:1].upper()}{what[1:]} {name} is the strangest: {times}"
    if examination.source.ragged.n_channels == 1 or not examination.shares[i].any():
        return told + "."
    part = "most of it" if examination.shares[i, k] > 0.5 else "the largest part"
    channel = examination.source.channel_names[k]
    named = channel if channel.startswith("channel") else f"channel {channel}"
    return f"{told}, {part} in {named} ({examination.shares[i, k]:.0%})."


def data_section(examination: Examination) -> str:
    """Facts, and a table of the channels."""
    sequences = examination.source.ragged
    facts = {
        "sequences": f"{len(sequences):,}",
        "steps": f"{int(sequences.lengths.sum()):,} in all; {int(sequences.lengths.min()):,} to "
        f"{int(sequences.lengths.max()):,} in a sequence, {np.median(sequences.lengths):,.0f} in the middle one",
        "missing values": _missing(examination),
    }
    if examination.source.times is not None:
        facts["gaps in time"] = _gaps(examination)
    if sequences.is_tokens:
        return _facts(facts)
    return _facts(facts) + _channel_table(examination)


def _missing(examination: Examination) -> str:
    observed = examination.source.ragged.compact().observed
    if observed is None:
        return "none"
    share = 1 - float(observed.mean())
    return f"{share:.2%} of all values" if share else "none"


def _gaps(examination: Examination) -> str:
    """Steps whose time is much further from the one before than usual."""
    sequences, times = examination.source.ragged, examination.source.times
    if times is None:
        return "unknown"
    ordered = times[sequences.step_indices()]
    differences = np.diff(
        ordered.astype(np.float64) if ordered.dtype.kind != "M" else ordered.astype("M8[us]").astype(float)
    )
    inside = differences[sequences.step_numbers()[1:] > 0]
    if not len(inside):
        return "none"
    n_gaps = int((inside > 3 * np.median(inside)).sum())
    if not n_gaps:
        return "none"
    return f"{_counted(n_gaps, 'step')} {'comes' if n_gaps == 1 else 'come'} later than three times the usual"


def _channel_table(examination: Examination) -> str:
    sequences = examination.source.ragged.compact()
    values = np.asarray(sequences.values, np.float64)
    if sequences.observed is not None:
        values = np.where(sequences.observed, values, np.nan)
    n_known = (~np.isnan(values)).sum(axis=0)
    known = np.where(n_known, values, 0.0)
    columns = [_quiet(function, known) for function in (np.nanmean, np.nanstd, np.nanmin, np.nanmax)]
    rows = []
    for k, name in enumerate(examination.source.channel_names):
        cells = [_number(column[k]) if n_known[k] else "–" for column in columns]
        explained = examination.explained[k]
        cells += [f"{1 - n_known[k] / len(values):.1%}", "constant" if np.isnan(explained) else f"{explained:.1%}"]
        rows.append([_bdi(name), *cells])
    headings = ["channel", "mean", "deviation", "least", "greatest", "missing", "of its variance given back"]
    return "<h3>Channels</h3>" + _table("Channels", headings, rows)


def _quiet(function: object, values: np.ndarray) -> np.ndarray:
    return function(values, axis=0)  # pyright: ignore[reportCallIssue]


def training_section(examination: Examination) -> str:
    """What was trained, and how that ended."""
    history = examination.history
    facts = {"architecture": _code(examination.architecture)}
    facts |= {part.name: escape(" · ".join(t for t in (part.told, part.shape) if t)) for part in examination.layers}
    facts["loss"] = escape(examination.loss)
    if history.closed_form is not None:
        facts["closed form"] = escape(str(history.closed_form))
    if history.epochs:
        kept = f"epoch {history.best_epoch} was kept" if history.best_epoch else "the closed form alone was kept"
        facts["epochs"] = (
            f"{len(history.epochs):,}, of which {kept}" if history.best_epoch else f"{len(history.epochs):,}; {kept}"
        )
        facts["time"] = f"{history.seconds:.3g} s"
    else:
        facts["epochs"] = (
            "none: nothing was to be trained" if history.closed_form else "unknown: the model was imported"
        )
    return _facts(facts, is_html=True)


def quality_section(quality: Measured) -> str:
    """A table of methods with bars, and the verdict."""
    seen = {None: "perhaps", True: "yes", False: "no"}
    rows = []
    for row in quality.rows:
        width = max(0.0, min(1.0, row.explained)) * 8
        bar = f'<span class="bar" style="width:{width:.2f}rem" aria-hidden="true"></span>'
        rows.append([escape(row.name), f"{row.explained:.1%}", bar, seen[row.has_seen]])
    headings = ["method", f"part of the {quality.measure} given back", "", "has it learnt from these sequences?"]
    told = f"<p><strong>{escape(quality.verdict)}</strong></p>" if quality.verdict else ""
    problem = f"<p>No linear method stands beside it: {escape(quality.problem)}.</p>" if quality.problem else ""
    note = (
        '<p class="soft">100 % is a perfect reconstruction; 0 % is what the mean step of the data gives. The mean '
        "sequence and PCA stretch all sequences to one length; they know no recurrence.</p>"
    )
    return told + _table("Methods", headings, rows) + problem + ("" if quality.measure == "steps" else note)


def strange_section(examination: Examination, shown: np.ndarray) -> str:
    """The sequences with the greatest errors. shown: indices of those that can be stepped to."""
    rows, place = [], {int(i): k for k, i in enumerate(shown)}
    for i in examination.worst_first[: min(MOST_ROWS, len(examination))]:
        cells = [
            _bdi(examination.source.ids[i]),
            _number(float(examination.error[i])),
            f"{examination.times_usual[i]:.2g}",
        ]
        if examination.source.ragged.n_channels > 1:
            cells.append(_blame(examination.shares[i], examination.source.channel_names))
        cells += [_worst_step(examination, int(i)), _button(place.get(int(i)), examination.source.ids[i])]
        rows.append(cells)
    channels = ["channels to blame"] if examination.source.ragged.n_channels > 1 else []
    headings = [examination.source.id_name, "error", "times the usual", *channels, "worst step", ""]
    return _table("Strange sequences", headings, rows)


def detection_section(detection: Detection | None) -> str:
    """The stretches above a limit that was learnt from normal data."""
    if detection is None:
        return (
            '<p class="soft">Ranked by error alone. With <code>--normal FILE</code> a limit is learnt from normal '
            "data, and what is above it is listed here.</p>"
        )
    found = sorted(detection.intervals, key=lambda interval: -interval.score)[:MOST_ROWS]
    rows = [
        [
            _bdi(one.id), f"{one.start:,}", f"{one.end - 1:,}", _number(one.score),
            _blame(np.array(one.shares), detection.channel_names),
        ]
        for one in found
    ]  # fmt: skip
    headings = [detection.id_name, "first step", "last step", "score", "channels to blame"]
    left = len(detection.intervals) - len(found)
    more = f"<p>And {left:,} more, with lower scores.</p>" if left else ""
    return "<h3>Above the limit</h3>" + (_table("Above the limit", headings, rows) if rows else "<p>None.</p>") + more


def _blame(shares: np.ndarray, names: Sequence[str]) -> str:
    order = [int(k) for k in np.argsort(-shares, kind="stable")[:MOST_CHANNELS] if shares[k] >= ENOUGH_SHARE]
    return ", ".join(f"{_bdi(names[k])} {shares[k]:.0%}" for k in order) or "none stands out"


def _worst_step(examination: Examination, i: int) -> str:
    place = int(np.searchsorted(examination.shown, i))
    if place >= len(examination.shown) or examination.shown[place] != i:
        return "–"
    losses = np.asarray(examination.losses[place], np.float64)
    sums = np.nansum(losses, axis=1)
    return f"{int(sums.argmax()):,}"


def _button(place: int | None, name: object) -> str:
    if place is None:
        return ""
    return f'<button type="button" data-show="{place}">Show<span class="sr"> {escape(str(name))}</span></button>'


def map_table(examination: Examination, shown: np.ndarray, places: np.ndarray) -> str:
    """The map for those who do not see it."""
    rows = [
        [
            _bdi(examination.source.ids[i]), f"{places[i, 0]:.2f}", f"{places[i, 1]:.2f}",
            _number(float(examination.error[i])), f"{examination.kinds.of[i] + 1}",
            f"{examination.source.ragged.lengths[i]:,}",
        ]
        for i in shown
    ]  # fmt: skip
    headings = [examination.source.id_name, "axis 1", "axis 2", "error", "kind", "steps"]
    return _table("Places on the map", headings, rows)


def listed(sentences: Iterable[str]) -> str:
    """A list of sentences."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in sentences) + "</ul>"


def _facts(facts: dict[str, str], *, is_html: bool = False) -> str:
    rows = [
        f"<tr><th scope=row>{escape(name)}</th><td>{t if is_html else escape(t)}</td></tr>" for name, t in facts.items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls. rows: HTML; the first cell of each names it, columns of figures stand on the right."""
    kinds = [" class=n" if rows and k and _is_figure(rows[0][k]) else "" for k in range(len(headings))]
    head = "".join(f"<th scope=col{kind}>{escape(name)}</th>" for kind, name in zip(kinds, headings, strict=True))
    body = "".join(
        "<tr>"
        + f"<th scope=row>{row[0]}</th>"
        + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds[1:], row[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    caption = f"<caption class=sr>{escape(title)}</caption>"
    frame = f'<div class=scroll tabindex=0 role=region aria-label="{escape(title)}">'
    return f"{frame}<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _is_figure(cell: str) -> bool:
    return bool(cell) and cell[0] in "-–0123456789" and len(cell) < 16


def _number(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.4g}"


def _bdi(name: object) -> str:
    """A name that may be written from right to left."""
    return f"<bdi>{escape(str(name))}</bdi>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
