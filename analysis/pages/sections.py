"""The report's text and tables, as HTML. Whatever a person or a program wrote is escaped."""

import json
from collections.abc import Mapping
from html import escape

import pandas as pd

from analysis.choose.pareto import Direction
from analysis.choose.select import Selection, at_knee, row_of
from analysis.choose.variants import variants
from analysis.figures.training_cost import hours
from analysis.tables import NO_REASON, cell, front_table, heading
from searchspace.quantity import format_quantity
from sweeps.messages import reason_of

STATES = {
    "complete": "complete",
    "stopped": "stopped early by halving",
    "failed": "failed",
    "running": "running",
    "paused": "paused",
}
FAILURES = 200
"""Failed trials listed at most."""


def headlines(
    trials: pd.DataFrame,
    scale: int,
    bicubic: float | None,
    train_data: str,
    objectives: Mapping[str, Direction],
    unit: str,
) -> str:
    """The sweep in a few sentences: trials, best, front, knee, spend [unit], in the column spent."""
    counts = trials["state"].value_counts()
    states = ", ".join(f"{counts[s]:,} {words}" for s, words in STATES.items() if s in counts)
    noun = "trial" if len(trials) == 1 else "trials"
    items = [
        f"<b>{len(trials):,} {noun}</b> at x{scale}, trained on {escape(train_data)}: {states or 'none yet'}."
    ]
    done = trials[(trials["state"] == "complete") & trials["psnr_y"].notna()]
    if len(done):
        items += _results(trials, done, bicubic, objectives)
    items.append(spend_sentence(trials, unit))
    return '<ul class="headlines">' + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _results(
    trials: pd.DataFrame,
    done: pd.DataFrame,
    bicubic: float | None,
    objectives: Mapping[str, Direction],
) -> list[str]:
    first = done["psnr_y"].idxmax()
    best = row_of(done, first)
    above = (
        f", {best['psnr_y'] - bicubic:+.2f} dB against bicubic's {bicubic:.2f}" if bicubic else ""
    )
    size = _size(best)
    items = [
        f"The best reaches <b>{best['psnr_y']:.2f} dB</b> on the validation split{above}: "
        f"{escape(str(best['label']))} (trial {best['number']}{size})."
    ]
    front = int(trials["on_front"].sum())
    names = ", ".join(heading(name).removesuffix(" dB") for name in objectives)
    items.append(f"<b>{front} trials</b> are on the front of {names}.")
    close = done[done["psnr_y"] >= best["psnr_y"] - 0.1]
    if "params" in done:
        smallest = close["params"].idxmin()
        small = row_of(close, smallest)
        if smallest != first:
            items.append(
                f"The smallest within 0.1 dB of the best has <b>{1 - small['params'] / best['params']:.0%} "
                f"fewer parameters</b>: {escape(str(small['label']))} (trial {small['number']}{_size(small)})."
            )
        chosen = _knee(trials)
        if chosen is not None and chosen.row is not None:
            items.append(
                f"<b>The {escape(chosen.rule)}</b>: {escape(chosen.sentence.removeprefix('Taken: '))}"
            )
    return items


def _knee(trials: pd.DataFrame) -> Selection | None:
    """The knee over architectures; none where the trials may not be pooled, as after a changed length."""
    try:
        return at_knee(variants(trials))
    except ValueError:
        return None


def _size(row: Mapping[str, object]) -> str:
    units = {"params": "parameters", "multadds": "Mult-Adds"}
    shown = [f"{cell(name, row[name])} {unit}" for name, unit in units.items() if name in row]
    return "".join(f", {text}" for text in shown)


def spend_sentence(trials: pd.DataFrame, unit: str) -> str:
    """What training took [unit] in all, a finished trial in the median, and in vain."""
    text = f"Training took <b>{trials['spent'].sum():,.2f} {unit}</b>, added up over all trials"
    done = trials[trials["state"] == "complete"]
    if len(done):
        text += (
            f"; a finished trial {hours(done['spent'].median(), unit)} in the median, "
            f"{hours(done['spent'].max(), unit)} at most"
        )
    wasted = trials.loc[trials["state"] == "failed", "spent"].sum()
    if wasted > 0:
        text += f"; {wasted:,.2f} {unit} went to trials that failed"
    return text + "."


def front_section(trials: pd.DataFrame, objectives: Mapping[str, Direction], unit: str) -> str:
    """The front as a table that sorts by a click, with what each trial cost [unit]."""
    front = trials[trials["on_front"]]
    if front.empty:
        return ""
    extra = [unit]
    extra += ["sweep"] if front["sweep"].nunique() > 1 else []
    extra += ["published_as"] if front["published_as"].any() else []
    table = front_table(front.rename(columns={"spent": unit}), list(objectives), extra)
    return "<h2>The front</h2>" + html_table(table)


def html_table(frame: pd.DataFrame) -> str:
    """`frame` as an HTML table whose columns sort by a click."""
    numeric = {name: pd.api.types.is_numeric_dtype(frame[name]) for name in frame}
    head = "".join(
        f'<th scope="col" class="{"number" if numeric[name] else "text"}">'
        f'<button type="button">{escape(heading(str(name)))}</button></th>'
        for name in frame
    )
    rows = []
    for record in frame.to_dict("records"):
        cells = []
        for name, value in record.items():
            shown = escape(cell(str(name), value))
            if numeric[name]:
                cells.append(f'<td class="number" data-value="{value}">{shown}</td>')
            else:
                cells.append(f'<td class="text">{shown}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def failures(trials: pd.DataFrame) -> str:
    """Every failed trial with its reason, the traceback folded away."""
    failed = trials[trials["state"] == "failed"]
    if failed.empty:
        return ""
    noun = "trial" if len(failed) == 1 else "trials"
    parts = [f"<h2>Failed trials</h2><p>{len(failed):,} {noun} ended by an error.</p>"]
    for row in failed.head(FAILURES).to_dict("records"):
        error = str(row["error"]).strip()
        summary = f"trial {row['number']}, {escape(str(row['label']))}: {escape(reason_of(error) or NO_REASON)}"
        if "\n" in error:
            parts.append(
                f"<details><summary>{summary}</summary><pre>{escape(error)}</pre></details>"
            )
        else:
            parts.append(f"<p>{summary}</p>")
    if len(failed) > FAILURES:
        parts.append(f"<p>The other {len(failed) - FAILURES:,} are in the database.</p>")
    return "".join(parts)


def provenance(lives: pd.DataFrame, sweeps: pd.DataFrame) -> str:
    """Where the numbers come from: code, versions, data, seeds, and the sweep's own text."""
    parts = ["<h2>Where these numbers come from</h2>"]
    for sweep in sweeps.to_dict("records"):
        own = lives[lives["sweep"] == sweep["name"]]
        settings = sweep["settings"] if isinstance(sweep["settings"], dict) else {}
        facts = {
            "sweep": sweep["name"],
            "training images": sweep["train_data"] or "not recorded",
            "data fingerprint": sweep["data_fingerprint"] or "not recorded",
            "seed": settings.get("seed", "not recorded"),
            "begun": f"{sweep['created_at']:%Y-%m-%d %H:%M} UTC",
            "code": ", ".join(dict.fromkeys(_commit(life) for life in own.to_dict("records"))),
            "hosts": ", ".join(sorted(set(own["host"]))),
            "versions": ", ".join(
                dict.fromkeys(
                    f"{name} {version}"
                    for versions in own["versions"]
                    for name, version in versions.items()
                )
            ),
        }
        rows = "".join(f"<dt>{name}</dt><dd>{escape(str(v))}</dd>" for name, v in facts.items())
        settings_text = escape(json.dumps(settings, indent=2, default=str))
        parts.append(f"<dl>{rows}</dl>")
        if len(own) and own["text"].iloc[-1]:
            text = escape(str(own["text"].iloc[-1]))
            parts.append(f"<details><summary>The sweep's text</summary><pre>{text}</pre></details>")
        parts.append(f"<details><summary>Settings</summary><pre>{settings_text}</pre></details>")
    counting = (
        f"Costs are for one 1280x720 output image, {format_quantity(1e9)} being a thousand million. "
        "Published costs that we do not count follow each paper's own convention."
    )
    return "".join(parts) + f'<p class="quiet">{counting}</p>'


def _commit(life: Mapping[object, object]) -> str:
    changed = " with uncommitted changes" if life["git_dirty"] else ""
    return f"{str(life['git_commit'])[:12] or 'unknown'}{changed}"
